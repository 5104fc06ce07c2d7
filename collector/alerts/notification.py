"""What people read when an alert changes: one record, and its forms for a webhook, Slack and SNS. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from collector.alerts.metrics import shown
from collector.alerts.rules import Rule, Severity
from collector.alerts.state import Change, Labels

SUBJECT_CHARACTERS: Final = 100
"""Amazon SNS takes no longer subject (API reference, Publish)."""

_LOOK_BEFORE_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Notification:
    """A change of an alert.

    Attributes:
        time: end of the minute at which it changed.
        fingerprint: the same for all notifications of one alert: what receivers deduplicate by.
        bound: of the severity, as the file has it.
        summary: one sentence.
        link: the page of the dashboard that shows more; '' where its address is not known.
    """

    time: datetime
    rule: str
    fingerprint: str
    title: str
    labels: Labels
    kind: str
    severity: Severity
    value: float | None
    unit: str
    bound: str
    fired_at: datetime
    summary: str
    advice: str
    link: str = ""

    @property
    def headline(self) -> str:
        """Severity or RESOLVED, what, and whose."""
        word = "RESOLVED" if self.kind == "resolved" else self.severity.upper()
        return f"[{word}] {self.title}: {self.subject}"

    @property
    def subject(self) -> str:
        """Which series, in short: the function's name where there is one."""
        named = dict(self.labels)
        return named.get("FunctionName") or ", ".join(value for _, value in self.labels if value) or "all"


def fingerprint(rule: str, labels: Labels) -> str:
    """16 hexadecimal digits that stay the same for a series under a rule."""
    text = "\n".join([rule, *(f"{name}={value}" for name, value in labels)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def notification(rule: Rule, change: Change, dashboard: str = "") -> Notification:
    """Put a change into words.

    Args:
        rule: whose alert it is.
        change: of the alert.
        dashboard: address of the dashboard, without a slash at its end; '' for none.
    """
    alert = change.alert
    bound = dict(rule.tiers)[change.severity].text
    fired_at = alert.fired_at or change.at
    return Notification(
        time=change.at,
        rule=rule.name,
        fingerprint=fingerprint(rule.name, alert.labels),
        title=rule.title,
        labels=alert.labels,
        kind=change.kind,
        severity=change.severity,
        value=alert.value,
        unit=rule.metric.unit,
        bound=bound,
        fired_at=fired_at,
        summary=_summary(rule, change, bound, fired_at),
        advice="" if change.kind == "resolved" else rule.advice,
        link=_link(dashboard, rule.metric.page, alert.labels, fired_at, change.at),
    )


def _summary(rule: Rule, change: Change, bound: str, fired_at: datetime) -> str:
    value = shown(change.alert.value, rule.metric.unit)
    minutes = int(rule.window.total_seconds() // 60)
    over = "the last minute" if minutes == 1 else f"the last {minutes} minutes"
    if change.kind == "resolved":
        lasted = int((change.at - fired_at).total_seconds() // 60)
        return f"{value} over {over}, within {bound} again after {lasted} min."
    return f"{value} over {over}; the bound is {bound}, broken since {_utc(fired_at - rule.hold)}."


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _link(dashboard: str, page: str, labels: Labels, fired_at: datetime, at: datetime) -> str:
    if not dashboard:
        return ""
    named = dict(labels)
    begin = datetime.fromtimestamp(fired_at.timestamp() - _LOOK_BEFORE_S, UTC)
    query = {"range": "custom", "from": f"{begin:%Y-%m-%dT%H:%M:%SZ}", "to": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    if named.get("FunctionName"):
        query["function"] = named["FunctionName"]
    return f"{dashboard}/{page}?{urlencode(query)}"


def as_json(one: Notification) -> dict[str, Any]:
    """The body of a webhook. docs/alerts.md has its fields; they stay."""
    return {
        "version": 1,
        "kind": one.kind,
        "severity": one.severity,
        "rule": one.rule,
        "title": one.title,
        "fingerprint": one.fingerprint,
        "labels": dict(one.labels),
        "value": one.value,
        "unit": one.unit,
        "bound": one.bound,
        "time": one.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "fired_at": one.fired_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "summary": one.summary,
        "advice": one.advice,
        "link": one.link,
    }


_MARKS: Final = {"info": ":information_source:", "warning": ":warning:", "critical": ":rotating_light:"}


def as_slack(one: Notification) -> dict[str, Any]:
    """A message for an incoming webhook of Slack, Mattermost and their like.

    Source: https://docs.slack.dev/messaging/formatting-message-text (the three characters to escape, links).
    """
    mark = ":white_check_mark:" if one.kind == "resolved" else _MARKS[one.severity]
    lines = [f"{mark} *{_escaped(one.headline)}*", _escaped(one.summary)]
    if one.advice:
        lines.append(_escaped(one.advice))
    if one.link:
        lines.append(f"<{one.link}|Open the dashboard>")
    return {"text": "\n".join(lines)}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_mail(one: Notification) -> tuple[str, str]:
    """Subject and text, for SNS. A subject is ASCII, without line breaks, and not longer than 100 characters."""
    subject = one.headline.encode("ascii", "replace").decode().replace("\n", " ")[:SUBJECT_CHARACTERS]
    named = "\n".join(f"{name}: {value}" for name, value in one.labels if value)
    return subject, "\n\n".join(part for part in (one.headline, one.summary, one.advice, named, one.link) if part)
