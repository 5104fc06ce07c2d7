"""The poller inside a collector: a thread and connections of its own, under a lease of its own.

Of several collectors one asks AWS. For a moment two may; what both store is stored once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final

from collector.aws import config as aws_config
from collector.aws.job import AwsJob
from collector.errors import StoreError
from collector.jobs.lease import Lease
from collector.store.clickhouse import ClickHouseStore
from collector.store.client import as_store_error, connect
from collector.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from collector.config import StoreUrl

log = logging.getLogger(__name__)

_HEARTBEAT_S: Final = 15.0
_STOP_S: Final = 2.0


class Polling:
    """Connects when it is first used, and anew after a failure. Blocking, and used from one thread."""

    def __init__(self, config: aws_config.AwsConfig, store: StoreUrl) -> None:
        self._config = config
        self._url = store
        self._store = ClickHouseStore(store)
        self._client: Client | None = None

    def run(self) -> None:
        """Do what is due, if it is this collector's to do.

        Raises:
            StoreError: ClickHouse did not do its part.
        """
        try:
            if self._client is None:
                self._client = connect(self._url)
                self._lease = Lease(self._client, "aws")
                self._job = AwsJob(self._config, self._client, self._store)
            if self._lease.held():
                self._job.run(int(time.time()))
        except StoreError:
            self.close()
            raise
        except Exception as error:  # clickhouse-connect and urllib3 raise many kinds
            self.close()
            raise as_store_error(error) from error

    def close(self) -> None:
        """Release the connections; the lease ends by itself."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
        self._store.close()


def start(path: Path, store: StoreUrl) -> Callable[[], Awaitable[None]]:
    """Begin to poll; returns what ends it.

    Raises:
        AwsConfigError: the file is not as it should be.
    """
    polling = Polling(aws_config.load(path), store)
    worker = Worker("aws")
    task = asyncio.create_task(_run(polling, worker))

    async def stop() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with contextlib.suppress(TimeoutError):  # a poll may be on its way; what it has not stored is read again
            async with asyncio.timeout(_STOP_S):
                await worker.call(polling.close)
        worker.close()

    return stop


async def _run(polling: Polling, worker: Worker) -> None:
    """Until cancelled. A failure is said once, and tried again."""
    said = ""
    while True:
        try:
            await worker.call(polling.run)
        except StoreError as error:
            if str(error) != said:
                log.warning("aws: %s; it is tried again", error)
            said = str(error)
        else:
            said = ""
        await asyncio.sleep(_HEARTBEAT_S)
