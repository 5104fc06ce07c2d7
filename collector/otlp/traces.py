"""Spans as rows of ``otel_traces``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.otlp import values
from collector.otlp.batch import MAP, Rows, TableLayout
from semconv import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRACES: Final = TableLayout(
    tables.OTEL_TRACES,
    (
        ("Timestamp", "DateTime64(9)"),
        ("TraceId", "String"),
        ("SpanId", "String"),
        ("ParentSpanId", "String"),
        ("TraceState", "String"),
        ("SpanName", "LowCardinality(String)"),
        ("SpanKind", "LowCardinality(String)"),
        ("ServiceName", "LowCardinality(String)"),
        ("ResourceAttributes", MAP),
        ("ScopeName", "String"),
        ("ScopeVersion", "String"),
        ("SpanAttributes", MAP),
        ("Duration", "UInt64"),
        ("StatusCode", "LowCardinality(String)"),
        ("StatusMessage", "String"),
        ("Events.Timestamp", "Array(DateTime64(9))"),
        ("Events.Name", "Array(LowCardinality(String))"),
        ("Events.Attributes", f"Array({MAP})"),
        ("Links.TraceId", "Array(String)"),
        ("Links.SpanId", "Array(String)"),
        ("Links.TraceState", "Array(String)"),
        ("Links.Attributes", f"Array({MAP})"),
    ),
)

_KINDS: Final = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_STATUSES: Final = ("Unset", "Ok", "Error")


def _word(words: Sequence[str], number: int) -> str:
    """Enumerations are open in proto3: a number that is not known reads as the first word."""
    return words[number] if 0 <= number < len(words) else words[0]


def append(rows: Rows, request: ExportTraceServiceRequest) -> None:
    """Add the request's spans to the rows."""
    for resource_spans in request.resource_spans:
        resource = values.attributes(resource_spans.resource.attributes)
        service = resource.get(values.SERVICE_NAME, "")
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope.name, scope_spans.scope.version  # once: each time it would be a new string
            for span in scope_spans.spans:
                _append_span(rows, span, service, resource, scope)


def _append_span(rows: Rows, span: Span, service: str, resource: values.Attributes, scope: tuple[str, str]) -> None:
    rows.append(
        values.time(span.start_time_unix_nano),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.trace_state,
        span.name,
        _word(_KINDS, span.kind),
        service,
        resource,
        *scope,
        values.attributes(span.attributes),
        max(0, span.end_time_unix_nano - span.start_time_unix_nano),
        _word(_STATUSES, span.status.code),
        span.status.message,
        [values.time(event.time_unix_nano) for event in span.events],
        [event.name for event in span.events],
        [values.attributes(event.attributes) for event in span.events],
        [link.trace_id.hex() for link in span.links],
        [link.span_id.hex() for link in span.links],
        [link.trace_state for link in span.links],
        [values.attributes(link.attributes) for link in span.links],
    )
