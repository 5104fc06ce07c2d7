"""The file of rules: YAML in, frozen records out, and an error that names the rule and the key of what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal, cast, get_args
from urllib.parse import urlsplit

import yaml

from collector.alerts.errors import RuleFileError
from collector.alerts.keys import Keys
from collector.alerts.metrics import METRICS, Metric

Severity = Literal["info", "warning", "critical"]
"""From the mildest to the worst."""

Missing = Literal["ok", "keep", "alert"]
"""What it means that a series that was there has no value: all is well, nothing is known, or it is a breach itself."""

Kind = Literal["webhook", "slack", "sns"]

FIVE_MINUTES: Final = timedelta(minutes=5)
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
}
_THRESHOLD: Final = re.compile(r"(>=|<=|>|<)\s*(-?[0-9]+(?:\.[0-9]+)?)(\s*%)?")
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Threshold:
    """A bound, such as ``> 1 %`` (which is 0.01)."""

    operator: str
    limit: float
    text: str
    """As it was written."""

    def breached_by(self, value: float) -> bool:
        """Whether the value is on the wrong side."""
        return _OPERATORS[self.operator](value, self.limit)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        name: lower-case letters, digits and hyphens; the key of its history.
        title: what people read.
        metric: what is measured: a named one, or one made of the rule's own SQL.
        tiers: the bound of each severity, the mildest first.
        window: how much time one value covers.
        hold: how long a bound must be broken before anybody is told.
        clear: how long it must be kept before the alert is resolved.
        minimum_traffic: below so many invocations (the query's ``Traffic``) in the window a value says nothing.
        missing: what a series without a value means.
        ignore: names of functions that the rule leaves out.
        advice: what to do first.
    """

    name: str
    title: str
    metric: Metric
    tiers: tuple[tuple[Severity, Threshold], ...]
    window: timedelta
    hold: timedelta
    clear: timedelta
    minimum_traffic: float
    missing: Missing
    ignore: frozenset[str]
    advice: str


@dataclass(frozen=True, slots=True)
class Destination:
    """Where notifications go. Its address may hold a secret, and is in no representation of it."""

    name: str
    kind: Kind
    address: str = field(repr=False)
    severities: tuple[Severity, ...] = SEVERITIES


@dataclass(frozen=True, slots=True)
class RuleFile:
    """All that the file says.

    Attributes:
        rules: those that are switched on.
        destinations: who is told.
        dashboard: address of the dashboard for links in notifications; '' for none.
        repeat: after how long an alert that still fires is told again; None for never.
    """

    rules: tuple[Rule, ...]
    destinations: tuple[Destination, ...] = ()
    dashboard: str = ""
    repeat: timedelta | None = None


def parse(text: str, environ: Mapping[str, str]) -> RuleFile:
    """Read a file of rules.

    Args:
        text: YAML, as docs/alerts.md describes it.
        environ: for ``${NAME}`` in the addresses of destinations and the dashboard, so that no secret is in the file.

    Raises:
        RuleFileError: something in it cannot be used.
    """
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RuleFileError(f"not YAML: {' '.join(str(error).split())}") from None
    top = Keys("", loaded if loaded is not None else {})
    rules = [_rule(one, at) for at, one in enumerate(top.items("rules"))]
    destinations = [_destination(one, at, environ) for at, one in enumerate(top.items("destinations"))]
    dashboard = _expanded(top.text("dashboard", ""), "dashboard", environ)
    repeat = top.duration("repeat", timedelta(0))
    top.done()
    for kind, names in (
        ("rule", [one.name for one in rules if one]),
        ("destination", [one.name for one in destinations]),
    ):
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise RuleFileError(f"two {kind}s are called {min(twice)!r}")
    return RuleFile(tuple(one for one in rules if one), tuple(destinations), dashboard.rstrip("/"), repeat or None)


def _rule(value: object, at: int) -> Rule | None:
    """A rule; None where it is switched off (which does not keep it from being checked)."""
    keys = Keys(f"rules[{at}]", value)
    name = keys.text("name")
    if not _NAME.fullmatch(name):
        raise RuleFileError(f"rules[{at}].name: {name!r} is not made of lower-case letters, digits and hyphens")
    keys.where = f"rule {name!r}"
    enabled = keys.flag("enabled", default=True)
    metric = _metric(keys, name)
    hold = keys.duration("for", FIVE_MINUTES)
    window = keys.duration("window", FIVE_MINUTES)
    rule = Rule(
        name=name,
        title=keys.text("title", name),
        metric=metric,
        tiers=_tiers(keys),
        window=window,
        hold=hold,
        clear=keys.duration("resolve_after", max(hold, FIVE_MINUTES)),
        minimum_traffic=keys.number("minimum_traffic", 0.0),
        missing=cast("Missing", keys.choice("missing", get_args(Missing), "ok")),
        ignore=frozenset(str(one) for one in keys.items("ignore")),
        advice=keys.text("advice", metric.advice),
    )
    keys.done()
    if window < timedelta(minutes=1):
        raise RuleFileError(f"rule {name!r}: window is 0; the least is 1m")
    return rule if enabled else None


def _metric(keys: Keys, name: str) -> Metric:
    named, sql = keys.text("metric", ""), keys.text("sql", "")
    if bool(named) == bool(sql):
        raise RuleFileError(f"rule {name!r}: needs either metric or sql")
    if sql:
        return Metric(name, sql, unit=keys.text("unit", ""), delay=keys.duration("delay", FIVE_MINUTES))
    if named not in METRICS:
        raise RuleFileError(f"rule {name!r}: metric {named!r} is none of {', '.join(sorted(METRICS))}")
    return METRICS[named]


def _tiers(keys: Keys) -> tuple[tuple[Severity, Threshold], ...]:
    found = [(severity, keys.text(severity, "")) for severity in SEVERITIES]
    tiers = tuple((severity, _threshold(text, f"{keys.where}: {severity}")) for severity, text in found if text)
    if not tiers:
        raise RuleFileError(
            f"{keys.where}: needs a bound for one of {', '.join(SEVERITIES)}, such as critical: '> 5 %'"
        )
    return tiers


def _threshold(text: str, where: str) -> Threshold:
    match = _THRESHOLD.fullmatch(text.strip())
    if match is None:
        raise RuleFileError(f"{where}: {text!r} is not a bound such as '> 5 %', '>= 10' or '< 1'")
    return Threshold(match[1], float(match[2]) / (100 if match[3] else 1), " ".join(text.split()))


def _destination(value: object, at: int, environ: Mapping[str, str]) -> Destination:
    keys = Keys(f"destinations[{at}]", value)
    name = keys.text("name")
    keys.where = f"destination {name!r}"
    given = {kind: address for kind in get_args(Kind) if (address := keys.text(kind, ""))}
    if len(given) != 1:
        raise RuleFileError(f"destination {name!r}: needs one of {', '.join(get_args(Kind))}")
    [(kind, address)] = given.items()
    severities = tuple(cast("Severity", one) for one in keys.choices("severities", SEVERITIES))
    keys.done()
    address = _expanded(address, f"destination {name!r}: {kind}", environ)
    _check_address(name, kind, address)
    return Destination(name, cast("Kind", kind), address, severities)


def _check_address(name: str, kind: str, address: str) -> None:
    if kind == "sns":
        if not re.fullmatch(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+", address):
            raise RuleFileError(f"destination {name!r}: sns: not the ARN of a topic")
        return
    try:
        parts = urlsplit(address)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        # Not shown: whatever it is, it may hold a secret.
        raise RuleFileError(f"destination {name!r}: {kind}: not a URL that begins with http:// or https://")


def _expanded(text: str, where: str, environ: Mapping[str, str]) -> str:
    for name in _VARIABLE.findall(text):
        if not environ.get(name):
            raise RuleFileError(f"{where}: the environment variable {name} is not set")
    return _VARIABLE.sub(lambda match: environ[match[1]], text)
