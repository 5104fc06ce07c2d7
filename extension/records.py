"""What the Telemetry API and the Extensions API can say: one frozen record per kind.

A field that the platform may leave out is None here: unknown, which is not the same as zero. Durations are in
milliseconds, times in nanoseconds since the epoch. Source: "Telemetry API Event schema reference" of the AWS Lambda
Developer Guide, and what real sandboxes send beside it.

The classes are written out since ``dataclasses`` costs 18 ms to import, and every customer pays it.
"""

from __future__ import annotations


class Record:
    """Base: compared by value, shown with its fields, read-only once made."""

    __slots__: tuple[str, ...] = ()

    def __init__(self, **fields: object) -> None:
        put, get = object.__setattr__, fields.get
        slots = self.__slots__
        for name in slots:
            put(self, name, get(name))
        for name in fields:
            if name not in slots:
                raise TypeError(f"{type(self).__name__} has no {name}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} is read-only")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(getattr(self, n) == getattr(other, n) for n in self.__slots__)

    def __hash__(self) -> int:
        return hash((type(self), *(str(getattr(self, name)) for name in self.__slots__)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"


class PlatformSpan(Record):
    """One item of a record's ``spans``: responseLatency, responseDuration, runtimeOverhead, extensionOverhead."""

    __slots__ = ("duration_ms", "name", "start_ns")
    name: str
    start_ns: int
    duration_ms: float


class InitStart(Record):
    """``platform.initStart`` and, with `restore`, ``platform.restoreStart``."""

    __slots__ = (
        "function_name",
        "function_version",
        "initialization_type",
        "instance_id",
        "max_memory",
        "phase",
        "restore",
        "runtime_version",
        "runtime_version_arn",
        "time_ns",
    )
    time_ns: int
    restore: bool
    initialization_type: str | None
    phase: str | None
    function_name: str | None
    function_version: str | None
    runtime_version: str | None
    runtime_version_arn: str | None
    instance_id: str | None
    max_memory: float | None


class InitRuntimeDone(Record):
    """``platform.initRuntimeDone`` and, with `restore`, ``platform.restoreRuntimeDone``."""

    __slots__ = ("error_type", "initialization_type", "phase", "restore", "status", "time_ns")
    time_ns: int
    restore: bool
    initialization_type: str | None
    phase: str | None
    status: str | None
    error_type: str | None


class InitReport(Record):
    """``platform.initReport`` and, with `restore`, ``platform.restoreReport``."""

    __slots__ = ("duration_ms", "error_type", "initialization_type", "phase", "restore", "status", "time_ns")
    time_ns: int
    restore: bool
    initialization_type: str | None
    phase: str | None
    status: str | None
    error_type: str | None
    duration_ms: float | None


class Start(Record):
    """``platform.start``: a request reached the sandbox."""

    __slots__ = ("function_arn", "request_id", "time_ns", "tracing", "version")
    time_ns: int
    request_id: str
    version: str | None
    tracing: str | None
    function_arn: str | None


class RuntimeDone(Record):
    """``platform.runtimeDone``: the runtime asked for the next request, or ended."""

    __slots__ = ("duration_ms", "error_type", "produced_bytes", "request_id", "spans", "status", "time_ns", "tracing")
    time_ns: int
    request_id: str
    status: str | None
    error_type: str | None
    duration_ms: float | None
    produced_bytes: float | None
    spans: tuple[PlatformSpan, ...]
    tracing: str | None


class Report(Record):
    """``platform.report``: the request's figures, sent once every extension has asked for its next event."""

    __slots__ = (
        "billed_duration_ms",
        "billed_restore_duration_ms",
        "duration_ms",
        "error_type",
        "init_duration_ms",
        "max_memory_used_mb",
        "memory_size_mb",
        "request_id",
        "restore_duration_ms",
        "spans",
        "status",
        "time_ns",
        "tracing",
    )
    time_ns: int
    request_id: str
    status: str | None
    error_type: str | None
    duration_ms: float | None
    billed_duration_ms: float | None
    memory_size_mb: float | None
    max_memory_used_mb: float | None
    init_duration_ms: float | None
    restore_duration_ms: float | None
    billed_restore_duration_ms: float | None
    spans: tuple[PlatformSpan, ...]
    tracing: str | None


class ExtensionState(Record):
    """``platform.extension``: an extension registered, became ready, or failed."""

    __slots__ = ("error_type", "name", "state", "time_ns")
    time_ns: int
    name: str | None
    state: str | None
    error_type: str | None


class SubscriptionState(Record):
    """``platform.telemetrySubscription``."""

    __slots__ = ("name", "state", "time_ns")
    time_ns: int
    name: str | None
    state: str | None


class LogsDropped(Record):
    """``platform.logsDropped``: telemetry that the platform gave up on because its reader was too slow."""

    __slots__ = ("dropped_bytes", "dropped_records", "reason", "time_ns")
    time_ns: int
    reason: str | None
    dropped_records: float | None
    dropped_bytes: float | None


class FunctionLog(Record):
    """``function``: one log line, as text or, where the function's log format is JSON, as an object."""

    __slots__ = ("body", "time_ns")
    time_ns: int
    body: object


class UnknownEvent(Record):
    """A record of a type that is not known here. It is counted, and else ignored."""

    __slots__ = ("time_ns", "type")
    time_ns: int | None
    type: str


class Invoke(Record):
    """The Extensions API's INVOKE event. Its deadline is in milliseconds since the epoch."""

    __slots__ = ("deadline_ms", "invoked_arn", "request_id", "tracing")
    request_id: str
    deadline_ms: float | None
    invoked_arn: str | None
    tracing: str | None


class Shutdown(Record):
    """The Extensions API's SHUTDOWN event. Its deadline is in milliseconds since the epoch."""

    __slots__ = ("deadline_ms", "reason")
    deadline_ms: float | None
    reason: str
