"""The emulator as a process: start, readiness, signals, end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from aiohttp import web

from emulator import relay
from emulator import scenario as scenarios
from emulator.api import lambda_api
from emulator.cli import Options
from emulator.clock import NS_PER_S, Clock
from emulator.deployment import Deployment
from emulator.errors import IsolationError, ScenarioError, StartupError
from emulator.functions import FunctionConfig
from emulator.generator import Generator
from emulator.isolation import users
from emulator.isolation.cgroups import CPU, MEMORY, ControlGroups
from emulator.isolation.client import Zygote
from emulator.layers import external_extensions
from emulator.metering import ServiceMeter
from emulator.metrics import Meter, MetricAggregator, MetricStream
from emulator.model import Limits
from emulator.publisher import Publisher
from emulator.runtimes import find_runtime, visible_folders
from emulator.sandbox import SandboxSettings
from emulator.scenario import LimitsConfig, ResourcesConfig, Scenario
from emulator.service import LambdaService
from emulator.triggers.host import Host
from emulator.triggers.hub import Triggers
from emulator.truth import Ledger
from emulator.workspace import Workspace

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Parts:
    """What runs, in the order in which it starts."""

    service: LambdaService
    triggers: Triggers
    generator: Generator
    publisher: Publisher


def run(options: Options, say: Say) -> None:
    """Run until SIGTERM or SIGINT. ``say`` gets lines for people. Raises StartupError."""
    scenario = scenarios.load(options.scenario)
    with contextlib.ExitStack() as at_end:
        listener = at_end.enter_context(_listen(options.host, options.port))
        record = at_end.enter_context(_open_record("--record", options.record))
        telemetry = at_end.enter_context(_open_record("--record-telemetry", options.telemetry))
        zygote = Zygote.start()
        at_end.callback(zygote.stop)
        _allow_many_files()  # after the zygote's start: sandboxes keep the usual limit
        has_namespaces = choose_isolation(options.isolation, zygote, say)
        control_groups = _choose_resources(scenario.resources, options.resources, say)
        at_end.callback(control_groups.close)
        workspace = Workspace()
        at_end.callback(workspace.remove)
        deployments = {
            name: _deploy(function, scenario, options, workspace, has_namespaces=has_namespaces)
            for name, function in scenario.functions.items()
        }
        settings = SandboxSettings(
            clock=Clock(),
            zygote=zygote,
            has_namespaces=has_namespaces,
            started_s=time.monotonic(),
            relays=options.relays,
            folder=workspace.sandboxes,
            mount_point=workspace.mount_point,
            control_groups=control_groups,
            user=choose_user(deployments.values(), say) if has_namespaces else None,
            show_log=show_log if options.logs else ignore_log,
        )
        ledger = Ledger(record, telemetry)
        meter = ServiceMeter(Meter(MetricAggregator(scenario.metrics.delay_s)))
        service = LambdaService(deployments, _model_limits(scenario.limits), ledger, meter, scenario.seed)
        service.open(settings)
        host = Host(service, settings.clock, meter, ledger)
        triggers = Triggers(scenario.sources, host, scenario.region, scenario.account_id)
        stream = MetricStream(scenario.account_id, scenario.region)
        parts = _Parts(
            service,
            triggers,
            Generator(service, triggers, scenario.traffic, scenario.seed),
            Publisher(scenario.metrics, meter, settings.clock, stream, options.firehose),
        )
        asyncio.run(_serve(parts, listener, say))


def _allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one: a sandbox takes eight of them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise StartupError(f"port {port} on {host} is taken") from error
        raise StartupError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return listener


@contextlib.contextmanager
def _open_record(option: str, path: Path | None) -> Iterator[TextIO | None]:
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise StartupError(f"{option} {path}: {error.strerror}") from error
    with file:
        yield file


def choose_isolation(asked: str, zygote: Zygote, say: Say) -> bool:
    """Whether sandboxes have namespaces. What is missing is told in a line. Raises StartupError where it was asked."""
    if asked == "none":
        return False
    missing = zygote.what_is_missing()
    if missing is None:
        return True
    if asked == "namespaces":
        raise StartupError(f"--isolation namespaces: {missing} (root can)")
    say(
        f"no namespaces here ({missing}; root can): each sandbox has ports of its own on 127.0.0.1, "
        "and its layers and code where they lie"
    )
    return False


def _choose_resources(wanted: ResourcesConfig, asked: str, say: Say) -> ControlGroups:
    """The groups that limit what the scenario wants limited; what the machine refuses is told in a line."""
    controllers = [name for name, is_wanted in ((CPU, wanted.cpu), (MEMORY, wanted.memory)) if is_wanted]
    if asked == "off":
        return ControlGroups(())
    try:
        return ControlGroups.open(controllers)
    except IsolationError as error:
        say(f"{' and '.join(controllers)} not limited here ({error}); --resources off says so without this line")
        return ControlGroups(())


def choose_user(deployments: Collection[Deployment], say: Say) -> tuple[int, int] | None:
    """An unprivileged user, if it can read what it has to run; else none, told in a line."""
    folders = {folder for deployment in deployments for folder in (deployment.config.code, deployment.layer)}
    runtimes = {Path(folder) for deployment in deployments for folder in visible_folders(deployment.runtime)}
    for folder in [*sorted(folders), *sorted(runtimes)]:
        path = users.first_private(folder, deep=folder in folders)
        if path is not None:
            say(f"functions and extensions run as root: {path} cannot be read by every user")
            return None
    return users.SANDBOX_USER


def _model_limits(limits: LimitsConfig) -> Limits:
    return Limits(
        account_concurrency=limits.account_concurrency,
        unreserved_minimum=limits.unreserved_minimum,
        scaling_environments=limits.scaling_environments,
        requests_per_s_per_concurrency=limits.requests_per_s_per_concurrency,
        idle_timeout_ns=round(limits.idle_timeout_s * NS_PER_S),
        lifetime_ns=round(limits.lifetime_s * NS_PER_S),
    )


def _deploy(
    function: FunctionConfig, scenario: Scenario, options: Options, workspace: Workspace, *, has_namespaces: bool
) -> Deployment:
    layer = workspace.merged_layer(options.layers if function.layers is None else function.layers)
    runtime_name, runtime = find_runtime(function.runtime)
    try:
        environment = {
            name: relay.resolve(value, options.relays, inside=has_namespaces)
            for name, value in function.environment.items()
        }
    except ScenarioError as error:
        raise ScenarioError(f"{options.scenario}: environment of {function.name}: {error}") from error
    return Deployment(
        config=function,
        account_id=scenario.account_id,
        region=scenario.region,
        arn=scenario.function_arn(function.name),
        runtime_name=runtime_name,
        runtime=runtime,
        layer=layer,
        extensions=external_extensions(layer),
        environment=environment,
    )


def show_log(function: str, source: str, line: str) -> None:
    """A line of a function or an extension, on stderr."""
    sys.stderr.write(f"[{function}/{source}] {line}\n")


def ignore_log(_function: str, _source: str, _line: str) -> None:
    """Without ``--logs``."""


async def _serve(parts: _Parts, listener: socket.socket, say: Say) -> None:
    asked_to_stop, asked_again = _stop_signals()
    service, triggers, generator, publisher = parts.service, parts.triggers, parts.generator, parts.publisher
    application = lambda_api.make(service, triggers)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=False, shutdown_timeout=0.5)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    host, port = listener.getsockname()[:2]
    say(f"ready on http://{f'[{host}]' if ':' in host else host}:{port}")
    service.start_ahead()
    triggers.start()
    generator.start()
    publisher.start()
    await asked_to_stop.wait()
    await generator.stop()
    triggers.stop()
    stopping = asyncio.create_task(service.stop())
    killing = asyncio.create_task(asked_again.wait())
    await asyncio.wait({stopping, killing}, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        stopping.cancel()
        await service.kill()
    killing.cancel()
    await asyncio.gather(stopping, killing, return_exceptions=True)
    await triggers.close()
    if not asked_again.is_set():
        await publisher.stop()
    await runner.cleanup()


def _stop_signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Set by the first and by the second SIGTERM or SIGINT."""
    first, second = asyncio.Event(), asyncio.Event()

    def received() -> None:
        (second if first.is_set() else first).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received)
    return first, second
