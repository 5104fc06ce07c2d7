"""Managed Instances: one sandbox serves several invocations at once, is never frozen, and tells nobody of an INVOKE.

Sources: "Understanding the Lambda Managed Instances execution environment", and what AWS's own runtime interface
emulator does where AWS_LAMBDA_MAX_CONCURRENCY is set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from emulator.clock import NS_PER_S, milliseconds
from emulator.lifecycle import actions as do
from emulator.lifecycle import messages
from emulator.lifecycle.actions import Action, Invocation
from emulator.lifecycle.extensions import Extensions
from emulator.lifecycle.machine import FAILURE_REASON, Lifecycle
from emulator.lifecycle.outbox import Outbox
from emulator.lifecycle.phases import Phase
from emulator.lifecycle.running import RunningInvocation
from emulator.lifecycle.stopping import MANAGED_SHUTDOWN_RUNTIME_NS
from emulator.telemetry import records
from emulator.telemetry.records import FunctionIdentity, ResponseTimes

_SERVING: Final = frozenset({Phase.READY, Phase.INVOKE})


@dataclass(slots=True)
class ManagedInvocation(RunningInvocation):
    """One of several invocations: it ends with its answer, and its report tells a duration only."""

    def begin(self, out: Outbox) -> None:
        """``platform.start``."""
        arn = self.invocation.invoked_arn
        out.emit(self.start_ns, records.START, records.start(self.request_id, self.function.version, self.tracing, arn))

    def finish(self, end_ns: int, used_memory_mb: int, out: Outbox) -> None:
        """``platform.report``, and the outcome for whoever keeps books."""
        record = records.managed_report(
            request_id=self.request_id,
            status=self.status,
            error_type=self.error_type,
            start_ns=self.start_ns,
            end_ns=end_ns,
            response=self.response,
            tracing=self.tracing,
        )
        out.emit(end_ns, records.REPORT, record)
        duration_ms = milliseconds(end_ns - self.start_ns)
        out.add(
            do.InvocationDone(
                request_id=self.request_id,
                cold_start=False,
                busy_start_ns=self.busy_start_ns,
                start_ns=self.start_ns,
                runtime_done_ms=duration_ms,
                duration_ms=duration_ms,
                billed_ms=None,
                init_ms=None,
                status=self.status,
                error_type=self.error_type,
                memory_mb=self.function.memory_mb,
                max_memory_used_mb=used_memory_mb,
                traced=self.tracing is not None,
            )
        )


class ManagedLifecycle(Lifecycle):
    """One sandbox. It ends, and is not reset, where a process of it does."""

    runtime_share_ns = MANAGED_SHUTDOWN_RUNTIME_NS

    def __init__(
        self,
        function: FunctionIdentity,
        timeout_ns: int,
        extensions: Extensions,
        used_memory_mb: Callable[[], int],
        new_span_id: Callable[[], str],
    ) -> None:
        super().__init__(function, timeout_ns, extensions, used_memory_mb, new_span_id)
        self._running: dict[str, ManagedInvocation] = {}

    def is_waiting_for(self, request_id: str) -> bool:
        """See :class:`Lifecycle`."""
        return request_id in self._running

    @property
    def running(self) -> int:
        """How many invocations it serves now."""
        return len(self._running)

    @property
    def is_serving(self) -> bool:
        """Whether it takes invocations."""
        return self.phase in _SERVING

    def _initialised(self, now_ns: int) -> None:
        del now_ns
        self.phase = Phase.READY
        self._out.add(do.Rest())

    def _fail_init(self, status: str, error_type: str, payload: bytes, now_ns: int) -> None:
        del payload  # nobody waits for it
        self._end_init(status, error_type, now_ns)
        self._begin_final_stop(FAILURE_REASON, now_ns)

    def invoke(self, invocation: Invocation, now_ns: int) -> list[Action]:
        """Give it one more invocation. One of its workers takes it."""
        tracing = records.tracing(invocation.trace_header, self._new_span_id()) if invocation.is_traced else None
        current = ManagedInvocation(self._function, invocation, now_ns, now_ns, is_cold=False, tracing=tracing)
        self._running[invocation.request_id] = current
        self.phase = Phase.INVOKE
        current.begin(self._out)
        self._set_timer()
        self._out.add(do.DeliverInvocation(invocation, now_ns + self._timeout_ns))
        return self._out.take()

    def runtime_answered(
        self, request_id: str, payload: bytes, response: ResponseTimes, *, error_type: str | None = None
    ) -> list[Action]:
        """See :class:`Lifecycle`. The invocation is over."""
        current = self._running.get(request_id)
        if current is not None:
            if error_type is not None:
                current.status, current.error_type = records.ERROR, error_type
            current.response = response
            current.answer(payload, self._out, is_error=error_type is not None)
            self._finish(current, response.last_byte_ns)
            self._set_timer()
        return self._out.take()

    def _finish(self, current: ManagedInvocation, end_ns: int) -> None:
        del self._running[current.request_id]
        current.finish(end_ns, self._used_memory_mb(), self._out)
        if not self._running and self.phase is Phase.INVOKE:
            self.phase = Phase.READY

    def _set_timer(self) -> None:
        if self._running:
            first_ns = min(current.start_ns for current in self._running.values())
            self._out.add(do.SetTimer(first_ns + self._timeout_ns))
        else:
            self._out.add(do.CancelTimer())

    def _runtime_asked(self, now_ns: int) -> None:
        """Its workers ask one by one; whoever asks first gets the next invocation."""

    def _extension_asked(self, now_ns: int) -> None:
        """Extensions are not waited for."""

    def _timed_out(self, now_ns: int) -> None:
        """The init, or invocations: their callers are told, and the sandbox goes on."""
        if self.phase is Phase.INIT:
            self._fail_init(records.TIMEOUT, records.TIMED_OUT_TYPE, b"", self._init.start_ns + self._init_limit_ns)
            return
        for current in list(self._running.values()):
            if current.start_ns + self._timeout_ns <= now_ns:
                message = f"Task timed out after {self._timeout_ns / NS_PER_S:.2f} seconds"
                at_ns = current.start_ns + self._timeout_ns
                self._fail_one(current, records.TIMEOUT, records.TIMED_OUT_TYPE, message, at_ns)
        self._set_timer()

    def _fail_one(self, current: ManagedInvocation, status: str, error_type: str, message: str, at_ns: int) -> None:
        current.status, current.error_type = status, error_type
        payload = messages.error_payload(error_type, message, current.request_id)
        current.answer(payload, self._out, is_error=True)
        self._finish(current, at_ns)

    def _broke(self, error_type: str, message: str, now_ns: int) -> None:
        if self.is_serving:
            self._fail_all(records.FAILURE, error_type, message, now_ns)
            self._begin_final_stop(FAILURE_REASON, now_ns)

    def _fail_all(self, status: str, error_type: str, message: str, now_ns: int) -> None:
        for current in list(self._running.values()):
            self._fail_one(current, status, error_type, message, now_ns)

    def _abandon(self, now_ns: int) -> None:
        if self.phase is Phase.INIT:
            self._end_init(records.FAILURE, "Sandbox.Failure", now_ns)
        self._fail_all(records.FAILURE, "Sandbox.Failure", "the sandbox is being shut down", now_ns)

    def _was_reset(self, now_ns: int) -> None:
        """It never is."""

    def _request_id(self) -> str | None:
        return None
