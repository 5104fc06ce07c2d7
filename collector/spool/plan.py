"""How a segment is cut into batches. Pure, and a function of the segment alone.

A batch keeps its boundaries and its token whenever and however often it is made, so that ClickHouse recognises the
second insert of one that it already has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from collector.otlp.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.spool.record import Record

MAX_BATCH_ITEMS: Final = 50_000
"""Items after which a batch is closed. A change moves the boundaries of batches that are in a spool at the update."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one signal that are inserted together.

    Attributes:
        token: ``insert_deduplication_token`` of the insert, unique to this batch for good.
    """

    token: str
    signal: Signal
    records: tuple[Record, ...]

    @property
    def items(self) -> int:
        """Spans, log records or points in it."""
        return sum(record.items for record in self.records)

    @property
    def bodies(self) -> list[bytes]:
        """The requests."""
        return [record.body for record in self.records]


def batches(segment_name: str, records: Sequence[Record]) -> Iterator[Batch]:
    """The batches of a segment, each signal's records in their order."""
    for signal in Signal:
        part: list[Record] = []
        number = items = 0
        for record in records:
            if record.signal is not signal:
                continue
            if part and items + record.items > MAX_BATCH_ITEMS:
                yield Batch(f"{segment_name}-{signal.label}-{number}", signal, tuple(part))
                part, number, items = [], number + 1, 0
            part.append(record)
            items += record.items
        if part:
            yield Batch(f"{segment_name}-{signal.label}-{number}", signal, tuple(part))
