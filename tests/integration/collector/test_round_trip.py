"""What OTLP can say, stored and read back whole."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import datetime

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from collector.config import StoreUrl
from collector.otlp import metrics, values
from collector.otlp.decode import decode
from collector.otlp.signals import PROTOCOLS, Signal
from collector.store.clickhouse import ClickHouseStore
from tests.support.collector import lambda_span, trace_request

SECOND = 10**9
EPOCH = datetime.fromtimestamp(0)  # noqa: DTZ006  # the engine's zone is the process's


class Store:
    """The embedded engine with the collector's own inserts."""

    def __init__(self, folder: str) -> None:
        url = StoreUrl(f"chdb://{folder}")
        self._store = ClickHouseStore(url)
        self._store.open()
        self.client: Client = clickhouse_connect.get_client(dsn=url.dsn)
        self._token = 0

    def add(self, signal: Signal, request: Message) -> None:
        self._token += 1
        for rows in decode(signal, [request.SerializeToString()]):
            self._store.insert(rows, str(self._token))

    def rows(self, table: str) -> list[dict[str, object]]:
        found = list(self.client.query(f"SELECT * FROM {table}").named_results())
        self.client.command(f"TRUNCATE TABLE {table}")
        return found

    def close(self) -> None:
        self.client.close()
        self._store.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store(str(tmp_path_factory.mktemp("round-trip") / "store"))
    yield opened
    opened.close()


def attribute(key: str, **value: object) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(**value))  # type: ignore[arg-type]


def test_a_span_with_everything(store: Store) -> None:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.extend([attribute("z", int_value=-1), attribute("service.name", string_value="svc")])
    scope = resource.scope_spans.add()
    scope.scope.name, scope.scope.version = "scope", "1.2"
    span = scope.spans.add(
        trace_id=bytes.fromhex("5B8EFFF798038103D269B633813FC60C"),
        span_id=b"\xee" * 8,
        parent_span_id=b"\xdd" * 8,
        trace_state="a=b",
        name="sp\u00e4n",
        kind=5,
        start_time_unix_nano=SECOND + 1,
        end_time_unix_nano=3 * SECOND,
    )
    nested = KeyValueList(values=[attribute("b", bool_value=True), attribute("a", array_value=ArrayValue())])
    span.attributes.extend(
        [
            attribute("string", string_value="text"),
            attribute("empty", string_value=""),
            attribute("unset"),
            attribute("true", bool_value=True),
            attribute("false", bool_value=False),
            attribute("zero", int_value=0),
            attribute("int", int_value=-(1 << 63)),
            attribute("half", double_value=0.5),
            attribute("whole", double_value=3.0),
            attribute("nan", double_value=math.nan),
            attribute("bytes", bytes_value=b"\x00\xff"),
            attribute(
                "list", array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue(string_value="x"), AnyValue()])
            ),
            attribute("map", kvlist_value=nested),
        ]
    )
    span.events.add(time_unix_nano=2 * SECOND, name="event").attributes.append(attribute("k", string_value="v"))
    span.links.add(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, trace_state="c=d").attributes.append(
        attribute("n", int_value=1)
    )
    span.status.code, span.status.message = 2, "failed"  # type: ignore[assignment]
    store.add(Signal.TRACES, request)
    (row,) = store.rows("otel_traces")
    times = [row.pop("Timestamp"), *row.pop("Events.Timestamp")]  # type: ignore[misc]
    assert [(time - EPOCH).total_seconds() for time in times] == [1.0, 2.0]  # nanoseconds are below datetime's
    assert row == {
        "TraceId": "5b8efff798038103d269b633813fc60c",
        "SpanId": "ee" * 8,
        "ParentSpanId": "dd" * 8,
        "TraceState": "a=b",
        "SpanName": "sp\u00e4n",
        "SpanKind": "Consumer",
        "ServiceName": "svc",
        "ResourceAttributes": {"service.name": "svc", "z": "-1"},
        "ScopeName": "scope",
        "ScopeVersion": "1.2",
        "SpanAttributes": {
            "string": "text",
            "empty": "",
            "unset": "",
            "true": "true",
            "false": "false",
            "zero": "0",
            "int": "-9223372036854775808",
            "half": "0.5",
            "whole": "3",
            "nan": "NaN",
            "bytes": "AP8=",
            "list": '[1,"x",null]',
            "map": '{"a":[],"b":true}',
        },
        "Duration": 2 * SECOND - 1,
        "StatusCode": "Error",
        "StatusMessage": "failed",
        "Events.Name": ["event"],
        "Events.Attributes": [{"k": "v"}],
        "Links.TraceId": ["01" * 16],
        "Links.SpanId": ["02" * 8],
        "Links.TraceState": ["c=d"],
        "Links.Attributes": [{"n": "1"}],
    }
    assert list(row["SpanAttributes"]) == sorted(row["SpanAttributes"])  # type: ignore[call-overload]


def test_a_log_record_with_everything(store: Store) -> None:
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add(schema_url="resource schema")
    resource.resource.attributes.append(attribute("service.name", string_value="svc"))
    scope = resource.scope_logs.add(schema_url="scope schema")
    scope.scope.name, scope.scope.version = "scope", "1"
    scope.scope.attributes.append(attribute("s", bool_value=True))
    record = scope.log_records.add(
        time_unix_nano=SECOND,
        trace_id=b"\x01" * 16,
        span_id=b"\x02" * 8,
        flags=0x301,
        severity_text="WARN",
        severity_number=13,
        event_name="event",
    )
    record.body.kvlist_value.values.append(attribute("line", int_value=1))
    record.attributes.append(attribute("a", string_value="b"))
    store.add(Signal.LOGS, request)
    (row,) = store.rows("otel_logs")
    row.pop("Timestamp")
    assert row == {
        "TraceId": "01" * 16,
        "SpanId": "02" * 8,
        "TraceFlags": 1,
        "SeverityText": "WARN",
        "SeverityNumber": 13,
        "ServiceName": "svc",
        "Body": '{"line":1}',
        "ResourceSchemaUrl": "resource schema",
        "ResourceAttributes": {"service.name": "svc"},
        "ScopeSchemaUrl": "scope schema",
        "ScopeName": "scope",
        "ScopeVersion": "1",
        "ScopeAttributes": {"s": "true"},
        "LogAttributes": {"a": "b"},
        "EventName": "event",
    }


def test_every_kind_of_metric(store: Store) -> None:
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    scope.metrics.add(name="gauge").gauge.data_points.add(as_double=0.5, time_unix_nano=SECOND)
    total = scope.metrics.add(name="sum").sum
    total.aggregation_temporality, total.is_monotonic = 2, True  # type: ignore[assignment]
    point = total.data_points.add(as_int=7, start_time_unix_nano=SECOND, time_unix_nano=2 * SECOND, flags=1)
    exemplar = point.exemplars.add(as_int=3, trace_id=b"\x01" * 16, span_id=b"\x02" * 8)
    exemplar.filtered_attributes.append(attribute("f", int_value=1))
    summary = scope.metrics.add(name="summary").summary.data_points.add(count=4, sum=2.5)
    summary.quantile_values.add(quantile=0.5, value=0.6)
    histogram = scope.metrics.add(name="histogram").histogram.data_points.add(
        count=3, sum=1.5, bucket_counts=[1, 2], explicit_bounds=[0.7], min=0.1, max=1.0
    )
    histogram.attributes.append(attribute("k", string_value="v"))
    exponential = scope.metrics.add(name="exponential").exponential_histogram.data_points.add(
        count=5, scale=-3, zero_count=1
    )
    exponential.positive.offset = -2
    exponential.positive.bucket_counts.extend([1, 0, 3])
    scope.metrics.add(name="nothing")
    store.add(Signal.METRICS, request)
    (gauge,) = store.rows("otel_metrics_gauge")
    assert (gauge["MetricName"], gauge["Value"], gauge["Exemplars.Value"]) == ("gauge", 0.5, [])
    (added,) = store.rows("otel_metrics_sum")
    assert (added["Value"], added["IsMonotonic"], added["AggregationTemporality"], added["Flags"]) == (7.0, True, 2, 1)
    assert (added["Exemplars.Value"], added["Exemplars.FilteredAttributes"]) == ([3.0], [{"f": "1"}])
    assert (added["Exemplars.TraceId"], added["Exemplars.SpanId"]) == (["01" * 16], ["02" * 8])
    (summed,) = store.rows("otel_metrics_summary")
    assert (summed["Count"], summed["Sum"]) == (4, 2.5)
    assert (summed["ValueAtQuantiles.Quantile"], summed["ValueAtQuantiles.Value"]) == ([0.5], [0.6])
    (bucketed,) = store.rows("otel_metrics_histogram")
    assert (bucketed["BucketCounts"], bucketed["ExplicitBounds"], bucketed["Attributes"]) == ([1, 2], [0.7], {"k": "v"})
    assert (bucketed["Count"], bucketed["Sum"], bucketed["Min"], bucketed["Max"]) == (3, 1.5, 0.1, 1.0)
    (scaled,) = store.rows("otel_metrics_exponential_histogram")
    assert (scaled["Scale"], scaled["ZeroCount"], scaled["PositiveOffset"]) == (-3, 1, -2)
    assert (scaled["PositiveBucketCounts"], scaled["NegativeBucketCounts"]) == ([1, 0, 3], [])


uint64 = st.integers(0, (1 << 64) - 1)
texts = st.text(max_size=8)


@st.composite
def extreme_requests(draw: st.DrawFn) -> tuple[Signal, Message]:
    """Valid protobuf with values at the ends of their types: whatever it is, it must be stored."""
    signal = draw(st.sampled_from(tuple(PROTOCOLS)))
    request = PROTOCOLS[signal].request()
    uint32 = st.integers(0, (1 << 32) - 1)
    int32 = st.integers(-(1 << 31), (1 << 31) - 1)
    doubles = st.floats()
    if isinstance(request, ExportTraceServiceRequest):
        span = request.resource_spans.add().scope_spans.add().spans.add()
        span.start_time_unix_nano, span.end_time_unix_nano = draw(uint64), draw(uint64)
        span.kind = draw(int32)  # type: ignore[assignment]
        span.status.code = draw(int32)  # type: ignore[assignment]
        span.name, span.trace_id, span.span_id = draw(texts), draw(st.binary(max_size=20)), draw(st.binary(max_size=9))
        span.events.add(time_unix_nano=draw(uint64))
        span.links.add()
    elif isinstance(request, ExportLogsServiceRequest):
        record = request.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=draw(uint64))
        record.severity_number = draw(int32)  # type: ignore[assignment]
        record.flags, record.body.string_value = draw(uint32), draw(texts)
    else:
        scope = request.resource_metrics.add().scope_metrics.add()
        scope.scope.dropped_attributes_count = draw(uint32)
        gauge = scope.metrics.add().gauge.data_points.add(as_double=draw(doubles))
        gauge.time_unix_nano, gauge.flags = draw(uint64), draw(uint32)
        scope.metrics.add().sum.data_points.add(as_int=draw(st.integers(-(1 << 63), (1 << 63) - 1)))
        histogram = scope.metrics.add().histogram.data_points.add(count=draw(uint64), bucket_counts=[draw(uint64)])
        histogram.exemplars.add(time_unix_nano=draw(uint64), as_double=draw(doubles))
        exponential = scope.metrics.add().exponential_histogram.data_points.add(scale=draw(int32))
        exponential.positive.bucket_counts.append(draw(uint64))
        exponential.positive.offset = draw(int32)
        scope.metrics.add().summary.data_points.add(count=draw(uint64), sum=draw(doubles))
    return signal, request


TABLES = {
    Signal.TRACES: ["otel_traces"],
    Signal.LOGS: ["otel_logs"],
    Signal.METRICS: [layout.table for layout in metrics.LAYOUTS.values()],
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(extreme_requests())
def test_whatever_is_valid_is_stored(store: Store, drawn: tuple[Signal, Message]) -> None:
    signal, request = drawn
    store.add(signal, request)
    for table in TABLES[signal]:
        assert store.client.command(f"SELECT count() FROM {table}") == 1
        store.client.command(f"TRUNCATE TABLE {table}")


def test_a_batch_of_more_days_than_clickhouse_likes_is_stored(store: Store) -> None:
    """A day is a partition, of which an insert may have 100 unless told otherwise; what is behind it would wait."""
    day_ns = 86_400 * 10**9
    spans = [lambda_span("invoke", start_ns=day * day_ns, duration_ns=1, request_id=str(day)) for day in range(1, 151)]
    store.add(Signal.TRACES, trace_request(spans))
    assert len(store.rows("otel_traces")) == 150


any_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def any_value(value: object) -> AnyValue:
    if value is None:
        return AnyValue()
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
    if isinstance(value, dict):
        pairs = [KeyValue(key=key, value=any_value(item)) for key, item in value.items()]
        return AnyValue(kvlist_value=KeyValueList(values=pairs))
    field = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}[type(value)]
    return AnyValue(**{field: value})  # type: ignore[arg-type]


@given(any_values)
def test_nested_values_are_json(value: object) -> None:
    """And the same JSON whatever the order of the keys."""
    stored = values.text(any_value(value))
    if isinstance(value, (list, dict)):
        assert json.loads(stored) == value
    if isinstance(value, dict):
        assert values.text(any_value(dict(reversed(value.items())))) == stored
