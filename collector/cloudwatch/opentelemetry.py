"""Records of a metric stream in OpenTelemetry 1.0 format: messages with their length in front of each.

"CloudWatch metric stream output in OpenTelemetry 1.0.0 format" of CloudWatch's guide. Every point is a Summary: count
and sum, the quantiles 0 and 1 for minimum and maximum, others for percentiles. Proto3 leaves zeros out, so the quantile
0 of a minimum of 0 is an empty message, and a sum of 0 is not there at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from collector.cloudwatch.errors import PointError
from collector.cloudwatch.point import (
    DEFAULT_PERIOD_S,
    Fault,
    Point,
    Reading,
    Reason,
    dimension_set,
    number,
    time_s,
)

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics, SummaryDataPoint

NAME_PREFIX: Final = "amazonaws.com/"
UNITS: Final = {
    "{Count}": "Count",
    "{Count}/s": "Count/Second",
    "us": "Microseconds",
    "ms": "Milliseconds",
    "s": "Seconds",
    "%": "Percent",
    "1": "None",
    "": "None",
    **{
        f"{prefix}{symbol}{per}": f"{name}{unit}".capitalize() + suffix
        for prefix, name in (("", ""), ("k", "kilo"), ("M", "mega"), ("G", "giga"), ("T", "tera"))
        for symbol, unit in (("By", "bytes"), ("bit", "bits"))
        for per, suffix in (("", ""), ("/s", "/Second"))
    },
}
"""CloudWatch's units by their UCUM symbols, so that a point has one unit whichever format it came in."""

_FIRST_TAG: Final = b"\x0a"
_MAX_VARINT_BYTES: Final = 5
_NS_PER_S: Final = 1_000_000_000


def read(data: bytes) -> Reading:
    """The points of a record, and the messages that are none. Raises nothing."""
    reading = Reading()
    position = 0
    while position < len(data):
        length, start = _varint(data, position)
        end = start + length
        if length < 0 or end > len(data):
            detail = f"{len(data) - start} of {length} bytes are there" if length >= 0 else "no length"
            reading.faults.append(Fault(Reason.TRUNCATED, detail, data[position:]))
            break
        _read_message(data[start:end], reading)
        position = end
    return reading


def begins_as_message(data: bytes) -> bool:
    """Whether the first bytes are a length and the tag with which every such message begins, ``resource_metrics``."""
    length, start = _varint(data, 0)
    return length > 0 and data[start : start + 1] == _FIRST_TAG


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """An UnsignedVarInt32 and the position behind it; -1 where there is none."""
    value = 0
    for index, byte in enumerate(data[position : position + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    return -1, position


def _read_message(message: bytes, reading: Reading) -> None:
    try:
        request = ExportMetricsServiceRequest.FromString(message)
    except DecodeError as error:
        reading.faults.append(Fault(Reason.BAD_PROTOBUF, str(error)[:200], message))
        return
    if not request.resource_metrics:
        if message:
            reading.faults.append(Fault(Reason.BAD_PROTOBUF, "a message without metrics", message))
        return
    reading.messages += 1
    if _is_0_7(request):
        reading.faults.append(Fault(Reason.OPENTELEMETRY_0_7, "points with labels instead of attributes", message))
        return
    for resource in request.resource_metrics:
        _read_resource(resource, reading)


def _is_0_7(request: ExportMetricsServiceRequest) -> bool:
    """Whether it is of version 0.7.0, whose points have labels (field 1) where 1.0.0 has attributes (field 7).

    All else that is used of the two has the same numbers, so a message is of one or the other by its first point.
    """
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.summary.data_points:
                    return not point.attributes and any(field.field_number == 1 for field in _unknown_fields(point))
    return False


def _unknown_fields(point: SummaryDataPoint) -> Iterator[Any]:
    fields: Any = UnknownFieldSet(point)  # its stubs do not say that it can be iterated
    return iter(fields)


def _read_resource(resource: ResourceMetrics, reading: Reading) -> None:
    attributes = {item.key: item.value.string_value for item in resource.resource.attributes}
    account_id, region = attributes.get("cloud.account.id", ""), attributes.get("cloud.region", "")
    for scope in resource.scope_metrics:
        for metric in scope.metrics:
            kind = metric.WhichOneof("data")
            if kind != "summary":
                detail = f"{metric.name[:100]} is {kind or 'nothing'}"
                reading.faults.append(Fault(Reason.NOT_A_SUMMARY, detail, metric.SerializeToString()))
                continue
            for point in metric.summary.data_points:
                try:
                    reading.points.append(_point(metric, point, account_id, region))
                except PointError as error:
                    reading.faults.append(Fault(Reason.BAD_POINT, str(error), metric.SerializeToString()))


def _point(metric: Metric, point: SummaryDataPoint, account_id: str, region: str) -> Point:
    namespace, name, dimensions = _identity(metric, point)
    start_s, period_s = _period(point)
    low, high, quantiles = _quantiles(point)
    return Point(
        namespace,
        name,
        dimensions,
        dimension_set(dimensions),
        start_s,
        period_s,
        number(point.sum, "sum"),
        low,
        high,
        float(point.count),
        quantiles,
        UNITS.get(metric.unit, metric.unit),
        account_id,
        region,
    )


def _identity(metric: Metric, point: SummaryDataPoint) -> tuple[str, str, dict[str, str]]:
    """Namespace, metric and dimensions: the latter a list of pairs, or, where something on the way made the attributes
    flat, every attribute that is not one of the other two.
    """
    path, _, last = metric.name.removeprefix(NAME_PREFIX).rpartition("/")
    namespace, name = path, last
    pairs: dict[str, str] | None = None
    flat: dict[str, str] = {}
    for item in point.attributes:
        key = item.key
        if key == "Dimensions" and item.value.WhichOneof("value") == "kvlist_value":
            pairs = {pair.key: _as_text(pair.value) for pair in item.value.kvlist_value.values}
        elif key == "Namespace":
            namespace = item.value.string_value
        elif key == "MetricName":
            name = item.value.string_value
        else:
            flat[key] = _as_text(item.value)
    if not name:
        raise PointError("the metric has no name")
    return namespace, name, flat if pairs is None else pairs


def _as_text(value: AnyValue) -> str:
    kind = value.WhichOneof("value")
    content: Any = getattr(value, kind) if kind else ""
    return content if isinstance(content, str) else str(content)


def _period(point: SummaryDataPoint) -> tuple[int, int]:
    """Start in seconds since the epoch, and length. Without a start, the minute that ends at the point's time."""
    start, end = point.start_time_unix_nano // _NS_PER_S, point.time_unix_nano // _NS_PER_S
    if not 0 < start < end:
        return time_s(end - DEFAULT_PERIOD_S if end else start), DEFAULT_PERIOD_S
    time_s(end)
    return time_s(start), end - start


def _quantiles(point: SummaryDataPoint) -> tuple[float | None, float | None, dict[str, float]]:
    """Minimum, maximum and the percentiles between."""
    low = high = None
    others = {}
    for item in point.quantile_values:
        value, quantile = number(item.value, "a quantile"), item.quantile
        if quantile == 0.0:
            low = value
        elif quantile == 1.0:
            high = value
        elif math.isfinite(quantile) and 0.0 < quantile < 1.0:
            others[f"p{quantile * 100:.10g}"] = value
        else:
            raise PointError("a quantile is not between 0 and 1")
    return low, high, others
