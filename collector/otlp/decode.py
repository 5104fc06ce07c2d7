"""From the bytes of OTLP requests to rows per table. Pure: no clock, no socket, no engine.

This is the seam for a faster path: whatever takes a signal and the bodies of a batch and stores the same rows may stand
in its place (ClickHouse can decode the bytes itself).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.cloudwatch import spooled
from collector.errors import MalformedError
from collector.otlp import logs, metrics, traces
from collector.otlp.batch import Rows
from collector.otlp.signals import PROTOCOLS, Signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.otlp.signals import ExportRequest


def parse(signal: Signal, body: bytes) -> ExportRequest:
    """The request in the bytes.

    Raises:
        MalformedError: the bytes are not such a message.
    """
    protocol = PROTOCOLS[signal]
    try:
        return protocol.request.FromString(body)
    except DecodeError as error:
        name = protocol.request.DESCRIPTOR.name
        raise MalformedError(f"the body is not a protobuf {name} ({error})") from None


def decode(signal: Signal, bodies: Sequence[bytes]) -> list[Rows]:
    """Rows of every table that the requests have something for, in the requests' order."""
    if signal is Signal.CLOUDWATCH:
        return [spooled.rows(bodies)]
    if signal is Signal.TRACES:
        spans = Rows(traces.TRACES)
        for body in bodies:
            traces.append(spans, ExportTraceServiceRequest.FromString(body))
        return [spans] if len(spans) else []
    if signal is Signal.LOGS:
        records = Rows(logs.LOGS)
        for body in bodies:
            logs.append(records, ExportLogsServiceRequest.FromString(body))
        return [records] if len(records) else []
    points = {kind: Rows(layout) for kind, layout in metrics.LAYOUTS.items()}
    for body in bodies:
        metrics.append(points, ExportMetricsServiceRequest.FromString(body))
    return [rows for rows in points.values() if len(rows)]
