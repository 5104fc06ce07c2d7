"""One sandbox: carries out what its state machine asks, with processes, sockets and timers."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import shutil
import signal
import socket
import uuid
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from emulator.clock import NS_PER_MS
from emulator.deployment import Deployment
from emulator.errors import InvokeError, IsolationError, SandboxApiError
from emulator.faults import NO_FAULTS
from emulator.isolation.cgroups import ControlGroup
from emulator.isolation.client import Holder
from emulator.lifecycle import actions as do
from emulator.lifecycle.extensions import Extension
from emulator.lifecycle.phases import Phase
from emulator.lifecycle.snapshot import SnapshotLifecycle
from emulator.request import Request
from emulator.response_stream import ResponseStream
from emulator.sandbox import folders, machines
from emulator.sandbox.inboxes import Inboxes, NextInvocation
from emulator.sandbox.network import Network
from emulator.sandbox.outlet import Outlet
from emulator.sandbox.owner import Owner
from emulator.sandbox.programs import Programs
from emulator.sandbox.settings import LOOPBACK, RUNTIME, SANDBOX_ADDRESS, SandboxSettings
from emulator.telemetry import records
from emulator.telemetry.subscription import Subscription


class Sandbox:
    """An execution environment."""

    def __init__(
        self, deployment: Deployment, settings: SandboxSettings, owner: Owner, instance_id: str, init_type: str
    ) -> None:
        self.instance_id = instance_id
        self.deployment = deployment
        self.started_ns = settings.clock.now_ns()
        self.invocations = 0
        self._settings = settings
        self._identity = deployment.identity(instance_id, init_type)
        self._owner = owner
        self._folder = settings.folder / uuid.uuid4().hex
        self._faults = deployment.config.faults
        host = SANDBOX_ADDRESS if settings.has_namespaces else LOOPBACK
        self._outlet = Outlet(self._faults, settings.clock, host, self._open_socket, self._telemetry_posted)
        is_shared = deployment.config.managed is not None
        self._inboxes = Inboxes(late_invoke=self._faults.late_invoke, is_shared=is_shared)
        self._requests: dict[str, Request] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._holder: Holder | None = None
        self._group: ControlGroup | None = None
        self._network = Network(settings, self._faults.relay)
        self._programs: Programs | None = None
        self._is_starved = False
        """Whether a fault has killed the runtime as if for want of memory."""
        self._is_closing = False
        self._ended = asyncio.Event()
        self.machine = machines.make(deployment, self._identity, self._used_memory_mb)

    # What the owner asks ----------------------------------------------------------------------------------------------

    async def open(self, application: web.Application) -> None:
        """Make namespaces, folders, sockets and servers. ``application`` serves the APIs. Raises IsolationError."""
        try:
            wanted = folders.prepare(self._folder, self.deployment, self._settings)
            self._holder = holder = await self._settings.zygote.fork(wanted, self._program_exited)
            await self._network.open(holder, application)
            self._group = self._settings.control_groups.make(self._folder.name, self.deployment.config.memory_mb)
        except OSError as error:
            raise IsolationError(f"a sandbox could not be opened: {error}") from error
        self._programs = Programs(
            self.deployment,
            functools.partial(self.deployment.sandbox_facts, self._identity, self._network.runtime_api),
            holder,
            self._group,
            self._folder / "tmp",
            self._log_line,
            has_namespaces=self._settings.has_namespaces,
        )

    def start(self, request: Request | None) -> None:
        """Begin the init, for a request that waits for it or (None) for none."""
        if request is not None:
            self._requests[request.id] = request
        self._apply(self.machine.start(None if request is None else request.invocation, self.now_ns()))

    def snapshot(self, published_ns: int) -> None:
        """Begin the init of a snapshot: its records are told after a restore, and as of the time of publication."""
        self._outlet.hub.hold(published_ns - self.now_ns())
        self.start(None)

    def restore(self, request: Request, instance_id: str, owner: Owner) -> None:
        """Make a snapshot a sandbox, named so, for a request."""
        if not isinstance(self.machine, SnapshotLifecycle):
            raise TypeError("only a snapshot can be restored")
        self.instance_id = instance_id
        self.started_ns = self.now_ns()
        self._owner = owner
        self._requests[request.id] = request
        self._apply(self.machine.restore(request.invocation, instance_id, self.now_ns()))

    def invoke(self, request: Request) -> None:
        """Give a request to a sandbox that can take it."""
        self._requests[request.id] = request
        self._apply(self.machine.invoke(request.invocation, self.now_ns()))

    def shut_down(self, reason: str) -> None:
        """Begin the shutdown. May be called twice."""
        if self.machine.phase is Phase.NEW:
            self._background(self.close())
        else:
            self._apply(self.machine.shut_down(reason, self.now_ns()))

    async def wait_ended(self) -> None:
        """Wait until nothing is left of the sandbox."""
        await self._ended.wait()

    # What the APIs tell -----------------------------------------------------------------------------------------------

    def register(self, name: str, events: list[str]) -> Extension:
        """An extension registers. Raises SandboxApiError."""
        extension = self.machine.extensions.register(name, events)
        self._inboxes.add(name)
        self._apply(self.machine.extension_registered())
        return extension

    async def next_event(self, extension: Extension) -> dict[str, Any]:
        """An extension asks for its next event."""
        mailbox = self._inboxes.of(extension.name)
        self._apply(self.machine.extension_asks(extension, self.now_ns()))
        return await mailbox.get()

    def extension_failed(self, extension: Extension, error_type: str, told_type: str) -> None:
        """An extension has posted ``init/error`` or ``exit/error``."""
        self._apply(self.machine.extension_failed(extension, error_type, told_type, self.now_ns()))

    def subscribe(self, extension: Extension, subscription: Subscription) -> None:
        """An extension subscribes to telemetry. Raises SandboxApiError."""
        self._outlet.subscribe(extension.name, subscription)

    def subscribe_to_logs(self, extension: Extension) -> None:
        """An extension asks for the Logs API. Raises SandboxApiError."""
        self._outlet.hub.subscribe_to_logs(extension.name)

    async def next_invocation(self) -> NextInvocation:
        """The runtime asks for its next invocation."""
        mailbox = self._inboxes.runtime
        self._drain_log(RUNTIME)  # what the function has printed comes before the end of its invocation
        self._apply(self.machine.runtime_asks(self.now_ns()))
        return await mailbox.get()

    async def next_restore(self) -> None:
        """The runtime asks to be told of its restore. Raises SandboxApiError where it can't have one."""
        if not isinstance(self.machine, SnapshotLifecycle) or self.machine.phase is not Phase.INIT:
            raise SandboxApiError(403, "InvalidStateTransition", "there is nothing to restore this sandbox from")
        self._drain_log(RUNTIME)
        mailbox = self._inboxes.restore
        self._apply(self.machine.runtime_asks_restore(self.now_ns()))
        await mailbox.get()

    def restore_failed(self) -> None:
        """The runtime has posted ``restore/error``."""
        self._drain_log(RUNTIME)
        if isinstance(self.machine, SnapshotLifecycle):
            self._apply(self.machine.restore_failed(self.now_ns()))

    def begin_stream(self, request_id: str, content_type: str) -> ResponseStream:
        """The runtime begins to write the answer of an invocation that it has."""
        return self._requests[request_id].begin_stream(content_type)

    def runtime_answered(
        self, request_id: str, payload: bytes, times: records.ResponseTimes, error_type: str | None
    ) -> None:
        """The runtime has posted a response or an error."""
        self._apply(self.machine.runtime_answered(request_id, payload, times, error_type=error_type))

    def runtime_init_failed(self, payload: bytes, error_type: str) -> None:
        """The runtime has posted ``init/error``."""
        self._drain_log(RUNTIME)
        self._apply(self.machine.runtime_init_error(payload, error_type, self.now_ns()))

    def now_ns(self) -> int:
        """The time of the records."""
        return self._settings.clock.now_ns()

    # Setting up -------------------------------------------------------------------------------------------------------

    def _open_socket(self) -> socket.socket:
        """A socket of the sandbox's network. Raises OSError, for one when the sandbox has ended."""
        if self._holder is None:
            raise OSError(errno.ENOTCONN, "the sandbox has ended")
        return self._holder.socket()

    # What the state machine asks --------------------------------------------------------------------------------------

    def _apply(self, actions: list[do.Action]) -> None:
        for action in actions:
            self._perform(action)

    def _perform(self, action: do.Action) -> None:  # noqa: C901, PLR0912, PLR0915 - a table, one case per action
        match action:
            case do.Emit(time_ns, kind, record):
                self._emit(time_ns, kind, record)
            case do.StartExtension(name):
                self._background(self._start_program(name))
            case do.StartRuntime():
                self._background(self._start_program(RUNTIME))
            case do.DeliverEvent(name, body):
                self._inboxes.put(name, body)
            case do.DeliverInvocation(invocation, deadline_ns):
                self._deliver_invocation(NextInvocation(invocation, deadline_ns // NS_PER_MS))
            case do.SetTimer(at_ns):
                self._set_timer(at_ns)
            case do.CancelTimer():
                self._cancel_timer()
            case do.Answer(request_id, payload, is_error):
                self._answer(request_id, payload, is_error=is_error)
            case do.Refuse():
                self._refuse(action)
            case do.DeliverRestore():
                self._inboxes.restore.put(None)
            case do.Restoring():
                self._outlet.hub.release()
            case do.Freeze():
                self._freeze()
            case do.Rest():
                self._owner.is_idle(self)
            case do.Thaw():
                self._thaw()
            case do.SignalRuntime(number):
                self._signal(RUNTIME, number)
            case do.KillExtension(name):
                self._signal(name, signal.SIGKILL)
            case do.InitDone():
                self._used_memory_mb()
                self._outlet.hub.close_subscriptions()
                self._owner.init_done(self, action)
            case do.RestoreDone():
                self._owner.restore_done(self, action)
            case do.InvocationDone():
                self._invocation_done(action)
            case do.StopDone():
                self._owner.stop_done(self, action)
            case do.BeginReset():
                self._begin_stop()
                self._owner.is_resetting(self)
            case do.StopPrograms():
                self._stop_programs()
            case do.BeginShutdown(reason):
                self._begin_stop()
                self._owner.is_leaving(self, reason)
            case do.End():
                self._background(self.close())

    def _emit(self, time_ns: int, kind: str, record: records.Record) -> None:
        self._outlet.emit(time_ns, kind, record)
        if kind == records.RUNTIME_DONE and self._inboxes.holds_events:
            self._outlet.flush()
            self._inboxes.release_soon()

    def _deliver_invocation(self, given: NextInvocation) -> None:
        self._outlet.hub.invoked()
        request = self._requests.get(given.invocation.request_id)
        faults = NO_FAULTS if request is None else request.faults
        if not faults.time_out:
            self._inboxes.runtime.put(given)
        if faults.out_of_memory:
            self._is_starved = True
            self._signal(RUNTIME, signal.SIGKILL)
        if faults.kill_extension and self.deployment.extensions:
            self._signal(self.deployment.extensions[0], signal.SIGKILL)

    async def _start_program(self, name: str) -> None:
        if self._programs is None:
            return
        try:
            await self._programs.start(name)
        except IsolationError as error:
            self._apply(self.machine.start_failed(None if name == RUNTIME else name, str(error), self.now_ns()))

    def _log_line(self, kind: str, source: str, line: str) -> None:
        self._outlet.emit(self.now_ns(), kind, line)
        if kind == records.FUNCTION_LOG:
            for request in self._requests.values():  # of several at once, nothing tells whose line it is
                request.add_log(line)
        self._settings.show_log(self.deployment.config.name, source, line)

    def _drain_log(self, name: str) -> None:
        if self._programs is not None:
            self._programs.drain_log(name)

    def _program_exited(self, name: str, status: int) -> None:
        self._drain_log(name)
        if name == RUNTIME:
            is_starved = self._is_starved or (self._programs is not None and self._programs.take_out_of_memory())
            self._is_starved = False
            if is_starved and self._programs is not None:
                self._programs.ran_out_of_memory()
            self._apply(self.machine.runtime_exited(status, self.now_ns(), out_of_memory=is_starved))
        else:
            self._apply(self.machine.extension_exited(name, status, self.now_ns()))

    def _set_timer(self, at_ns: int) -> None:
        self._cancel_timer()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._settings.clock.to_loop_time(at_ns), self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self._apply(self.machine.timer_fired(self.now_ns()))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _answer(self, request_id: str, payload: bytes, *, is_error: bool) -> None:
        self._used_memory_mb()  # what crashes later should have been seen once
        if request_id in self._requests:
            self._requests[request_id].answer(payload, is_error=is_error)

    def _refuse(self, refusal: do.Refuse) -> None:
        request = self._requests.pop(refusal.request_id, None)
        if request is not None:
            request.refuse(InvokeError(refusal.status, refusal.error_type, refusal.message))
            self._owner.invocation_refused(self)

    def _freeze(self) -> None:
        self._outlet.freeze()
        if self._programs is not None:
            self._programs.freeze()
        if self._faults.close_idle_connections:
            self._network.close_connections()
        self._owner.is_idle(self)

    def _thaw(self) -> None:
        if self._programs is not None:
            self._programs.thaw()
        self._outlet.thaw()

    def _signal(self, name: str, number: int) -> None:
        if self._programs is not None:
            self._programs.signal(name, number)

    def _invocation_done(self, outcome: do.InvocationDone) -> None:
        self.invocations += 1
        self._owner.invocation_done(self, outcome)
        request = self._requests.pop(outcome.request_id, None)
        if request is not None:
            request.finish(outcome, self.deployment.config.version)

    def _begin_stop(self) -> None:
        self._inboxes.forget_events()
        self._outlet.stopping()

    def _stop_programs(self) -> None:
        """Leave the sandbox as empty as before its first init, but for its files."""
        if self._programs is not None:
            self._programs.kill_all()
        for delivery in self._outlet.restart():
            self._background(delivery.close())
        self._inboxes.restart()

    def _telemetry_posted(self, extension: str, batch: list[bytes], is_accepted: bool) -> None:  # noqa: FBT001 - a callback
        self._owner.telemetry_posted(self, extension, batch, is_accepted=is_accepted)

    def _used_memory_mb(self) -> int:
        return 0 if self._programs is None else self._programs.used_memory_mb()

    # Ending -----------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Kill what is left and release everything. A second call waits for the first."""
        if self._is_closing:
            await self._ended.wait()
            return
        self._is_closing = True
        self._cancel_timer()
        try:
            await self._release()
        finally:
            self._ended.set()
            self._owner.has_ended(self)

    async def _release(self) -> None:
        holder, self._holder = self._holder, None
        if holder is not None:
            holder.close()
            await holder.wait_closed()
        await self._outlet.close()
        await self._network.close()
        programs, self._programs = self._programs, None
        if programs is not None:
            programs.close_logs()
        if self._group is not None:
            self._group.remove()
        with contextlib.suppress(OSError):
            await asyncio.to_thread(shutil.rmtree, self._folder)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
