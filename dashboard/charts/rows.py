"""Rows of blocks beside their names, as data for what draws them (``dashboard/browser/rows.js``)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

ROW_PX: Final = 26
ROOM_AFTER: Final = 1.14
"""What is beside the longest block for the text after it."""


Said = tuple[tuple[str, str], ...]
"""Names and figures in words, the first beside the kind."""


@dataclass(frozen=True, slots=True)
class Block:
    """From where to where something of some kind is, and what is said of it."""

    begin: float
    end: float
    kind: str
    said: Said = ()
    faint: bool = False
    """Not known, but estimated."""
    thin: bool = False
    """Behind the others."""


@dataclass(frozen=True, slots=True)
class Row:
    """One name with its blocks, the first the lowest."""

    name: str
    blocks: tuple[Block, ...]
    text: str = ""
    """After the last block."""
    failed: bool = False
    """Whether that text stands for a failure."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows over one axis: of instants in ms since the epoch, of ms, of dollars or of a count."""

    rows: tuple[Row, ...]
    kinds: Mapping[str, str]
    """The colour of each kind of block."""
    across: Literal["time", "ms", "usd", "count"]
    begin: float
    end: float
    legend: bool = True
    """Whether the kinds are named above."""
    fresh: float | None = None
    """From when on figures may still change, if they may."""
    row_px: int = ROW_PX

    def payload(self, alt: str) -> bytes:
        """What the browser reads: JSON.

        Args:
            alt: the sentence that stands for the whole of it.
        """
        numbers = {kind: number for number, kind in enumerate(self.kinds)}
        spec = {
            "kind": "rows",
            "alt": alt,
            "kinds": list(self.kinds.items()),
            "rows": [_row(row, numbers) for row in self.rows],
            "across": self.across,
            "begin": self.begin,
            "end": self.end,
            "legend": self.legend,
            "fresh": self.fresh,
            "rowPx": self.row_px,
        }
        return json.dumps(spec, separators=(",", ":"), allow_nan=False).encode()


def in_line(parts: Iterable[tuple[str, float, Said]]) -> Iterator[Block]:
    """Parts that add up, each where the one before it ends.

    Args:
        parts: the kind of each, how long it is, and what is said of it.
    """
    end = 0.0
    for kind, length, said in parts:
        begin, end = end, end + length
        yield Block(begin, end, kind, said)


def _row(row: Row, numbers: Mapping[str, int]) -> dict[str, Any]:
    blocks = [_block(block, numbers[block.kind]) for block in row.blocks]
    return {"name": row.name, "blocks": blocks, "text": row.text, "failed": row.failed}


def _block(block: Block, kind: int) -> dict[str, Any]:
    sent: dict[str, Any] = {"begin": block.begin, "end": block.end, "kind": kind, "said": block.said}
    return sent | {name: True for name in ("faint", "thin") if getattr(block, name)}
