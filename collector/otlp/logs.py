"""Log records as rows of ``otel_logs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.otlp import values
from collector.otlp.batch import MAP, Rows, TableLayout
from semconv import tables

if TYPE_CHECKING:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

LOGS: Final = TableLayout(
    tables.OTEL_LOGS,
    (
        ("Timestamp", "DateTime64(9)"),
        ("TraceId", "String"),
        ("SpanId", "String"),
        ("TraceFlags", "UInt8"),
        ("SeverityText", "LowCardinality(String)"),
        ("SeverityNumber", "UInt8"),
        ("ServiceName", "LowCardinality(String)"),
        ("Body", "String"),
        ("ResourceSchemaUrl", "LowCardinality(String)"),
        ("ResourceAttributes", MAP),
        ("ScopeSchemaUrl", "LowCardinality(String)"),
        ("ScopeName", "String"),
        ("ScopeVersion", "LowCardinality(String)"),
        ("ScopeAttributes", MAP),
        ("LogAttributes", MAP),
        ("EventName", "String"),
    ),
)


def append(rows: Rows, request: ExportLogsServiceRequest) -> None:
    """Add the request's records to the rows. A record without a time has the time at which it was observed."""
    for resource_logs in request.resource_logs:
        # Protobuf makes a new string each time that one is asked for; each record would have its own.
        resource, resource_url = values.attributes(resource_logs.resource.attributes), resource_logs.schema_url
        service = resource.get(values.SERVICE_NAME, "")
        for scope_logs in resource_logs.scope_logs:
            scope_url, scope = scope_logs.schema_url, scope_logs.scope
            name, version, scope_attributes = scope.name, scope.version, values.attributes(scope.attributes)
            for record in scope_logs.log_records:
                rows.append(
                    values.time(record.time_unix_nano or record.observed_time_unix_nano),
                    record.trace_id.hex(),
                    record.span_id.hex(),
                    record.flags & 0xFF,  # the W3C flags; the other bits are reserved
                    record.severity_text,
                    min(max(record.severity_number, 0), 255),
                    service,
                    values.text(record.body),
                    resource_url,
                    resource,
                    scope_url,
                    name,
                    version,
                    scope_attributes,
                    values.attributes(record.attributes),
                    record.event_name,
                )
