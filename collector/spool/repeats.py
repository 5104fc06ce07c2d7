"""Which exports were acknowledged already, so that a repeat after a lost answer is stored once.

The memory is bounded in sandboxes and, for each, in gaps. What falls out of it is forgotten: a repeat of that is taken
for new. It never takes something new for a repeat.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from collector.otlp.signals import Signal
from collector.spool.record import ExportId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MAX_SANDBOXES: Final = 100_000
"""Sandboxes per signal that are remembered; the one that was silent for longest is forgotten first."""
MAX_RANGES: Final = 64
"""Ranges of sequence numbers per sandbox and signal. A gap (an export that never came) begins another range."""

_SIGNALS: Final = frozenset(signal.value for signal in Signal)

Key = tuple[Signal, str]


class Ranges:
    """A set of positive integers, held as disjoint closed ranges in order."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self._starts, number) - 1
        return index >= 0 and number <= self._ends[index]

    def add(self, first: int, last: int | None = None) -> None:
        """Add a number, or all from ``first`` to ``last``. Beyond :data:`MAX_RANGES` the lowest range is dropped."""
        last = first if last is None else last
        low = bisect_right(self._ends, first - 2)  # ranges before it end at least 2 below: they stay apart
        high = bisect_right(self._starts, last + 1)  # ranges from it on begin at least 2 above
        if low < high:
            first, last = min(first, self._starts[low]), max(last, self._ends[high - 1])
        self._starts[low:high] = [first]
        self._ends[low:high] = [last]
        del self._starts[:-MAX_RANGES], self._ends[:-MAX_RANGES]

    def pairs(self) -> Iterator[tuple[int, int]]:
        """First and last of each range, in order."""
        return zip(self._starts, self._ends, strict=True)


class Repeats:
    """The exports that were acknowledged. The receivers add to it while the journal, in a thread, writes it down."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[Key, Ranges] = OrderedDict()

    def __contains__(self, export: tuple[Signal, ExportId]) -> bool:
        signal, export_id = export
        ranges = self._seen.get((signal, export_id.instance))
        return ranges is not None and export_id.sequence in ranges

    def add(self, signal: Signal, export_id: ExportId) -> None:
        """Remember one."""
        self.add_range((signal, export_id.instance), export_id.sequence, export_id.sequence)

    def add_range(self, key: Key, first: int, last: int) -> None:
        """Remember a run of them."""
        with self._lock:
            if key not in self._seen and len(self._seen) >= MAX_SANDBOXES * len(Signal):
                self._seen.popitem(last=False)
            self._seen.setdefault(key, Ranges()).add(first, last)
            self._seen.move_to_end(key)

    def lines(self) -> list[str]:
        """Everything, one line per range, the longest silent first: what :class:`Journal` writes."""
        with self._lock:
            return [
                f"{signal.value} {first} {last} {instance}\n"
                for (signal, instance), ranges in self._seen.items()
                for first, last in ranges.pairs()
            ]


class Journal:
    """The memory on disk. An export is in the spool until its rows are stored, and from then on here.

    Blocking. Lines are appended before the segment that proves them is removed; the file is rewritten from memory when
    it has grown to several times what it would need.
    """

    _MIN_REWRITE_BYTES: Final = 4 << 20

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rewrite_at = self._MIN_REWRITE_BYTES

    def load(self, repeats: Repeats) -> None:
        """Read it into the memory. Lines that a crash tore are skipped."""
        if not self._path.exists():
            return
        with self._path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                self._load_line(line, repeats)
        self._rewrite(repeats)

    @staticmethod
    def _load_line(line: str, repeats: Repeats) -> None:
        parts = line.split(" ", 3)
        if len(parts) != 4 or not line.endswith("\n") or not all(part.isdigit() for part in parts[:3]):
            return
        signal, first, last = (int(part) for part in parts[:3])
        if signal in _SIGNALS and 0 < first <= last:
            repeats.add_range((Signal(signal), parts[3].removesuffix("\n")), first, last)

    def append(self, exports: Iterable[tuple[Signal, ExportId]], repeats: Repeats) -> None:
        """Write and sync these, which the memory holds already."""
        lines = [f"{signal.value} {item.sequence} {item.sequence} {item.instance}\n" for signal, item in exports]
        if not lines:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
            grown = file.tell() > self._rewrite_at
        if grown:
            self._rewrite(repeats)

    def _rewrite(self, repeats: Repeats) -> None:
        temporary = self._path.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as file:
            file.writelines(repeats.lines())
            file.flush()
            os.fsync(file.fileno())
            self._rewrite_at = max(self._MIN_REWRITE_BYTES, 4 * file.tell())
        temporary.replace(self._path)
