"""Metric points as rows of the five ``otel_metrics_*`` tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, HistogramDataPoint

from collector.otlp import values
from collector.otlp.batch import MAP, Rows, TableLayout
from semconv import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.metrics.v1.metrics_pb2 import (
        Exemplar,
        Metric,
        NumberDataPoint,
        ResourceMetrics,
        ScopeMetrics,
        SummaryDataPoint,
    )

_COMMON: Final = (
    ("ResourceAttributes", MAP),
    ("ResourceSchemaUrl", "String"),
    ("ScopeName", "String"),
    ("ScopeVersion", "String"),
    ("ScopeAttributes", MAP),
    ("ScopeDroppedAttrCount", "UInt32"),
    ("ScopeSchemaUrl", "String"),
    ("ServiceName", "LowCardinality(String)"),
    ("MetricName", "LowCardinality(String)"),
    ("MetricDescription", "String"),
    ("MetricUnit", "String"),
    ("Attributes", MAP),
    ("StartTimeUnix", "DateTime64(9)"),
    ("TimeUnix", "DateTime64(9)"),
    ("Flags", "UInt32"),
)
_EXEMPLARS: Final = (
    ("Exemplars.FilteredAttributes", f"Array({MAP})"),
    ("Exemplars.TimeUnix", "Array(DateTime64(9))"),
    ("Exemplars.Value", "Array(Float64)"),
    ("Exemplars.SpanId", "Array(String)"),
    ("Exemplars.TraceId", "Array(String)"),
)

GAUGE: Final = TableLayout(tables.OTEL_METRICS_GAUGE, (*_COMMON, ("Value", "Float64"), *_EXEMPLARS))
SUM: Final = TableLayout(
    tables.OTEL_METRICS_SUM,
    (*_COMMON, ("Value", "Float64"), *_EXEMPLARS, ("AggregationTemporality", "Int32"), ("IsMonotonic", "Bool")),
)
SUMMARY: Final = TableLayout(
    tables.OTEL_METRICS_SUMMARY,
    (
        *_COMMON,
        ("Count", "UInt64"),
        ("Sum", "Float64"),
        ("ValueAtQuantiles.Quantile", "Array(Float64)"),
        ("ValueAtQuantiles.Value", "Array(Float64)"),
    ),
)
HISTOGRAM: Final = TableLayout(
    tables.OTEL_METRICS_HISTOGRAM,
    (
        *_COMMON,
        ("Count", "UInt64"),
        ("Sum", "Float64"),
        ("BucketCounts", "Array(UInt64)"),
        ("ExplicitBounds", "Array(Float64)"),
        *_EXEMPLARS,
        ("Min", "Float64"),
        ("Max", "Float64"),
        ("AggregationTemporality", "Int32"),
    ),
)
EXPONENTIAL_HISTOGRAM: Final = TableLayout(
    tables.OTEL_METRICS_EXPONENTIAL_HISTOGRAM,
    (
        *_COMMON,
        ("Count", "UInt64"),
        ("Sum", "Float64"),
        ("Scale", "Int32"),
        ("ZeroCount", "UInt64"),
        ("PositiveOffset", "Int32"),
        ("PositiveBucketCounts", "Array(UInt64)"),
        ("NegativeOffset", "Int32"),
        ("NegativeBucketCounts", "Array(UInt64)"),
        *_EXEMPLARS,
        ("Min", "Float64"),
        ("Max", "Float64"),
        ("AggregationTemporality", "Int32"),
    ),
)

LAYOUTS: Final = {
    "gauge": GAUGE,
    "sum": SUM,
    "summary": SUMMARY,
    "histogram": HISTOGRAM,
    "exponential_histogram": EXPONENTIAL_HISTOGRAM,
}
"""Layout of each kind of metric, by the name of its field in OTLP."""

Row = tuple[Any, ...]


def append(rows: Mapping[str, Rows], request: ExportMetricsServiceRequest) -> None:
    """Add the request's points to the rows of their kind (the keys of :data:`LAYOUTS`)."""
    for resource_metrics in request.resource_metrics:
        resource = values.attributes(resource_metrics.resource.attributes)
        for scope_metrics in resource_metrics.scope_metrics:
            scope = _scope(resource_metrics, scope_metrics, resource)
            for metric in scope_metrics.metrics:
                kind = metric.WhichOneof("data")
                if kind is not None:
                    _append_points(rows[kind], metric, kind, scope)


def _scope(resource_metrics: ResourceMetrics, scope_metrics: ScopeMetrics, resource: values.Attributes) -> Row:
    scope = scope_metrics.scope
    return (
        resource,
        resource_metrics.schema_url,
        scope.name,
        scope.version,
        values.attributes(scope.attributes),
        scope.dropped_attributes_count,
        scope_metrics.schema_url,
        resource.get(values.SERVICE_NAME, ""),
    )


def _append_points(rows: Rows, metric: Metric, kind: str, scope: Row) -> None:
    data = getattr(metric, kind)
    own = _OWN_COLUMNS[kind]
    for point in data.data_points:
        rows.append(
            *scope,
            metric.name,
            metric.description,
            metric.unit,
            values.attributes(point.attributes),
            values.time(point.start_time_unix_nano),
            values.time(point.time_unix_nano),
            point.flags,
            *own(data, point),
        )


def _number(point: NumberDataPoint | Exemplar) -> float:
    return float(point.as_int if point.WhichOneof("value") == "as_int" else point.as_double)


def _exemplars(exemplars: Iterable[Exemplar]) -> Row:
    items = list(exemplars)
    return (
        [values.attributes(item.filtered_attributes) for item in items],
        [values.time(item.time_unix_nano) for item in items],
        [_number(item) for item in items],
        [item.span_id.hex() for item in items],
        [item.trace_id.hex() for item in items],
    )


def _gauge(_: Any, point: NumberDataPoint) -> Row:  # the enclosing message has nothing for a gauge
    return (_number(point), *_exemplars(point.exemplars))


def _sum(data: Any, point: NumberDataPoint) -> Row:  # opentelemetry's Sum, by duck typing as its siblings
    return (*_gauge(data, point), data.aggregation_temporality, data.is_monotonic)


def _summary(_: Any, point: SummaryDataPoint) -> Row:  # as in _gauge
    quantiles = [(item.quantile, item.value) for item in point.quantile_values]
    return (point.count, point.sum, [quantile for quantile, _ in quantiles], [value for _, value in quantiles])


def _histogram(data: Any, point: HistogramDataPoint) -> Row:  # as in _sum
    return (
        point.count,
        point.sum,
        list(point.bucket_counts),
        list(point.explicit_bounds),
        *_exemplars(point.exemplars),
        point.min,
        point.max,
        data.aggregation_temporality,
    )


def _exponential_histogram(data: Any, point: ExponentialHistogramDataPoint) -> Row:  # as in _sum
    return (
        point.count,
        point.sum,
        point.scale,
        point.zero_count,
        point.positive.offset,
        list(point.positive.bucket_counts),
        point.negative.offset,
        list(point.negative.bucket_counts),
        *_exemplars(point.exemplars),
        point.min,
        point.max,
        data.aggregation_temporality,
    )


_OWN_COLUMNS: Final[dict[str, Callable[[Any, Any], Row]]] = {
    "gauge": _gauge,
    "sum": _sum,
    "summary": _summary,
    "histogram": _histogram,
    "exponential_histogram": _exponential_histogram,
}
