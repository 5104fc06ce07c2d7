"""When an alert fires, changes and is resolved: a pure function of what it was and of one minute's value.

Each severity of a rule is a switch of its own: it goes on when its bound has been broken at every minute of ``hold``,
and off when it has been kept at every minute of ``clear``. The alert is as bad as the worst switch that is on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from collector.alerts.rules import Rule, Severity

Labels = tuple[tuple[str, str], ...]
"""Which series: names and values, such as ``(("AccountId", "…"), ("FunctionName", "orders"))``, sorted."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series: that of the window which ends at the evaluated minute."""

    labels: Labels
    value: float | None
    traffic: float | None = None
    """Invocations that it rests on; None where the rule does not ask."""


@dataclass(frozen=True, slots=True)
class Switch:
    """One severity of one alert."""

    on: bool = False
    turning_since: datetime | None = None
    """Since which evaluated minute the value has been on the other side than the switch is; None if it is not."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What is known of one series under one rule."""

    labels: Labels
    switches: Mapping[Severity, Switch]
    value: float | None = None
    """The newest value; None where there was none."""
    fired_at: datetime | None = None
    """When it began to fire; None while it does not."""
    told_at: datetime | None = None
    """When people were last told."""

    @property
    def severity(self) -> Severity | None:
        """The worst that is on, or None where all is well."""
        return max((name for name, one in self.switches.items() if one.on), key=_rank, default=None)


@dataclass(frozen=True, slots=True)
class Change:
    """What people are told.

    Attributes:
        kind: ``firing``, ``changed`` (of severity), ``repeated`` (still firing) or ``resolved``.
        severity: the one now; of a resolved alert the one that it had.
    """

    kind: Literal["firing", "changed", "repeated", "resolved"]
    severity: Severity
    alert: Alert
    at: datetime


def _rank(severity: Severity) -> int:
    return ("info", "warning", "critical").index(severity)


def unknown(rule: Rule, labels: Labels) -> Alert:
    """An alert of which nothing is known yet."""
    return Alert(labels, {severity: Switch() for severity, _ in rule.tiers})


def step(rule: Rule, before: Alert, sample: Sample | None, at: datetime) -> Alert:
    """The alert after one more minute.

    Args:
        rule: decides.
        before: the alert until now.
        sample: the minute's value; None where the series has none.
        at: the end of the minute, later than that of the step before.
    """
    value = sample.value if sample is not None else None
    if sample is not None and sample.traffic is not None and sample.traffic < rule.minimum_traffic:
        breaches: dict[Severity, bool] | None = {severity: False for severity, _ in rule.tiers}
    elif value is not None:
        breaches = {severity: bound.breached_by(value) for severity, bound in rule.tiers}
    elif rule.missing == "keep":
        breaches = None
    else:
        breaches = {severity: rule.missing == "alert" for severity, _ in rule.tiers}
    if breaches is None:
        return replace(before, value=None)
    switches = {
        severity: _turn(rule, before.switches.get(severity, Switch()), at, breached=breached)
        for severity, breached in breaches.items()
    }
    after = replace(before, switches=switches, value=value)
    return replace(after, fired_at=(before.fired_at or at) if after.severity else None)


def _turn(rule: Rule, switch: Switch, at: datetime, *, breached: bool) -> Switch:
    if breached == switch.on:
        return replace(switch, turning_since=None)
    since = switch.turning_since or at
    if at - since >= (rule.clear if switch.on else rule.hold):
        return Switch(on=breached)
    return replace(switch, turning_since=since)


def change(rule_file_repeat_s: float | None, before: Alert, after: Alert, at: datetime) -> Change | None:
    """What people are to be told of a step; None where nothing.

    Args:
        rule_file_repeat_s: after so many seconds an alert that still fires is told again; None for never.
        before: the alert before the step.
        after: the alert after it.
        at: the end of the minute.
    """
    old, new = before.severity, after.severity
    if new is None:
        return Change("resolved", old, replace(after, fired_at=before.fired_at), at) if old is not None else None
    if old is None:
        return Change("firing", new, after, at)
    if old != new:
        return Change("changed", new, after, at)
    told = before.told_at
    if rule_file_repeat_s is not None and told is not None and (at - told).total_seconds() >= rule_file_repeat_s:
        return Change("repeated", new, after, at)
    return None
