"""What is due when, for every account and region, one after the other; trouble in one does not stop the others."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from collector.aws import metrics, progress
from collector.aws.errors import AwsError
from collector.aws.inventory import JOB as INVENTORY
from collector.aws.inventory import Inventory
from collector.aws.metrics import MetricsPoller
from collector.aws.sessions import places

if TYPE_CHECKING:
    from collections.abc import Callable

    from clickhouse_connect.driver.client import Client

    from collector.aws.config import AwsConfig
    from collector.aws.sessions import Place
    from collector.store.inserter import Store

log = logging.getLogger(__name__)

_LONGEST_BACK_OFF_S: Final = 1800


@dataclass(slots=True)
class _Task:
    """A poller or an inventory of one place.

    Attributes:
        due_s: when it is to run next.
        failures: in a row; each doubles the wait.
    """

    job: str
    place: Place
    every_s: int
    run: Callable[[int], str]
    due_s: int = 0
    failures: int = 0
    trouble: str = ""


class AwsJob:
    """All that is asked of AWS. Blocking, and used from one thread; call :meth:`run` whenever it says that it is due.

    What it knows is in ClickHouse: another process that has the lease goes on where this one stopped.
    """

    def __init__(
        self, config: AwsConfig, client: Client, store: Store, say: Callable[[str], None] = log.warning
    ) -> None:
        """Nothing is asked for yet.

        Args:
            config: accounts, regions and how often.
            client: for reading the progress.
            store: takes the rows.
            say: told of back-fills and their cost.
        """
        self._client = client
        self._store = store
        self._tasks = [task for place in places(config) for task in self._of_place(place, config, say)]

    def _of_place(self, place: Place, config: AwsConfig, say: Callable[[str], None]) -> list[_Task]:
        tasks = []
        if config.inventory.enabled:
            inventory = Inventory(place, self._store)
            tasks.append(_Task(INVENTORY, place, config.inventory.every_s, lambda now_s: inventory.run(now_s)[1]))
        if config.metrics.enabled:
            poller = MetricsPoller(place, config.metrics, self._client, self._store)
            tasks.append(
                _Task(metrics.JOB, place, config.metrics.every_s, lambda now_s: poller.run(now_s, say).trouble)
            )
        return tasks

    def run(self, now_s: int) -> int:
        """Do what is due; returns when the next is, in seconds since the epoch.

        Raises:
            StoreError: ClickHouse did not take it; all else is kept as the state of the task.
        """
        for task in self._tasks:
            if task.due_s <= now_s:
                self._run_task(task, now_s)
        return min((task.due_s for task in self._tasks), default=now_s + _LONGEST_BACK_OFF_S)

    def _run_task(self, task: _Task, now_s: int) -> None:
        task.due_s = (now_s // task.every_s + 1) * task.every_s
        try:
            trouble = task.run(now_s)
        except AwsError as error:
            trouble = str(error)
            task.failures += 1
            back_off_s = min(_LONGEST_BACK_OFF_S, task.every_s << min(task.failures - 1, 10))
            task.due_s = now_s + back_off_s
        else:
            task.failures = 0
        if trouble != task.trouble:
            log.warning("aws: %s of %s: %s", task.job, task.place.region, trouble or "all is well again")
            task.trouble = trouble
            self._note(task, now_s)

    def _note(self, task: _Task, now_s: int) -> None:
        """Where people look for it: in lambda_poller_state."""
        try:
            account_id = task.place.account_id
        except AwsError:
            account_id = ""
        state = progress.read(self._client, task.job, account_id, task.place.region)
        progress.write(self._store, replace(state, trouble=task.trouble), now_s * 1000 + 999)
