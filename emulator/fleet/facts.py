"""What happened in a fleet: the truth that all streams are made from. Times are whole microseconds since the epoch."""

from __future__ import annotations

from typing import Any, NamedTuple

from emulator.fleet.profiles import Profile
from emulator.model import InitType


class SandboxFacts:
    """What stays the same of a sandbox over its life."""

    __slots__ = ("failed", "instance_id", "invocations", "number", "profile", "version")

    def __init__(self, number: int, instance_id: str, profile: Profile, version: str) -> None:
        self.number = number
        """Rises with each sandbox of the fleet."""
        self.instance_id = instance_id
        self.profile = profile
        self.version = version
        self.invocations = 0
        self.failed: dict[str, int] = {}
        """Attempts of asynchronous requests that failed here and may come back under the same request id."""


class Init(NamedTuple):
    """An init, or the restore of a snapshot."""

    start_us: int
    extension_us: int
    """The extensions' share, at its beginning. 0 for a restore, which does not start them."""
    duration_us: int
    restore: bool

    @property
    def end_us(self) -> int:
        """When it was over."""
        return self.start_us + self.duration_us


class Invocation(NamedTuple):
    """One attempt that ran. A tuple with names, because there are millions."""

    sandbox: SandboxFacts
    request_id: str
    attempt: int
    start_us: int
    """platform.start, a whole millisecond."""
    init: Init | None
    """What this invocation waited for."""
    proactive: bool
    """The first in a sandbox that Lambda had started of its own accord."""
    init_type: InitType
    latency_us: int
    response_us: int
    overhead_us: int
    runtime_us: int
    """platform.runtimeDone's duration, which the three above add up to where the function answered."""
    duration_us: int
    """platform.report's duration: with the extensions."""
    billed_ms: int
    max_memory_used_mb: int
    status: str
    error_type: str | None
    produced_bytes: int
    iterator_age_ms: int | None
    records: int
    """Of the batch; 1 for a request that is none."""

    @property
    def busy_start_us(self) -> int:
        """Start of the init that it waited for, else of the invocation."""
        return self.start_us if self.init is None else self.init.start_us

    @property
    def end_us(self) -> int:
        """The end of the last extension."""
        return self.start_us + self.duration_us

    @property
    def cold_start(self) -> bool:
        """Whether it waited for an init."""
        return self.init is not None


class Throttle(NamedTuple):
    """A request, or an attempt of Lambda's own pollers, that was answered with 429."""

    profile: Profile
    at_us: int
    cause: str
    reason: str


class UnwaitedInit(NamedTuple):
    """An init of provisioned concurrency, or one that Lambda did of its own accord."""

    sandbox: SandboxFacts
    init: Init
    init_type: InitType


class Shutdown(NamedTuple):
    """The end of a sandbox."""

    sandbox: SandboxFacts
    at_us: int
    duration_us: int
    reason: str


Fact = Invocation | Throttle | UnwaitedInit | Shutdown


def as_json(fact: Fact) -> dict[str, Any]:
    """A line of the truth file. Times in microseconds since the epoch, durations in the columns' units."""
    match fact:
        case Invocation():
            return _invocation(fact)
        case Throttle():
            return {
                "fact": "throttle", "function": fact.profile.name, "at_us": fact.at_us, "cause": fact.cause,
                "reason": fact.reason,
            }  # fmt: skip
        case UnwaitedInit():
            return {"fact": "init", **_sandbox(fact.sandbox), **_init(fact.init), "init_type": fact.init_type}
        case Shutdown():
            return {"fact": "shutdown", **_sandbox(fact.sandbox), "at_us": fact.at_us, "reason": fact.reason}


def _sandbox(sandbox: SandboxFacts) -> dict[str, Any]:
    return {"function": sandbox.profile.name, "version": sandbox.version, "instance_id": sandbox.instance_id}


def _init(init: Init) -> dict[str, Any]:
    kind = "restore" if init.restore else "init"
    return {f"{kind}_start_us": init.start_us, f"{kind}_ms": init.duration_us / 1000}


def _invocation(invocation: Invocation) -> dict[str, Any]:
    return {
        "fact": "invocation",
        **_sandbox(invocation.sandbox),
        "request_id": invocation.request_id,
        "attempt": invocation.attempt,
        "start_us": invocation.start_us,
        "busy_start_us": invocation.busy_start_us,
        "duration_ms": invocation.duration_us / 1000,
        "billed_ms": invocation.billed_ms,
        "cold_start": invocation.cold_start,
        "proactive": invocation.proactive,
        "init_type": invocation.init_type,
        **({} if invocation.init is None else _init(invocation.init)),
        "status": invocation.status,
        "error_type": invocation.error_type,
        "memory_mb": invocation.sandbox.profile.memory_mb,
        "max_memory_used_mb": invocation.max_memory_used_mb,
        "trigger": invocation.sandbox.profile.trigger,
        "iterator_age_ms": invocation.iterator_age_ms,
        "records": invocation.records,
    }
