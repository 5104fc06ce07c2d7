"""What waits for the collector: items, sealed into numbered batches, within a bound of bytes.

Each batch is numbered, and carries the running totals of its signal, so that the collector can tell what it never got:
``total`` counts all items that were sealed or dropped up to this batch, ``dropped`` those of them that will never come.
A batch's bytes and headers never change once it is sealed: a repeat after a lost answer is known by its number.
"""

from __future__ import annotations

from _thread import allocate_lock

from extension.state import Counts
from semconv.attributes import (
    EXPORT_DROPPED_HEADER,
    EXPORT_INSTANCE_HEADER,
    EXPORT_SEQUENCE_HEADER,
    EXPORT_TOTAL_HEADER,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_BATCH_BYTES = 1 << 19
_ITEM_OVERHEAD_BYTES = 64
"""What an item or a batch costs in memory beside its bytes, about."""


class Batch:
    """A sealed batch.

    Attributes:
        body: as it goes over the wire, compressed where that was asked for.
        headers: that go with it; of a numbered batch, its identity: see semconv.attributes.
        items: how many spans or log records it holds.
        exporter: under which name it is numbered; empty for one that is not.
        counts: its number, and the totals of its signal.
        in_flight: whether it is being sent, so that it cannot be dropped.
    """

    __slots__ = ("body", "counts", "exporter", "headers", "in_flight", "items")

    def __init__(self, body: bytes, headers: tuple[tuple[str, str], ...], items: int) -> None:
        self.body = body
        self.headers = headers
        self.items = items
        self.exporter = ""
        self.counts = Counts()
        self.in_flight = False

    @classmethod
    def numbered(cls, body: bytes, exporter: str, counts: Counts, items: int) -> Batch:
        """A batch that the collector knows by its number."""
        headers = (
            (EXPORT_INSTANCE_HEADER, exporter),
            (EXPORT_SEQUENCE_HEADER, str(counts.sequence)),
            (EXPORT_TOTAL_HEADER, str(counts.total)),
            (EXPORT_DROPPED_HEADER, str(counts.dropped)),
        )
        batch = cls(body, headers, items)
        batch.exporter, batch.counts = exporter, counts
        return batch


class BatchQueue:
    """The queue of one signal. Safe for use by several threads.

    Attributes:
        dropped: items dropped so far, for want of room or because the collector will not have them.
        refused: those of them that the collector would not have, as far as this process knows.
        bytes: what the queue holds.
    """

    __slots__ = (
        "_batches", "_items", "_limit_bytes", "_lock", "_numbered", "_sequence", "_total", "_untold", "bytes",
        "dropped", "refused",
    )  # fmt: skip

    def __init__(self, limit_bytes: int, before: Counts | None = None, *, numbered: bool = True) -> None:
        """Make a queue.

        `before`: how far the batches of this sandbox had come before it was reset. Without `numbered` it is only for
        batches that were made elsewhere.
        """
        self._numbered = numbered
        self._limit_bytes = limit_bytes
        self._lock = allocate_lock()
        self._items: list[bytes] = []
        self._batches: list[Batch] = []
        self.bytes = 0
        self.refused = 0
        self.begin_after(before or Counts())

    def __len__(self) -> int:
        with self._lock:
            return len(self._items) + sum(batch.items for batch in self._batches)

    def begin_after(self, before: Counts) -> None:
        """Number the batches from here on, before there is any."""
        self._sequence, self._total, self.dropped = before.sequence, before.total, before.dropped
        self._untold = before.total > 0  # a process that was killed had perhaps taken more than it could tell

    def counts(self) -> Counts:
        """How far it has come."""
        return Counts(self._sequence, self._total + len(self._items), self.dropped)

    def add(self, item: bytes) -> None:
        """Queue an encoded item; the oldest go where there is no room for it."""
        with self._lock:
            self._items.append(item)
            self.bytes += _cost(item)
            self._make_room()

    def add_batch(self, batch: Batch) -> None:
        """Queue a batch that was made elsewhere: by the function's SDK, or by the process before this one."""
        with self._lock:
            self._batches.append(batch)
            self.bytes += len(batch.body) + _ITEM_OVERHEAD_BYTES
            self._make_room()

    def seal(self, exporter: Callable[[], str], encode: Callable[[list[bytes]], bytes]) -> None:
        """Make batches of what was added since, if anything was; an empty one where totals alone are to be told.

        `exporter`: says under which name they are numbered. `encode` makes the body of an export out of items.
        """
        with self._lock:
            while self._items or (self._untold and self._numbered and not self._batches):
                items = self._take_items()
                self._untold = False
                self._total += len(items)
                self._sequence += 1
                counts = Counts(self._sequence, self._total, self.dropped)
                batch = Batch.numbered(encode(items), exporter(), counts, len(items))
                self._batches.append(batch)
                self.bytes += len(batch.body) + _ITEM_OVERHEAD_BYTES
            self._make_room()

    def batches(self) -> list[Batch]:
        """What is sealed and not delivered, oldest first; one that is being sent included."""
        with self._lock:
            return list(self._batches)

    def take(self) -> Batch | None:
        """The oldest batch, marked as in flight; :meth:`done` or :meth:`keep` must follow."""
        with self._lock:
            if not self._batches:
                return None
            self._batches[0].in_flight = True
            return self._batches[0]

    def done(self, batch: Batch, *, dropped: int = 0) -> None:
        """The collector has this batch, or has refused so many of its items for good."""
        with self._lock:
            self._batches.remove(batch)
            self.bytes -= len(batch.body) + _ITEM_OVERHEAD_BYTES
            self.dropped += dropped
            self.refused += dropped
            self._untold = self._untold or dropped > 0

    def keep(self, batch: Batch) -> None:
        """This batch is to be sent again later."""
        with self._lock:
            batch.in_flight = False
            self._make_room()

    def _take_items(self) -> list[bytes]:
        """As many of the oldest items as make one batch."""
        count = size = 0
        for item in self._items:
            if count and size + _cost(item) > _BATCH_BYTES:
                break
            count += 1
            size += _cost(item)
        taken, self._items = self._items[:count], self._items[count:]
        self.bytes -= size
        return taken

    def _make_room(self) -> None:
        """Drop the oldest until the rest fits, but never what is being sent."""
        while self.bytes > self._limit_bytes:
            oldest = next((batch for batch in self._batches if not batch.in_flight), None)
            if oldest is not None:
                self._batches.remove(oldest)
                self.bytes -= len(oldest.body) + _ITEM_OVERHEAD_BYTES
                self.dropped += oldest.items
                self._untold = True
            elif self._items:
                self.bytes -= _cost(self._items.pop(0))
                self.dropped += 1
                self._total += 1
                self._untold = True
            else:
                return


def _cost(item: bytes) -> int:
    return len(item) + _ITEM_OVERHEAD_BYTES
