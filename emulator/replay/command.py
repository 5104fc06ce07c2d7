"""``python -m emulator replay FILE``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from emulator import relay
from emulator.api import sandbox_api
from emulator.cli import ISOLATIONS
from emulator.clock import Clock
from emulator.deployment import Deployment
from emulator.faults import FaultsConfig
from emulator.functions import FunctionConfig, ManagedConfig
from emulator.isolation.cgroups import ControlGroups
from emulator.isolation.client import Zygote
from emulator.layers import external_extensions
from emulator.process import choose_isolation, choose_user, ignore_log, show_log
from emulator.relay import RelayConfig
from emulator.replay.script import Cast, Step, cast, read
from emulator.replay.stage import Stage
from emulator.runtimes import find_runtime
from emulator.sandbox import Nobody, SandboxSettings
from emulator.telemetry.records import MANAGED
from emulator.workspace import Workspace

_ACCOUNT_ID = "123456789012"
_REGION = "eu-west-1"


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for."""

    file: Path
    layers: tuple[Path, ...]
    function: str | None
    """None: as the file has it."""
    environment: dict[str, str]
    relays: tuple[RelayConfig, ...]
    isolation: str
    logs: bool


def parse(arguments: Sequence[str]) -> Options:
    """Read the arguments. Ends the process with code 2 and a line on stderr where they are wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m emulator replay", description="Deliver recorded telemetry to the extensions of a layer."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="JSON lines: records, INVOKE and SHUTDOWN events")
    parser.add_argument("--layer", type=Path, action="append", required=True, metavar="PATH", help="folder or .zip")
    parser.add_argument("--function", metavar="NAME", help="its name (default: that of the file)")
    parser.add_argument(
        "--env", action="append", default=[], type=_variable, metavar="NAME=VALUE", help="a variable; may be repeated"
    )
    parser.add_argument("--relay", action="append", default=[], metavar="NAME[:PORT]=HOST:PORT", help="as ever")
    parser.add_argument("--isolation", choices=ISOLATIONS, default="auto", help="as ever")
    parser.add_argument("--logs", action="store_true", help="show what the extensions print")
    given = parser.parse_args(arguments)
    relays = tuple(relay.parse(spec) for spec in given.relay)
    return Options(given.file, tuple(given.layer), given.function, dict(given.env), relays, given.isolation, given.logs)


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def main(arguments: Sequence[str], say: Callable[[str], None]) -> None:
    """Play a file to its end. Raises StartupError."""
    options = parse(arguments)
    steps = read(options.file)
    with contextlib.ExitStack() as at_end:
        zygote = Zygote.start()
        at_end.callback(zygote.stop)
        has_namespaces = choose_isolation(options.isolation, zygote, say)
        workspace = Workspace()
        at_end.callback(workspace.remove)
        code = workspace.folder / "code"
        code.mkdir()
        layer = workspace.merged_layer(options.layers)
        played = cast(steps)
        deployment = _deployment(options, played, layer, code, has_namespaces=has_namespaces)
        settings = SandboxSettings(
            clock=Clock(),
            zygote=zygote,
            has_namespaces=has_namespaces,
            started_s=time.monotonic(),
            relays=options.relays,
            folder=workspace.sandboxes,
            mount_point=workspace.mount_point,
            control_groups=ControlGroups(()),
            user=choose_user([deployment], say) if has_namespaces else None,
            show_log=show_log if options.logs else ignore_log,
        )
        asyncio.run(_play(deployment, settings, played, steps))
    say(f"replayed {len(steps)} steps of {options.file}")


async def _play(deployment: Deployment, settings: SandboxSettings, played: Cast, steps: Sequence[Step]) -> None:
    stage = Stage(deployment, settings, Nobody(), "replayed", played.initialization_type)
    application: web.Application = sandbox_api.make(stage, deployment.account_id)
    try:
        await stage.open(application)
        await stage.play(steps)
    finally:
        await stage.close()


def _deployment(options: Options, played: Cast, layer: Path, code: Path, *, has_namespaces: bool) -> Deployment:
    runtime_name, runtime = find_runtime("python")
    config = FunctionConfig(
        name=options.function or played.function,
        runtime=runtime_name,
        handler="app.handler",
        code=code,
        memory_mb=played.memory_mb,
        timeout_s=3,
        environment=options.environment,
        layers=None,
        architecture="x86_64",
        version=played.version,
        aliases=(),
        log_format="Text",
        reserved_concurrency=None,
        provisioned_concurrency=0,
        proactive_sandboxes=0,
        snap_start=None,
        managed=ManagedConfig(1, 1) if played.initialization_type == MANAGED else None,
        faults=FaultsConfig(),
    )
    environment = {
        name: relay.resolve(value, options.relays, inside=has_namespaces) for name, value in options.environment.items()
    }
    return Deployment(
        config=config,
        account_id=_ACCOUNT_ID,
        region=_REGION,
        arn=f"arn:aws:lambda:{_REGION}:{_ACCOUNT_ID}:function:{config.name}",
        runtime_name=runtime_name,
        runtime=runtime,
        layer=layer,
        extensions=external_extensions(layer),
        environment=environment,
    )
