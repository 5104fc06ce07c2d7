"""What the state machine asks of the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Invocation:
    """One request for a function, as a sandbox gets it."""

    request_id: str
    payload: bytes
    invoked_arn: str
    trace_header: str
    """X-Ray's header, with Sampled=0 where the caller gave none."""
    client_context: str | None = None

    @property
    def is_traced(self) -> bool:
        """Whether X-Ray samples the request, which is when the platform's records carry ``tracing``."""
        return "Sampled=1" in self.trace_header


@dataclass(frozen=True, slots=True)
class StartExtension:
    """Execute a file of the layer's ``extensions`` folder."""

    name: str


@dataclass(frozen=True, slots=True)
class StartRuntime:
    """Execute the function's runtime: every extension has registered."""


@dataclass(frozen=True, slots=True)
class DeliverInvocation:
    """Answer the runtime's ``GET /runtime/invocation/next``, now or when it comes."""

    invocation: Invocation
    deadline_ns: int


@dataclass(frozen=True, slots=True)
class DeliverEvent:
    """Answer an extension's ``GET /extension/event/next``, now or when it comes."""

    extension: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Emit:
    """Hand a record to the Telemetry API. ``time_ns`` is when the platform made it."""

    time_ns: int
    kind: str
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Call ``timer_fired`` at the time. There is one timer: a new one takes the place of the last."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget the timer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the caller of the invocation."""

    request_id: str
    payload: bytes
    is_error: bool


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer the caller with an error of the Invoke API: the invocation never began."""

    request_id: str
    status: int
    error_type: str
    message: str


@dataclass(frozen=True, slots=True)
class DeliverRestore:
    """Answer the runtime's ``GET /runtime/restore/next``, now or when it comes."""


@dataclass(frozen=True, slots=True)
class Restoring:
    """A sandbox is made from a snapshot: what was recorded until now may be told, as of the snapshot's time."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """Stop every process of the sandbox, and the delivery of telemetry into it."""


@dataclass(frozen=True, slots=True)
class Rest:
    """The sandbox can take invocations and runs on: :class:`Freeze` without the freezing."""


@dataclass(frozen=True, slots=True)
class Thaw:
    """Undo :class:`Freeze`."""


@dataclass(frozen=True, slots=True)
class SignalRuntime:
    """Send a signal to the runtime process."""

    number: int


@dataclass(frozen=True, slots=True)
class KillExtension:
    """SIGKILL one extension's process."""

    name: str


@dataclass(frozen=True, slots=True)
class InitDone:
    """An init is over. Times are those of the telemetry."""

    phase: str
    """``init``, ``invoke`` for one inside an invocation, ``snap-start`` for one before a snapshot."""
    start_ns: int
    end_ns: int
    duration_ms: float
    status: str
    error_type: str | None


@dataclass(frozen=True, slots=True)
class RestoreDone:
    """A restore from a snapshot is over."""

    start_ns: int
    end_ns: int
    duration_ms: float
    billed_ms: int
    status: str
    error_type: str | None


@dataclass(frozen=True, slots=True)
class InvocationDone:
    """The invocation is over: the runtime and every extension have asked for the next event, or it failed."""

    request_id: str
    cold_start: bool
    busy_start_ns: int
    start_ns: int
    runtime_done_ms: float
    duration_ms: float
    billed_ms: int | None
    """None on Managed Instances, where the instances are what is paid for."""
    init_ms: float | None
    status: str
    error_type: str | None
    memory_mb: int
    max_memory_used_mb: int
    traced: bool
    restore_ms: float | None = None
    billed_restore_ms: int | None = None


@dataclass(frozen=True, slots=True)
class BeginReset:
    """The sandbox takes no invocation until its processes are gone. Buffered telemetry is delivered at once."""

    reason: str


@dataclass(frozen=True, slots=True)
class StopPrograms:
    """Kill every process, and forget what they asked for: registrations, subscriptions, events. Files stay."""


@dataclass(frozen=True, slots=True)
class StopDone:
    """A shutdown or reset is over."""

    began_ns: int
    end_ns: int
    reason: str
    killed: tuple[str, ...]
    """Extensions that had not ended by themselves when the time was over."""
    is_final: bool
    """Whether the sandbox ends; else it was a reset."""


@dataclass(frozen=True, slots=True)
class BeginShutdown:
    """The sandbox takes no more invocations. Buffered telemetry is delivered at once from here on."""

    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """Kill whatever is left, and release everything."""


Action = (
    StartExtension
    | StartRuntime
    | DeliverInvocation
    | DeliverEvent
    | Emit
    | SetTimer
    | CancelTimer
    | Answer
    | Refuse
    | DeliverRestore
    | Restoring
    | Freeze
    | Rest
    | Thaw
    | SignalRuntime
    | KillExtension
    | InitDone
    | RestoreDone
    | InvocationDone
    | BeginReset
    | StopPrograms
    | StopDone
    | BeginShutdown
    | End
)
