"""The spool as the receivers and the inserter see it: append and be sure, take the oldest segment, remove it.

One thread does all writing. While it syncs, further records gather and share the next sync (group commit).
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from collector.errors import SetupError, UnavailableError
from collector.spool.segment import Recovery, SegmentWriter, ordinal, recover_one, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

    from collector.otlp.signals import Signal
    from collector.spool.record import Record
    from collector.spool.segment import Segment
    from collector.telemetry import Counters

FULL_RETRY_S: Final = 5.0
"""What clients are told to wait when the spool is full."""
COMMIT_EVERY_S: Final = 0.002
"""How soon after a sync another may begin, while many clients are there: more of them share it, which saves a third of
what a small request costs."""
MANY: Final = 8
"""Requests of one sync that tell of many clients. Few would wait and find nobody to share with."""

MUCH_ITEMS: Final = 5_000
"""Items of a segment that is old enough to be closed which tell that much is coming."""
MUCH_LINGER_S: Final = 2.0
"""How old a segment gets then. An insert costs ClickHouse some 50 ms of processor time for its views, and several times
as much with those of Lambda's tables, however little is in it."""


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """Limits.

    Attributes:
        max_bytes: all segments together; beyond it nothing is accepted.
        min_free_bytes: free space of the disk that is left alone.
        segment_bytes: size after which a segment is closed.
        segment_items: items after which a segment is closed.
        linger_s: age of its first record at which a segment is closed when somebody waits for one.
    """

    max_bytes: int
    min_free_bytes: int
    segment_bytes: int
    segment_items: int
    linger_s: float


Done = Callable[[UnavailableError | None], None]
"""Called once, in the event loop: with None when a record is on disk, else with why it is not kept."""


class _Pending(NamedTuple):
    parts: tuple[bytes, bytes]
    size: int
    signal: Signal
    items: int
    received_unix_nano: int
    done: Done


def settling(future: asyncio.Future[None]) -> Done:
    """A ``done`` that settles a future, which may have been cancelled meanwhile: a client that went away."""

    def done(failure: Exception | None) -> None:
        if future.cancelled():
            return
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)

    return done


class Spool:
    """Durable, bounded, ordered; used from one event loop."""

    def __init__(self, folder: Path, settings: SpoolSettings, found: Recovery, counters: Counters) -> None:
        self._folder = folder
        self._settings = settings
        self._next_ordinal = found.next_ordinal
        self._sealed: deque[Segment] = deque(found.segments)
        self._taken: list[Segment] = []
        self._stored_bytes = sum(segment.record_bytes for segment in found.segments)
        self._counters = counters
        self._pending: list[_Pending] = []
        self._pending_bytes = 0
        self._writer: SegmentWriter | None = None
        self._first_write_s = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._changed = asyncio.Event()
        self._committer: asyncio.Task[None] | None = None
        self._next_commit_s = 0.0
        self.write_failures = 0

    @staticmethod
    def recover(folder: Path, seen: Callable[[Record], None]) -> Recovery:
        """Read what an earlier run left. Blocking; call before :class:`Spool` is made.

        Args:
            folder: made where it is missing.
            seen: called with every record that is found.

        Raises:
            SetupError: the folder cannot be used.
        """
        found = Recovery()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            paths = sorted(path for path in folder.iterdir() if ordinal(path.name) is not None)
            for path in paths:
                found.next_ordinal = (ordinal(path.name) or 0) + 1
                for record in recover_one(path, found).records:
                    seen(record)
            sync_folder(folder)
        except OSError as error:
            raise SetupError(f"spool folder {folder}: {error.strerror or error}") from None
        return found

    # Receivers -------------------------------------------------------------------------------------------------------

    def submit(self, record: Record, done: Done) -> None:
        """Write the record with those that come meanwhile.

        Raises:
            UnavailableError: the spool is full. ``done`` is not called.
        """
        parts = record.parts()
        size = len(parts[0]) + len(parts[1])
        held = self._stored_bytes + self._pending_bytes
        if held + size > self._settings.max_bytes:
            raise UnavailableError(f"the spool is full ({held} bytes)", retry_after_s=FULL_RETRY_S)
        self._pending.append(_Pending(parts, size, record.signal, record.items, record.received_unix_nano, done))
        self._pending_bytes += size
        if self._committer is None or self._committer.done():
            self._committer = asyncio.create_task(self._commit_all())

    async def append(self, record: Record) -> None:
        """Return once the record is on disk.

        Raises:
            UnavailableError: the spool is full, the disk is, or it cannot be written. Nothing is kept.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.submit(record, settling(written))
        await written

    async def _commit_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            if (early_s := self._next_commit_s - loop.time()) > 0:
                await asyncio.sleep(early_s)
            if len(self._pending) >= MANY:
                self._next_commit_s = loop.time() + COMMIT_EVERY_S
            batch, self._pending = self._pending, []
            size, self._pending_bytes = self._pending_bytes, 0
            self._stored_bytes += size
            failure: UnavailableError | None = None
            try:
                self._sealed.extend(await loop.run_in_executor(self._thread, self._write, batch))
            except OSError as error:
                self.write_failures += 1
                self._stored_bytes -= size
                failure = UnavailableError(
                    f"the spool cannot be written: {error.strerror or error}", retry_after_s=FULL_RETRY_S
                )
            for item in batch:
                if failure is None:
                    self._counters.receive(item.signal, item.items)
                item.done(failure)
            self._changed.set()

    def _write(self, batch: list[_Pending]) -> list[Segment]:
        """In the spool's thread: write and sync; returns the segments that it closed."""
        free = shutil.disk_usage(self._folder).free
        if free < self._settings.min_free_bytes:
            raise OSError(28, f"only {free} bytes are free on its disk")
        if self._writer is None:
            self._writer = SegmentWriter(self._folder, self._next_ordinal)
            self._next_ordinal += 1
            self._writer.segment.since_unix_nano = batch[0].received_unix_nano
            self._first_write_s = time.monotonic()
        writer = self._writer
        items: dict[Signal, int] = {}
        for item in batch:
            items[item.signal] = items.get(item.signal, 0) + item.items
        try:
            writer.append([part for item in batch for part in item.parts], items)
        except OSError:
            self._abandon(writer)
            raise
        full = writer.segment.size_bytes >= self._settings.segment_bytes
        return self._seal() if full or sum(writer.segment.items.values()) >= self._settings.segment_items else []

    def _abandon(self, writer: SegmentWriter) -> None:
        """After a failed write. What the segment held before is good and goes its way."""
        self._writer = None
        if (segment := writer.close()) is not None:
            self._sealed.append(segment)  # deque.append is atomic; the loop's thread only takes from the left

    def _seal(self) -> list[Segment]:
        writer, self._writer = self._writer, None
        segment = writer.close() if writer else None
        return [segment] if segment else []

    # Inserter --------------------------------------------------------------------------------------------------------

    async def next_segment(self, within_s: float | None = None) -> Segment | None:
        """The oldest closed segment that was not taken yet. Closes the open one when it is old enough.

        The open segment is closed only while nothing else waits: a backlog grows in large segments, which are stored
        far faster than many small ones.

        Args:
            within_s: how long to wait for one; None is returned then.
        """
        until_s = None if within_s is None else time.monotonic() + within_s
        while not self._sealed:
            self._changed.clear()
            now_s = time.monotonic()
            if until_s is not None and now_s >= until_s:
                return None
            due_s = None if self._writer is None else self._first_write_s + self._linger_s(self._writer.segment)
            if due_s is not None and now_s >= due_s:
                await self.seal()
                continue
            times = [at_s for at_s in (until_s, due_s) if at_s is not None]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(times) - now_s if times else None):  # wait_for loses cancellations
                    await self._changed.wait()
        segment = self._sealed.popleft()
        self._taken.append(segment)
        return segment

    def _linger_s(self, segment: Segment) -> float:
        linger_s = self._settings.linger_s
        return max(linger_s, MUCH_LINGER_S) if sum(segment.items.values()) >= MUCH_ITEMS else linger_s

    async def seal(self) -> None:
        """Close the open segment, if there is one."""
        sealed = await asyncio.get_running_loop().run_in_executor(self._thread, self._seal)
        self._sealed.extend(sealed)
        self._changed.set()

    async def remove(self, segment: Segment) -> None:
        """Forget a segment, from :meth:`next_segment`, whose rows are stored."""

        def unlink() -> None:
            segment.path.unlink(missing_ok=True)
            sync_folder(self._folder)

        await asyncio.get_running_loop().run_in_executor(self._thread, unlink)
        self._stored_bytes -= segment.record_bytes
        self._taken.remove(segment)

    # Both ------------------------------------------------------------------------------------------------------------

    @property
    def empty(self) -> bool:
        """Whether everything that was accepted has been removed again."""
        return not (self._stored_bytes or self._pending)

    @property
    def oldest_unix_nano(self) -> int | None:
        """When the oldest request came that is here; None where there is none."""
        writer = self._writer
        segments = [*self._taken, *self._sealed, *([writer.segment] if writer else [])]
        return min((segment.since_unix_nano for segment in segments), default=None)

    @property
    def free_bytes(self) -> int:
        """Of its disk."""
        return shutil.disk_usage(self._folder).free

    @property
    def stored_bytes(self) -> int:
        """What the spool holds."""
        return self._stored_bytes

    async def finish(self) -> None:
        """Finish what is being written and close the open segment. Nothing may be appended any more."""
        if self._committer is not None:
            await self._committer
        await self.seal()

    async def close(self) -> None:
        """After :meth:`finish`, and after the last :meth:`remove`: end the thread."""
        self._thread.shutdown()
