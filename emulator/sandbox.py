"""One sandbox: carries out what its state machine asks, with processes, sockets and timers."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import signal
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from aiohttp import web

from emulator import environment, relay, wire
from emulator.clock import NS_PER_MS, Clock
from emulator.deployment import Deployment
from emulator.errors import IsolationError
from emulator.isolation.client import Command, Holder, Zygote
from emulator.isolation.holder import HolderSettings
from emulator.isolation.root import LAYER_ROOT, TASK_ROOT
from emulator.lifecycle import actions as do
from emulator.lifecycle.extensions import Extension, Extensions
from emulator.lifecycle.machine import STOPPING, Lifecycle, Phase
from emulator.logpipe import LogPipe
from emulator.mailbox import Mailbox
from emulator.memory import peak_memory_mb
from emulator.relay import Relay, RelayConfig
from emulator.request import Request
from emulator.runtimes import interpreter_folders
from emulator.telemetry import records
from emulator.telemetry.delivery import Delivery, Gate
from emulator.telemetry.hub import Hub
from emulator.telemetry.subscription import Subscription

RUNTIME: Final = "/runtime"
"""The runtime's name among the programs of a sandbox: no extension's file can be called so."""
SANDBOX_ADDRESS: Final = "169.254.100.1"
"""Of ``sandbox.localdomain``. Not 127.0.0.1, as in Lambda: a listener there would not be reached."""
LOOPBACK: Final = "127.0.0.1"
_BACKLOG: Final = 128


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """What all sandboxes share."""

    clock: Clock
    zygote: Zygote
    has_namespaces: bool
    relays: tuple[RelayConfig, ...]
    folder: Path
    """Where each sandbox gets a folder of its own."""
    mount_point: Path
    show_log: Callable[[str, str, str], None]
    """Gets function, source (``function`` or an extension's name) and line."""


class Owner(Protocol):
    """Who is told how a sandbox fares."""

    def init_done(self, sandbox: Sandbox, outcome: do.InitDone) -> None:
        """The init is over, well or not."""

    def invocation_done(self, sandbox: Sandbox, outcome: do.InvocationDone) -> None:
        """An invocation is over, well or not."""

    def is_idle(self, sandbox: Sandbox) -> None:
        """The sandbox is frozen and can take an invocation."""

    def is_leaving(self, sandbox: Sandbox, reason: str) -> None:
        """The sandbox takes no more invocations."""

    def has_ended(self, sandbox: Sandbox) -> None:
        """Nothing of the sandbox is left."""


@dataclass(frozen=True, slots=True)
class NextInvocation:
    """What the runtime gets for ``GET /runtime/invocation/next``."""

    invocation: do.Invocation
    deadline_ms: int


class Sandbox:
    """An execution environment."""

    def __init__(self, deployment: Deployment, settings: SandboxSettings, owner: Owner) -> None:
        self.instance_id = uuid.uuid4().hex
        self.deployment = deployment
        self.started_ns = settings.clock.now_ns()
        self.invocations = 0
        self.runtime_mailbox: Mailbox[NextInvocation] = Mailbox()
        self._settings = settings
        self._owner = owner
        self._folder = settings.folder / self.instance_id
        self._hub = Hub()
        self._gate = Gate()
        self._mailboxes: dict[str, Mailbox[dict[str, object]]] = {}
        self._logs: dict[str, LogPipe] = {}
        self._deliveries: list[Delivery] = []
        self._relays: list[Relay] = []
        self._request: Request | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._peak_memory_mb = 0
        self._runtime_api = ""
        self._holder: Holder | None = None
        self._runner: web.AppRunner | None = None
        self._ended = asyncio.Event()
        extensions = Extensions(deployment.extensions, new_identifier=lambda: str(uuid.uuid4()))
        self.machine = Lifecycle(
            deployment.identity(self.instance_id),
            deployment.timeout_ns,
            extensions,
            used_memory_mb=self._used_memory_mb,
            new_span_id=lambda: secrets.token_hex(8),
        )

    # What the owner asks ----------------------------------------------------------------------------------------------

    async def open(self, application: web.Application) -> None:
        """Make namespaces, folders, sockets and servers. ``application`` serves the APIs. Raises IsolationError."""
        try:
            self._holder = await self._settings.zygote.fork(self._prepare_folders(), self._program_exited)
            await self._serve_api(application)
            if self._settings.has_namespaces:
                await self._open_relays()
        except OSError as error:
            raise IsolationError(f"a sandbox could not be opened: {error}") from error

    def start(self, request: Request) -> None:
        """Begin the init, for a request that waits for it."""
        self._request = request
        self._apply(self.machine.start(request.invocation, self._now()))

    def invoke(self, request: Request) -> None:
        """Give a request to an idle sandbox."""
        self._request = request
        self._apply(self.machine.invoke(request.invocation, self._now()))

    def shut_down(self, reason: str) -> None:
        """Begin the shutdown. May be called twice."""
        if self.machine.phase is Phase.NEW:
            self._background(self.close())
        else:
            self._apply(self.machine.shut_down(reason, self._now()))

    async def wait_ended(self) -> None:
        """Wait until nothing is left of the sandbox."""
        await self._ended.wait()

    # What the APIs tell -----------------------------------------------------------------------------------------------

    def register(self, name: str, events: list[str]) -> Extension:
        """An extension registers. Raises SandboxApiError."""
        extension = self.machine.extensions.register(name, events)
        self._mailboxes[name] = Mailbox()
        self._apply(self.machine.extension_registered())
        return extension

    async def next_event(self, extension: Extension) -> dict[str, object]:
        """An extension asks for its next event."""
        mailbox = self._mailboxes[extension.name]
        self._apply(self.machine.extension_asks(extension, self._now()))
        return await mailbox.get()

    def subscribe(self, extension: Extension, subscription: Subscription) -> None:
        """An extension subscribes to telemetry. Raises SandboxApiError."""
        self._hub.subscribe(extension.name, subscription, self._now(), lambda: self._open_delivery(subscription))

    async def next_invocation(self) -> NextInvocation:
        """The runtime asks for its next invocation."""
        if RUNTIME in self._logs:
            self._logs[RUNTIME].drain()  # what the function has printed comes before the end of its invocation
        self._apply(self.machine.runtime_asks(self._now()))
        return await self.runtime_mailbox.get()

    def runtime_answered(self, payload: bytes, times: records.ResponseTimes, error_type: str | None) -> None:
        """The runtime has posted a response or an error."""
        self._apply(self.machine.runtime_answered(payload, times, error_type=error_type))

    def runtime_init_failed(self, payload: bytes, error_type: str) -> None:
        """The runtime has posted ``init/error``."""
        if RUNTIME in self._logs:
            self._logs[RUNTIME].drain()
        self._apply(self.machine.runtime_init_error(payload, error_type, self._now()))

    def now_ns(self) -> int:
        """The time of the records."""
        return self._now()

    # Setting up -------------------------------------------------------------------------------------------------------

    def _prepare_folders(self) -> HolderSettings:
        tmp = self._folder / "tmp"
        tmp.mkdir(parents=True)
        tmp.chmod(0o1777)
        hosts = self._folder / "hosts"
        hosts.write_text(relay.hosts_file(self._settings.relays, SANDBOX_ADDRESS), encoding="ascii")
        view = {
            "mount_point": str(self._settings.mount_point),
            "layer": str(self.deployment.layer),
            "code": str(self.deployment.config.code.resolve()),
            "tmp": str(tmp),
            "hosts": str(hosts),
            "visible": interpreter_folders(),
        }
        addresses = [SANDBOX_ADDRESS, *relay.addresses(self._settings.relays).values()]
        return HolderSettings(self._settings.has_namespaces, addresses, "sandbox", view)

    def _listen(self, address: str, port: int) -> socket.socket:
        listener = self._socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
        return listener

    def _socket(self) -> socket.socket:
        return self._living_holder().socket()

    def _living_holder(self) -> Holder:
        if self._holder is None:
            raise IsolationError("the sandbox has ended")
        return self._holder

    async def _serve_api(self, application: web.Application) -> None:
        port = wire.RUNTIME_API_PORT if self._settings.has_namespaces else 0
        listener = self._listen(LOOPBACK, port)
        self._runtime_api = f"{LOOPBACK}:{listener.getsockname()[1]}"
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def _open_relays(self) -> None:
        addresses = relay.addresses(self._settings.relays)
        for config in self._settings.relays:
            opened = Relay(config)
            await opened.start(self._listen(addresses[config.name], config.port))
            self._relays.append(opened)

    def _open_delivery(self, subscription: Subscription) -> Delivery:
        host = SANDBOX_ADDRESS if self._settings.has_namespaces else LOOPBACK
        delivery = Delivery(subscription, host, self._socket, self._gate, self._settings.clock)
        self._deliveries.append(delivery)
        return delivery

    # What the state machine asks --------------------------------------------------------------------------------------

    def _apply(self, actions: list[do.Action]) -> None:
        for action in actions:
            self._perform(action)

    def _perform(self, action: do.Action) -> None:  # noqa: C901, PLR0912 - a table, one case per action
        match action:
            case do.Emit(time_ns, kind, record):
                self._hub.emit(time_ns, kind, record)
            case do.StartExtension(name):
                self._background(self._start_program(name))
            case do.StartRuntime():
                self._background(self._start_program(RUNTIME))
            case do.DeliverEvent(name, body):
                self._mailboxes[name].put(body)
            case do.DeliverInvocation(invocation, deadline_ns):
                self.runtime_mailbox.put(NextInvocation(invocation, deadline_ns // NS_PER_MS))
            case do.SetTimer(at_ns):
                self._set_timer(at_ns)
            case do.CancelTimer():
                self._cancel_timer()
            case do.Answer(_, payload, is_error):
                self._answer(payload, is_error=is_error)
            case do.Freeze():
                self._freeze()
            case do.Thaw():
                self._thaw()
            case do.SignalRuntime(number):
                self._signal(RUNTIME, number)
            case do.KillExtension(name):
                self._signal(name, signal.SIGKILL)
            case do.InitDone():
                self._used_memory_mb()
                self._hub.close_subscriptions()
                self._owner.init_done(self, action)
            case do.InvocationDone():
                self._invocation_done(action)
            case do.BeginShutdown(reason):
                self._begin_shutdown(reason)
            case do.End():
                self._background(self.close())

    async def _start_program(self, name: str) -> None:
        command, shown_name = self._command(name)
        kind = records.FUNCTION_LOG if name == RUNTIME else records.EXTENSION_LOG
        log = LogPipe(lambda line: self._log_line(kind, shown_name, line))
        self._logs[name] = log
        try:
            await self._living_holder().spawn(name, command, (log.write_end, log.write_end))
        except IsolationError as error:
            self._apply(self.machine.start_failed(None if name == RUNTIME else name, str(error), self._now()))
        finally:
            log.close_write_end()

    def _command(self, name: str) -> tuple[Command, str]:
        task_root, layer_root = self._roots()
        variables = self._environment(task_root, layer_root)
        if name == RUNTIME:
            wanted = self.deployment.runtime.command(self.deployment.config.handler, variables, task_root, layer_root)
            return Command(wanted.argv, {**variables, **wanted.environment}, task_root), records.FUNCTION_LOG
        program = f"{layer_root}/extensions/{name}"
        folder = "/" if self._settings.has_namespaces else layer_root
        return Command([program], environment.of_extension(variables), folder), name

    def _roots(self) -> tuple[str, str]:
        if self._settings.has_namespaces:
            return TASK_ROOT, LAYER_ROOT
        return str(self.deployment.config.code.resolve()), str(self.deployment.layer)

    def _environment(self, task_root: str, layer_root: str) -> dict[str, str]:
        facts = self.deployment.sandbox_facts(self.instance_id, self._runtime_api, task_root, layer_root)
        variables = environment.of_runtime(facts, self.deployment.environment)
        if not self._settings.has_namespaces:
            variables.setdefault("TMPDIR", str(self._folder / "tmp"))
        return variables

    def _log_line(self, kind: str, source: str, line: str) -> None:
        self._hub.emit(self._now(), kind, line)
        if kind == records.FUNCTION_LOG and self._request is not None:
            self._request.add_log(line)
        self._settings.show_log(self.deployment.config.name, source, line)

    def _program_exited(self, name: str, status: int) -> None:
        if name in self._logs:
            self._logs[name].drain()
        if name == RUNTIME:
            self._apply(self.machine.runtime_exited(status, self._now()))
        else:
            self._apply(self.machine.extension_exited(name, status, self._now()))

    def _set_timer(self, at_ns: int) -> None:
        self._cancel_timer()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._settings.clock.to_loop_time(at_ns), self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self._apply(self.machine.timer_fired(self._now()))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _answer(self, payload: bytes, *, is_error: bool) -> None:
        self._used_memory_mb()  # what crashes later should have been seen once
        if self._request is not None:
            self._request.answer(payload, is_error=is_error)

    def _freeze(self) -> None:
        self._gate.close()
        if self._holder is not None:
            self._holder.freeze()
        self._owner.is_idle(self)

    def _thaw(self) -> None:
        if self._holder is not None:
            self._holder.thaw()
        self._gate.open()

    def _signal(self, name: str, number: int) -> None:
        if self._holder is not None:
            self._holder.signal(name, number)

    def _invocation_done(self, outcome: do.InvocationDone) -> None:
        self.invocations += 1
        self._owner.invocation_done(self, outcome)
        if self._request is not None:
            self._request.finish(outcome, self.deployment.config.version)
            self._request = None

    def _begin_shutdown(self, reason: str) -> None:
        for mailbox in self._mailboxes.values():
            mailbox.clear()
        for delivery in self._deliveries:
            delivery.flush()
        self._owner.is_leaving(self, reason)

    def _used_memory_mb(self) -> int:
        if self._holder is not None:
            self._peak_memory_mb = max(self._peak_memory_mb, peak_memory_mb(self._holder.pid))
        return self._peak_memory_mb

    # Ending -----------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Kill what is left and release everything. May be called twice."""
        if self._ended.is_set():
            return
        self._cancel_timer()
        holder, self._holder = self._holder, None
        if holder is not None:
            holder.close()
            await holder.wait_closed()
        for delivery in self._deliveries:
            await delivery.close()
        for opened in self._relays:
            await opened.close()
        if self._runner is not None:
            await self._runner.cleanup()
        for log in self._logs.values():
            log.drain()
            log.close()
        with contextlib.suppress(OSError):
            await asyncio.to_thread(shutil.rmtree, self._folder)
        self._ended.set()
        self._owner.has_ended(self)

    def _background(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _now(self) -> int:
        return self._settings.clock.now_ns()

    @property
    def is_stopping(self) -> bool:
        """Whether it takes no more invocations."""
        return self.machine.phase in STOPPING
