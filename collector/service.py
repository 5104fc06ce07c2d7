"""The parts put together: start in the order of the data's way, stop in the same order.

What is accepted before the store is open goes to the spool; the store opens beside, and is tried again while it is
merely unreachable.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final

from collector.alerts.load import alerts
from collector.cloudwatch.counters import FirehoseCounters
from collector.errors import SetupError, StoreUnavailableError
from collector.jobs.runner import Jobs, job_settings
from collector.jobs.runner import run as run_jobs
from collector.jobs.runner import stop as stop_jobs
from collector.native.count import load_counters
from collector.own_telemetry import OwnTelemetry
from collector.ports import Addresses, Ports, gate
from collector.receiver import http
from collector.receiver.intake import Intake, IntakeSettings
from collector.redaction import Rules, parse_rules
from collector.spool.folder import DataFolder
from collector.spool.repeats import Journal, Repeats
from collector.spool.spool import Spool, SpoolSettings
from collector.store.clickhouse import ClickHouseStore
from collector.store.client import connect
from collector.store.inserter import Inserter
from collector.store.ways import Ways, open_ways
from collector.telemetry import Counters, Gauges, prometheus_text
from collector.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from collector.config import CollectorConfig
    from collector.otlp.signals import Signal
    from collector.receiver.intake import ItemCounter
    from collector.spool.record import Record

log = logging.getLogger(__name__)

_LONG_REPLAY_ITEMS: Final = 100_000
_REPORT_EVERY_S: Final = 5.0
_REOPEN_S: Final = (0.5, 1.0, 2.0, 5.0)


def _item_counters() -> Mapping[Signal, ItemCounter]:
    """The library's, or none: that it is missing was said where the ways of decoding were opened."""
    try:
        return load_counters()
    except SetupError:
        return {}


def _rules(path: Path | None) -> Rules | None:
    if path is None:
        return None
    try:
        return parse_rules(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else error
        raise SetupError(f"redaction {path}: {reason}") from None


class Service:
    """A collector. :meth:`start` once, :meth:`stop` once (also after a failed start)."""

    def __init__(self, config: CollectorConfig, environ: Mapping[str, str]) -> None:
        """`environ`: for what the file of alerts takes from there."""
        self._config = config
        self._environ = environ
        self._counters = Counters()
        self._firehose_counters = FirehoseCounters()
        self._exits = contextlib.AsyncExitStack()
        self._inserting: asyncio.Task[None] | None = None

    async def start(self) -> Addresses:
        """Bring everything up; returns once requests and, with the embedded store, queries are answered.

        Raises:
            SetupError: it cannot be done as configured.
        """
        config = self._config
        access = self._access = gate(config.tokens)
        rules = _rules(config.redaction)
        self._alerts = alerts(config.alerts, self._environ)
        folder = DataFolder(config.data)
        self._exits.callback(folder.release)
        spool, ways, repeats, journal = self._open_spool()
        self._spool = spool
        self._store = ClickHouseStore(config.store, config.store_timeout_s)
        refused = config.data / "quarantine"
        self._inserter = Inserter(spool, self._store, ways, repeats, journal, self._counters, refused)
        if config.own_telemetry:
            own = OwnTelemetry(config.own_telemetry, self._counters)
            self._inserter.tracer = own.tracer
            self._exits.push_async_callback(asyncio.to_thread, own.close)
        self._exits.push_async_callback(self._close_store)
        self._intake = Intake(
            IntakeSettings(config.max_request_bytes, config.max_decompressed_bytes, config.max_in_flight_bytes),
            spool,
            repeats,
            self._counters,
            time.time_ns,
            rules,
            _item_counters(),
        )
        ports = self._ports = Ports(config, self._intake, access, self._exits)
        if config.store.embedded:
            await self._inserter.call(self._open_store)
            self._inserter.recovered()
        if config.role == "jobs":  # takes nothing in and answers nothing
            addresses = Addresses("-", "-", "")
        else:
            addresses = await ports.start(http.Pages(self._not_ready, self._metrics), self._firehose_counters)
        self._start_jobs()
        self._start_polling()
        self._inserting = asyncio.create_task(self._run_inserter())
        if (left := sum(self._counters.queued.values())) >= _LONG_REPLAY_ITEMS:
            self._reporting = asyncio.create_task(self._report_replay(left))
            self._exits.callback(self._reporting.cancel)
        return addresses

    async def _report_replay(self, at_start: int) -> None:
        """Tell how far the storing of what an earlier run left has come."""
        began_s = time.monotonic()
        while True:
            await asyncio.sleep(_REPORT_EVERY_S)
            done = sum(self._counters.stored.values()) + sum(self._counters.rejected.values())
            if done >= at_start:
                log.warning("spool: all %d items of before are stored", at_start)
                return
            per_s = done / (time.monotonic() - began_s)
            left = f"{(at_start - done) / per_s:.0f} s left" if per_s else "the store takes none"
            log.warning("spool: %d of %d items of before are stored, %.0f/s, %s", done, at_start, per_s, left)

    def _start_jobs(self) -> None:
        """Beside receiving, in a thread and with a connection of their own."""
        config = self._config
        if config.role == "receive":
            return
        jobs = Jobs(
            lambda: connect(config.store, config.store_timeout_s), job_settings(config), time.time, self._alerts
        )
        worker = Worker("jobs")

        async def stop(task: asyncio.Task[None]) -> None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            with contextlib.suppress(TimeoutError, StoreUnavailableError):
                async with asyncio.timeout(config.drain_s):
                    await stop_jobs(jobs, worker)
            worker.close()

        running = run_jobs(jobs, worker, config.jobs_every_s, lambda: self._inserter.up)
        self._exits.push_async_callback(stop, asyncio.create_task(running))

    def _start_polling(self) -> None:
        """Ask AWS, where that is wanted. Imported only then: a collector without it needs no boto3."""
        config = self._config
        if config.aws is None or config.role == "receive":
            return
        try:
            from collector.aws import background  # noqa: PLC0415  # see above
        except ImportError as error:
            raise SetupError(f"--aws needs the package {error.name}: install lambdascope[aws]") from None
        self._exits.push_async_callback(background.start(config.aws, config.store))

    def _open_spool(self) -> tuple[Spool, Ways, Repeats, Journal]:
        config = self._config
        repeats = Repeats()
        journal = Journal(config.data / "exports.journal")
        try:
            journal.load(repeats)
        except OSError as error:
            raise SetupError(f"data folder {config.data}: {error.strerror or error}") from None

        def seen(record: Record) -> None:
            self._counters.receive(record.signal, record.items)
            repeats.recovered(record)

        found = Spool.recover(config.spool, seen)
        self._counters.torn_bytes, self._counters.damaged_bytes = found.torn_bytes, found.damaged_bytes
        if found.segments:
            items = sum(self._counters.received.values())
            log.warning("spool: %d items in %d segments are stored now", items, len(found.segments))
        if found.damaged_bytes:
            log.error("spool: %d damaged bytes were moved to %s", found.damaged_bytes, config.spool / "damaged")
        settings = SpoolSettings(
            config.spool_max_bytes,
            config.spool_min_free_bytes,
            config.segment_bytes,
            config.segment_items,
            config.linger_ms / 1000,
        )
        try:
            ways = open_ways(config.data / "way", embedded=config.store.embedded, first_ordinal=found.next_ordinal)
        except (OSError, ValueError) as error:
            raise SetupError(f"data folder {config.data}: the file way: {error}") from None
        return Spool(config.spool, settings, found, self._counters), ways, repeats, journal

    async def _run_inserter(self) -> None:
        if not self._config.store.embedded:
            await self._open_server()
        await self._inserter.run()

    async def _open_server(self) -> None:
        """Until the server is there. Its absence is said once, not at every attempt."""
        for attempt in range(1 << 62):
            try:
                await self._inserter.call(self._open_store)
            except (StoreUnavailableError, SetupError) as error:
                if self._inserter.trouble != str(error):
                    log.warning("%s; requests go to the spool, and the store is tried again", error)
                self._inserter.trouble = str(error)
                await asyncio.sleep(_REOPEN_S[min(attempt, len(_REOPEN_S) - 1)])
            else:
                self._inserter.recovered()
                return

    def _open_store(self) -> None:
        """In the store's thread: the store's own database and the tenants', so that nobody asks for one in vain."""
        for tenant in sorted({"", *self._access.tenants}):
            self._store.open(tenant)

    def _not_ready(self) -> str:
        return self._inserter.trouble

    def _metrics(self) -> str:
        oldest_unix_nano = self._spool.oldest_unix_nano
        gauges = Gauges(
            self._spool.stored_bytes,
            max(0.0, (time.time_ns() - oldest_unix_nano) / 1e9) if oldest_unix_nano is not None else 0.0,
            self._spool.free_bytes,
            self._intake.in_flight_bytes,
            self._ports.http_connections,
            self._inserter.up,
            self._inserter.state,
        )
        return prometheus_text(self._counters, gauges) + self._firehose_counters.prometheus_text()

    async def _close_store(self) -> None:
        """Last but for nothing: the receivers have stopped, so the spool only shrinks."""
        await self._spool.finish()
        if self._inserting is not None:
            await self._drain(self._inserting)
        await self._spool.close()
        await self._inserter.close()

    async def _drain(self, inserting: asyncio.Task[None]) -> None:
        deadline = time.monotonic() + self._config.drain_s
        # Polled: nothing else runs any more, and what ends the wait is spread over three parts.
        while self._inserter.up and not (self._spool.empty or inserting.done()):  # see above
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(0.02)
        left = sum(self._counters.queued.values())
        if left:
            log.warning("stop: %d items stay in the spool; the next start stores them", left)
        inserting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await inserting
        if self._inserter.up:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.1, deadline - time.monotonic())):
                    await self._inserter.tell()

    async def wait(self) -> None:
        """Until the inserter ends, which it does only by a fault of ours: its exception is raised."""
        assert self._inserting is not None
        await asyncio.wait((self._inserting,))  # not awaited itself: to cancel this must not cancel the inserter
        await self._inserting

    async def stop(self) -> None:
        """Accept nothing more, answer what is being worked on, store what is in the spool, release everything."""
        if hasattr(self, "_intake"):
            self._intake.stop()
        await self._exits.aclose()
