"""A scenario file: which functions there are, which limits, which traffic. docs/emulator.md describes it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from emulator import wire
from emulator.errors import ScenarioError
from emulator.faults import FaultsConfig
from emulator.faults import parse as parse_faults
from emulator.fields import Fields
from emulator.functions import FunctionConfig
from emulator.functions import parse as parse_function
from emulator.metrics import FORMATS
from emulator.publisher import MetricsConfig
from emulator.traffic import Bursts, Constant, Pattern, Poisson, Wave
from emulator.triggers.config import SourcesConfig
from emulator.triggers.config import parse as parse_sources

_MANY: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """Limits of the account."""

    account_concurrency: int
    idle_timeout_s: float
    """How long a sandbox stays without an invocation before it is shut down."""
    lifetime_s: float
    """How old a sandbox may grow even in constant use."""
    unreserved_minimum: int
    """What reserved and provisioned concurrency together must leave."""
    scaling_environments: int
    """Environments that one function may add in 10 s."""
    requests_per_s_per_concurrency: int


@dataclass(frozen=True, slots=True)
class ResourcesConfig:
    """Which of a function's resources are limited as Lambda limits them."""

    cpu: bool
    """A share of memory_mb / 1769 of one processor."""
    memory: bool


@dataclass(frozen=True, slots=True)
class FunctionTarget:
    """Requests for a function."""

    function: str
    invocation_type: str


@dataclass(frozen=True, slots=True)
class SourceTarget:
    """Records of a stream, or messages of a queue."""

    source: str
    keys: int
    """How many partition keys there are; which one a record has is drawn."""


@dataclass(frozen=True, slots=True)
class TrafficConfig:
    """A stream of requests, records or messages."""

    target: FunctionTarget | SourceTarget
    pattern: Pattern
    start_s: float
    for_s: float | None
    """None: endless."""
    payload: Any
    """JSON."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole file."""

    account_id: str
    region: str
    seed: int
    functions: dict[str, FunctionConfig]
    limits: LimitsConfig
    resources: ResourcesConfig
    sources: SourcesConfig
    metrics: MetricsConfig
    traffic: tuple[TrafficConfig, ...]

    def function_arn(self, name: str) -> str:
        """The function's ARN without version or alias."""
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{name}"


def load(path: Path) -> Scenario:
    """Read and check a file. Raises ScenarioError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"scenario {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ScenarioError(f"scenario {path}: is not UTF-8 text") from error
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScenarioError(f"scenario {path}: is not YAML: {' '.join(str(error).split())}") from error
    return parse(value, path)


def parse(value: Any, path: Path) -> Scenario:
    """Check a parsed file. ``path`` is what complaints name and what paths in it are relative to."""
    fields = Fields(value, str(path))
    account_id = fields.text("account_id", "123456789012")
    if not re.fullmatch(r"[0-9]{12}", account_id):
        raise ScenarioError(f"{fields.path('account_id')}: must be twelve digits in quotes, not {account_id!r}")
    faults = parse_faults(fields.section("faults"), FaultsConfig())
    functions = {
        name: parse_function(name, item, path.parent, faults) for name, item in fields.sections("functions").items()
    }
    if not functions:
        raise ScenarioError(f"{fields.path('functions')}: must describe at least one function")
    sources = parse_sources(fields.sections("sources"), fields.sections("asynchronous"), tuple(functions))
    scenario = Scenario(
        account_id=account_id,
        region=fields.text("region", "eu-west-1"),
        seed=fields.integer("seed", 0, 2**63, 1),
        functions=functions,
        limits=_limits(fields.section("limits")),
        resources=_resources(fields.section("resources")),
        sources=sources,
        metrics=_metrics(fields.section("metrics")),
        traffic=tuple(_traffic(item, functions, sources) for item in fields.items("traffic")),
    )
    fields.finish()
    _check_reservations(scenario, fields)
    return scenario


def _limits(fields: Fields) -> LimitsConfig:
    limits = LimitsConfig(
        account_concurrency=fields.integer("account_concurrency", 1, _MANY, 1000),
        idle_timeout_s=fields.number("idle_timeout_s", 0.05, 86_400, 300),
        lifetime_s=fields.number("lifetime_s", 0.05, _MANY, 7200),
        unreserved_minimum=fields.integer("unreserved_minimum", 0, _MANY, 0),
        scaling_environments=fields.integer("scaling_environments", 1, _MANY, 1000),
        requests_per_s_per_concurrency=fields.integer("requests_per_s_per_concurrency", 1, _MANY, 10),
    )
    fields.finish()
    return limits


def _resources(fields: Fields) -> ResourcesConfig:
    resources = ResourcesConfig(cpu=fields.truth("cpu", default=False), memory=fields.truth("memory", default=True))
    fields.finish()
    return resources


def _check_reservations(scenario: Scenario, fields: Fields) -> None:
    reserved = 0
    for function in scenario.functions.values():
        own = function.reserved_concurrency
        reserved += function.provisioned_concurrency if own is None else own
        if own is not None and function.provisioned_concurrency > own:
            raise ScenarioError(
                f"{fields.path('functions')}.{function.name}.provisioned_concurrency: "
                f"{function.provisioned_concurrency} is more than the {own} that are reserved"
            )
    if reserved > scenario.limits.account_concurrency - scenario.limits.unreserved_minimum:
        raise ScenarioError(
            f"{fields.path('functions')}: together they reserve a concurrency of {reserved}, more than the account's "
            f"{scenario.limits.account_concurrency - scenario.limits.unreserved_minimum}"
        )


def _metrics(fields: Fields) -> MetricsConfig:
    config = MetricsConfig(
        every_s=fields.number("every_s", 0.1, 3600, 60),
        delay_s=fields.number("delay_s", 0, 3600, 120),
        unfinished=fields.truth("unfinished", default=False),
        format=fields.choice("format", tuple(FORMATS), "opentelemetry1.0"),
    )
    fields.finish()
    return config


def _traffic(fields: Fields, functions: Collection[str], sources: SourcesConfig) -> TrafficConfig:
    target = _target(fields, functions, sources)
    pattern = _pattern(fields)
    payload = fields.anything("payload", {})
    size = len(json.dumps(payload).encode())
    if size > wire.MAX_PAYLOAD_BYTES:
        raise ScenarioError(f"{fields.path('payload')}: {size} bytes; at most {wire.MAX_PAYLOAD_BYTES} fit")
    config = TrafficConfig(
        target=target,
        pattern=pattern,
        start_s=fields.number("start_s", 0, _MANY, 0),
        for_s=fields.optional_number("for_s", 0, _MANY),
        payload=payload,
    )
    fields.finish()
    return config


def _target(fields: Fields, functions: Collection[str], sources: SourcesConfig) -> FunctionTarget | SourceTarget:
    if fields.anything("source", None) is None:
        return FunctionTarget(
            fields.choice("function", tuple(functions)),
            fields.choice("invocation_type", ("RequestResponse", "Event"), "RequestResponse"),
        )
    return SourceTarget(fields.choice("source", tuple(sources.sources)), fields.integer("keys", 1, _MANY, 100))


def _pattern(fields: Fields) -> Pattern:
    match fields.choice("pattern", ("constant", "poisson", "bursts", "wave")):
        case "constant":
            return Constant(fields.number("rate_per_s", 0.0001, 10_000))
        case "poisson":
            return Poisson(fields.number("rate_per_s", 0.0001, 10_000))
        case "bursts":
            return Bursts(fields.integer("size", 1, 10_000), fields.number("every_s", 0.01, _MANY))
        case _:
            wave = Wave(
                fields.number("least_per_s", 0, 10_000),
                fields.number("most_per_s", 0.0001, 10_000),
                fields.number("period_s", 0.1, _MANY),
            )
            if wave.least_per_s > wave.most_per_s:
                raise ScenarioError(f"{fields.path('least_per_s')}: must not be above most_per_s")
            return wave
