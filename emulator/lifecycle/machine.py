"""The state machine of one sandbox: Init, Invoke and Shutdown in Lambda's order, with Lambda's time limits.

Each method is an event; it takes the time and returns what is to be done, in order. Nothing here waits, sends or
looks at a clock.
"""

from __future__ import annotations

import enum
import json
import math
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from emulator.clock import NS_PER_MS, NS_PER_S, milliseconds
from emulator.lifecycle import actions as do
from emulator.lifecycle.actions import Action, Invocation
from emulator.lifecycle.extensions import INVOKE, SHUTDOWN, Extension, Extensions
from emulator.telemetry import records
from emulator.telemetry.records import FunctionIdentity, ResponseTimes

INIT_LIMIT_NS: Final = 10 * NS_PER_S
EXTERNAL_SHUTDOWN_NS: Final = 2000 * NS_PER_MS
"""With an extension of its own process. The runtime has the first part of it."""
EXTERNAL_SHUTDOWN_RUNTIME_NS: Final = 300 * NS_PER_MS
INTERNAL_SHUTDOWN_NS: Final = 500 * NS_PER_MS
"""With extensions inside the runtime's process only."""


class Phase(enum.Enum):
    """Where a sandbox is in its life."""

    NEW = "new"
    INIT = "init"
    READY = "ready"
    """Idle and frozen."""
    INVOKE = "invoke"
    STOP_RUNTIME = "stop_runtime"
    """Shutdown, first part: the runtime has got SIGTERM."""
    STOP_EXTENSIONS = "stop_extensions"
    """Shutdown, second part: the extensions have got SHUTDOWN."""
    ENDED = "ended"


STOPPING: Final = frozenset({Phase.STOP_RUNTIME, Phase.STOP_EXTENSIONS, Phase.ENDED})


class _Runtime(enum.Enum):
    NOT_STARTED = 0
    RUNNING = 1
    ASKING = 2
    EXITED = 3


@dataclass(slots=True)
class _Current:
    """The invocation at hand."""

    invocation: Invocation
    start_ns: int
    busy_start_ns: int
    init_ns: int | None
    """How long the init took that it waited for."""
    tracing: records.Record | None
    runtime_done_ns: int | None = None
    is_answered: bool = False
    status: str = records.SUCCESS
    error_type: str | None = None
    response: ResponseTimes | None = None


class Lifecycle:
    """One sandbox."""

    def __init__(
        self,
        function: FunctionIdentity,
        timeout_ns: int,
        extensions: Extensions,
        used_memory_mb: Callable[[], int],
        new_span_id: Callable[[], str],
    ) -> None:
        self.phase = Phase.NEW
        self.extensions = extensions
        self._function = function
        self._timeout_ns = timeout_ns
        self._used_memory_mb = used_memory_mb
        self._new_span_id = new_span_id
        self._runtime = _Runtime.NOT_STARTED
        self._init_start_ns = 0
        self._pending: Invocation | None = None
        self._current: _Current | None = None
        self._shutdown_reason = ""
        self._deadline_ns = 0
        self._out: list[Action] = []

    @property
    def current_request_id(self) -> str | None:
        """Of the invocation that the runtime has and has not yet answered for."""
        current = self._current
        return None if current is None or current.is_answered else current.invocation.request_id

    # Init -------------------------------------------------------------------------------------------------------------

    def start(self, invocation: Invocation, now_ns: int) -> list[Action]:
        """Begin the init of a sandbox that the invocation waits for."""
        self.phase = Phase.INIT
        self._init_start_ns = now_ns
        self._pending = invocation
        self._emit(now_ns, records.INIT_START, records.init_start(self._function, "init"))
        self._out.append(do.SetTimer(now_ns + INIT_LIMIT_NS))
        self._out += [do.StartExtension(extension.name) for extension in self.extensions.external]
        self._start_runtime_when_registered()
        return self._take()

    def extension_registered(self) -> list[Action]:
        """An extension has registered. The runtime starts when all external ones have."""
        if self.phase is Phase.INIT:
            self._start_runtime_when_registered()
        return self._take()

    def _start_runtime_when_registered(self) -> None:
        if self._runtime is _Runtime.NOT_STARTED and self.extensions.all_external_registered:
            self._runtime = _Runtime.RUNNING
            self._out.append(do.StartRuntime())

    def runtime_init_error(self, payload: bytes, error_type: str, now_ns: int) -> list[Action]:
        """The runtime has posted ``init/error``: the payload is the caller's answer."""
        if self.phase is Phase.INIT:
            self._fail_init(records.ERROR, error_type, payload, now_ns)
        return self._take()

    def _init_runtime_done(self, status: str, error_type: str | None, now_ns: int) -> None:
        kind = self._function.initialization_type
        record = records.init_runtime_done(kind, "init", status, error_type)
        self._emit(now_ns, records.INIT_RUNTIME_DONE, record)

    def _finish_init_when_ready(self, now_ns: int) -> None:
        if self._runtime is not _Runtime.ASKING or not self.extensions.all_asking:
            return
        self._init_done(records.SUCCESS, None, now_ns)
        pending, self._pending = self._pending, None
        if pending is None:
            self.phase = Phase.READY
            self._out.append(do.Freeze())
        else:
            self._begin(pending, now_ns, init_ns=now_ns - self._init_start_ns)

    def _init_done(self, status: str, error_type: str | None, now_ns: int) -> None:
        self.extensions.is_open = False
        self._out.append(do.CancelTimer())
        for extension in self.extensions:
            if extension.is_registered:
                state = "Ready" if extension.is_asking else "Registered"
                record = records.extension(extension.name, state, list(extension.events), extension.error_type)
                self._emit(now_ns, records.EXTENSION, record)
        duration_ns = now_ns - self._init_start_ns
        record = records.init_report(self._function.initialization_type, "init", status, error_type, duration_ns)
        self._emit(now_ns, records.INIT_REPORT, record)
        self._out.append(do.InitDone(self._init_start_ns, now_ns, milliseconds(duration_ns), status, error_type))

    def _fail_init(self, status: str, error_type: str, payload: bytes, now_ns: int) -> None:
        """The init has failed, and with it the invocation that waits for it."""
        if self._runtime is not _Runtime.ASKING:
            self._init_runtime_done(status, error_type, now_ns)
        self._init_done(status, error_type, now_ns)
        pending, self._pending = self._pending, None
        if pending is not None:
            self._current = self._begin_record(pending, now_ns, now_ns - self._init_start_ns)
            self._fail_invocation(status, error_type, payload, now_ns)
        self._begin_shutdown("failure", now_ns)

    # Invoke -----------------------------------------------------------------------------------------------------------

    def invoke(self, invocation: Invocation, now_ns: int) -> list[Action]:
        """Give an invocation to an idle sandbox."""
        self._out.append(do.Thaw())
        self._begin(invocation, now_ns, init_ns=None)
        return self._take()

    def _begin(self, invocation: Invocation, now_ns: int, init_ns: int | None) -> None:
        self.phase = Phase.INVOKE
        self._current = self._begin_record(invocation, now_ns, init_ns)
        deadline_ns = now_ns + self._timeout_ns
        self._runtime = _Runtime.RUNNING
        self._out.append(do.SetTimer(deadline_ns))
        for extension in self.extensions:
            if extension.wants(INVOKE):
                extension.is_asking = False
                self._out.append(do.DeliverEvent(extension.name, _invoke_event(invocation, deadline_ns)))
        self._out.append(do.DeliverInvocation(invocation, deadline_ns))

    def _begin_record(self, invocation: Invocation, now_ns: int, init_ns: int | None) -> _Current:
        tracing = None
        if invocation.is_traced:
            tracing = records.tracing(invocation.trace_header, self._new_span_id())
        record = records.start(invocation.request_id, self._function.version, tracing)
        self._emit(now_ns, records.START, record)
        busy_start_ns = now_ns if init_ns is None else self._init_start_ns
        return _Current(invocation, now_ns, busy_start_ns, init_ns, tracing)

    def runtime_answered(
        self, payload: bytes, response: ResponseTimes, *, error_type: str | None = None
    ) -> list[Action]:
        """The runtime has posted the response, or the error, of the invocation at hand."""
        current = self._current
        if current is None or current.is_answered:
            return self._take()
        if error_type is not None:
            current.status, current.error_type = records.ERROR, error_type
        current.response = response
        self._answer(current, payload, is_error=error_type is not None)
        return self._take()

    def runtime_asks(self, now_ns: int) -> list[Action]:
        """The runtime has asked for the next invocation."""
        if self._runtime is not _Runtime.RUNNING:
            return self._take()
        self._runtime = _Runtime.ASKING
        if self.phase is Phase.INIT:
            self._init_runtime_done(records.SUCCESS, None, now_ns)
            self._finish_init_when_ready(now_ns)
        elif self.phase is Phase.INVOKE and self._current is not None:
            self._runtime_done(self._current, now_ns)
            self._finish_invocation_when_all_ask(now_ns)
        return self._take()

    def extension_asks(self, extension: Extension, now_ns: int) -> list[Action]:
        """An extension has asked for the next event."""
        extension.is_asking = True
        if self.phase is Phase.INIT:
            self._finish_init_when_ready(now_ns)
        elif self.phase is Phase.INVOKE:
            self._finish_invocation_when_all_ask(now_ns)
        return self._take()

    def _runtime_done(self, current: _Current, now_ns: int) -> None:
        current.runtime_done_ns = now_ns
        record = records.runtime_done(
            request_id=current.invocation.request_id,
            status=current.status,
            error_type=current.error_type,
            start_ns=current.start_ns,
            end_ns=now_ns,
            response=current.response,
            tracing=current.tracing,
        )
        self._emit(now_ns, records.RUNTIME_DONE, record)

    def _finish_invocation_when_all_ask(self, now_ns: int) -> None:
        current = self._current
        if current is None or current.runtime_done_ns is None or not self.extensions.all_asking:
            return
        self._report(current, now_ns)
        self.phase = Phase.READY
        self._out += [do.CancelTimer(), do.Freeze()]

    def _report(self, current: _Current, end_ns: int) -> None:
        duration_ms = milliseconds(end_ns - current.start_ns)
        init_ms = None if current.init_ns is None else milliseconds(current.init_ns)
        done_ns = current.runtime_done_ns or end_ns
        outcome = do.InvocationDone(
            request_id=current.invocation.request_id,
            cold_start=init_ms is not None,
            busy_start_ns=current.busy_start_ns,
            start_ns=current.start_ns,
            runtime_done_ms=milliseconds(done_ns - current.start_ns),
            duration_ms=duration_ms,
            billed_ms=math.ceil(duration_ms + (init_ms or 0)),
            init_ms=init_ms,
            status=current.status,
            error_type=current.error_type,
            memory_mb=self._function.memory_mb,
            max_memory_used_mb=self._used_memory_mb(),
            traced=current.tracing is not None,
        )
        record = records.report(
            request_id=outcome.request_id,
            status=outcome.status,
            error_type=outcome.error_type,
            duration_ms=outcome.duration_ms,
            billed_ms=outcome.billed_ms,
            memory_mb=outcome.memory_mb,
            max_memory_used_mb=outcome.max_memory_used_mb,
            init_ms=outcome.init_ms,
            extension_overhead_ns=(done_ns, end_ns) if any(True for _ in self.extensions) else None,
            tracing=current.tracing,
        )
        self._emit(end_ns, records.REPORT, record)
        self._out.append(outcome)
        self._current = None

    def _fail_invocation(self, status: str, error_type: str, payload: bytes, now_ns: int) -> None:
        current = self._current
        if current is None:
            return
        current.status, current.error_type = status, error_type
        if current.runtime_done_ns is None:
            self._runtime_done(current, now_ns)
        if not current.is_answered:
            self._answer(current, payload, is_error=True)
        self._report(current, now_ns)

    def _answer(self, current: _Current, payload: bytes, *, is_error: bool) -> None:
        current.is_answered = True
        self._out.append(do.Answer(current.invocation.request_id, payload, is_error))

    # What goes wrong --------------------------------------------------------------------------------------------------

    def runtime_exited(self, status: int, now_ns: int) -> list[Action]:
        """The runtime process has ended, with an exit code or, negative, by a signal."""
        self._runtime = _Runtime.EXITED
        if self.phase is Phase.STOP_RUNTIME:
            self._runtime_has_stopped(now_ns)
        else:
            self._fail("Runtime.ExitError", _exit_message("Runtime exited", status), now_ns)
        return self._take()

    def extension_exited(self, name: str, status: int, now_ns: int) -> list[Action]:
        """An external extension's process has ended."""
        extension = self.extensions[name]
        extension.is_alive = extension.is_asking = False
        if self.phase is Phase.STOP_EXTENSIONS:
            self._end_when_extensions_stopped()
        elif self.phase is not Phase.STOP_RUNTIME:
            error_type = extension.error_type = extension.error_type or "Extension.Crash"
            self._fail(error_type, _exit_message(f"Extension {name} exited", status), now_ns)
        return self._take()

    def start_failed(self, name: str | None, message: str, now_ns: int) -> list[Action]:
        """A program could not be executed: an extension's, or (None) the runtime's."""
        if name is None:
            self._runtime = _Runtime.EXITED
            error_type = "Runtime.InvalidEntrypoint"
        else:
            self.extensions[name].is_alive = False
            error_type = self.extensions[name].error_type = "Extension.LaunchError"
        self._fail(error_type, message, now_ns)
        return self._take()

    def _fail(self, error_type: str, message: str, now_ns: int) -> None:
        """Something ended that should not have: the init or the invocation fails, and the sandbox goes."""
        if self.phase is Phase.INIT:
            request_id = None if self._pending is None else self._pending.request_id
            self._fail_init(records.FAILURE, error_type, _error_payload(error_type, message, request_id), now_ns)
        elif self.phase is Phase.INVOKE and self._current is not None:
            payload = _error_payload(error_type, message, self._current.invocation.request_id)
            self._fail_invocation(records.FAILURE, error_type, payload, now_ns)
            self._begin_shutdown("failure", now_ns)
        elif self.phase is Phase.READY:
            self._begin_shutdown("failure", now_ns)

    def timer_fired(self, now_ns: int) -> list[Action]:
        """The time that was set has come: the limit of the init, of the invocation, or of a part of the shutdown."""
        match self.phase:
            case Phase.INIT:
                self._init_timed_out(self._init_start_ns + INIT_LIMIT_NS)
            case Phase.INVOKE if self._current is not None:
                self._invocation_timed_out(self._current, now_ns)
            case Phase.STOP_RUNTIME:
                self._out.append(do.SignalRuntime(signal.SIGKILL))
                self._runtime_has_stopped(now_ns)
            case Phase.STOP_EXTENSIONS:
                self._end()
            case _:
                pass
        return self._take()

    def _init_timed_out(self, at_ns: int) -> None:
        request_id = None if self._pending is None else self._pending.request_id
        message = f"Init timed out after {INIT_LIMIT_NS / NS_PER_S:.2f} seconds"
        payload = _error_payload(records.TIMED_OUT_TYPE, message, request_id)
        self._fail_init(records.TIMEOUT, records.TIMED_OUT_TYPE, payload, at_ns)

    def _invocation_timed_out(self, current: _Current, now_ns: int) -> None:
        message = f"Task timed out after {self._timeout_ns / NS_PER_S:.2f} seconds"
        payload = _error_payload(records.TIMED_OUT_TYPE, message, current.invocation.request_id)
        at_ns = current.start_ns + self._timeout_ns  # the timer may be late; the limit is not
        self._fail_invocation(records.TIMEOUT, records.TIMED_OUT_TYPE, payload, at_ns)
        self._begin_shutdown("timeout", now_ns)

    # Shutdown ---------------------------------------------------------------------------------------------------------

    def shut_down(self, reason: str, now_ns: int) -> list[Action]:
        """End the sandbox in good order. An init or invocation under way fails."""
        if self.phase in STOPPING:
            return self._take()
        error_type, message = "Sandbox.Failure", "the sandbox is being shut down"
        if self.phase is Phase.INIT:
            request_id = None if self._pending is None else self._pending.request_id
            self._fail_init(records.FAILURE, error_type, _error_payload(error_type, message, request_id), now_ns)
        elif self._current is not None:
            payload = _error_payload(error_type, message, self._current.invocation.request_id)
            self._fail_invocation(records.FAILURE, error_type, payload, now_ns)
        self._begin_shutdown(reason, now_ns)
        return self._take()

    def _begin_shutdown(self, reason: str, now_ns: int) -> None:
        if self.phase in STOPPING:
            return
        self._out += [do.CancelTimer(), do.BeginShutdown(reason)]
        registered = [extension for extension in self.extensions if extension.is_registered]
        if self.phase is Phase.READY:
            self._out.append(do.Thaw())
        self.phase = Phase.STOP_RUNTIME
        self._shutdown_reason = reason
        if not registered:
            self._end()
            return
        has_external = any(extension.is_external for extension in registered)
        self._deadline_ns = now_ns + (EXTERNAL_SHUTDOWN_NS if has_external else INTERNAL_SHUTDOWN_NS)
        share_ns = EXTERNAL_SHUTDOWN_RUNTIME_NS if has_external else INTERNAL_SHUTDOWN_NS
        if self._runtime in (_Runtime.NOT_STARTED, _Runtime.EXITED):
            self._runtime_has_stopped(now_ns)
        else:
            self._out += [do.SignalRuntime(signal.SIGTERM), do.SetTimer(now_ns + share_ns)]

    def _runtime_has_stopped(self, _now_ns: int) -> None:
        self.phase = Phase.STOP_EXTENSIONS
        self._out.append(do.SetTimer(self._deadline_ns))
        for extension in self.extensions.external:
            if extension.wants(SHUTDOWN):
                event = _shutdown_event(self._shutdown_reason, self._deadline_ns)
                self._out.append(do.DeliverEvent(extension.name, event))
            elif extension.is_alive:
                self._out.append(do.KillExtension(extension.name))
        self._end_when_extensions_stopped()

    def _end_when_extensions_stopped(self) -> None:
        if not any(extension.is_alive for extension in self.extensions.external):
            self._end()

    def _end(self) -> None:
        self.phase = Phase.ENDED
        self._out += [do.CancelTimer(), do.End()]

    # Helpers ----------------------------------------------------------------------------------------------------------

    def _emit(self, now_ns: int, kind: str, record: records.Record) -> None:
        self._out.append(do.Emit(now_ns, kind, record))

    def _take(self) -> list[Action]:
        taken, self._out = self._out, []
        return taken


def _invoke_event(invocation: Invocation, deadline_ns: int) -> records.Record:
    return {
        "eventType": INVOKE,
        "deadlineMs": deadline_ns // NS_PER_MS,
        "requestId": invocation.request_id,
        "invokedFunctionArn": invocation.invoked_arn,
        "tracing": {"type": "X-Amzn-Trace-Id", "value": invocation.trace_header},
    }


def _shutdown_event(reason: str, deadline_ns: int) -> records.Record:
    return {"eventType": SHUTDOWN, "shutdownReason": reason, "deadlineMs": deadline_ns // NS_PER_MS}


def _error_payload(error_type: str, message: str, request_id: str | None) -> bytes:
    body = {"errorType": error_type, "errorMessage": f"RequestId: {request_id} Error: {message}"}
    return json.dumps(body).encode()


def _exit_message(what: str, status: int) -> str:
    if status == 0:
        return f"{what} without providing a reason"
    if status < 0:
        return f"{what} with error: signal: {signal.Signals(-status).name.removeprefix('SIG').lower()}"
    return f"{what} with error: exit status {status}"
