"""The functions of a scenario: what each is, and on which kind of sandbox it runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emulator.errors import ScenarioError
from emulator.faults import FaultsConfig
from emulator.faults import parse as parse_faults
from emulator.fields import Fields
from emulator.runtimes import runtime_names

ARCHITECTURES: Final = ("x86_64", "arm64")
LOG_FORMATS: Final = ("Text", "JSON")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VERSION: Final = re.compile(r"\$LATEST|[1-9][0-9]*")
_MANY: Final = 10_000_000
_RESERVED_VARIABLES: Final = frozenset({"_HANDLER", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"})


@dataclass(frozen=True, slots=True)
class SnapStartConfig:
    """SnapStart of a function's version."""

    prepared: int
    """How many snapshots are kept ready: a request that finds none waits for the init of one."""
    load_ms: float
    """How long it takes to load one, before its processes run again."""
    age_s: float
    """How long before the emulator's start the version was published: the times in its init's records."""


@dataclass(frozen=True, slots=True)
class ManagedConfig:
    """A function on Managed Instances."""

    environments: int
    max_concurrency: int
    """Requests that one environment serves at once."""


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """One function, as the user describes it."""

    name: str
    runtime: str
    handler: str
    code: Path
    memory_mb: int
    timeout_s: float
    environment: dict[str, str]
    layers: tuple[Path, ...] | None
    """None: those of the command line."""
    architecture: str
    version: str
    aliases: tuple[str, ...]
    """Names under which callers may ask for it beside its version."""
    log_format: str
    reserved_concurrency: int | None
    provisioned_concurrency: int
    proactive_sandboxes: int
    """How many are initialised at the start although no request waits for them."""
    snap_start: SnapStartConfig | None
    managed: ManagedConfig | None
    faults: FaultsConfig


def parse(name: str, fields: Fields, folder: Path, faults: FaultsConfig) -> FunctionConfig:
    """Check one function. ``folder`` is what its paths are relative to. Raises ScenarioError."""
    if not _NAME.fullmatch(name):
        raise ScenarioError(f"{fields.path('')[:-1]}: a function's name is 1 to 64 letters, digits, - and _")
    layers = fields.texts("layers")
    config = FunctionConfig(
        name=name,
        runtime=fields.choice("runtime", runtime_names(), runtime_names()[0]),
        handler=fields.text("handler", "app.handler"),
        code=folder / fields.text("code", name),
        memory_mb=fields.integer("memory_mb", 128, 10_240, 128),
        timeout_s=fields.number("timeout_s", 0.1, 900, 3),
        environment=fields.text_mapping("environment"),
        layers=None if layers is None else tuple(folder / layer for layer in layers),
        architecture=fields.choice("architecture", ARCHITECTURES, ARCHITECTURES[0]),
        version=fields.text("version", "$LATEST"),
        aliases=fields.texts("aliases") or (),
        log_format=fields.choice("log_format", LOG_FORMATS, LOG_FORMATS[0]),
        reserved_concurrency=fields.optional_integer("reserved_concurrency", 0, _MANY),
        provisioned_concurrency=fields.integer("provisioned_concurrency", 0, 10_000, 0),
        proactive_sandboxes=fields.integer("proactive_sandboxes", 0, 10_000, 0),
        snap_start=_snap_start(fields.optional_section("snap_start")),
        managed=_managed(fields.optional_section("managed_instances")),
        faults=parse_faults(fields.section("faults"), faults),
    )
    fields.finish()
    _check_function(config, fields)
    return config


def _snap_start(fields: Fields | None) -> SnapStartConfig | None:
    if fields is None:
        return None
    config = SnapStartConfig(
        prepared=fields.integer("prepared", 1, 1000, 1),
        load_ms=fields.number("load_ms", 0, 60_000, 100),
        age_s=fields.number("age_s", 0, _MANY, 0),
    )
    fields.finish()
    return config


def _managed(fields: Fields | None) -> ManagedConfig | None:
    if fields is None:
        return None
    config = ManagedConfig(
        environments=fields.integer("environments", 1, 1000, 1),
        max_concurrency=fields.integer("max_concurrency", 1, 1000, 10),
    )
    fields.finish()
    return config


def _check_function(config: FunctionConfig, fields: Fields) -> None:
    if not config.code.is_dir():
        raise ScenarioError(f"{fields.path('code')}: folder {config.code} does not exist")
    if not _VERSION.fullmatch(config.version):
        raise ScenarioError(f"{fields.path('version')}: must be $LATEST or a number in quotes, not {config.version!r}")
    if config.provisioned_concurrency and config.version == "$LATEST":
        raise ScenarioError(f"{fields.path('provisioned_concurrency')}: needs a version other than $LATEST")
    _check_kind(config, fields)
    for variable in config.environment:
        if variable in _RESERVED_VARIABLES:
            raise ScenarioError(f"{fields.path('environment')}.{variable}: is reserved by Lambda")


def _check_kind(config: FunctionConfig, fields: Fields) -> None:
    """Of SnapStart, Managed Instances and provisioned concurrency, a function has one at most."""
    ahead = bool(config.provisioned_concurrency or config.proactive_sandboxes)
    if config.snap_start is not None and config.version == "$LATEST":
        raise ScenarioError(f"{fields.path('snap_start')}: needs a version other than $LATEST")
    if config.snap_start is not None and (ahead or config.managed is not None):
        raise ScenarioError(
            f"{fields.path('snap_start')}: goes with neither provisioned_concurrency, proactive_sandboxes nor "
            "managed_instances"
        )
    if config.managed is not None and (ahead or config.reserved_concurrency is not None):
        raise ScenarioError(
            f"{fields.path('managed_instances')}: goes with neither provisioned_concurrency, proactive_sandboxes nor "
            "reserved_concurrency"
        )
