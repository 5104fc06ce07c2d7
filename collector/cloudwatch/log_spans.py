"""Reports of a log as the spans that the layer would have sent, marked so that the layer's own win. Pure but for the
numbers of attempts, which it remembers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from semconv import attributes as a

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

    from collector.cloudwatch.logs import Report, Source

LOGS: Final = "logs"
_NS_PER_MS: Final = 1_000_000
_REMEMBERED: Final = 100_000

_Value = str | float | bool


class Attempts:
    """Numbers the attempts of a request in a sandbox by the order of their ends, as the layer does by their starts.

    It remembers the latest; a retry that comes after more than those, or after a restart, is taken for the first.
    """

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._ends: OrderedDict[tuple[str, str], list[int]] = OrderedDict()
        self._remembered = remembered

    def number(self, report: Report) -> int:
        """Of an attempt, from 1; of one that was seen before, the same as then."""
        key = (report.source.log_stream, report.request_id)
        ends = self._ends.setdefault(key, [])
        self._ends.move_to_end(key)
        if report.end_unix_ns not in ends:
            ends.append(report.end_unix_ns)
        while len(self._ends) > self._remembered:
            self._ends.popitem(last=False)
        return ends.index(report.end_unix_ns) + 1


def request(reports: Iterable[Report], attempts: Attempts) -> ExportTraceServiceRequest:
    """An OTLP request with two spans for each report, as docs/span-model.md has them."""
    message = ExportTraceServiceRequest()
    groups: dict[Source, ResourceSpans] = {}
    for report in reports:
        group = groups.get(report.source)
        if group is None:
            group = groups[report.source] = message.resource_spans.add()
            _describe(group, report.source)
            group.scope_spans.add().scope.name = "lambdascope"
        group.scope_spans[0].spans.extend(_spans(report, attempts.number(report)))
    return message


def _describe(group: ResourceSpans, source: Source) -> None:
    for name, value in (
        (a.CLOUD_PROVIDER, "aws"),
        (a.CLOUD_PLATFORM, "aws_lambda"),
        (a.CLOUD_ACCOUNT_ID, source.account_id),
        (a.CLOUD_REGION, source.region),
        (a.FAAS_NAME, source.function),
        (a.FAAS_VERSION, source.version),
        (a.FAAS_INSTANCE, source.log_stream),
        (a.SERVICE_NAME, source.function),
    ):
        _put(group.resource.attributes.add(), name, value)


def _spans(report: Report, attempt: int) -> list[Span]:
    start_ns = report.end_unix_ns - round(report.duration_ms * _NS_PER_MS)
    invoke = _span(report, attempt, "invoke", start_ns, report.end_unix_ns)
    invoke.name, invoke.kind = report.source.function, Span.SPAN_KIND_SERVER
    lead_ms = (report.init_ms or 0.0) + (report.restore_ms or 0.0)
    told: dict[str, _Value] = {}
    if lead_ms:
        # The init that the invocation waited for. A log does not tell of one that nobody waited for.
        told = {a.FAAS_COLDSTART: True, a.BUSY_START_UNIX_NANO: start_ns - round(lead_ms * _NS_PER_MS)}
    for name, value in told.items():
        _put(invoke.attributes.add(), name, value)
    end = _span(report, attempt, "post_runtime", report.end_unix_ns, report.end_unix_ns)
    end.parent_span_id, end.kind = invoke.span_id, Span.SPAN_KIND_INTERNAL
    figures: tuple[tuple[str, float | None], ...] = (
        (a.DURATION_MS, report.duration_ms),
        (a.BILLED_DURATION_MS, report.billed_ms),
        (a.MEMORY_SIZE_MB, report.memory_mb),
        (a.MAX_MEMORY_USED_MB, report.max_memory_used_mb),
        (a.INIT_DURATION_MS, report.init_ms),
        (a.RESTORE_DURATION_MS, report.restore_ms),
        (a.START_UNIX_NANO, start_ns),
    )
    for name, figure in figures:
        if figure is not None:
            _put(end.attributes.add(), name, figure)
    return [invoke, end]


def _span(report: Report, attempt: int, phase: str, start_ns: int, end_ns: int) -> Span:
    key = f"{report.request_id}/{report.source.log_stream}/{attempt}/{phase}"
    trace_id = bytes.fromhex(report.trace_id) if report.trace_id else _digest(report.request_id, 16)
    span = Span(
        trace_id=trace_id,
        span_id=_digest(key, 8),
        name=phase,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=end_ns,
        status=Status(
            code=Status.STATUS_CODE_OK if report.status == "success" else Status.STATUS_CODE_ERROR,
            message="" if report.status == "success" else report.error_type or report.status,
        ),
    )
    values: dict[str, _Value] = {
        a.PHASE: phase,
        a.SOURCE: LOGS,
        a.FAAS_INVOCATION_ID: report.request_id,
        a.ATTEMPT: attempt,
    }
    if report.status:
        values[a.STATUS] = report.status
    if report.error_type:
        values[a.ERROR_TYPE] = report.error_type
    for name, value in values.items():
        _put(span.attributes.add(), name, value)
    return span


def _digest(text: str, size: int) -> bytes:
    return sha256(text.encode()).digest()[:size]


def _put(attribute: KeyValue, name: str, value: _Value) -> None:
    attribute.key = name
    if isinstance(value, bool):
        attribute.value.bool_value = value
    elif isinstance(value, int):
        attribute.value.int_value = value
    elif isinstance(value, float):
        attribute.value.double_value = value
    else:
        attribute.value.string_value = value
