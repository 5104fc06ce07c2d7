"""From the platform's JSON to records. Lenient: what cannot be understood costs that one record, and is counted.

An enum value that is not known passes as it is; a number may come as text; a key that is missing is None.
"""

from __future__ import annotations

from extension import records as r
from extension.errors import MalformedRecord
from extension.json_reader import loads
from extension.timestamps import parse_time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Json = Mapping[str, Any]
    Event = r.Invoke | r.Shutdown

_MAX_TEXT = 2048
_SHUTDOWN_REASONS = ("spindown", "timeout", "failure")


class Batch:
    """One delivery: its records in order, and how many of its items could not be understood."""

    __slots__ = ("malformed", "records")

    def __init__(self, records: list[r.Record], malformed: int) -> None:
        self.records = records
        self.malformed = malformed


def parse_batch(body: bytes) -> Batch:
    """Read the body of one delivery: a JSON array of ``{time, type, record}``. Never raises for what is in it."""
    try:
        items = loads(body)
    except ValueError:
        return Batch([], 1)
    if isinstance(items, dict):
        items = [items]
    if not isinstance(items, list):
        return Batch([], 1)
    records: list[r.Record] = []
    malformed = 0
    for item in items:
        try:
            records.append(parse_record(item))
        except MalformedRecord:
            malformed += 1
    return Batch(records, malformed)


def parse_record(item: object) -> r.Record:
    """One record.

    Raises:
        MalformedRecord: it has no type, no time, or lacks what its kind cannot do without.
    """
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        raise MalformedRecord("no type")
    kind = item["type"]
    time_ns = parse_time_ns(item.get("time"))
    parser = _PARSERS.get(kind)
    if parser is None:
        return r.UnknownEvent(type=kind[:_MAX_TEXT], time_ns=time_ns)
    if time_ns is None:
        raise MalformedRecord(f"{kind} without a time")
    if kind == "function":
        return r.FunctionLog(time_ns=time_ns, body=item.get("record"))
    record = item.get("record")
    if not isinstance(record, dict):
        raise MalformedRecord(f"{kind} without a record")
    return parser(time_ns, record)


def parse_event(body: bytes) -> Event | None:
    """The answer to ``GET /next``; None for an event that is neither INVOKE nor SHUTDOWN.

    Raises:
        MalformedRecord: it is not JSON, or an INVOKE without a request id.
    """
    try:
        event = loads(body)
    except ValueError as error:
        raise MalformedRecord(f"not JSON: {error}") from error
    if not isinstance(event, dict):
        raise MalformedRecord("not an object")
    kind = str(event.get("eventType", "")).upper()
    if kind == "INVOKE":
        return r.Invoke(
            request_id=_request_id(event),
            deadline_ms=_number(event.get("deadlineMs")),
            invoked_arn=_text(event.get("invokedFunctionArn")),
            tracing=_tracing(event),
        )
    if kind == "SHUTDOWN":
        reason = str(event.get("shutdownReason", "")).lower()
        return r.Shutdown(
            reason=reason if reason in _SHUTDOWN_REASONS else "failure", deadline_ms=_number(event.get("deadlineMs"))
        )
    return None


def account_id(registration: bytes) -> str:
    """The account id in the answer to the registration; empty where it is not there."""
    try:
        answer = loads(registration)
    except ValueError:
        return ""
    found = answer.get("accountId") if isinstance(answer, dict) else None
    return found if isinstance(found, str) and found.isdigit() else ""


# Values --------------------------------------------------------------------------------------------------------------


def _text(value: object) -> str | None:
    return value[:_MAX_TEXT] if isinstance(value, str) and value else None


def _number(value: object) -> float | None:
    """A finite number that is not negative, also where it came as text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < 1e18 else None


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _request_id(record: Json) -> str:
    request_id = _text(record.get("requestId"))
    if request_id is None:
        raise MalformedRecord("no requestId")
    return request_id


def _tracing(record: Json) -> str | None:
    return _text(_object(record.get("tracing")).get("value"))


def _spans(record: Json) -> tuple[r.PlatformSpan, ...]:
    items = record.get("spans")
    spans = []
    for item in items if isinstance(items, list) else ():
        span = _object(item)
        name, start_ns = _text(span.get("name")), parse_time_ns(span.get("start"))
        duration_ms = _number(span.get("durationMs"))
        if name is not None and start_ns is not None and duration_ms is not None:
            spans.append(r.PlatformSpan(name=name, start_ns=start_ns, duration_ms=duration_ms))
    return tuple(spans)


# Kinds ---------------------------------------------------------------------------------------------------------------


def _init_start(*, restore: bool) -> Callable[[int, Json], r.Record]:
    def parse(time_ns: int, record: Json) -> r.Record:
        return r.InitStart(
            time_ns=time_ns,
            restore=restore,
            initialization_type=_text(record.get("initializationType")),
            phase=_text(record.get("phase")),
            function_name=_text(record.get("functionName")),
            function_version=_text(record.get("functionVersion")),
            runtime_version=_text(record.get("runtimeVersion")),
            runtime_version_arn=_text(record.get("runtimeVersionArn")),
            instance_id=_text(record.get("instanceId")),
            max_memory=_number(record.get("instanceMaxMemory")),
        )

    return parse


def _init_runtime_done(*, restore: bool) -> Callable[[int, Json], r.Record]:
    def parse(time_ns: int, record: Json) -> r.Record:
        return r.InitRuntimeDone(
            time_ns=time_ns,
            restore=restore,
            initialization_type=_text(record.get("initializationType")),
            phase=_text(record.get("phase")),
            status=_text(record.get("status")),
            error_type=_text(record.get("errorType")),
        )

    return parse


def _init_report(*, restore: bool) -> Callable[[int, Json], r.Record]:
    def parse(time_ns: int, record: Json) -> r.Record:
        return r.InitReport(
            time_ns=time_ns,
            restore=restore,
            initialization_type=_text(record.get("initializationType")),
            phase=_text(record.get("phase")),
            status=_text(record.get("status")),
            error_type=_text(record.get("errorType")),
            duration_ms=_number(_object(record.get("metrics")).get("durationMs")),
        )

    return parse


def _start(time_ns: int, record: Json) -> r.Record:
    return r.Start(
        time_ns=time_ns,
        request_id=_request_id(record),
        version=_text(record.get("version")),
        tracing=_tracing(record),
        function_arn=_text(record.get("functionArn")),
    )


def _runtime_done(time_ns: int, record: Json) -> r.Record:
    metrics = _object(record.get("metrics"))
    return r.RuntimeDone(
        time_ns=time_ns,
        request_id=_request_id(record),
        status=_text(record.get("status")),
        error_type=_text(record.get("errorType")),
        duration_ms=_number(metrics.get("durationMs")),
        produced_bytes=_number(metrics.get("producedBytes")),
        spans=_spans(record),
        tracing=_tracing(record),
    )


def _report(time_ns: int, record: Json) -> r.Record:
    metrics = _object(record.get("metrics"))
    return r.Report(
        time_ns=time_ns,
        request_id=_request_id(record),
        status=_text(record.get("status")),
        error_type=_text(record.get("errorType")),
        duration_ms=_number(metrics.get("durationMs")),
        billed_duration_ms=_number(metrics.get("billedDurationMs")),
        memory_size_mb=_number(metrics.get("memorySizeMB")),
        max_memory_used_mb=_number(metrics.get("maxMemoryUsedMB")),
        init_duration_ms=_number(metrics.get("initDurationMs")),
        restore_duration_ms=_number(metrics.get("restoreDurationMs")),
        billed_restore_duration_ms=_number(metrics.get("billedRestoreDurationMs")),
        spans=_spans(record),
        tracing=_tracing(record),
    )


def _extension_state(time_ns: int, record: Json) -> r.Record:
    return r.ExtensionState(
        time_ns=time_ns,
        name=_text(record.get("name")),
        state=_text(record.get("state")),
        error_type=_text(record.get("errorType")),
    )


def _subscription_state(time_ns: int, record: Json) -> r.Record:
    return r.SubscriptionState(time_ns=time_ns, name=_text(record.get("name")), state=_text(record.get("state")))


def _logs_dropped(time_ns: int, record: Json) -> r.Record:
    return r.LogsDropped(
        time_ns=time_ns,
        reason=_text(record.get("reason")),
        dropped_records=_number(record.get("droppedRecords")),
        dropped_bytes=_number(record.get("droppedBytes")),
    )


def _function_log(time_ns: int, record: Json) -> r.Record:
    return r.FunctionLog(time_ns=time_ns, body=record)


_PARSERS: dict[str, Callable[[int, Json], r.Record]] = {
    "platform.initStart": _init_start(restore=False),
    "platform.initRuntimeDone": _init_runtime_done(restore=False),
    "platform.initReport": _init_report(restore=False),
    "platform.restoreStart": _init_start(restore=True),
    "platform.restoreRuntimeDone": _init_runtime_done(restore=True),
    "platform.restoreReport": _init_report(restore=True),
    "platform.start": _start,
    "platform.runtimeDone": _runtime_done,
    "platform.report": _report,
    "platform.extension": _extension_state,
    "platform.telemetrySubscription": _subscription_state,
    "platform.logsDropped": _logs_dropped,
    "function": _function_log,
}
