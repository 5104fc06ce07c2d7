"""What we encode, the official bindings must read as what was meant, field by field."""

from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from extension import __version__, otlp
from extension.delivery import judge
from extension.http_message import Message
from extension.logs import LogRecord
from extension.spans import Link, Span
from tests.support.extension import attributes as read_attributes
from tests.support.extension import plain

text = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers(min_value=-(2**63), max_value=2**63 - 1)
scalars = text | st.booleans() | numbers | st.floats(allow_nan=False)
values = st.recursive(
    scalars | st.none() | st.binary(),
    lambda v: st.lists(v, max_size=4) | st.dictionaries(text, v, max_size=4),
    max_leaves=12,
)
ns = st.integers(min_value=0, max_value=2**64 - 1)
trace_ids, span_ids = st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8)

spans = st.builds(
    Span,
    name=text,
    kind=st.sampled_from([1, 2]),
    trace_id=trace_ids,
    span_id=span_ids,
    parent_id=span_ids | st.just(b""),
    start_ns=ns,
    end_ns=ns,
    attributes=st.dictionaries(text, scalars, max_size=6),
    status_code=st.sampled_from([0, 1, 2]),
    status_message=text,
    links=st.lists(st.builds(Link, trace_id=trace_ids, span_id=span_ids), max_size=2).map(tuple),
)
log_records = st.builds(
    LogRecord,
    time_ns=ns,
    observed_ns=ns,
    severity_number=st.integers(min_value=0, max_value=24),
    severity_text=text,
    body=values,
    attributes=st.dictionaries(text, values, max_size=4),
    trace_id=trace_ids | st.just(b""),
    span_id=span_ids | st.just(b""),
)


def same(got, meant):
    """Equal, and of the same kind: True is not 1, and 1.0 is not 1."""
    if isinstance(meant, list):
        return len(got) == len(meant) and all(map(same, got, meant))
    if isinstance(meant, dict):
        return got.keys() == meant.keys() and all(same(got[key], meant[key]) for key in meant)
    return type(got) is type(meant) and got == meant


@given(values)
def test_any_value(value):
    assert same(plain(AnyValue.FromString(otlp.any_value(value))), value)


@given(st.lists(spans, min_size=1, max_size=3), st.dictionaries(text, scalars, max_size=4))
def test_traces(items, resource):
    body = otlp.export_request(otlp.resource(resource), [otlp.span(item) for item in items])
    [of_resource] = ExportTraceServiceRequest.FromString(body).resource_spans
    assert same(read_attributes(of_resource.resource.attributes), resource)
    [of_scope] = of_resource.scope_spans
    assert (of_scope.scope.name, of_scope.scope.version) == ("lambdascope", __version__)
    assert len(of_scope.spans) == len(items)
    for got, meant in zip(of_scope.spans, items, strict=True):
        assert (got.name, got.kind, got.trace_id) == (meant.name, meant.kind, meant.trace_id)
        assert (got.span_id, got.parent_span_id) == (meant.span_id, meant.parent_id)
        assert (got.start_time_unix_nano, got.end_time_unix_nano) == (meant.start_ns, meant.end_ns)
        assert same(read_attributes(got.attributes), meant.attributes)
        assert (got.status.code, got.status.message) == (meant.status_code, meant.status_message)
        assert [(link.trace_id, link.span_id) for link in got.links] == [(k.trace_id, k.span_id) for k in meant.links]
        assert len(UnknownFieldSet(got)) == 0


@given(st.lists(log_records, min_size=1, max_size=3))
def test_logs(items):
    body = otlp.export_request(otlp.resource({}), [otlp.log_record(item) for item in items])
    [of_resource] = ExportLogsServiceRequest.FromString(body).resource_logs
    for got, meant in zip(of_resource.scope_logs[0].log_records, items, strict=True):
        assert (got.time_unix_nano, got.observed_time_unix_nano) == (meant.time_ns, meant.observed_ns)
        assert (got.severity_number, got.severity_text) == (meant.severity_number, meant.severity_text)
        assert same(plain(got.body), meant.body)
        assert same(read_attributes(got.attributes), meant.attributes)
        assert (got.trace_id, got.span_id) == (meant.trace_id, meant.span_id)


def test_what_otlp_cannot_say_is_text():
    """An integer beyond 64 bits, a lone surrogate, a list too deep."""
    assert plain(AnyValue.FromString(otlp.any_value(2**63))) == str(2**63)
    assert plain(AnyValue.FromString(otlp.any_value("a\ud800b"))) == "a?b"
    deep: list[object] = []
    for _ in range(100):
        deep = [deep]
    assert "[" in str(plain(AnyValue.FromString(otlp.any_value(deep))))


def test_the_enums_are_those_of_the_protocol():
    from extension import spans as s

    assert (s.KIND_INTERNAL, s.KIND_SERVER) == (trace_pb2.Span.SPAN_KIND_INTERNAL, trace_pb2.Span.SPAN_KIND_SERVER)
    codes = (trace_pb2.Status.STATUS_CODE_UNSET, trace_pb2.Status.STATUS_CODE_OK, trace_pb2.Status.STATUS_CODE_ERROR)
    assert codes == (s.STATUS_UNSET, s.STATUS_OK, s.STATUS_ERROR)


@given(st.integers(min_value=0, max_value=2**63 - 1), text)
def test_partial_success_is_read(rejected, message):
    partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    body = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
    verdict = judge(Message("HTTP/1.1 200 OK", {}, body))
    assert (verdict.outcome, verdict.rejected, verdict.reason) == ("accepted", rejected, message)


@given(st.binary())
def test_no_answer_of_a_collector_raises(body):
    assert judge(Message("HTTP/1.1 200 OK", {}, body)).outcome == "accepted"
