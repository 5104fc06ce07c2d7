"""From the spool to ClickHouse: batch by batch, each until it is stored.

One batch at a time and in order, so that at most one is in doubt when the process dies. Its token makes the second
attempt harmless.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from opentelemetry.trace import NoOpTracer, Tracer

from collector import quarantine
from collector.errors import StoreRefusedError, StoreUnavailableError, UndecodedError
from collector.otlp.decode import decode
from collector.spool.plan import batches
from collector.store.arrivals import rows_by_tenant
from collector.store.ways import Way, is_encoded
from collector.telemetry import StoreState
from collector.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from collector.native.library import Block
    from collector.otlp.batch import Rows
    from collector.otlp.signals import Signal
    from collector.spool.plan import Batch
    from collector.spool.repeats import Journal, Repeats
    from collector.spool.segment import Segment
    from collector.spool.spool import Spool
    from collector.store.ways import Ways
    from collector.telemetry import Counters

log = logging.getLogger(__name__)

T = TypeVar("T")

CLOSE_WITHIN_S: Final = 10.0
"""How long an insert at work may take at the end."""
TELL_EVERY_S: Final = 5.0
"""How often changed states of sandboxes' exports are stored. Each state replaces the one before."""
LOOK_EVERY_S: Final = 15.0
"""How often ClickHouse is asked how it is."""
MAX_TOLD: Final = 50_000
"""States that are stored at once."""

_FIRST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 15.0


class Store(Protocol):
    """What the inserter needs of ClickHouse. Blocking."""

    def insert(self, rows: Rows, token: str, tenant: str = "", *, in_pieces: bool = False) -> None:
        """Store rows; the same token again changes nothing, of rows that came in one block or of such in pieces.

        Raises:
            StoreError: refused, or not available.
        """

    def insert_block(self, block: Block, token: str, tenant: str = "") -> None:
        """Store rows that the library has made; to the token they are those that Python makes. Raises StoreError."""

    def insert_encoded(self, signal: Signal, bodies: Sequence[bytes], token: str, tenant: str = "") -> None:
        """Store requests that ClickHouse decodes; the same token again changes nothing.

        Raises:
            UndecodedError: it cannot decode them; nothing of them is stored.
            StoreUnavailableError: as with any insert.
        """

    def state(self) -> StoreState:
        """What it says of itself. Raises StoreError."""

    def close(self) -> None:
        """Release it."""


class Inserter:
    """Takes segments from the spool and stores them."""

    def __init__(
        self,
        spool: Spool,
        store: Store,
        ways: Ways,
        repeats: Repeats,
        journal: Journal,
        counters: Counters,
        refused: Path,
    ) -> None:
        self._spool = spool
        self._store = store
        self._ways = ways
        self._repeats = repeats
        self._journal = journal
        self._counters = counters
        self._quarantine = refused
        self._worker = Worker("inserter")
        self._told = False
        self._told_s = self._looked_s = 0.0
        self.state = StoreState()
        self.tracer: Tracer = NoOpTracer()
        self.up = False
        self.trouble = "the store is not open yet"

    async def call(self, function: Callable[[], T]) -> T:
        """Run something in the store's thread."""
        return await self._worker.call(function)

    async def run(self) -> None:
        """Store segments until cancelled, and every now and then what has come of sandboxes' exports."""
        while True:
            segment = await self._spool.next_segment(within_s=LOOK_EVERY_S if self._told else TELL_EVERY_S)
            if time.monotonic() - self._looked_s >= LOOK_EVERY_S:
                await self._look()
            if segment is not None:
                await self._store_segment(segment)
                self._told = False
            if not self._told and time.monotonic() - self._told_s >= TELL_EVERY_S:
                await self.tell()

    async def _look(self) -> None:
        """Ask ClickHouse how it is. Where it does not say, what it said before stays."""
        self._looked_s = time.monotonic()
        try:
            self.state = await self.call(self._store.state)
        except (StoreUnavailableError, StoreRefusedError) as error:
            self._failed(str(error))
        else:
            self.recovered()

    async def tell(self) -> None:
        """Store what has come of sandboxes' exports, as far as it changed. A failure is tried again next time."""
        self._told_s = time.monotonic()
        try:
            self._told = await self.call(self._tell)
        except (StoreUnavailableError, StoreRefusedError) as error:
            self._failed(str(error))
        except OSError as error:
            self._failed(f"the journal cannot be written: {error.strerror or error}")

    def _tell(self) -> bool:
        """In the store's thread. Returns whether everything is told."""
        arrivals = self._repeats.changed(MAX_TOLD)
        if not arrivals:
            return True
        now_unix_nano = time.time_ns()
        for tenant, rows in rows_by_tenant(arrivals, now_unix_nano).items():
            self._store.insert(rows, f"arrivals-{now_unix_nano}-{secrets.token_hex(4)}", tenant)
        told = self._repeats.told(arrivals)
        if told:
            self._journal.all_told(self._repeats)
        return told

    async def _store_segment(self, segment: Segment) -> None:
        result = await self.call(segment.read)
        if result.bad_bytes and not result.torn:
            self._counters.damaged_bytes += result.bad_bytes
            log.error("spool: %s is damaged; %d bytes of it are lost", segment.name, result.bad_bytes)
        way = await self._until_written(lambda: self.call(lambda: self._ways.of(segment)))
        for batch in batches(segment.name, result.records):
            rejected = await self._until_stored(batch, way)
            self._counters.settle(batch.signal, stored=batch.items - rejected, rejected=rejected)
        await self.call(self._ways.rest)
        await self._until_written(lambda: self.call(lambda: self._journal.append(result.records, self._repeats)))
        await self._until_written(lambda: self._spool.remove(segment))

    async def _until_written(self, write: Callable[[], Awaitable[T]]) -> T:
        """Change the data folder, whose disk may be full or read-only for a while."""
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                return await write()
            except OSError as error:
                self._failed(f"the data folder cannot be written: {error.strerror or error}")
                await asyncio.sleep(wait_s)
                wait_s = min(_LONGEST_WAIT_S, wait_s * 2)

    async def _until_stored(self, batch: Batch, way: Way) -> int:
        """Store a batch, however long it takes; returns how many of its items ClickHouse refused."""
        names: dict[str, str | int] = {"signal": batch.signal.label, "items": batch.items, "token": batch.token}
        with self.tracer.start_as_current_span("insert", attributes=names) as span:
            rejected, failures = await self._try_until_stored(batch, way)
            span.set_attribute("failures", failures)
            span.set_attribute("rejected", rejected)
            return rejected

    async def _try_until_stored(self, batch: Batch, way: Way) -> tuple[int, int]:
        """Returns how many of its items ClickHouse refused, and how often it could not be asked."""
        wait_s = _FIRST_WAIT_S
        for failures in itertools.count():
            began_s = time.monotonic()
            try:
                rejected = await self.call(lambda: self._insert(batch, way))
            except StoreUnavailableError as error:
                self._failed(str(error))
                await asyncio.sleep(wait_s)
                wait_s = min(_LONGEST_WAIT_S, wait_s * 2)
            else:
                self._counters.insert_seconds.observe(time.monotonic() - began_s)
                self.recovered()
                return rejected, failures
        raise AssertionError("itertools.count ends nowhere")

    def _failed(self, reason: str) -> None:
        self._counters.insert_failures += 1
        if self.up or self.trouble != reason:
            log.warning("store: %s; requests go to the spool, and the store is tried again", reason)
        self.up, self.trouble = False, reason

    def recovered(self) -> None:
        """The store has answered."""
        if not self.up and self._counters.insert_failures:
            log.warning("store: up again")
        self.up, self.trouble = True, ""

    def _insert(self, batch: Batch, way: Way) -> int:
        """In the store's thread. Returns the number of refused items.

        Which of the two ways stores a batch follows from the batch and its segment alone: their tokens are not the same
        to ClickHouse, so a batch in doubt must be tried again the same way. It is: ClickHouse decodes it always or
        never, and stores nothing of what it cannot decode.
        """
        try:
            if is_encoded(batch, way):
                self._store.insert_encoded(batch.signal, batch.bodies, batch.token, batch.tenant)
                return 0
            block = self._ways.block(batch, way)
            if block and block.rows == batch.items:
                self._store.insert_block(block, batch.token, batch.tenant)
                return 0
        except (UndecodedError, StoreRefusedError) as error:
            log.debug("store: %s is decoded in Python: %s", batch.token, error)
            self._counters.undecoded_batches += 1
        return self._insert_decoded(batch, in_pieces=way is Way.UNNOTED)

    def _insert_decoded(self, batch: Batch, *, in_pieces: bool) -> int:
        rejected = 0
        for rows in decode(batch.signal, batch.bodies):
            try:
                self._store.insert(rows, batch.token, batch.tenant, in_pieces=in_pieces)
            except StoreRefusedError as error:
                rejected += self._isolate(batch, rows.layout.table, error, in_pieces=in_pieces)
        return rejected

    def _isolate(self, batch: Batch, table: str, error: StoreRefusedError, *, in_pieces: bool) -> int:
        """Insert each record of a refused batch alone, so that only what is refused again goes to the quarantine."""
        log.error("store: %s refused %s: %s; its requests are tried one by one", table, batch.token, error)
        rejected = 0
        for index, record in enumerate(batch.records):
            for rows in decode(batch.signal, [record.body]):
                if rows.layout.table != table:
                    continue
                token = f"{batch.token}-{index}"
                try:
                    self._store.insert(rows, token, batch.tenant, in_pieces=in_pieces)
                except StoreRefusedError as refusal:
                    log.error("store: %s refused %d rows: %s; kept as %s", table, len(rows), refusal, token)  # noqa: TRY400  # the reason is the message
                    quarantine.keep(self._quarantine, record, token, table)
                    rejected += len(rows)
        return rejected

    async def close(self) -> None:
        """Release the store. An insert that a server does not answer is left behind: the spool has its batch."""
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self.call(self._store.close)
        except TimeoutError:
            log.warning("stop: the store does not answer; its last batch is tried again at the next start")
        self._worker.close()
