"""When telemetry is sent and what is lost: the policy of one subscription's queue, without clock or socket."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from emulator.clock import NS_PER_MS
from emulator.telemetry.subscription import Buffering

QUEUED_BATCHES: Final = 4
"""How many full batches may wait before records are dropped."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was lost since it was last told."""

    records: int = 0
    size_bytes: int = 0


class Buffer:
    """Encoded records that wait for delivery. Bounded; what does not fit is counted."""

    def __init__(self, buffering: Buffering) -> None:
        self._limits = buffering
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._size_bytes = 0
        self._flush_asked = False
        self._dropped = Dropped()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, record: bytes, now_ns: int) -> bool:
        """Queue a record. False where it was dropped because the receiver is too slow."""
        limits = self._limits
        is_full = (
            len(self._waiting) >= QUEUED_BATCHES * limits.max_items
            or self._size_bytes + len(record) > QUEUED_BATCHES * limits.max_bytes
        )
        if is_full:
            self.count_dropped(1, len(record))
            return False
        self._waiting.append((now_ns, record))
        self._size_bytes += len(record)
        return True

    def count_dropped(self, records: int, size_bytes: int) -> None:
        """Add to what :meth:`take_dropped` will tell."""
        self._dropped = Dropped(self._dropped.records + records, self._dropped.size_bytes + size_bytes)

    def flush(self) -> None:
        """Make everything due that waits now."""
        self._flush_asked = bool(self._waiting)

    def due_ns(self) -> int | None:
        """From when on a batch may be taken; None while nothing waits. In the past where it is full already."""
        if not self._waiting:
            return None
        oldest_ns = self._waiting[0][0]
        limits = self._limits
        if self._flush_asked or len(self._waiting) >= limits.max_items or self._size_bytes >= limits.max_bytes:
            return oldest_ns
        return oldest_ns + limits.timeout_ms * NS_PER_MS

    def take(self) -> list[bytes]:
        """The next batch: until maxItems, or the record with which maxBytes is reached."""
        batch: list[bytes] = []
        size = 0
        while self._waiting and len(batch) < self._limits.max_items and size < self._limits.max_bytes:
            _, record = self._waiting.popleft()
            batch.append(record)
            size += len(record)
        self._size_bytes -= size
        self._flush_asked = self._flush_asked and bool(self._waiting)
        return batch

    def take_dropped(self) -> Dropped | None:
        """What was lost since the last call, once there is room again to tell it."""
        limits = self._limits
        if not self._dropped.records or self._size_bytes >= limits.max_bytes:
            return None
        dropped, self._dropped = self._dropped, Dropped()
        return dropped
