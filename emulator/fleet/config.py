"""A fleet's description: YAML, checked and frozen. docs/fleet.md has every field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from emulator.clock import NS_PER_S
from emulator.errors import ScenarioError
from emulator.fields import Fields
from emulator.fleet import incidents
from emulator.fleet.errors import FleetConfigError
from emulator.fleet.incidents import Incident, ScalingRateLimit
from emulator.fleet.profiles import Profile, Trigger, generate
from emulator.model import InitType, LimitError, Limits

DEFAULT_FUNCTIONS: Final = 300
DEFAULT_DAYS: Final = 7.0
MAX_FUNCTIONS: Final = 100_000


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """What a file, or the absence of one, says of a fleet."""

    account_id: str
    region: str
    functions: int
    """How many there are, the described ones included."""
    days: float
    requests_per_s: float
    """Of the functions that are generated together, averaged over a week."""
    limits: Limits
    described: tuple[Profile, ...]
    incidents: tuple[Incident, ...]


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet with every choice made: the same for the same description and seed."""

    account_id: str
    region: str
    days: float
    seed: int
    limits: Limits
    profiles: tuple[Profile, ...]
    incidents: tuple[Incident, ...]
    """Each with its function, by start."""


def load(path: Path | None) -> FleetConfig:
    """Read and check a description; None is the default fleet. Raises FleetConfigError."""
    if path is None:
        return _parse({}, "fleet")
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FleetConfigError(f"fleet {path}: {' '.join(str(error).split())}") from error
    return _parse(value, str(path))


def _parse(value: Any, where: str) -> FleetConfig:
    try:
        return parse(Fields(value, where))
    except (ScenarioError, LimitError) as error:
        raise FleetConfigError(str(error)) from error


def parse(fields: Fields) -> FleetConfig:
    """Check a description. Raises ScenarioError, which names the field."""
    config = FleetConfig(
        account_id=fields.text("account_id", "123456789012"),
        region=fields.text("region", "eu-west-1"),
        functions=fields.integer("functions", 1, MAX_FUNCTIONS, DEFAULT_FUNCTIONS),
        days=fields.number("days", 0.001, 366, DEFAULT_DAYS),
        requests_per_s=fields.number("requests_per_s", 0, 1_000_000, 2.0),
        limits=_limits(fields.section("limits")),
        described=tuple(_described(item) for item in fields.items("describe")),
        incidents=tuple(incidents.read(item) for item in fields.items("incidents")),
    )
    fields.finish()
    return config


def _limits(fields: Fields) -> Limits:
    limits = Limits(
        account_concurrency=fields.integer("account_concurrency", 1, 10_000_000, 1000),
        unreserved_minimum=fields.integer("unreserved_minimum", 0, 10_000_000, 100),
        scaling_environments=fields.integer("scaling_environments", 1, 10_000_000, 1000),
        scaling_period_ns=round(fields.number("scaling_period_s", 0.001, 86_400, 10) * NS_PER_S),
        requests_per_s_per_concurrency=fields.integer("requests_per_s_per_concurrency", 1, 10_000, 10),
        caller_requests_per_s=fields.optional_integer("caller_requests_per_s", 1, 10_000_000),
        idle_timeout_ns=round(fields.number("idle_timeout_s", 0.1, 86_400, 600) * NS_PER_S),
        lifetime_ns=round(fields.number("lifetime_s", 1, 14 * 86_400, 7200) * NS_PER_S),
    )
    fields.finish()
    return limits


def build(config: FleetConfig, seed: int) -> Fleet:
    """Draw the functions, and give each incident that names none a function of its own.

    Raises:
        FleetConfigError: an incident that fits no function, or more described functions than there are.
    """
    generated = config.functions - len(config.described)
    if generated < 0:
        raise FleetConfigError(f"functions: {config.functions}, but {len(config.described)} are described")
    profiles = [*generate(generated, config.requests_per_s, seed), *config.described]
    names = [profile.name for profile in profiles]
    if len(set(names)) < len(names):
        twice = max(names, key=names.count)
        raise FleetConfigError(f"describe: there are two functions {twice!r}")
    return Fleet(
        account_id=config.account_id,
        region=config.region,
        days=config.days,
        seed=seed,
        limits=config.limits,
        profiles=tuple(profiles),
        incidents=_assigned(config, profiles),
    )


def _described(fields: Fields) -> Profile:
    """A function as its mapping says. What it leaves open is the dullest choice."""
    trigger = Trigger(fields.choice("trigger", tuple(Trigger), Trigger.DIRECT))
    initialization = InitType(fields.choice("initialization", tuple(InitType), InitType.ON_DEMAND))
    profile = Profile(
        name=fields.text("name"),
        trigger=trigger,
        requests_per_s=fields.number("requests_per_s", 0, 1_000_000, 0.1),
        runtime_version=fields.text("runtime_version", "python:3.12.v38"),
        architecture=fields.choice("architecture", ("x86_64", "arm64"), "x86_64"),
        memory_mb=fields.integer("memory_mb", 128, 10_240, 512),
        timeout_s=fields.number("timeout_s", 0.1, 900, 30),
        initialization=initialization,
        provisioned_concurrency=fields.integer("provisioned_concurrency", 0, 100_000, 0),
        reserved_concurrency=fields.optional_integer("reserved_concurrency", 0, 100_000),
        alias=fields.text("alias", "live"),
        deployments_per_week=fields.number("deployments_per_week", 0, 10_000, 0),
        duration_ms=fields.number("duration_ms", 0.1, 900_000, 50),
        duration_spread=fields.number("duration_spread", 0, 3, 0.4),
        init_ms=fields.number("init_ms", 1, 9000, 250),
        extension_init_ms=fields.number("extension_init_ms", 0.1, 9000, 10),
        post_runtime_ms=fields.number("post_runtime_ms", 0, 9000, 1),
        error_rate=fields.number("error_rate", 0, 1, 0),
        timeout_rate=fields.number("timeout_rate", 0, 1, 0),
        out_of_memory_rate=fields.number("out_of_memory_rate", 0, 1, 0),
        proactive_init_rate=fields.number("proactive_init_rate", 0, 1000, 0),
        daily_swing=fields.number("daily_swing", 0, 1, 0),
        peak_hour=fields.number("peak_hour", 0, 24, 12),
        weekend_factor=fields.number("weekend_factor", 0, 10, 1),
        shards=fields.integer("shards", 1, 10_000, 2 if trigger.is_stream else 1),
        batch_size=fields.integer("batch_size", 1, 10_000, 100 if trigger.is_stream else 10),
        batching_window_s=fields.number("batching_window_s", 0, 300, 0),
    )
    fields.finish()
    if initialization is InitType.PROVISIONED and not profile.provisioned_concurrency:
        raise ScenarioError(f"{fields.path('provisioned_concurrency')}: must be at least 1 with this initialization")
    return profile


def _assigned(config: FleetConfig, profiles: Sequence[Profile]) -> tuple[Incident, ...]:
    by_name = {profile.name: profile for profile in profiles}
    taken = {incident.function for incident in config.incidents}
    assigned = []
    for number, incident in enumerate(config.incidents):
        where = f"incidents[{number}] ({incident.kind})"
        _check_limits(incident, config.limits, where)
        chosen = incident
        if incident.function is None:
            # The one that feels most of it and has no other incident: an incident that nobody feels shows nothing.
            fitting = [one for one in profiles if incidents.suits(incident, one) and one.name not in taken]
            if not fitting:
                raise FleetConfigError(f"{where}: no function is left that it could happen to; add functions")
            chosen = replace(incident, function=max(fitting, key=partial(incidents.felt, incident)).name)
            taken.add(chosen.function)
        elif incident.function not in by_name:
            raise FleetConfigError(f"{where}: there is no function {incident.function!r}")
        elif not incidents.suits(incident, by_name[incident.function]):
            triggers = ", ".join(sorted(incident.triggers))
            raise FleetConfigError(
                f"{where}: does not fit {incident.function!r}; it needs a trigger of {triggers}, and a configuration "
                "under which it can happen (docs/fleet.md)"
            )
        assigned.append(chosen)
    return tuple(sorted(assigned, key=lambda one: one.start_h))


def _check_limits(incident: Incident, limits: Limits, where: str) -> None:
    if isinstance(incident, ScalingRateLimit) and incident.burst <= limits.scaling_environments:
        raise FleetConfigError(f"{where}: burst must be above scaling_environments ({limits.scaling_environments})")
    reserved = getattr(incident, "reserved", 0)
    if reserved > limits.account_concurrency - limits.unreserved_minimum:
        raise FleetConfigError(f"{where}: reserved {reserved} does not fit into account_concurrency")
