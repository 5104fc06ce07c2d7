"""What changed, in ClickHouse: written before anybody is told, and read at the start to know what fires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from collector.alerts.destinations import Outcome
from collector.alerts.notification import Notification
from collector.alerts.rules import Rule
from collector.alerts.state import Alert, Labels, Switch, unknown

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_COLUMNS: Final = (
    "Time", "Rule", "Fingerprint", "Title", "Labels", "Kind", "Severity", "Value", "Unit", "Bound", "FiredAt",
    "Summary", "Advice",
)  # fmt: skip
_DELIVERY_COLUMNS: Final = (
    "Time", "Rule", "Fingerprint", "Kind", "Destination", "Outcome", "Attempts", "Error", "At",
)  # fmt: skip

_UNTOLD: Final = """
SELECT
    Time, Rule, Fingerprint, Title, Labels, Kind, Severity, Value, Unit, Bound, FiredAt, Summary, Advice, Destination
FROM lambda_alerts AS changes FINAL
INNER JOIN
(
    SELECT Time, Rule, Fingerprint, Kind, Destination
    FROM lambda_alert_deliveries FINAL
    WHERE Outcome IN ('pending', 'failed')
) AS waiting USING (Time, Rule, Fingerprint, Kind)
WHERE Time > {since:DateTime64(3, 'UTC')}
ORDER BY Time
"""

KNOWN_FOR: Final = timedelta(days=90)
"""An alert that has not changed for so long is forgotten."""
TOLD_WITHIN: Final = timedelta(hours=6)
"""For so long a notification that nobody took is tried again."""


@dataclass(frozen=True, slots=True)
class History:
    """The two tables, through a client of the store. Blocking."""

    client: Client

    def write(self, changes: Sequence[Notification]) -> None:
        """Store what changed."""
        rows = [
            [one.time, one.rule, one.fingerprint, one.title, dict(one.labels), one.kind, one.severity, one.value,
             one.unit, one.bound, one.fired_at, one.summary, one.advice]
            for one in changes
        ]  # fmt: skip
        if rows:
            self.client.insert("lambda_alerts", rows, column_names=list(_COLUMNS))

    def write_pending(self, to_tell: Sequence[tuple[Notification, str]], at: datetime) -> None:
        """Store who is about to be told, so that a crash on the way leaves nobody out."""
        rows = [[one.time, one.rule, one.fingerprint, one.kind, name, "pending", 0, "", at] for one, name in to_tell]
        if rows:
            self.client.insert("lambda_alert_deliveries", rows, column_names=list(_DELIVERY_COLUMNS))

    def write_outcomes(self, told: Sequence[tuple[Notification, Outcome]], at: datetime) -> None:
        """Store what became of notifications."""
        rows = [
            [one.time, one.rule, one.fingerprint, one.kind, outcome.destination, _word(outcome), outcome.attempts,
             outcome.error, at]
            for one, outcome in told
        ]  # fmt: skip
        if rows:
            self.client.insert("lambda_alert_deliveries", rows, column_names=list(_DELIVERY_COLUMNS))

    def firing(self, rules: Sequence[Rule], now: datetime) -> dict[tuple[str, Labels], Alert]:
        """What fired when the last collector stopped, by rule and series. Pending ones begin anew."""
        found = self.client.query(
            "SELECT Rule, any(Labels), argMax(Kind, Time), argMax(Severity, Time), argMax(FiredAt, Time), max(Time) "
            "FROM lambda_alerts WHERE Time > {since:DateTime64(3, 'UTC')} GROUP BY Rule, Fingerprint",
            parameters={"since": now - KNOWN_FOR},
        )
        by_name = {rule.name: rule for rule in rules}
        alerts = {}
        for name, labels, kind, severity, fired_at, time in found.result_rows:
            rule = by_name.get(name)
            if rule is None or kind == "resolved":
                continue
            series: Labels = tuple(sorted(labels.items()))
            alerts[name, series] = replace(
                _fired(rule, series, severity), fired_at=_aware(fired_at), told_at=_aware(time)
            )
        return alerts

    def untold(self, destinations: Sequence[str], now: datetime) -> list[tuple[Notification, str]]:
        """Changes of the last hours that a destination has not taken, the oldest first."""
        found = self.client.query(_UNTOLD, parameters={"since": now - TOLD_WITHIN})
        return [(_notification(row[:-1]), str(row[-1])) for row in found.result_rows if str(row[-1]) in destinations]


def _word(outcome: Outcome) -> str:
    if outcome.delivered:
        return "delivered"
    return "refused" if outcome.lasting else "failed"


def _fired(rule: Rule, labels: Labels, severity: str) -> Alert:
    """An alert with the switches on up to a severity. One that the rule has no more counts as its worst."""
    alert = unknown(rule, labels)
    names = list(alert.switches)
    last = names.index(severity) if severity in names else len(names) - 1
    return replace(alert, switches={name: Switch(on=at <= last) for at, name in enumerate(names)})


def _notification(row: Sequence[object]) -> Notification:
    values = dict(zip(_COLUMNS, row, strict=True))
    labels = values["Labels"]
    value = values["Value"]
    assert isinstance(labels, dict)
    return Notification(
        time=_aware(values["Time"]),
        rule=str(values["Rule"]),
        fingerprint=str(values["Fingerprint"]),
        title=str(values["Title"]),
        labels=tuple(sorted(labels.items())),
        kind=str(values["Kind"]),
        severity=values["Severity"],  # type: ignore[arg-type]  # written by us
        value=float(value) if isinstance(value, float) else None,
        unit=str(values["Unit"]),
        bound=str(values["Bound"]),
        fired_at=_aware(values["FiredAt"]),
        summary=str(values["Summary"]),
        advice=str(values["Advice"]),
    )


def _aware(at: object) -> datetime:
    assert isinstance(at, datetime)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
