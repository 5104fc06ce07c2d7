"""The spool as the receivers and the inserter see it: append and be sure, take the oldest segment, remove it.

One thread does all writing. While it syncs, further records gather and share the next sync (group commit).
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from collector.errors import SetupError, UnavailableError
from collector.spool.segment import Recovery, SegmentWriter, ordinal, recover_one, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from collector.spool.record import Record
    from collector.spool.segment import Segment
    from collector.telemetry import Counters

FULL_RETRY_S: Final = 5.0
"""What clients are told to wait when the spool is full."""


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


@dataclass(slots=True)
class _Pending:
    record: Record
    done: asyncio.Future[None]


class Spool:
    """Durable, bounded, ordered. Made by :meth:`open`; used from one event loop."""

    def __init__(self, folder: Path, settings: SpoolSettings, found: Recovery, counters: Counters) -> None:
        self._folder = folder
        self._settings = settings
        self._next_ordinal = found.next_ordinal
        self._sealed: deque[Segment] = deque(found.segments)
        self._stored_bytes = sum(segment.record_bytes for segment in found.segments)
        self._counters = counters
        self._pending: list[_Pending] = []
        self._pending_bytes = 0
        self._writer: SegmentWriter | None = None
        self._first_write_s = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._changed = asyncio.Event()
        self._committer: asyncio.Task[None] | None = None
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

    async def append(self, record: Record) -> None:
        """Return once the record is on disk.

        Raises:
            UnavailableError: the spool is full, the disk is, or it cannot be written. Nothing is kept.
        """
        size = record.encoded_bytes
        self._refuse_if_full(size)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append(_Pending(record, done))
        self._pending_bytes += size
        if self._committer is None or self._committer.done():
            self._committer = asyncio.create_task(self._commit_all())
        # A client that goes away must not take the record of others with it, nor its own, which is being written.
        await asyncio.shield(done)

    def _refuse_if_full(self, size: int) -> None:
        held = self._stored_bytes + self._pending_bytes
        if held + size > self._settings.max_bytes:
            raise UnavailableError(f"the spool is full ({held} bytes)", retry_after_s=FULL_RETRY_S)

    async def _commit_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            batch, self._pending = self._pending, []
            size, self._pending_bytes = self._pending_bytes, 0
            self._stored_bytes += size
            records = [item.record for item in batch]
            try:
                sealed = await loop.run_in_executor(self._thread, self._write, records)
            except OSError as error:
                self.write_failures += 1
                self._stored_bytes -= size
                self._changed.set()
                failure = UnavailableError(
                    f"the spool cannot be written: {error.strerror or error}", retry_after_s=FULL_RETRY_S
                )
                for item in batch:
                    item.done.set_exception(failure)
                    item.done.exception()  # a client that went away does not fetch it
                continue
            for item in batch:
                self._counters.receive(item.record.signal, item.record.items)
                item.done.set_result(None)
            self._sealed.extend(sealed)
            self._changed.set()

    def _write(self, records: list[Record]) -> list[Segment]:
        """In the spool's thread: write and sync; returns the segments that it closed."""
        free = shutil.disk_usage(self._folder).free
        if free < self._settings.min_free_bytes:
            raise OSError(28, f"only {free} bytes are free on its disk")
        if self._writer is None:
            self._writer = SegmentWriter(self._folder, self._next_ordinal)
            self._next_ordinal += 1
            self._first_write_s = time.monotonic()
        writer = self._writer
        try:
            writer.append(records)
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

    async def next_segment(self) -> Segment:
        """The oldest closed segment that was not taken yet. Closes the open one when it is old enough.

        The open segment is closed only while nothing else waits: a backlog grows in large segments, which are stored
        far faster than many small ones.
        """
        while not self._sealed:
            self._changed.clear()
            age_s = time.monotonic() - self._first_write_s
            if self._writer is not None and age_s >= self._settings.linger_s:
                await self.seal()
                continue
            due_in_s = None if self._writer is None else self._settings.linger_s - age_s
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), due_in_s)
        return self._sealed.popleft()

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

    # Both ------------------------------------------------------------------------------------------------------------

    @property
    def empty(self) -> bool:
        """Whether everything that was accepted has been removed again."""
        return not (self._stored_bytes or self._pending)

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
