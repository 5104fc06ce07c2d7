"""The collector's own spans and metrics, by OpenTelemetry's SDK, to an OTLP/HTTP receiver (which may be itself).

Each batch is a span, ``insert``, with its attempts; the counters of /metrics are metrics of the same names. Export is
best effort, in threads of the SDK, and its failures are told once: what watches the collector must not harm it.
"""

from __future__ import annotations

import logging
import urllib.request
from typing import TYPE_CHECKING, Final

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    PeriodicExportingMetricReader,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.sdk.trace import ReadableSpan

    from collector.otlp.signals import Signal
    from collector.telemetry import Counters

log = logging.getLogger(__name__)

SERVICE: Final = "lambdascope-collector"
METRICS_EVERY_MS: Final = 30_000
_TIMEOUT_S: Final = 5.0
_SIGNALS: Final = ("received", "stored", "rejected", "queued", "repeated")


class _Post:
    """Sends requests to one path, and tells when that begins to fail and when it works again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._failed = False

    def __call__(self, body: bytes) -> bool:
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/x-protobuf"})  # noqa: S310  # the setting allows http and https
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310  # as above
                self._failed = False
                return True
        except OSError as error:
            if not self._failed:
                log.warning("own telemetry: %s: %s; it is dropped until this works again", self._url, error)
            self._failed = True
            return False


def _attributes(target: Any, attributes: Mapping[str, Any] | None) -> None:  # a repeated KeyValue
    for key, value in (attributes or {}).items():
        pair: KeyValue = target.add(key=key)
        if isinstance(value, bool):
            pair.value.bool_value = value
        elif isinstance(value, int):
            pair.value.int_value = value
        elif isinstance(value, float):
            pair.value.double_value = value
        else:
            pair.value.string_value = str(value)


class OtlpSpanExporter(SpanExporter):
    """Spans of the SDK as OTLP."""

    def __init__(self, post: Callable[[bytes], bool]) -> None:
        self._post = post

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them."""
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add()
        _attributes(group.resource.attributes, spans[0].resource.attributes)
        scope = group.scope_spans.add()
        scope.scope.name = SERVICE
        for span in spans:
            assert span.context is not None
            made = scope.spans.add(
                trace_id=span.context.trace_id.to_bytes(16, "big"),
                span_id=span.context.span_id.to_bytes(8, "big"),
                parent_span_id=span.parent.span_id.to_bytes(8, "big") if span.parent else b"",
                name=span.name,
                kind=span.kind.value + 1,
                start_time_unix_nano=span.start_time or 0,
                end_time_unix_nano=span.end_time or 0,
            )
            made.status.code = span.status.status_code.value  # type: ignore[assignment]  # the same numbers
            made.status.message = span.status.description or ""
            _attributes(made.attributes, span.attributes)
            for event in span.events:
                _attributes(
                    made.events.add(name=event.name, time_unix_nano=event.timestamp).attributes, event.attributes
                )
        return SpanExportResult.SUCCESS if self._post(request.SerializeToString()) else SpanExportResult.FAILURE


class OtlpMetricExporter(MetricExporter):
    """Sums and gauges of the SDK as OTLP."""

    def __init__(self, post: Callable[[bytes], bool]) -> None:
        super().__init__()
        self._post = post

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: object) -> MetricExportResult:  # noqa: ARG002  # the SDK's
        """Send them."""
        request = ExportMetricsServiceRequest()
        for resource_metrics in metrics_data.resource_metrics:
            group = request.resource_metrics.add()
            _attributes(group.resource.attributes, resource_metrics.resource.attributes)
            for scope_metrics in resource_metrics.scope_metrics:
                scope = group.scope_metrics.add()
                scope.scope.name = SERVICE
                for metric in scope_metrics.metrics:
                    self._add(scope.metrics.add(name=metric.name, unit=metric.unit or ""), metric.data)
        return MetricExportResult.SUCCESS if self._post(request.SerializeToString()) else MetricExportResult.FAILURE

    @staticmethod
    def _add(target: Any, data: Any) -> None:  # opentelemetry.proto's Metric; one of the SDK's kinds of data
        points = target.gauge.data_points
        if isinstance(data, Sum):
            target.sum.is_monotonic = data.is_monotonic
            target.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
            points = target.sum.data_points
        for point in data.data_points:
            if isinstance(point, NumberDataPoint):
                made = points.add(
                    time_unix_nano=point.time_unix_nano, start_time_unix_nano=point.start_time_unix_nano or 0
                )
                made.as_double = float(point.value)
                _attributes(made.attributes, point.attributes)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002  # the SDK's
        """Nothing is held."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: object) -> None:
        """Nothing is held."""


class OwnTelemetry:
    """The SDK's providers, for one collector. :meth:`close` once."""

    def __init__(self, endpoint: str, counters: Counters) -> None:
        resource = Resource({"service.name": SERVICE})
        self._traces = TracerProvider(resource=resource)
        self._traces.add_span_processor(BatchSpanProcessor(OtlpSpanExporter(_Post(f"{endpoint}/v1/traces"))))
        reader = PeriodicExportingMetricReader(
            OtlpMetricExporter(_Post(f"{endpoint}/v1/metrics")), export_interval_millis=METRICS_EVERY_MS
        )
        self._metrics = MeterProvider([reader], resource=resource)
        meter = self._metrics.get_meter(SERVICE)
        for name in _SIGNALS:
            make = meter.create_observable_up_down_counter if name == "queued" else meter.create_observable_counter
            make(f"lambdascope.collector.{name}_items", [_observed(getattr(counters, name))], unit="{item}")
        self.tracer = self._traces.get_tracer(SERVICE)

    def close(self) -> None:
        """Send what is left, for at most some seconds. Blocking."""
        self._traces.shutdown()
        self._metrics.shutdown(timeout_millis=5_000)


def _observed(values: Mapping[Signal, int]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(count, {"signal": signal.label}) for signal, count in values.items()]

    return observe
