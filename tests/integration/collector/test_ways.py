"""The ways from OTLP to rows: what the library, ClickHouse and Python decode is the same."""

from __future__ import annotations

import math
import random
import struct
import sys
from collections.abc import Iterator
from decimal import Decimal
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
from collector.native.library import load
from collector.otlp.decode import decode
from collector.otlp.signals import ExportRequest, Signal
from collector.store.clickhouse import ClickHouseStore

DAY_NS = 86_400 * 10**9
TABLES = {Signal.TRACES: "otel_traces", Signal.LOGS: "otel_logs"}


class Ways:
    """One store, filled by one way and then by another."""

    def __init__(self, folder: Path) -> None:
        url = StoreUrl(f"chdb://{folder}")
        self.store = ClickHouseStore(url)
        self.store.open()
        self.client: Client = clickhouse_connect.get_client(dsn=url.dsn)
        self._decoders = load()
        self._number = 0

    def token(self) -> str:
        self._number += 1
        return f"token-{self._number}"

    def by_clickhouse(self, signal: Signal, bodies: list[bytes], token: str) -> None:
        self.store.insert_encoded(signal, bodies, token)

    def by_library(self, signal: Signal, bodies: list[bytes], token: str) -> bool:
        """False where the library leaves it to Python."""
        block = self._decoders[signal].block(bodies)
        if block is not None:
            self.store.insert_block(block, token)
        return block is not None

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
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    opened = Ways(tmp_path_factory.mktemp("ways") / "store")
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


def stored_by_all(ways: Ways, requests: list[ExportRequest], signal: Signal) -> tuple[bool, bool]:
    """Compare the ways; returns whether the library and whether ClickHouse took the requests."""
    bodies = [request.SerializeToString() for request in requests]
    ways.by_python(signal, bodies, ways.token())
    by_python = ways.take(signal)
    by_library = ways.by_library(signal, bodies, ways.token())
    found = ways.take(signal)
    assert found == (by_python if by_library else found[:1])
    try:
        ways.by_clickhouse(signal, bodies, ways.token())
    except UndecodedError:
        assert len(ways.take(signal)) == 1, "something was stored of what ClickHouse could not decode"
        return by_library, False
    assert ways.take(signal) == by_python
    return by_library, True


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(telemetry(scalars | plain_lists | any_values))
@example(one_span(*[KeyValue(key=f"key {n:05}", value=AnyValue(string_value="v" * n)) for n in range(2000)]))
@example(one_span(KeyValue(key="huge", value=AnyValue(string_value="x" * 1_000_000))))
def test_whatever_takes_a_request_stores_it_as_python_does(ways: Ways, request: ExportRequest) -> None:
    stored_by_all(ways, [request], signal_of(request))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(texts, scalars, max_size=20))
@example({f"{length}": AnyValue(bytes_value=b"\xff" * length) for length in range(5)})
def test_every_plain_value_is_taken(ways: Ways, attributes: dict[str, AnyValue]) -> None:
    request = one_span(*[KeyValue(key=key, value=value) for key, value in attributes.items()])
    assert stored_by_all(ways, [request], Signal.TRACES) == (all(map(is_sure, attributes.values())), True)


def is_sure(value: AnyValue) -> bool:
    """Whether the library can say how few digits tell a number: not of the smallest, nor of most powers of two."""
    number = abs(value.double_value)
    if 0 < number < sys.float_info.min:
        return False
    return math.frexp(number)[0] != 0.5 or len(Decimal(repr(number)).as_tuple().digits) <= sys.float_info.dig


def test_numbers_have_the_fewest_digits_that_read_back_the_same(ways: Ways) -> None:
    """Of every exponent, random digits, few digits, and those on the borders of how they are written."""
    draw = random.Random(20261121)
    numbers = [struct.unpack("<d", draw.randbytes(8))[0] for _ in range(6_000)]
    numbers += [draw.randrange(10**digits) * 10.0**power for digits in range(1, 18) for power in range(-25, 25)]
    numbers += [1e-6, 9.999999999999999e-7, 1e20, 1e21, 2**53, 2**53 - 1, 2**53 + 2, 0.1 + 0.2, 1 / 3, -0.0, 1.5]
    numbers = [number for number in numbers if is_sure(AnyValue(double_value=number))]
    assert len(numbers) > 6_000
    request = one_span(*[KeyValue(key=f"{n:05}", value=AnyValue(double_value=x)) for n, x in enumerate(numbers)])
    assert stored_by_all(ways, [request], Signal.TRACES) == (True, True)


@pytest.mark.parametrize(
    "value",
    [
        AnyValue(kvlist_value=KeyValueList()),
        AnyValue(array_value=ArrayValue(values=[AnyValue(double_value=1)])),
        AnyValue(array_value=ArrayValue(values=[AnyValue(array_value=ArrayValue())])),
        AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="a\nb")])),
    ],
)
def test_what_cannot_be_decoded_is_left_to_python_whole(ways: Ways, value: AnyValue) -> None:
    """Nothing of the batch is stored, and both attempts, made again, still store it once."""
    many: list[ExportRequest] = [one_span(KeyValue(key="n", value=AnyValue(int_value=n))) for n in range(50)]
    bodies = [request.SerializeToString() for request in (*many, one_span(KeyValue(key="k", value=value)))]
    token = ways.token()
    for _ in range(3):
        assert not ways.by_library(Signal.TRACES, bodies, token)
        with pytest.raises(UndecodedError):
            ways.by_clickhouse(Signal.TRACES, bodies, token)
        ways.by_python(Signal.TRACES, bodies, token)
    assert len(ways.take(Signal.TRACES)) == 1 + 51


@pytest.mark.parametrize("others", [0, 100], ids=["few", "many"])
def test_an_attribute_that_comes_twice_keeps_its_last_value(ways: Ways, others: int) -> None:
    pairs = [KeyValue(key="k", value=AnyValue(string_value=text)) for text in ("z first", "a last")]
    pairs[1:1] = [KeyValue(key=f"{n}", value=AnyValue(int_value=n)) for n in range(others)]
    assert stored_by_all(ways, [one_span(*pairs)], Signal.TRACES) == (True, False)
    ways.by_python(Signal.TRACES, [one_span(*pairs).SerializeToString()], ways.token())
    assert ways.client.command("SELECT SpanAttributes['k'] FROM otel_traces") == "a last"
    ways.take(Signal.TRACES)


@pytest.mark.parametrize("first", ["library", "python", "clickhouse"])
def test_requests_are_stored_once_however_often_they_are_sent(ways: Ways, first: str) -> None:
    """In every partition, and behind the view on the table. To the token, rows are rows, whoever made them."""
    requests = [one_span(KeyValue(key="n", value=AnyValue(int_value=n))) for n in range(20)]
    for number, request in enumerate(requests):
        request.resource_spans[0].scope_spans[0].spans[0].start_time_unix_nano = number % 3 * DAY_NS
        request.resource_spans[0].scope_spans[0].spans[0].trace_id = bytes([number]) * 16
    bodies = [request.SerializeToString() for request in requests]
    ways.client.command("TRUNCATE TABLE otel_traces_trace_id_ts")
    token = ways.token()
    others = {"library": ways.by_python, "python": ways.by_library, "clickhouse": ways.by_clickhouse}
    for _ in range(2):
        getattr(ways, f"by_{first}")(Signal.TRACES, bodies, token)
        others[first](Signal.TRACES, bodies, token)
    assert ways.client.command("SELECT count() FROM otel_traces_trace_id_ts") == 20
    assert len(ways.take(Signal.TRACES)) == 1 + 20


@pytest.mark.parametrize("first", ["library", "python"])
@pytest.mark.parametrize(("requests", "each", "size"), [(20, 1, 300_000), (300, 100, 50), (1, 70_000, 0)])
def test_large_batches_are_stored_once_whoever_makes_the_rows(
    ways: Ways, first: str, requests: int, each: int, size: int
) -> None:
    """ClickHouse tells a block from several; clickhouse-connect makes several of two megabytes or 65,536 rows."""
    spans = [Span(start_time_unix_nano=DAY_NS, trace_state="x" * size)] * each
    request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])])
    bodies, token = [request.SerializeToString()] * requests, ways.token()
    makers = [ways.by_library, ways.by_python]
    for make in makers if first == "library" else reversed(makers):
        make(Signal.TRACES, bodies, token)
    assert ways.client.command("SELECT count() FROM otel_traces") == requests * each
    ways.take(Signal.TRACES)


def test_a_block_of_many_words_is_stored_as_python_stores_it(ways: Ways) -> None:
    """So many names that their numbers take two bytes, and four; in one request and in many."""
    for count in (255, 256, 257, 65_535, 65_537):
        spans = [Span(name=f"span {n}", start_time_unix_nano=DAY_NS) for n in range(count)]
        request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])])
        assert stored_by_all(ways, [request], Signal.TRACES) == (True, True)


def test_columns_are_those_of_the_tables(ways: Ways) -> None:
    """Nothing but the order of columns ties the library's to the layouts: each gets a value of its own here."""
    event = Span.Event(time_unix_nano=2, name="event", attributes=[KeyValue(key="e", value=AnyValue(int_value=1))])
    link = Span.Link(trace_id=b"\1", span_id=b"\2", trace_state="link", attributes=[KeyValue(key="l")])
    span = Span(
        trace_id=b"\3", span_id=b"\4", parent_span_id=b"\5", trace_state="state", name="name",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=DAY_NS, end_time_unix_nano=DAY_NS + 7, attributes=[KeyValue(key="s")],
        events=[event, event], links=[link], status=Status(message="message", code=Status.STATUS_CODE_ERROR),
    )  # fmt: skip
    scope = InstrumentationScope(name="scope", version="version")
    resource = Resource(attributes=[KeyValue(key="service.name", value=AnyValue(double_value=1.5))])
    group = ResourceSpans(resource=resource, scope_spans=[ScopeSpans(scope=scope, spans=[span, Span(), span])])
    request = ExportTraceServiceRequest(resource_spans=[group, group])
    assert stored_by_all(ways, [request, ExportTraceServiceRequest(), request], Signal.TRACES) == (True, True)
