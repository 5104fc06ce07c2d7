"""The handler's span among what the function's SDK sends, by the official bindings; and the trace that is joined."""

import gzip
import json

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from extension import records as r
from extension.handler_spans import HandlerSpans
from extension.identity import Sandbox
from extension.lifecycle import Lifecycle

T0 = 1_700_000_000_000_000_000
MS = 1_000_000
TRACE, OTHER = bytes(range(16)), bytes(range(1, 17))
ROOT, CHILD, UPSTREAM = b"\1" * 8, b"\2" * 8, b"\3" * 8
PROTOBUF, JSON = "application/x-protobuf", "application/json"


def span(span_id=ROOT, parent=b"", at_ms=1, trace=TRACE, **attributes):
    made = Span(trace_id=trace, span_id=span_id, parent_span_id=parent, start_time_unix_nano=T0 + at_ms * MS)
    for key, value in attributes.items():
        made.attributes.add(key=key.replace("__", ".")).value.string_value = value
    return made


def export(*spans):
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend(spans)
    return request.SerializeToString()


def as_json(body):
    """OTLP's JSON: ids in hexadecimal digits, where protobuf's own mapping has base64."""
    request = ExportTraceServiceRequest.FromString(body)
    document = MessageToDict(request)
    for resource, made in zip(document["resourceSpans"], request.resource_spans, strict=True):
        for scope, of in zip(resource["scopeSpans"], made.scope_spans, strict=True):
            for found, real in zip(scope["spans"], of.spans, strict=True):
                found |= {"traceId": real.trace_id.hex(), "spanId": real.span_id.hex()}
                found["parentSpanId"] = real.parent_span_id.hex()
    return json.dumps(document).encode()


def found_in(body, kind=PROTOBUF, encoding="", request_id="r1", *, alone=True):
    handlers = HandlerSpans()
    handlers.take(body, kind, encoding)
    return handlers.of(request_id, T0, T0 + 20 * MS, alone=alone)


NAMED = export(span(OTHER[:8], at_ms=0), span(ROOT, UPSTREAM, 1, faas__invocation_id="r1"), span(CHILD, ROOT, 2))


@pytest.mark.parametrize(
    ("body", "kind", "encoding"),
    [(NAMED, PROTOBUF, ""), (gzip.compress(NAMED), PROTOBUF, "gzip"), (as_json(NAMED), JSON, "")],
    ids=["protobuf", "gzip", "json"],
)
def test_the_span_that_names_the_request(body, kind, encoding):
    found = found_in(body, kind, encoding, alone=False)
    assert found is not None
    assert (found.trace_id, found.span_id, found.parent_id) == (TRACE, ROOT, UPSTREAM)


def test_the_name_of_old_conventions():
    assert found_in(export(span(faas__execution="r1")), alone=False) is not None


def test_without_a_name_it_is_the_first_within_the_invocation_where_there_is_only_one():
    body = export(span(OTHER[:8], at_ms=-5), span(CHILD, ROOT, 2), span(ROOT, at_ms=1), span(UPSTREAM, at_ms=30))
    found = found_in(body)
    assert found is not None
    assert found.span_id == ROOT
    assert found_in(body, alone=False) is None
    assert found_in(export(span(faas__invocation_id="another"))) is None


@given(st.binary(max_size=200) | st.integers(0, len(NAMED)).map(lambda n: NAMED[:n]), st.sampled_from([PROTOBUF, JSON]))
def test_what_cannot_be_read_is_left_alone(body, kind):
    for encoding in ("", "gzip"):
        found_in(body, kind, encoding)


@pytest.mark.parametrize("spans", [7, [5], [{"traceId": 5, "attributes": [{}]}], {"a": 1}, [{"attributes": "x"}]])
def test_json_of_another_form_is_left_alone(spans):
    document = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    for body in (document, document["resourceSpans"], {"resourceSpans": spans}, {}):
        assert found_in(json.dumps(body).encode(), JSON) is None


# Joining -------------------------------------------------------------------------------------------------------------


def played(*spans, told=False):
    """A cold start whose SDK sends these spans before its end."""
    lifecycle = Lifecycle(Sandbox("orders", "on-demand", 0, lambda: "instance"))
    lifecycle.handlers = HandlerSpans()
    of = {"restore": False, "status": "success", "phase": "init"}
    records: list[r.Record] = [
        r.InitStart(time_ns=T0 - 200 * MS, restore=False, phase="init"),
        r.InitReport(time_ns=T0 - MS, duration_ms=199.0, **of),
        r.Start(time_ns=T0, request_id="r1"),
    ]
    made = lifecycle.on_invoke(r.Invoke(request_id="r1"), T0)
    for record in records:
        made += lifecycle.on_record(record)
    if told:
        lifecycle.in_flight(T0 + 1, 0)
    if spans:
        lifecycle.handlers.take(export(*spans), PROTOBUF, "")
    more = {"request_id": "r1", "status": "success", "duration_ms": 20.0, "spans": ()}
    made += lifecycle.on_record(r.RuntimeDone(time_ns=T0 + 20 * MS, **more))
    made += lifecycle.on_record(r.Report(time_ns=T0 + 20 * MS, **more))
    return {one.attributes["lambda.phase"]: one for one in made}


def test_all_of_the_invocation_joins_the_trace_below_a_root():
    made = played(span(faas__invocation_id="r1"))
    assert {one.trace_id for one in made.values()} == {TRACE}
    assert made["invoke"].parent_id == ROOT
    assert made["init"].parent_id == made["post_runtime"].parent_id == made["invoke"].span_id


def test_beside_the_handler_where_that_has_a_parent():
    assert played(span(parent=UPSTREAM, faas__invocation_id="r1"))["invoke"].parent_id == UPSTREAM


def test_an_invocation_that_was_told_of_stays_in_the_trace_that_was_told():
    joined, alone = played(span(), told=True), played()
    assert joined["invoke"] == alone["invoke"]


def test_without_spans_of_the_function_nothing_changes():
    assert played(span(faas__invocation_id="another"))["invoke"] == played()["invoke"]
