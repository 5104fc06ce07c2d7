"""The two ways from OTLP to rows: what ClickHouse decodes, and what we decode in Python, are the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from collector.config import StoreUrl
from collector.errors import UndecodedError
from collector.otlp.decode import decode
from collector.otlp.signals import ExportRequest, Signal
from collector.store.clickhouse import ClickHouseStore

DAY_NS = 86_400 * 10**9
TABLES = {Signal.TRACES: "otel_traces", Signal.LOGS: "otel_logs"}


class TwoWays:
    """One store, filled by one way and then by the other."""

    def __init__(self, folder: Path) -> None:
        url = StoreUrl(f"chdb://{folder}")
        self.store = ClickHouseStore(url)
        self.store.open()
        self.client: Client = clickhouse_connect.get_client(dsn=url.dsn)
        self._number = 0

    def token(self) -> str:
        self._number += 1
        return f"token-{self._number}"

    def by_clickhouse(self, signal: Signal, bodies: list[bytes], token: str) -> None:
        self.store.insert_encoded(signal, bodies, token)

    def by_python(self, signal: Signal, bodies: list[bytes], token: str) -> None:
        for rows in decode(signal, bodies):
            self.store.insert(rows, token)

    def take(self, signal: Signal) -> list[bytes]:
        """The stored rows, whole and in order; the table is empty afterwards."""
        found = self.client.raw_query(f"SELECT * FROM {TABLES[signal]} ORDER BY ALL", fmt="TSVWithNames").splitlines()
        self.client.command(f"TRUNCATE TABLE {TABLES[signal]}")
        return found

    def close(self) -> None:
        self.client.close()
        self.store.close()


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoWays]:
    opened = TwoWays(tmp_path_factory.mktemp("two-ways") / "store")
    yield opened
    opened.close()


# Strings that protobuf takes: any but surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["service.name", '"', "\\", "\n", "\x7f", "a/b", "\u2028", "\0", "\U0001f600"]
)
ids = st.sampled_from([b"", b"\0" * 8]) | st.binary(max_size=16)
times = st.sampled_from([0, 1, DAY_NS, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]) | st.integers(0, 1 << 62)
scalars = st.one_of(
    st.just(AnyValue()),
    st.builds(AnyValue, string_value=texts),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, int_value=st.integers(-(1 << 63), (1 << 63) - 1)),
    st.builds(AnyValue, double_value=st.floats()),
    st.builds(AnyValue, bytes_value=st.binary(max_size=5)),
)


def pairs_of(value: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[list[KeyValue]]:
    return st.lists(st.builds(KeyValue, key=texts, value=value) | st.builds(KeyValue, key=texts), max_size=5)


any_values = st.recursive(
    scalars,
    lambda inner: (
        st.builds(AnyValue, array_value=st.builds(ArrayValue, values=st.lists(inner, max_size=3)))
        | st.builds(AnyValue, kvlist_value=st.builds(KeyValueList, values=pairs_of(inner)))
    ),
    max_leaves=4,
)
plain_lists = st.builds(
    AnyValue, array_value=st.builds(ArrayValue, values=st.lists(st.builds(AnyValue, string_value=texts), max_size=4))
)


def telemetry(value: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[ExportRequest]:
    """Requests whose attributes have such values."""
    pairs = pairs_of(value)
    resource = st.none() | st.builds(Resource, attributes=pairs)
    scope = st.none() | st.builds(InstrumentationScope, name=texts, version=texts, attributes=pairs)
    span = st.builds(
        Span,
        trace_id=ids,
        span_id=ids,
        parent_span_id=ids,
        trace_state=texts,
        name=texts,
        kind=st.integers(-1, 7),
        start_time_unix_nano=times,
        end_time_unix_nano=times,
        attributes=pairs,
        dropped_attributes_count=st.integers(0, 3),
        events=st.lists(st.builds(Span.Event, time_unix_nano=times, name=texts, attributes=pairs), max_size=2),
        links=st.lists(
            st.builds(Span.Link, trace_id=ids, span_id=ids, trace_state=texts, attributes=pairs), max_size=2
        ),
        status=st.none() | st.builds(Status, message=texts, code=st.integers(-1, 4)),
    )
    spans = st.builds(ScopeSpans, scope=scope, spans=st.lists(span, max_size=3), schema_url=texts)
    groups = st.builds(ResourceSpans, resource=resource, scope_spans=st.lists(spans, max_size=2), schema_url=texts)
    record = st.builds(
        LogRecord,
        time_unix_nano=times,
        observed_time_unix_nano=times,
        severity_number=st.integers(-1, 300),
        severity_text=texts,
        body=st.none() | value,
        attributes=pairs,
        flags=st.integers(0, (1 << 32) - 1),
        trace_id=ids,
        span_id=ids,
        event_name=texts,
    )
    records = st.builds(ScopeLogs, scope=scope, log_records=st.lists(record, max_size=3), schema_url=texts)
    logs = st.builds(ResourceLogs, resource=resource, scope_logs=st.lists(records, max_size=2), schema_url=texts)
    return st.builds(ExportTraceServiceRequest, resource_spans=st.lists(groups, max_size=2)) | st.builds(
        ExportLogsServiceRequest, resource_logs=st.lists(logs, max_size=2)
    )


def one_span(*attributes: KeyValue) -> ExportTraceServiceRequest:
    span = Span(name="span", start_time_unix_nano=DAY_NS, attributes=attributes)
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])])


def signal_of(request: ExportRequest) -> Signal:
    return Signal.TRACES if isinstance(request, ExportTraceServiceRequest) else Signal.LOGS


def stored_by_both(ways: TwoWays, requests: list[ExportRequest], signal: Signal) -> bool:
    """Compare the two ways; False where ClickHouse left it to Python."""
    bodies = [request.SerializeToString() for request in requests]
    try:
        ways.by_clickhouse(signal, bodies, ways.token())
    except UndecodedError:
        assert len(ways.take(signal)) == 1, "something was stored of what ClickHouse could not decode"
        return False
    by_clickhouse = ways.take(signal)
    ways.by_python(signal, bodies, ways.token())
    assert by_clickhouse == ways.take(signal)
    return True


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(telemetry(scalars | plain_lists | any_values))
@example(one_span(*[KeyValue(key=f"key {n:05}", value=AnyValue(string_value="v" * n)) for n in range(2000)]))
@example(one_span(KeyValue(key="huge", value=AnyValue(string_value="x" * 1_000_000))))
def test_whatever_clickhouse_decodes_it_stores_as_python_does(ways: TwoWays, request: ExportRequest) -> None:
    stored_by_both(ways, [request], signal_of(request))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(texts, scalars, max_size=20))
def test_clickhouse_decodes_every_plain_value(ways: TwoWays, attributes: dict[str, AnyValue]) -> None:
    request = one_span(*[KeyValue(key=key, value=value) for key, value in attributes.items()])
    assert stored_by_both(ways, [request], Signal.TRACES)


@pytest.mark.parametrize(
    "value",
    [
        AnyValue(kvlist_value=KeyValueList()),
        AnyValue(array_value=ArrayValue(values=[AnyValue(double_value=1)])),
        AnyValue(array_value=ArrayValue(values=[AnyValue(array_value=ArrayValue())])),
        AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="a\nb")])),
    ],
)
def test_what_clickhouse_cannot_decode_is_left_to_python_whole(ways: TwoWays, value: AnyValue) -> None:
    """Nothing of the batch is stored, and both attempts, made again, still store it once."""
    many: list[ExportRequest] = [one_span(KeyValue(key="n", value=AnyValue(int_value=n))) for n in range(50)]
    bodies = [request.SerializeToString() for request in (*many, one_span(KeyValue(key="k", value=value)))]
    token = ways.token()
    for _ in range(3):
        with pytest.raises(UndecodedError):
            ways.by_clickhouse(Signal.TRACES, bodies, token)
        ways.by_python(Signal.TRACES, bodies, token)
    assert len(ways.take(Signal.TRACES)) == 1 + 51


def test_an_attribute_that_comes_twice_keeps_its_last_value(ways: TwoWays) -> None:
    twice = one_span(*[KeyValue(key="k", value=AnyValue(string_value=text)) for text in ("first", "last")])
    assert not stored_by_both(ways, [twice], Signal.TRACES)


def test_requests_that_clickhouse_decodes_are_stored_once_however_often_they_are_sent(ways: TwoWays) -> None:
    """In every partition, and behind the view on the table."""
    requests = [one_span(KeyValue(key="n", value=AnyValue(int_value=n))) for n in range(20)]
    for number, request in enumerate(requests):
        request.resource_spans[0].scope_spans[0].spans[0].start_time_unix_nano = number % 3 * DAY_NS
        request.resource_spans[0].scope_spans[0].spans[0].trace_id = bytes([number]) * 16
    bodies = [request.SerializeToString() for request in requests]
    ways.client.command("TRUNCATE TABLE otel_traces_trace_id_ts")
    token = ways.token()
    for _ in range(3):
        ways.by_clickhouse(Signal.TRACES, bodies, token)
    assert ways.client.command("SELECT count() FROM otel_traces_trace_id_ts") == 20
    assert len(ways.take(Signal.TRACES)) == 1 + 20
