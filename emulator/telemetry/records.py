"""The platform's records, with the keys of the Telemetry API's event schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from emulator.clock import milliseconds, rfc3339

INIT_START: Final = "platform.initStart"
INIT_RUNTIME_DONE: Final = "platform.initRuntimeDone"
INIT_REPORT: Final = "platform.initReport"
RESTORE_START: Final = "platform.restoreStart"
RESTORE_RUNTIME_DONE: Final = "platform.restoreRuntimeDone"
RESTORE_REPORT: Final = "platform.restoreReport"
START: Final = "platform.start"
RUNTIME_DONE: Final = "platform.runtimeDone"
REPORT: Final = "platform.report"
EXTENSION: Final = "platform.extension"
TELEMETRY_SUBSCRIPTION: Final = "platform.telemetrySubscription"
LOGS_DROPPED: Final = "platform.logsDropped"
FUNCTION_LOG: Final = "function"
EXTENSION_LOG: Final = "extension"

SUCCESS: Final = "success"
ERROR: Final = "error"
FAILURE: Final = "failure"
TIMEOUT: Final = "timeout"

MANAGED: Final = "lambda-managed-instances"
"""``initializationType`` of sandboxes that serve several requests at once."""
TIMED_OUT_TYPE: Final = "Sandbox.Timedout"

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FunctionIdentity:
    """What the platform says of a function and a sandbox in its records."""

    name: str
    version: str
    memory_mb: int
    instance_id: str
    initialization_type: str
    runtime_version: str
    runtime_version_arn: str

    @property
    def instance_max_memory(self) -> int:
        """MB, as the schema reference shows it; bytes on Managed Instances, as AWS's own emulator sends it."""
        return self.memory_mb * 1024 * 1024 if self.initialization_type == MANAGED else self.memory_mb


def init_start(function: FunctionIdentity, phase: str) -> Record:
    """Of ``platform.initStart``, with all keys that any schema version has."""
    return {
        "initializationType": function.initialization_type,
        "phase": phase,
        "functionName": function.name,
        "functionVersion": function.version,
        "runtimeVersion": function.runtime_version,
        "runtimeVersionArn": function.runtime_version_arn,
        "instanceId": function.instance_id,
        "instanceMaxMemory": function.instance_max_memory,
    }


def init_runtime_done(initialization_type: str, phase: str, status: str, error_type: str | None) -> Record:
    """Of ``platform.initRuntimeDone``."""
    record = {"initializationType": initialization_type, "phase": phase, "status": status}
    return _with_error(record, error_type)


def init_report(initialization_type: str, phase: str, status: str, error_type: str | None, duration_ns: int) -> Record:
    """Of ``platform.initReport``."""
    record = init_runtime_done(initialization_type, phase, status, error_type)
    return {**record, "metrics": {"durationMs": milliseconds(duration_ns)}}


def restore_start(function: FunctionIdentity) -> Record:
    """Of ``platform.restoreStart``, with all keys that any schema version has."""
    record = init_start(function, "")
    return {key: value for key, value in record.items() if key not in {"initializationType", "phase"}}


def restore_runtime_done(status: str, error_type: str | None) -> Record:
    """Of ``platform.restoreRuntimeDone``."""
    return _with_error({"status": status}, error_type)


def restore_report(status: str, error_type: str | None, duration_ns: int) -> Record:
    """Of ``platform.restoreReport``."""
    return {**_with_error({"status": status}, error_type), "metrics": {"durationMs": milliseconds(duration_ns)}}


def start(request_id: str, version: str, tracing: Record | None, function_arn: str | None = None) -> Record:
    """Of ``platform.start``. Managed Instances tell the function's ARN too."""
    record = {"requestId": request_id, "version": version}
    return _with_tracing(record if function_arn is None else {**record, "functionArn": function_arn}, tracing)


def tracing(trace_header: str, span_id: str) -> Record:
    """The ``tracing`` of a sampled request."""
    return {"spanId": span_id, "type": "X-Amzn-Trace-Id", "value": trace_header}


@dataclass(frozen=True, slots=True)
class ResponseTimes:
    """When the runtime's answer came."""

    first_byte_ns: int
    last_byte_ns: int
    produced_bytes: int


def runtime_done(
    *,
    request_id: str,
    status: str,
    error_type: str | None,
    start_ns: int,
    end_ns: int,
    response: ResponseTimes | None,
    tracing: Record | None,
) -> Record:
    """Of ``platform.runtimeDone``. Its spans are there when the runtime has answered."""
    record = _with_error({"requestId": request_id, "status": status}, error_type)
    metrics: Record = {"durationMs": milliseconds(end_ns - start_ns)}
    if response is not None:
        metrics["producedBytes"] = response.produced_bytes
        record["spans"] = [
            *_response_spans(start_ns, response),
            _span("runtimeOverhead", response.last_byte_ns, end_ns),
        ]
    record["metrics"] = metrics
    return _with_tracing(record, tracing)


def _response_spans(start_ns: int, response: ResponseTimes) -> list[Record]:
    return [
        _span("responseLatency", start_ns, response.first_byte_ns),
        _span("responseDuration", response.first_byte_ns, response.last_byte_ns),
    ]


def report(  # noqa: PLR0913 - one argument for each key of the record
    *,
    request_id: str,
    status: str,
    error_type: str | None,
    duration_ms: float,
    billed_ms: int | None,
    memory_mb: int,
    max_memory_used_mb: int,
    init_ms: float | None,
    restore_ms: float | None = None,
    billed_restore_ms: int | None = None,
    extension_overhead_ns: tuple[int, int] | None,
    tracing: Record | None,
) -> Record:
    """Of ``platform.report``. ``extension_overhead_ns`` is the end of the runtime's part and that of the invocation."""
    record = _with_error({"requestId": request_id, "status": status}, error_type)
    metrics: Record = {
        "durationMs": duration_ms,
        "billedDurationMs": billed_ms,
        "memorySizeMB": memory_mb,
        "maxMemoryUsedMB": max_memory_used_mb,
    }
    if init_ms is not None:
        metrics["initDurationMs"] = init_ms
    if restore_ms is not None:
        metrics |= {"restoreDurationMs": restore_ms, "billedRestoreDurationMs": billed_restore_ms}
    record["metrics"] = metrics
    if extension_overhead_ns is not None:
        record["spans"] = [_span("extensionOverhead", *extension_overhead_ns)]
    return _with_tracing(record, tracing)


def managed_report(
    *,
    request_id: str,
    status: str,
    error_type: str | None,
    start_ns: int,
    end_ns: int,
    response: ResponseTimes | None,
    tracing: Record | None,
) -> Record:
    """Of ``platform.report`` on Managed Instances: a duration, and the spans where the runtime has answered."""
    record = _with_error({"requestId": request_id, "status": status}, error_type)
    record["metrics"] = {"durationMs": milliseconds(end_ns - start_ns)}
    if response is not None:
        record["spans"] = _response_spans(start_ns, response)
    return _with_tracing(record, tracing)


def extension(name: str, state: str, events: list[str], error_type: str | None = None) -> Record:
    """Of ``platform.extension``."""
    return _with_error({"name": name, "state": state, "events": events}, error_type)


def telemetry_subscription(name: str, state: str, types: list[str]) -> Record:
    """Of ``platform.telemetrySubscription``."""
    return {"name": name, "state": state, "types": types}


def logs_dropped(reason: str, dropped_records: int, dropped_bytes: int) -> Record:
    """Of ``platform.logsDropped``."""
    return {"reason": reason, "droppedRecords": dropped_records, "droppedBytes": dropped_bytes}


def _span(name: str, start_ns: int, end_ns: int) -> Record:
    return {"name": name, "start": rfc3339(start_ns), "durationMs": milliseconds(end_ns - start_ns)}


def _with_error(record: Record, error_type: str | None) -> Record:
    return record if error_type is None else {**record, "errorType": error_type}


def _with_tracing(record: Record, tracing: Record | None) -> Record:
    return record if tracing is None else {**record, "tracing": tracing}
