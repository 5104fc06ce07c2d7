"""The jobs of a collector, again and again: under the lease, each as often as it needs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from collector.errors import StoreError
from collector.jobs import retention, size_cap
from collector.jobs.causes import Causes
from collector.jobs.lease import Lease
from collector.jobs.rollups import Rollups
from collector.store.client import as_store_error
from collector.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from clickhouse_connect.driver.client import Client

    from collector.alerts.job import Alerts
    from collector.config import CollectorConfig

log = logging.getLogger(__name__)

_RETENTION_EVERY_S: Final = 600
_INTERRUPT_EVERY_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class JobSettings:
    """What the jobs are to do.

    Attributes:
        every_s: seconds from one pass to the next.
        keep: how long each signal is kept.
        max_bytes: what the tables may take on disk; 0 is no limit.
    """

    every_s: float
    keep: retention.KeepDays
    max_bytes: int


def job_settings(config: CollectorConfig) -> JobSettings:
    """What of the collector's settings is the jobs'."""
    keep = retention.KeepDays(
        traces=config.keep_traces_days,
        logs=config.keep_logs_days,
        metrics=config.keep_metrics_days,
        invocations=config.keep_invocations_days,
        minutes=config.keep_minutes_days,
        rollups=config.keep_rollups_days,
    )
    return JobSettings(config.jobs_every_s, keep, config.store_max_bytes)


class Jobs:
    """One database's jobs, with a connection of their own. Blocking, and used from one thread."""

    def __init__(
        self,
        connect: Callable[[], Client],
        settings: JobSettings,
        clock: Callable[[], float],
        alerts: Alerts | None = None,
    ) -> None:
        """`clock`: seconds since the epoch."""
        self._alerts = alerts
        self._connect = connect
        self._settings = settings
        self._clock = clock
        self._client: Client | None = None
        self._causes: Causes | None = None
        self._tidied_s = 0.0

    def run(self) -> bool:
        """One pass; whether the jobs are this collector's.

        Raises:
            StoreError: ClickHouse did not do it; the next pass connects anew.
        """
        try:
            if self._client is None:
                self._client = self._connect()
                self._lease = Lease(self._client)
                self._rollups, self._causes = Rollups(self._client), Causes(self._client)
            return self._pass(self._client)
        except StoreError:
            self._forget()
            raise
        except Exception as error:  # clickhouse-connect and urllib3 raise many kinds
            self._forget()
            raise as_store_error(error) from error

    def _pass(self, client: Client) -> bool:
        if not self._lease.held():
            return False
        now_s = self._clock()
        self._rollups.run(int(now_s))
        if self._alerts is not None:
            self._alerts.run(client, datetime.fromtimestamp(now_s, UTC))
        if now_s - self._tidied_s >= _RETENTION_EVERY_S:
            retention.apply(client, self._settings.keep)
            retention.drop_expired(client, self._settings.keep, datetime.fromtimestamp(now_s, UTC).date())
            self._tidied_s = now_s
        if self._settings.max_bytes:
            size_cap.apply(client, self._settings.max_bytes, datetime.fromtimestamp(now_s, UTC).date())
        if self._causes is not None:
            self._causes.run()  # the last: it is what may take long
        return True

    def interrupt(self) -> None:
        """Leave what takes long undone, so that the pass ends soon; from any thread. The next start does it.

        Raises:
            StoreError: there is no other connection to ClickHouse, or it may not be told to.
        """
        causes = self._causes
        if causes is None or not causes.making:
            return
        try:
            with contextlib.closing(self._connect()) as client:
                causes.interrupt(client)
        except StoreError:
            raise
        except Exception as error:  # as above
            raise as_store_error(error) from error

    def _forget(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def close(self) -> None:
        """Leave the jobs to another, and release the connection."""
        if self._client is not None:
            self._lease.release()
        self._forget()


async def stop(jobs: Jobs, worker: Worker) -> None:
    """Close the jobs once the pass that is under way has ended, and see that it ends soon.

    Raises:
        StoreError: they could not be left to another.
    """
    closing = asyncio.ensure_future(worker.call(jobs.close))
    interrupter = Worker("interrupt")
    try:
        while not (await asyncio.wait([closing], timeout=_INTERRUPT_EVERY_S))[0]:
            with contextlib.suppress(StoreError):  # it ends by itself, later
                await interrupter.call(jobs.interrupt)
        closing.result()
    finally:
        closing.cancel()
        interrupter.close()


async def run(jobs: Jobs, worker: Worker, every_s: float, ready: Callable[[], bool]) -> None:
    """Until cancelled, while the store is `ready`. A failure is said once, and tried again."""
    said = ""
    while True:
        began = time.monotonic()
        try:
            if ready():
                await worker.call(jobs.run)
        except StoreError as error:
            if str(error) != said:
                log.warning("jobs: %s; they are tried again", error)
            said = str(error)
        else:
            said = ""
        await asyncio.sleep(max(0.0, every_s - (time.monotonic() - began)))
