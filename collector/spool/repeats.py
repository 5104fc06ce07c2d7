"""Which exports were acknowledged already, so that a repeat after a lost answer is stored once.

The memory is bounded in sandboxes and, for each, in gaps, and in requests with ids of their own. What falls out of it
is forgotten: a repeat of that is taken for new. It never takes something new for a repeat.
"""

from __future__ import annotations

import itertools
import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from collector.otlp.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from collector.spool.record import Record

MAX_SANDBOXES: Final = 100_000
"""Sandboxes per signal that are remembered; the one that was silent for longest is forgotten first."""
MAX_RANGES: Final = 64
"""Ranges of sequence numbers per sandbox and signal. A gap (an export that never came) begins another range."""
MAX_REQUESTS: Final = 100_000
"""Requests with an id of their own that are remembered: Firehose's, which repeats for two hours at most."""

SEPARATOR: Final = "\x1f"
"""Between a tenant and a sandbox; no name of either holds it."""

RepeatKey = tuple[Signal, str]
"""A signal of a sandbox, or of a request with an id of its own, of a tenant."""


def repeat_key(record: Record) -> RepeatKey:
    """Of a record that has an id."""
    assert record.export_id is not None
    instance = record.export_id.instance
    return record.signal, f"{record.tenant}{SEPARATOR}{instance}" if record.tenant else instance


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


@dataclass(slots=True)
class Tally:
    """What has come of a signal of a sandbox and is stored, and what the sandbox says that it has sent.

    Attributes:
        exports: how many of its exports.
        items: how many items were in them.
        sequence: the highest number among them.
        total: items exported or dropped up to that one, as it says itself; None where it does not.
        dropped: items dropped up to that one.
        received_unix_nano: when the last of them came.
    """

    exports: int = 0
    items: int = 0
    sequence: int = 0
    total: int | None = None
    dropped: int | None = None
    received_unix_nano: int = 0

    def count(self, record: Record) -> None:
        """Add a record that has an id."""
        export_id = record.export_id
        assert export_id is not None
        self.exports += 1
        self.items += record.items
        self.received_unix_nano = max(self.received_unix_nano, record.received_unix_nano)
        if export_id.sequence > self.sequence:
            self.sequence, self.total, self.dropped = export_id.sequence, export_id.total, export_id.dropped

    def __str__(self) -> str:
        numbers = (self.exports, self.items, self.sequence, self.total, self.dropped, self.received_unix_nano)
        return " ".join("-" if number is None else str(number) for number in numbers)

    @classmethod
    def parse(cls, numbers: Sequence[str]) -> Tally:
        """The reverse of ``str``, split at its blanks. Raises ValueError and TypeError."""
        return cls(*(None if number == "-" else int(number) for number in numbers))  # type: ignore[arg-type]  # as str wrote it


@dataclass(frozen=True, slots=True)
class Arrival:
    """The state of a signal of a sandbox, for ``lambda_exports``."""

    tenant: str
    instance: str
    signal: Signal
    tally: Tally
    missing: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class _Seen:
    """What was acknowledged; what of it is stored, and so is in the tally and the journal; the tally."""

    ranges: Ranges = field(default_factory=Ranges)
    stored: Ranges = field(default_factory=Ranges)
    tally: Tally = field(default_factory=Tally)


class Repeats:
    """The exports that were acknowledged. The receivers add to it while the journal, in a thread, writes it down."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[RepeatKey, _Seen] = OrderedDict()
        self._changed: dict[RepeatKey, None] = {}
        self._requests: OrderedDict[RepeatKey, bool] = OrderedDict()
        """Those with an id of their own, and whether their rows are stored. They say nothing of any sandbox."""

    def holds(self, key: RepeatKey, sequence: int) -> bool:
        """Whether this export was acknowledged; ``sequence`` is 0 for a request with an id of its own."""
        if not sequence:
            return key in self._requests
        seen = self._seen.get(key)
        return seen is not None and sequence in seen.ranges

    def add(self, key: RepeatKey, first: int, last: int | None = None) -> None:
        """Remember one, or a run of them."""
        with self._lock:
            if not first:
                self._remember(key, stored=False)
                return
            self._entry(key).ranges.add(first, last)

    def add_stored(self, key: RepeatKey, first: int, last: int) -> None:
        """Remember a run whose rows are stored and counted."""
        with self._lock:
            entry = self._entry(key)
            entry.ranges.add(first, last)
            entry.stored.add(first, last)

    def add_stored_request(self, key: RepeatKey) -> None:
        """Remember a request with an id of its own whose rows are stored."""
        with self._lock:
            self._remember(key, stored=True)

    def _remember(self, key: RepeatKey, *, stored: bool) -> None:
        self._requests[key] = stored or self._requests.get(key, False)
        self._requests.move_to_end(key)
        if len(self._requests) > MAX_REQUESTS:
            self._requests.popitem(last=False)

    def _entry(self, key: RepeatKey) -> _Seen:
        entry = self._seen.get(key)
        if entry is None:
            if len(self._seen) >= MAX_SANDBOXES * len(Signal):
                self._seen.popitem(last=False)
            entry = self._seen[key] = _Seen()
        self._seen.move_to_end(key)
        return entry

    def recovered(self, record: Record) -> None:
        """Remember a record that a start found in the spool."""
        if record.export_id is not None:
            self.add(repeat_key(record), record.export_id.sequence)

    def settle(self, records: Iterable[Record]) -> set[RepeatKey]:
        """Count records whose rows are stored; returns the sandboxes' signals among them.

        Each is counted once, also over a restart.
        """
        keys = set()
        with self._lock:
            for record in records:
                if record.export_id is None:
                    continue
                key = repeat_key(record)
                if not record.export_id.numbered:
                    self._remember(key, stored=True)
                    continue
                keys.add(key)
                entry = self._entry(key)
                if record.export_id.sequence not in entry.stored:
                    entry.stored.add(record.export_id.sequence)
                    entry.tally.count(record)
                    self._changed[key] = None
        return keys

    def load_tally(self, key: RepeatKey, tally: Tally, *, told: bool) -> None:
        """Take over what an earlier run counted; ``told``: ClickHouse knows."""
        with self._lock:
            self._entry(key).tally = tally
            if not told:
                self._changed[key] = None

    def all_told(self) -> None:
        """ClickHouse knows all that was loaded so far."""
        self._changed.clear()

    def changed(self, limit: int) -> list[Arrival]:
        """States that ClickHouse does not know yet; :meth:`told` when it does."""
        with self._lock:
            keys = [key for key, _ in zip(self._changed, range(limit), strict=False)]
            return [self._arrival(key) for key in keys if key in self._seen]

    def _arrival(self, key: RepeatKey) -> Arrival:
        seen = self._seen[key]
        tenant, _, instance = key[1].rpartition(SEPARATOR)
        pairs = list(seen.ranges.pairs())
        # Below the first range only what was never forgotten is known to be missing: see Ranges.add.
        known = [(0, 0), *pairs] if len(pairs) < MAX_RANGES else pairs
        missing = tuple(
            (before[1] + 1, after[0] - 1) for before, after in itertools.pairwise(known) if after[0] > before[1] + 1
        )
        return Arrival(tenant, instance, key[0], replace(seen.tally), missing)

    def told(self, arrivals: Iterable[Arrival]) -> bool:
        """ClickHouse knows these; returns whether it knows all now. What changed meanwhile stays to be told."""
        with self._lock:
            for arrival in arrivals:
                key = (arrival.signal, arrival.instance)
                if arrival.tenant:
                    key = (arrival.signal, f"{arrival.tenant}{SEPARATOR}{arrival.instance}")
                if key not in self._seen or self._seen[key].tally == arrival.tally:
                    self._changed.pop(key, None)
            return not self._changed

    def lines(self) -> list[str]:
        """Everything, the longest silent first: what :class:`Journal` writes."""
        with self._lock:
            ranges = [
                f"{signal.value} {first} {last} {instance}\n"
                for (signal, instance), seen in self._seen.items()
                for first, last in seen.stored.pairs()
            ]
            requests = [f"{signal.value} 0 0 {name}\n" for (signal, name), stored in self._requests.items() if stored]
            told = [_tally_line(key, seen.tally) for key, seen in self._seen.items() if key not in self._changed]
            untold = [_tally_line(key, self._seen[key].tally) for key in self._changed if key in self._seen]
            return [*ranges, *requests, *told, TOLD, *untold]

    def tally_lines(self, keys: Iterable[RepeatKey]) -> list[str]:
        """The state of these."""
        with self._lock:
            return [_tally_line(key, self._seen[key].tally) for key in keys if key in self._seen]


TOLD: Final = "=\n"
"""A line of the journal: ClickHouse knows the tallies above it."""
_BEGIN, _END = "(\n", ")\n"
"""Lines around what belongs together: what was not written to its end counts for nothing."""


def _tally_line(key: RepeatKey, tally: Tally) -> str:
    return f"+ {key[0].value} {tally} {key[1]}\n"


class Journal:
    """The memory on disk. An export is in the spool until its rows are stored, and from then on here.

    Blocking. Lines are appended before the segment that proves them is removed; the file is rewritten from memory when
    it has grown to several times what it would need. A line is a run of numbers (``signal first last sandbox``, or
    ``signal 0 0 id`` for a request with an id of its own), or begins with ``+`` and is the tally of a sandbox, of which
    the last one counts. The lines of a segment are in parentheses: its numbers without its tallies would say that they
    are counted.
    """

    _MIN_REWRITE_BYTES: Final = 4 << 20

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rewrite_at = self._MIN_REWRITE_BYTES

    def load(self, repeats: Repeats) -> None:
        """Read it into the memory. Lines that a crash tore are skipped."""
        if not self._path.exists():
            return
        group: list[str] | None = None
        with self._path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for line in file:
                if line == _BEGIN:
                    group = []
                elif line == _END:
                    for kept in group or ():
                        self._load_line(kept, repeats)
                    group = None
                elif group is not None:
                    group.append(line)
                else:
                    self._load_line(line, repeats)
        self._rewrite(repeats)

    @staticmethod
    def _load_line(line: str, repeats: Repeats) -> None:
        if line == TOLD:
            repeats.all_told()
        if not line.endswith("\n"):
            return
        line = line[:-1]
        try:
            if line.startswith("+"):
                _, signal, *numbers = line.split(" ", 8)
                instance = numbers.pop()
                repeats.load_tally((Signal(int(signal)), instance), Tally.parse(numbers), told=False)
                return
            signal, first, last, instance = line.split(" ", 3)
            if int(first) == int(last) == 0:
                repeats.add_stored_request((Signal(int(signal)), instance))
            elif 0 < int(first) <= int(last):
                repeats.add_stored((Signal(int(signal)), instance), int(first), int(last))
        except (ValueError, TypeError):
            return

    def append(self, records: Iterable[Record], repeats: Repeats) -> None:
        """Write and sync that the rows of these are stored. After an OSError it may be called again."""
        settled = [record for record in records if record.export_id is not None]
        if not settled:
            return
        keys = repeats.settle(settled)
        lines = []
        for record in settled:
            signal, instance = repeat_key(record)
            assert record.export_id is not None
            sequence = record.export_id.sequence
            lines.append(f"{signal.value} {sequence} {sequence} {instance}\n")
        self._write([*lines, *repeats.tally_lines(keys)], repeats)

    def all_told(self, repeats: Repeats) -> None:
        """Write that ClickHouse knows all tallies. Not synced: told twice, it knows them as well."""
        with self._path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(f"\n{TOLD}")
        if self._path.stat().st_size > self._rewrite_at:
            self._rewrite(repeats)

    def _write(self, lines: list[str], repeats: Repeats) -> None:
        with self._path.open("a", encoding="utf-8", newline="\n") as file:
            # After a blank line, in case the last one was not written to its end.
            file.writelines(["\n", _BEGIN, *lines, _END])
            file.flush()
            os.fsync(file.fileno())
            grown = file.tell() > self._rewrite_at
        if grown:
            self._rewrite(repeats)

    def _rewrite(self, repeats: Repeats) -> None:
        temporary = self._path.with_suffix(".new")
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(repeats.lines())
            file.flush()
            os.fsync(file.fileno())
            self._rewrite_at = max(self._MIN_REWRITE_BYTES, 4 * file.tell())
        temporary.replace(self._path)
