"""One invocation under way in a sandbox, and the records that tell of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from emulator.clock import milliseconds
from emulator.lifecycle import actions as do
from emulator.lifecycle.actions import Invocation
from emulator.lifecycle.outbox import Outbox
from emulator.telemetry import records
from emulator.telemetry.records import FunctionIdentity, ResponseTimes


@dataclass(frozen=True, slots=True)
class Restore:
    """How long it took to make a sandbox from a snapshot."""

    duration_ns: int
    billed_ns: int
    """Of it, what the runtime and its hooks took; loading the snapshot costs nothing."""

    @property
    def duration_ms(self) -> float:
        """As records have it."""
        return milliseconds(self.duration_ns)

    @property
    def billed_ms(self) -> int:
        """In whole milliseconds, rounded up."""
        return math.ceil(milliseconds(self.billed_ns))


@dataclass(slots=True)
class RunningInvocation:
    """The invocation at hand, from ``platform.start`` to ``platform.report``."""

    function: FunctionIdentity
    invocation: Invocation
    start_ns: int
    busy_start_ns: int
    """When its caller began to wait for a sandbox: the start of the init in front of it, else its own."""
    is_cold: bool
    """Whether it waited for an init, before it or inside it, or for a restore."""
    tracing: records.Record | None
    init_ns: int | None = None
    """How long the init took that it waited for; None where there was none, or it is inside."""
    restore: Restore | None = None
    """The restore that it waited for."""
    runtime_done_ns: int | None = None
    is_answered: bool = False
    status: str = records.SUCCESS
    error_type: str | None = None
    response: ResponseTimes | None = None

    @property
    def request_id(self) -> str:
        """Of the request."""
        return self.invocation.request_id

    def begin(self, out: Outbox) -> None:
        """``platform.start``."""
        record = records.start(self.request_id, self.function.version, self.tracing)
        out.emit(self.start_ns, records.START, record)

    def answer(self, payload: bytes, out: Outbox, *, is_error: bool) -> None:
        """Answer the caller, once."""
        if not self.is_answered:
            self.is_answered = True
            out.add(do.Answer(self.request_id, payload, is_error))

    def runtime_done(self, now_ns: int, out: Outbox) -> None:
        """``platform.runtimeDone``, once."""
        if self.runtime_done_ns is not None:
            return
        self.runtime_done_ns = now_ns
        record = records.runtime_done(
            request_id=self.request_id,
            status=self.status,
            error_type=self.error_type,
            start_ns=self.start_ns,
            end_ns=now_ns,
            response=self.response,
            tracing=self.tracing,
        )
        out.emit(now_ns, records.RUNTIME_DONE, record)

    def fail(self, status: str, error_type: str, payload: bytes, now_ns: int, out: Outbox) -> None:
        """It has come to an end that the function did not choose."""
        self.status, self.error_type = status, error_type
        self.runtime_done(now_ns, out)
        self.answer(payload, out, is_error=True)

    def report(self, end_ns: int, used_memory_mb: int, out: Outbox, *, has_extensions: bool) -> None:
        """``platform.report``, and the outcome for whoever keeps books."""
        done_ns = end_ns if self.runtime_done_ns is None else self.runtime_done_ns
        outcome = self.outcome(end_ns, done_ns, used_memory_mb)
        record = records.report(
            request_id=outcome.request_id,
            status=outcome.status,
            error_type=outcome.error_type,
            duration_ms=outcome.duration_ms,
            billed_ms=outcome.billed_ms,
            memory_mb=outcome.memory_mb,
            max_memory_used_mb=outcome.max_memory_used_mb,
            init_ms=outcome.init_ms,
            restore_ms=outcome.restore_ms,
            billed_restore_ms=outcome.billed_restore_ms,
            extension_overhead_ns=(done_ns, end_ns) if has_extensions else None,
            tracing=self.tracing,
        )
        out.emit(end_ns, records.REPORT, record)
        out.add(outcome)

    def outcome(self, end_ns: int, done_ns: int, used_memory_mb: int) -> do.InvocationDone:
        """What it comes to. Restore and Init are billed with it, in one rounding."""
        duration_ms = milliseconds(end_ns - self.start_ns)
        init_ms = None if self.init_ns is None else milliseconds(self.init_ns)
        restore = self.restore
        billed_restore_ms = None if restore is None else restore.billed_ms
        return do.InvocationDone(
            request_id=self.request_id,
            cold_start=self.is_cold,
            busy_start_ns=self.busy_start_ns,
            start_ns=self.start_ns,
            runtime_done_ms=milliseconds(done_ns - self.start_ns),
            duration_ms=duration_ms,
            billed_ms=math.ceil(round(duration_ms + (init_ms or 0) + (billed_restore_ms or 0), 3)),
            init_ms=init_ms,
            status=self.status,
            error_type=self.error_type,
            memory_mb=self.function.memory_mb,
            max_memory_used_mb=used_memory_mb,
            traced=self.tracing is not None,
            restore_ms=None if restore is None else restore.duration_ms,
            billed_restore_ms=billed_restore_ms,
        )
