"""Metric stream records and Firehose deliveries, held to what AWS publishes about them."""

import base64
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from emulator.metrics import (
    METRICS,
    MetricPoint,
    MetricStream,
    deliveries,
    json_record,
    opentelemetry_record,
    records,
)
from emulator.metrics.firehose import MAX_RECORD_BYTES, MAX_RECORDS
from emulator.metrics.protobuf import varint

T0 = 1_790_000_040_000_000_000
STREAM = MetricStream("123456789012", "eu-west-1", "lambda")
FUNCTION = (("FunctionName", "orders"), ("Resource", "orders:live"))
POINT = MetricPoint("Duration", FUNCTION, T0, 3, 60.5, 1.25, 40.0)

POINTS = st.builds(
    MetricPoint,
    st.sampled_from(sorted(METRICS)),
    st.sampled_from([(), FUNCTION, (("EventSourceMappingUUID", "ü-\u2028"),)]),
    st.just(T0),
    st.integers(1, 10**9),
    *[st.floats(0, 1e12, allow_subnormal=False)] * 3,
)


def parse(record: bytes) -> list[ExportMetricsServiceRequest]:
    """The messages of a record: each after its length as a varint."""
    messages = []
    while record:
        length, shift, at = 0, 0, 0
        while True:
            length |= (record[at] & 127) << shift
            shift += 7
            at += 1
            if record[at - 1] < 128:
                break
        messages.append(ExportMetricsServiceRequest.FromString(record[at : at + length]))
        record = record[at + length :]
    return messages


def attributes(message) -> dict[str, object]:
    return {
        pair.key: {item.key: item.value.string_value for item in pair.value.kvlist_value.values}
        if pair.value.HasField("kvlist_value")
        else pair.value.string_value
        for pair in message.attributes
    }


def test_json_lines_have_the_published_members():
    """CloudWatch-metric-streams-formats-json."""
    text = json_record([POINT], STREAM)
    assert text.endswith(b"}\n")
    assert json.loads(text) == {
        "metric_stream_name": "lambda",
        "account_id": "123456789012",
        "region": "eu-west-1",
        "namespace": "AWS/Lambda",
        "metric_name": "Duration",
        "dimensions": {"FunctionName": "orders", "Resource": "orders:live"},
        "timestamp": T0 // 1_000_000,
        "value": {"max": 40.0, "min": 1.25, "sum": 60.5, "count": 3.0},
        "unit": "Milliseconds",
    }


def test_opentelemetry_records_have_the_published_members():
    """CloudWatch-metric-streams-formats-opentelemetry-100: resource, name, unit, Summary, attributes."""
    (request,) = parse(opentelemetry_record([POINT], STREAM))
    (resource_metrics,) = request.resource_metrics
    assert attributes(resource_metrics.resource) == {
        "cloud.provider": "aws",
        "cloud.account.id": "123456789012",
        "cloud.region": "eu-west-1",
        "aws.exporter.arn": "arn:aws:cloudwatch:eu-west-1:123456789012:metric-stream/lambda",
    }
    ((metric,),) = (scope.metrics for scope in resource_metrics.scope_metrics)
    assert (metric.name, metric.unit) == ("amazonaws.com/AWS/Lambda/Duration", "ms")
    (point,) = metric.summary.data_points
    assert (point.start_time_unix_nano, point.time_unix_nano) == (T0, T0 + 60_000_000_000)
    assert (point.count, point.sum) == (3, 60.5)
    assert [(one.quantile, one.value) for one in point.quantile_values] == [(0.0, 1.25), (1.0, 40.0)]
    assert attributes(point) == {
        "Namespace": "AWS/Lambda",
        "MetricName": "Duration",
        "Dimensions": {"FunctionName": "orders", "Resource": "orders:live"},
    }


@given(points=st.lists(POINTS, min_size=1, max_size=20))
def test_both_formats_carry_every_point(points):
    lines = [json.loads(line) for line in json_record(points, STREAM).split(b"\n") if line]
    (request,) = parse(opentelemetry_record(points, STREAM))
    metrics = request.resource_metrics[0].scope_metrics[0].metrics
    for point, line, metric in zip(points, lines, metrics, strict=True):
        summary = metric.summary.data_points[0]
        assert line["metric_name"] == metric.name.rpartition("/")[2] == point.metric
        assert line["dimensions"] == attributes(summary)["Dimensions"] == dict(point.dimensions)
        figures = {"count": point.count, "sum": point.total, "min": point.minimum, "max": point.maximum}
        assert line["value"] == figures
        low, high = summary.quantile_values
        assert {"count": summary.count, "sum": summary.sum, "min": low.value, "max": high.value} == figures


def test_zeros_are_left_out_as_proto3_has_it():
    """AWS's records have an empty quantile where the minimum is 0."""
    zero = MetricPoint("Errors", (), T0, 1, 0.0, 0.0, 0.0)
    record = opentelemetry_record([zero], STREAM)
    (request,) = parse(record)
    assert varint(request.ByteSize()) + request.SerializeToString() == record
    assert b"\x32\x00" in record


@given(points=st.lists(POINTS, max_size=5))
def test_what_is_written_is_what_protobuf_itself_would_write(points):
    record = opentelemetry_record(points, STREAM)
    (request,) = parse(record)
    assert record == varint(request.ByteSize()) + request.SerializeToString()


@pytest.mark.parametrize("encode", [json_record, opentelemetry_record])
def test_a_record_of_a_thousand_points_fits_into_firehoses_limit(encode):
    long_name = (("FunctionName", "f" * 64), ("Resource", "f" * 64 + ":" + "a" * 128), ("ExecutedVersion", "12345"))
    points = [MetricPoint("ProvisionedConcurrencySpilloverInvocations", long_name, T0, 1, 0.1, 0.1, 0.1)] * 2500
    sizes = [len(record) for record in records(points, STREAM, encode)]
    assert len(sizes) == 3
    assert max(sizes) <= MAX_RECORD_BYTES


# Firehose ------------------------------------------------------------------------------------------------------------


def bodies(data: list[bytes], **options) -> list[dict[str, Any]]:
    ids = itertools.count()
    made = deliveries(data, lambda: f"id-{next(ids)}", 1_790_000_000_000, **options)
    found = []
    for delivery in made:
        body = json.loads(delivery.body)
        assert body["requestId"] == delivery.request_id
        found.append(body)
    return found


def test_a_body_has_the_published_members():
    """httpdeliveryrequestresponse: requestId, timestamp in milliseconds, records of base64."""
    (body,) = bodies([b"one", b""])
    assert body == {
        "requestId": "id-0",
        "timestamp": 1_790_000_000_000,
        "records": [{"data": base64.b64encode(b"one").decode()}, {"data": ""}],
    }


def test_a_body_has_at_most_ten_thousand_records():
    sizes = [len(body["records"]) for body in bodies([b"x"] * 25_001)]
    assert sizes == [MAX_RECORDS, MAX_RECORDS, 5001]


def test_a_body_is_closed_when_the_buffer_hint_is_reached():
    sizes = [len(body["records"]) for body in bodies([b"x" * 30_000] * 10, buffer_bytes=100_000)]
    assert sizes == [3, 3, 3, 1]


def test_a_record_above_the_limit_is_refused():
    with pytest.raises(ValueError, match="1024001 bytes"):
        bodies([b"x" * (MAX_RECORD_BYTES + 1)])


def test_a_body_stays_below_64_mebibytes_whatever_the_hint():
    made = list(deliveries([b"x" * MAX_RECORD_BYTES] * 60, lambda: "id", 0, buffer_bytes=10**9))
    assert max(len(delivery.body) for delivery in made) <= 64 * 1024 * 1024
    assert len(made) == 3


def test_no_records_make_no_delivery():
    assert bodies([]) == []
