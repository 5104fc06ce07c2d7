"""A sandbox that serves one invocation at a time: on demand, or of provisioned concurrency.

What goes wrong resets it: its processes are stopped as in a shutdown, and the next invocation, or the one that still
waits after a failed init, begins with an init of its own (a *suppressed* init).
"""

from __future__ import annotations

from collections.abc import Callable

from emulator.clock import NS_PER_S
from emulator.lifecycle import actions as do
from emulator.lifecycle import messages
from emulator.lifecycle.actions import Action, Invocation
from emulator.lifecycle.extensions import INVOKE, Extensions
from emulator.lifecycle.init_run import SUPPRESSED
from emulator.lifecycle.machine import FAILURE_REASON, TIMEOUT_REASON, Lifecycle
from emulator.lifecycle.phases import Phase, RuntimeState
from emulator.lifecycle.running import RunningInvocation
from emulator.telemetry import records
from emulator.telemetry.records import FunctionIdentity, ResponseTimes


class SingleLifecycle(Lifecycle):
    """Init, invocations, resets, shutdown."""

    def __init__(
        self,
        function: FunctionIdentity,
        timeout_ns: int,
        extensions: Extensions,
        used_memory_mb: Callable[[], int],
        new_span_id: Callable[[], str],
    ) -> None:
        super().__init__(function, timeout_ns, extensions, used_memory_mb, new_span_id)
        self._waiting: Invocation | None = None
        """An invocation that waits for the first init, or for the reset after it."""
        self._current: RunningInvocation | None = None

    def is_waiting_for(self, request_id: str) -> bool:
        """See :class:`Lifecycle`."""
        current = self._current
        return current is not None and not current.is_answered and current.request_id == request_id

    # Init -------------------------------------------------------------------------------------------------------------

    def start(self, invocation: Invocation | None, now_ns: int) -> list[Action]:
        """See :class:`Lifecycle`."""
        self._waiting = invocation
        return super().start(invocation, now_ns)

    def _initialised(self, now_ns: int) -> None:
        waiting, self._waiting = self._waiting, None
        if self._current is not None:
            self._deliver(self._current)
        elif waiting is not None:
            current = self._begin_invocation(waiting, now_ns, self._init.start_ns, is_cold=True)
            current.init_ns = now_ns - self._init.start_ns
            self._deliver(current)
        else:
            self._rest(Phase.READY)

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
        self._thaw()
        if self.phase is Phase.RESET:
            self._begin_with_suppressed_init(invocation, now_ns, now_ns)
        else:
            self._deliver(self._begin_invocation(invocation, now_ns, now_ns, is_cold=False))
        return self._out.take()

    def _begin_with_suppressed_init(self, invocation: Invocation, busy_start_ns: int, now_ns: int) -> None:
        self._begin_invocation(invocation, now_ns, busy_start_ns, is_cold=True)
        self._begin_init(SUPPRESSED, now_ns, now_ns + self._timeout_ns)

    def _begin_invocation(
        self, invocation: Invocation, now_ns: int, busy_start_ns: int, *, is_cold: bool
    ) -> RunningInvocation:
        tracing = records.tracing(invocation.trace_header, self._new_span_id()) if invocation.is_traced else None
        current = RunningInvocation(self._function, invocation, now_ns, busy_start_ns, is_cold, tracing)
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
        self, request_id: str, payload: bytes, response: ResponseTimes, *, error_type: str | None = None
    ) -> list[Action]:
        """See :class:`Lifecycle`."""
        current = self._current
        if current is None or not self.is_waiting_for(request_id):
            return self._out.take()
        if error_type is not None:
            current.status, current.error_type = records.ERROR, error_type
        current.response = response
        current.answer(payload, self._out, is_error=error_type is not None)
        return self._out.take()

    def _runtime_asked(self, now_ns: int) -> None:
        if self._runtime is not RuntimeState.RUNNING:
            return
        self._runtime = RuntimeState.ASKING
        if self.phase is Phase.INVOKE and self._current is not None:
            self._current.runtime_done(now_ns, self._out)
            self._finish_invocation_when_all_ask(now_ns)

    def _extension_asked(self, now_ns: int) -> None:
        if self.phase is Phase.INVOKE:
            self._finish_invocation_when_all_ask(now_ns)

    def _finish_invocation_when_all_ask(self, now_ns: int) -> None:
        current = self._current
        if current is None or current.runtime_done_ns is None or not self.extensions.all_asking:
            return
        self._report(current, now_ns)
        self._out.add(do.CancelTimer())
        self._rest(Phase.READY)

    def _rest(self, phase: Phase) -> None:
        self.phase = phase
        self._freeze()

    def _report(self, current: RunningInvocation, end_ns: int) -> None:
        has_extensions = any(True for _ in self.extensions)
        current.report(end_ns, self._used_memory_mb(), self._out, has_extensions=has_extensions)
        self._current = None

    # What goes wrong --------------------------------------------------------------------------------------------------

    def _fail_current(self, status: str, error_type: str, payload: bytes, now_ns: int) -> None:
        if self._current is not None:
            self._current.fail(status, error_type, payload, now_ns, self._out)
            self._report(self._current, now_ns)

    def _broke(self, error_type: str, message: str, now_ns: int) -> None:
        if self.phase is Phase.INVOKE:
            payload = messages.error_payload(error_type, message, self._request_id())
            self._fail_current(records.FAILURE, error_type, payload, now_ns)
            self._begin_reset(FAILURE_REASON, now_ns)
        elif self.phase is Phase.READY:
            self._begin_reset(FAILURE_REASON, now_ns)

    def _request_id(self) -> str | None:
        if self._current is not None:
            return self._current.request_id
        return None if self._waiting is None else self._waiting.request_id

    def _timed_out(self, now_ns: int) -> None:
        """The timer may be late; the limits, from which the records' times are taken, are not."""
        if self.phase not in (Phase.INIT, Phase.INVOKE):
            return
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

    def _abandon(self, now_ns: int) -> None:
        if self.phase is Phase.INIT:
            self._end_init(records.FAILURE, "Sandbox.Failure", now_ns)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._begin_invocation(waiting, now_ns, self._init.start_ns, is_cold=True)
        payload = messages.error_payload("Sandbox.Failure", "the sandbox is being shut down", self._request_id())
        self._fail_current(records.FAILURE, "Sandbox.Failure", payload, now_ns)

    def _was_reset(self, now_ns: int) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            self._rest(Phase.RESET)
        else:
            self._begin_with_suppressed_init(waiting, self._init.start_ns, now_ns)
