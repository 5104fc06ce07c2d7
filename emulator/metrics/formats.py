"""Records of a CloudWatch metric stream, in both of its formats."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final

from emulator.clock import NS_PER_MS
from emulator.metrics.catalogue import METRICS, NAMESPACE, UCUM
from emulator.metrics.points import PERIOD_NS, Dimensions, MetricPoint, MetricStream
from emulator.metrics.protobuf import key_value, nested, string, text_value, varint

Format = Callable[[Iterable[MetricPoint], MetricStream], bytes]
"""Points of one stream as one Firehose record."""

_POINT: Final = struct.Struct("<BQBQBQ")
_DOUBLE: Final = struct.Struct("<Bd")
_LOWEST: Final = b"\x32\x09"
_HIGHEST: Final = b"\x32\x12" + _DOUBLE.pack(0x09, 1.0)
_HIGHEST_OF_0: Final = b"\x32\x09" + _DOUBLE.pack(0x09, 1.0)
"""The quantiles 0.0 and 1.0, before their value."""


def json_record(points: Iterable[MetricPoint], stream: MetricStream) -> bytes:
    """JSON format: one line for each point, ``timestamp`` the start of the minute in milliseconds."""
    return b"".join(
        b'%b"timestamp":%d,"value":{"max":%b,"min":%b,"sum":%b,"count":%b}%b'
        % (
            _json_head(point.metric, point.dimensions, stream),
            point.start_ns // NS_PER_MS,
            _number(point.maximum),
            _number(point.minimum),
            _number(point.total),
            _number(float(point.count)),
            _json_tail(point.metric),
        )
        for point in points
    )


@lru_cache(maxsize=65_536)
def _json_head(metric: str, dimensions: Dimensions, stream: MetricStream) -> bytes:
    head = {
        "metric_stream_name": stream.name,
        "account_id": stream.account_id,
        "region": stream.region,
        "namespace": NAMESPACE,
        "metric_name": metric,
        "dimensions": dict(dimensions),
    }
    return json.dumps(head, separators=(",", ":")).encode()[:-1] + b","


@lru_cache(maxsize=1024)
def _json_tail(metric: str) -> bytes:
    return f',"unit":"{METRICS[metric].unit}"}}\n'.encode()


def _number(value: float) -> bytes:
    return repr(float(value)).encode()


def opentelemetry_record(points: Iterable[MetricPoint], stream: MetricStream) -> bytes:
    """OpenTelemetry 1.0.0 format: a varint length and an ExportMetricsServiceRequest.

    Each point is a Summary: count, sum, and the quantiles 0.0 and 1.0, which are minimum and maximum. As proto3 has it,
    zeros are left out, so the quantile 0.0 of a minimum 0 is an empty message.
    """
    scope_metrics = b"".join(nested(2, _metric(point)) for point in points)
    request = nested(1, _resource(stream) + nested(2, scope_metrics))
    return varint(len(request)) + request


@lru_cache(maxsize=64)
def _resource(stream: MetricStream) -> bytes:
    attributes = {
        "cloud.provider": "aws",
        "cloud.account.id": stream.account_id,
        "cloud.region": stream.region,
        "aws.exporter.arn": stream.arn,
    }
    return nested(1, b"".join(key_value(1, key, text_value(value)) for key, value in attributes.items()))


def _metric(point: MetricPoint) -> bytes:
    """A Metric with one Summary point. Its parts are few and fixed, so they are put together by hand."""
    parts = (
        _POINT.pack(0x11, point.start_ns, 0x19, point.start_ns + PERIOD_NS, 0x21, point.count),
        _DOUBLE.pack(0x29, point.total) if point.total else b"",
        _LOWEST + _DOUBLE.pack(0x11, point.minimum) if point.minimum else b"\x32\x00",
        _HIGHEST + _DOUBLE.pack(0x11, point.maximum) if point.maximum else _HIGHEST_OF_0,
        _point_attributes(point.metric, point.dimensions),
    )
    data_point = b"".join(parts)
    length = varint(len(data_point))
    return b"".join((
        _metric_head(point.metric), b"\x5a", varint(len(data_point) + len(length) + 1), b"\x0a", length, data_point
    ))  # fmt: skip


@lru_cache(maxsize=1024)
def _metric_head(metric: str) -> bytes:
    return string(1, f"amazonaws.com/{NAMESPACE}/{metric}") + string(3, UCUM[METRICS[metric].unit])


@lru_cache(maxsize=65_536)
def _point_attributes(metric: str, dimensions: Dimensions) -> bytes:
    pairs = b"".join(key_value(1, name, text_value(value)) for name, value in dimensions)
    return b"".join(
        (
            key_value(7, "Namespace", text_value(NAMESPACE)),
            key_value(7, "MetricName", text_value(metric)),
            key_value(7, "Dimensions", nested(6, pairs)),
        )
    )


FORMATS: Final[dict[str, Format]] = {"json": json_record, "opentelemetry1.0": opentelemetry_record}
"""By the name that CloudWatch's API has for it."""


def records(
    points: list[MetricPoint], stream: MetricStream, encode: Format, points_per_record: int = 1000
) -> Iterator[bytes]:
    """Points as Firehose records. A thousand points are at most a third of what a record may hold."""
    for first in range(0, len(points), points_per_record):
        yield encode(points[first : first + points_per_record], stream)
