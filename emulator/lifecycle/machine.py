"""The state machine of one sandbox: Init, Invoke, Reset and Shutdown in Lambda's order, with Lambda's time limits.

Each method is an event; it takes the time and returns what is to be done, in order. Nothing here waits, sends or
looks at a clock. What goes wrong in a sandbox resets it: its processes are stopped as in a shutdown, and the next
invocation, or the one that still waits after a failed init, begins with an init of its own (a *suppressed* init).
"""

from __future__ import annotations

import signal
from collections.abc import Callable

from emulator.clock import NS_PER_S
from emulator.lifecycle import actions as do
from emulator.lifecycle import messages
from emulator.lifecycle.actions import Action, Invocation
from emulator.lifecycle.extensions import INVOKE, Extension, Extensions
from emulator.lifecycle.init_run import AHEAD_INIT_LIMIT_NS, INIT_LIMIT_NS, STANDALONE, SUPPRESSED, InitRun
from emulator.lifecycle.outbox import Outbox
from emulator.lifecycle.phases import IDLE, Phase, RuntimeState
from emulator.lifecycle.running import RunningInvocation
from emulator.lifecycle.stopping import Stopping
from emulator.telemetry import records
from emulator.telemetry.records import FunctionIdentity, ResponseTimes

TIMEOUT_REASON = "timeout"
FAILURE_REASON = "failure"
ON_DEMAND = "on-demand"


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
        self._runtime = RuntimeState.NOT_STARTED
        self._init = InitRun(function, STANDALONE, 0)
        self._init_limit_ns = INIT_LIMIT_NS
        self._waiting: Invocation | None = None
        """An invocation that waits for the first init, or for the reset after it."""
        self._current: RunningInvocation | None = None
        self._stop: Stopping | None = None
        self._out = Outbox()

    @property
    def current_request_id(self) -> str | None:
        """Of the invocation that the runtime has and has not yet answered for."""
        current = self._current
        return None if current is None or current.is_answered else current.request_id

    # Init -------------------------------------------------------------------------------------------------------------

    def start(self, invocation: Invocation | None, now_ns: int) -> list[Action]:
        """Begin the init of a new sandbox, which an invocation waits for or (None) nobody."""
        self._waiting = invocation
        is_ahead = invocation is None and self._function.initialization_type != ON_DEMAND
        self._init_limit_ns = max(AHEAD_INIT_LIMIT_NS, self._timeout_ns) if is_ahead else INIT_LIMIT_NS
        self._begin_init(STANDALONE, now_ns, now_ns + self._init_limit_ns)
        return self._out.take()

    def _begin_init(self, phase: str, now_ns: int, limit_ns: int) -> None:
        self.phase = Phase.INIT
        self._runtime = RuntimeState.NOT_STARTED
        self._init = InitRun(self._function, phase, now_ns)
        self._init.begin(self._out)
        self._out.add(do.SetTimer(limit_ns))
        self._out.add(*(do.StartExtension(extension.name) for extension in self.extensions.external))
        self._start_runtime_when_registered()

    def extension_registered(self) -> list[Action]:
        """An extension has registered. The runtime starts when all external ones have."""
        if self.phase is Phase.INIT:
            self._start_runtime_when_registered()
        return self._out.take()

    def _start_runtime_when_registered(self) -> None:
        if self._runtime is RuntimeState.NOT_STARTED and self.extensions.all_external_registered:
            self._runtime = RuntimeState.RUNNING
            self._out.add(do.StartRuntime())

    def runtime_init_error(self, payload: bytes, error_type: str, now_ns: int) -> list[Action]:
        """The runtime has posted ``init/error``. Where this fails the invocation, the payload is its answer."""
        if self.phase is Phase.INIT:
            self._fail_init(records.ERROR, error_type, payload, now_ns)
        return self._out.take()

    def _finish_init_when_ready(self, now_ns: int) -> None:
        if self._runtime is not RuntimeState.ASKING or not self.extensions.all_asking:
            return
        self._end_init(records.SUCCESS, None, now_ns)
        waiting, self._waiting = self._waiting, None
        if self._current is not None:
            self._deliver(self._current)
        elif waiting is not None:
            init_ns = now_ns - self._init.start_ns
            self._deliver(self._begin_invocation(waiting, now_ns, self._init.start_ns, init_ns, is_cold=True))
        else:
            self._rest(Phase.READY)

    def _end_init(self, status: str, error_type: str | None, now_ns: int) -> None:
        self.extensions.is_open = False
        self._out.add(do.CancelTimer())
        self._init.done(status, error_type, self.extensions, now_ns, self._out)

    def _fail_init(self, status: str, error_type: str, payload: bytes, now_ns: int) -> None:
        """The init has failed: inside an invocation with it, else it will be tried again inside the next."""
        self._end_init(status, error_type, now_ns)
        reason = FAILURE_REASON
        if self._current is not None:
            self._fail_current(status, error_type, payload, now_ns)
            reason = TIMEOUT_REASON if status == records.TIMEOUT else FAILURE_REASON
        self._begin_reset(reason, now_ns)

    # Invoke -----------------------------------------------------------------------------------------------------------

    def invoke(self, invocation: Invocation, now_ns: int) -> list[Action]:
        """Give an invocation to an idle sandbox."""
        self._out.add(do.Thaw())
        if self.phase is Phase.RESET:
            self._begin_with_suppressed_init(invocation, now_ns, now_ns)
        else:
            self._deliver(self._begin_invocation(invocation, now_ns, now_ns, None, is_cold=False))
        return self._out.take()

    def _begin_with_suppressed_init(self, invocation: Invocation, busy_start_ns: int, now_ns: int) -> None:
        self._begin_invocation(invocation, now_ns, busy_start_ns, None, is_cold=True)
        self._begin_init(SUPPRESSED, now_ns, now_ns + self._timeout_ns)

    def _begin_invocation(
        self, invocation: Invocation, now_ns: int, busy_start_ns: int, init_ns: int | None, *, is_cold: bool
    ) -> RunningInvocation:
        tracing = records.tracing(invocation.trace_header, self._new_span_id()) if invocation.is_traced else None
        current = RunningInvocation(self._function, invocation, now_ns, busy_start_ns, is_cold, init_ns, tracing)
        current.begin(self._out)
        self._current = current
        return current

    def _deliver(self, current: RunningInvocation) -> None:
        """Tell the runtime and the extensions of the invocation. An init inside it has used up some of its time."""
        self.phase = Phase.INVOKE
        deadline_ns = current.start_ns + self._timeout_ns
        self._runtime = RuntimeState.RUNNING
        self._out.add(do.SetTimer(deadline_ns))
        for extension in self.extensions:
            if extension.wants(INVOKE):
                extension.is_asking = False
                event = messages.invoke_event(current.invocation, deadline_ns)
                self._out.add(do.DeliverEvent(extension.name, event))
        self._out.add(do.DeliverInvocation(current.invocation, deadline_ns))

    def runtime_answered(
        self, payload: bytes, response: ResponseTimes, *, error_type: str | None = None
    ) -> list[Action]:
        """The runtime has posted the response, or the error, of the invocation at hand."""
        current = self._current
        if current is None or current.is_answered:
            return self._out.take()
        if error_type is not None:
            current.status, current.error_type = records.ERROR, error_type
        current.response = response
        current.answer(payload, self._out, is_error=error_type is not None)
        return self._out.take()

    def runtime_asks(self, now_ns: int) -> list[Action]:
        """The runtime has asked for the next invocation."""
        if self._runtime is not RuntimeState.RUNNING:
            return self._out.take()
        self._runtime = RuntimeState.ASKING
        if self.phase is Phase.INIT:
            self._init.runtime_done(records.SUCCESS, None, now_ns, self._out)
            self._finish_init_when_ready(now_ns)
        elif self.phase is Phase.INVOKE and self._current is not None:
            self._current.runtime_done(now_ns, self._out)
            self._finish_invocation_when_all_ask(now_ns)
        return self._out.take()

    def extension_asks(self, extension: Extension, now_ns: int) -> list[Action]:
        """An extension has asked for the next event."""
        extension.is_asking = extension.has_asked = True
        if self.phase is Phase.INIT:
            self._finish_init_when_ready(now_ns)
        elif self.phase is Phase.INVOKE:
            self._finish_invocation_when_all_ask(now_ns)
        return self._out.take()

    def _finish_invocation_when_all_ask(self, now_ns: int) -> None:
        current = self._current
        if current is None or current.runtime_done_ns is None or not self.extensions.all_asking:
            return
        self._report(current, now_ns)
        self._out.add(do.CancelTimer())
        self._rest(Phase.READY)

    def _rest(self, phase: Phase) -> None:
        self.phase = phase
        self._out.add(do.Freeze())

    def _report(self, current: RunningInvocation, end_ns: int) -> None:
        has_extensions = any(True for _ in self.extensions)
        current.report(end_ns, self._used_memory_mb(), self._out, has_extensions=has_extensions)
        self._current = None

    def _fail_current(self, status: str, error_type: str, payload: bytes, now_ns: int) -> None:
        if self._current is not None:
            self._current.fail(status, error_type, payload, now_ns, self._out)
            self._report(self._current, now_ns)

    # What goes wrong --------------------------------------------------------------------------------------------------

    def runtime_exited(self, status: int, now_ns: int, *, out_of_memory: bool = False) -> list[Action]:
        """The runtime process has ended, with an exit code or, negative, by a signal."""
        self._runtime = RuntimeState.EXITED
        if self.phase is Phase.STOP_RUNTIME:
            self._runtime_has_stopped(now_ns)
        else:
            error_type = "Runtime.OutOfMemory" if out_of_memory else "Runtime.ExitError"
            self._fail(error_type, messages.exit_message("Runtime exited", status), now_ns)
        return self._out.take()

    def extension_exited(self, name: str, status: int, now_ns: int) -> list[Action]:
        """An external extension's process has ended."""
        extension = self.extensions[name]
        if self.phase is Phase.RESET:
            return self._out.take()
        extension.is_alive = extension.is_asking = False
        if self.phase is Phase.STOP_EXTENSIONS:
            self._finish_stop_when_over(now_ns)
        elif self.phase is not Phase.STOP_RUNTIME:
            extension.error_type = extension.error_type or "Extension.Crash"
            self._fail("Extension.Crash", messages.exit_message(f"Extension {name} exited", status), now_ns)
        return self._out.take()

    def extension_failed(self, extension: Extension, error_type: str, told_type: str, now_ns: int) -> list[Action]:
        """An extension has posted ``init/error`` or ``exit/error``; it is going to exit. ``told_type`` is its own."""
        extension.error_type = told_type
        self._fail(error_type, f"Extension {extension.name} reported {told_type}", now_ns)
        return self._out.take()

    def start_failed(self, name: str | None, message: str, now_ns: int) -> list[Action]:
        """A program could not be executed: an extension's, or (None) the runtime's."""
        if name is None:
            self._runtime = RuntimeState.EXITED
            error_type = "Runtime.InvalidEntrypoint"
        else:
            self.extensions[name].is_alive = False
            error_type = self.extensions[name].error_type = "Extension.LaunchError"
        self._fail(error_type, message, now_ns)
        return self._out.take()

    def _fail(self, error_type: str, message: str, now_ns: int) -> None:
        """Something ended that should not have: the init or the invocation fails, and the sandbox is reset."""
        payload = messages.error_payload(error_type, message, self._request_id())
        if self.phase is Phase.INIT:
            self._fail_init(records.ERROR, error_type, payload, now_ns)
        elif self.phase is Phase.INVOKE:
            self._fail_current(records.FAILURE, error_type, payload, now_ns)
            self._begin_reset(FAILURE_REASON, now_ns)
        elif self.phase is Phase.READY:
            self._begin_reset(FAILURE_REASON, now_ns)

    def _request_id(self) -> str | None:
        if self._current is not None:
            return self._current.request_id
        return None if self._waiting is None else self._waiting.request_id

    def timer_fired(self, now_ns: int) -> list[Action]:
        """The time that was set has come: the limit of the init, of the invocation, or of a part of the shutdown."""
        match self.phase:
            case Phase.INIT | Phase.INVOKE:
                self._time_out(now_ns)
            case Phase.STOP_RUNTIME:
                self._out.add(do.SignalRuntime(signal.SIGKILL))
                self._runtime_has_stopped(now_ns)
            case Phase.STOP_EXTENSIONS:
                self._finish_stop(now_ns)
            case _:
                pass
        return self._out.take()

    def _time_out(self, now_ns: int) -> None:
        """The timer may be late; the limits, from which the records' times are taken, are not."""
        current = self._current
        if current is None:
            self._fail_init(records.TIMEOUT, records.TIMED_OUT_TYPE, b"", self._init.start_ns + self._init_limit_ns)
            return
        message = f"Task timed out after {self._timeout_ns / NS_PER_S:.2f} seconds"
        payload = messages.error_payload(records.TIMED_OUT_TYPE, message, current.request_id)
        at_ns = current.start_ns + self._timeout_ns
        if self.phase is Phase.INIT:
            self._fail_init(records.TIMEOUT, records.TIMED_OUT_TYPE, payload, at_ns)
        else:
            self._fail_current(records.TIMEOUT, records.TIMED_OUT_TYPE, payload, at_ns)
            self._begin_reset(TIMEOUT_REASON, now_ns)

    # Reset and shutdown -----------------------------------------------------------------------------------------------

    def shut_down(self, reason: str, now_ns: int) -> list[Action]:
        """End the sandbox in good order. An init, invocation or reset under way fails."""
        if self.phase is Phase.ENDED or (self._stop is not None and self._stop.is_final):
            return self._out.take()
        if self.phase is Phase.INIT:
            self._end_init(records.FAILURE, "Sandbox.Failure", now_ns)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._begin_invocation(waiting, now_ns, self._init.start_ns, None, is_cold=True)
        payload = messages.error_payload("Sandbox.Failure", "the sandbox is being shut down", self._request_id())
        self._fail_current(records.FAILURE, "Sandbox.Failure", payload, now_ns)
        if self._stop is not None:
            self._stop.is_final = True  # a reset under way becomes the end
            self._out.add(do.BeginShutdown(reason))
        else:
            self._out.add(do.CancelTimer(), do.BeginShutdown(reason))
            self._begin_stop(reason, now_ns, is_final=True)
        return self._out.take()

    def _begin_reset(self, reason: str, now_ns: int) -> None:
        self._out.add(do.CancelTimer(), do.BeginReset(reason))
        self._begin_stop(reason, now_ns, is_final=False)

    def _begin_stop(self, reason: str, now_ns: int, *, is_final: bool) -> None:
        self._stop = Stopping(self.extensions, reason, now_ns, is_final=is_final)
        if self.phase is Phase.READY:
            self._out.add(do.Thaw())
        has_processes = self.phase is not Phase.RESET
        self.phase = Phase.STOP_RUNTIME
        if not self._stop.has_time or not has_processes:
            self._finish_stop(now_ns)
        elif self._runtime in (RuntimeState.NOT_STARTED, RuntimeState.EXITED):
            self._runtime_has_stopped(now_ns)
        else:
            self._stop.stop_runtime(self._out)

    def _runtime_has_stopped(self, now_ns: int) -> None:
        self.phase = Phase.STOP_EXTENSIONS
        if self._stop is not None:
            self._stop.stop_extensions(self._out)
        self._finish_stop_when_over(now_ns)

    def _finish_stop_when_over(self, now_ns: int) -> None:
        if self._stop is not None and self._stop.is_over:
            self._finish_stop(now_ns)

    def _finish_stop(self, now_ns: int) -> None:
        stop, self._stop = self._stop, None
        self._out.add(do.CancelTimer())
        if stop is None or stop.is_final:
            self.phase = Phase.ENDED
            self._out.add(do.End())
            return
        self._out.add(do.StopPrograms())
        self.extensions.restart()
        self._runtime = RuntimeState.NOT_STARTED
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            self._rest(Phase.RESET)
        else:
            self._begin_with_suppressed_init(waiting, self._init.start_ns, now_ns)

    @property
    def is_idle(self) -> bool:
        """Whether it can take an invocation."""
        return self.phase in IDLE
