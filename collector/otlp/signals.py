"""The three signals: their names on the wire and their messages."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ExportRequest = ExportTraceServiceRequest | ExportLogsServiceRequest | ExportMetricsServiceRequest
ExportResponse = ExportTraceServiceResponse | ExportLogsServiceResponse | ExportMetricsServiceResponse


class Signal(enum.IntEnum):
    """A kind of telemetry. The number is written to the spool and never changes its meaning."""

    TRACES = 1
    LOGS = 2
    METRICS = 3
    CLOUDWATCH = 4
    """Points of CloudWatch, which come in no OTLP request: not in :data:`PROTOCOLS`."""

    @property
    def label(self) -> str:
        """``traces``, ``logs``, ``metrics`` or ``cloudwatch``: in paths, metrics and messages."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a signal travels.

    Attributes:
        service: full name of the gRPC service, whose one method is ``Export``.
        path: path of OTLP/HTTP.
        request: its message.
        response: the answer, empty on full success.
        count: items in a request: spans, log records or data points.
    """

    service: str
    path: str
    request: type[ExportRequest]
    response: type[ExportResponse]
    count: Callable[[ExportRequest], int]


def _count_spans(request: ExportRequest) -> int:
    assert isinstance(request, ExportTraceServiceRequest)
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


def _count_records(request: ExportRequest) -> int:
    assert isinstance(request, ExportLogsServiceRequest)
    return sum(len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs)


def _count_points(request: ExportRequest) -> int:
    assert isinstance(request, ExportMetricsServiceRequest)
    total = 0
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                total += len(getattr(metric, kind).data_points) if kind else 0
    return total


PROTOCOLS: Final = {
    Signal.TRACES: Protocol(
        "opentelemetry.proto.collector.trace.v1.TraceService",
        "/v1/traces",
        ExportTraceServiceRequest,
        ExportTraceServiceResponse,
        _count_spans,
    ),
    Signal.LOGS: Protocol(
        "opentelemetry.proto.collector.logs.v1.LogsService",
        "/v1/logs",
        ExportLogsServiceRequest,
        ExportLogsServiceResponse,
        _count_records,
    ),
    Signal.METRICS: Protocol(
        "opentelemetry.proto.collector.metrics.v1.MetricsService",
        "/v1/metrics",
        ExportMetricsServiceRequest,
        ExportMetricsServiceResponse,
        _count_points,
    ),
}
