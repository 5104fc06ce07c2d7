"""The job: once a minute, evaluate each rule on the minutes that have closed since, and tell what changed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from collector.alerts.destinations import Outcome, deliver
from collector.alerts.history import History
from collector.alerts.notification import Notification, notification
from collector.alerts.rules import Destination, Rule, RuleFile
from collector.alerts.state import Alert, Labels, Sample, change, step, unknown
from collector.store.client import first_line

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

log = logging.getLogger(__name__)

MINUTE: Final = timedelta(minutes=1)
CATCH_UP: Final = timedelta(minutes=30)
"""After a pause so many minutes are made up for, so that ``for`` is counted over all of them."""
MAX_SERIES: Final = 5000
"""Of one rule: what is above is left out and counted."""

Deliver = Callable[[Destination, Notification], Outcome]


@dataclass(slots=True)
class AlertCounters:
    """What happened since the start."""

    evaluations: int = 0
    failures: int = 0
    """Evaluations of a rule whose query failed."""
    series_dropped: int = 0
    told: int = 0
    not_told: int = 0


@dataclass(slots=True)
class Alerts:
    """The rules, and what is known of their series. One thread at a time.

    Attributes:
        file: rules and destinations.
        tell: tells one destination.
    """

    file: RuleFile
    tell: Deliver = deliver
    counters: AlertCounters = field(default_factory=AlertCounters)
    _known: dict[tuple[str, Labels], Alert] | None = None
    _until: dict[str, datetime] = field(default_factory=dict)
    _said: dict[str, str] = field(default_factory=dict)

    def run(self, client: Client, now: datetime) -> list[Notification]:
        """Evaluate what has closed by now, store what changed, and tell it. Blocking.

        What a destination does not take stays in the history and is tried again at the next run.

        Returns:
            What changed.

        Raises:
            ClickHouseError: the history cannot be read or written; nothing is told then.
        """
        history = History(client)
        if self._known is None:
            self._known = history.firing(self.file.rules, now)
        changed: list[Notification] = []
        for rule in self.file.rules:
            try:
                changed += self._evaluated(client, rule, now)
            except (ClickHouseError, OSError) as error:
                self.counters.failures += 1
                self._say(rule.name, first_line(str(error)))
            else:
                self._said.pop(rule.name, None)
        waiting = history.untold([one.name for one in self.file.destinations], now)
        new = [(one, to.name) for one in changed for to in self.file.destinations if one.severity in to.severities]
        history.write(changed)
        history.write_pending(new, now)
        self._tell(history, [*waiting, *new], now)
        return changed

    @property
    def firing(self) -> int:
        """How many alerts fire now."""
        return sum(alert.severity is not None for alert in (self._known or {}).values())

    def _evaluated(self, client: Client, rule: Rule, now: datetime) -> list[Notification]:
        changed: list[Notification] = []
        for minute in self._closed_minutes(rule, now):
            samples = self._samples(client, rule, minute)
            changed += self._stepped(rule, samples, minute)
            self._until[rule.name] = minute
            self.counters.evaluations += 1
        return changed

    def _closed_minutes(self, rule: Rule, now: datetime) -> Iterator[datetime]:
        closed = now.astimezone(UTC) - rule.metric.delay
        last = closed.replace(second=0, microsecond=0)
        minute = self._until.get(rule.name, last - MINUTE)
        minute = max(minute, last - CATCH_UP)
        while minute < last:
            minute += MINUTE
            yield minute

    def _samples(self, client: Client, rule: Rule, minute: datetime) -> dict[Labels, Sample]:
        found = client.query(
            rule.metric.sql.rstrip().rstrip(";"), parameters={"from": minute - rule.window, "to": minute}
        )
        samples: dict[Labels, Sample] = {}
        for row in found.result_rows:
            values = dict(zip(found.column_names, row, strict=True))
            value, traffic = values.pop("Value", None), values.pop("Traffic", None)
            labels = tuple(sorted((name, str(one)) for name, one in values.items()))
            if dict(labels).get("FunctionName") in rule.ignore:
                continue
            if len(samples) >= MAX_SERIES:
                self.counters.series_dropped += 1
                continue
            samples[labels] = Sample(labels, _number(value), _number(traffic))
        return samples

    def _stepped(self, rule: Rule, samples: dict[Labels, Sample], minute: datetime) -> list[Notification]:
        assert self._known is not None
        repeat_s = self.file.repeat.total_seconds() if self.file.repeat else None
        known = {labels: alert for (name, labels), alert in self._known.items() if name == rule.name}
        changed = []
        for labels in {**known, **samples}:
            before = known.get(labels) or unknown(rule, labels)
            after = step(rule, before, samples.get(labels), minute)
            news = change(repeat_s, before, after, minute)
            if news is not None:
                after = replace(after, told_at=minute)
                changed.append(notification(rule, news, self.file.dashboard))
            if any(one.on or one.turning_since for one in after.switches.values()):
                self._known[rule.name, labels] = after
            else:
                self._known.pop((rule.name, labels), None)
        return changed

    def _tell(self, history: History, to_tell: Sequence[tuple[Notification, str]], now: datetime) -> None:
        by_name = {one.name: one for one in self.file.destinations}
        told = [(one, self.tell(by_name[name], one)) for one, name in to_tell]
        self.counters.told += sum(outcome.delivered for _, outcome in told)
        self.counters.not_told += sum(not outcome.delivered for _, outcome in told)
        history.write_outcomes(told, now)

    def _say(self, rule: str, reason: str) -> None:
        """Log a failure once, until it is another one."""
        if self._said.get(rule) != reason:
            self._said[rule] = reason
            log.error("alert rule %s: %s", rule, reason)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if value == value else None  # noqa: PLR0124 - NaN is no value
