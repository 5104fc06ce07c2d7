"""Items of requests are counted without parsing them, or the parser is asked: what is counted, it takes as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue

from collector.native.count import load_counters
from collector.otlp.signals import Signal
from collector.varint import field

COUNTERS: Final = load_counters()

BEYOND_ASCII: Final = (
    b"\xc2\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbf", b"\xf0\x90\x80\x80",
    b"\xf4\x8f\xbf\xbf", b"12345678\xc3\xa4", b"1234567\xc3\xa4", "ä€𝄞".encode() * 9,
)  # fmt: skip
NO_TEXT: Final = (
    b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc2", b"\xc2A", b"\xc2\xc0", b"\xe0\x80\x80", b"\xe0\x9f\xbf",
    b"\xe1\x80", b"\xe1\x80A", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf",
    b"\xf1\x80\x80", b"\xf1\x80\x80A", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xff",
    b"12345678\xff", b"1234567\xc3",
)  # fmt: skip


def request(span: bytes) -> bytes:
    """Of one span."""
    return field(1, field(2, field(2, span)))


def parsed(body: bytes) -> bool:
    try:
        ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return False
    return True


def test_spans_and_records_are_counted() -> None:
    traces = ExportTraceServiceRequest()
    logs = ExportLogsServiceRequest()
    for number in range(3):
        for scope in (traces.resource_spans.add().scope_spans.add(), traces.resource_spans[0].scope_spans.add()):
            for _ in range(number + 2):
                scope.spans.add(name="operation").events.add(name="event")
        logs.resource_logs.add().scope_logs.add().log_records.add().body.string_value = "text"
    spans = sum(len(scope.spans) for group in traces.resource_spans for scope in group.scope_spans)
    assert COUNTERS[Signal.TRACES].items(traces.SerializeToString()) == spans == 18
    assert COUNTERS[Signal.LOGS].items(logs.SerializeToString()) == 3
    assert COUNTERS[Signal.LOGS].items(b"") == 0


@pytest.mark.parametrize("place", [lambda text: field(5, text), lambda text: field(9, field(2, field(1, text)))])
@pytest.mark.parametrize("text", [*BEYOND_ASCII, *NO_TEXT], ids=bytes.hex)
def test_text_is_utf_8_or_left_to_the_parser(text: bytes, place: Callable[[bytes], bytes]) -> None:
    """The forms that RFC 3629, section 4, allows, and those beside them; as a name and as an attribute's value."""
    body = request(place(text))
    assert parsed(body) is (text in BEYOND_ASCII)
    assert COUNTERS[Signal.TRACES].items(body) == (1 if text in BEYOND_ASCII else None)


def test_bytes_need_be_no_text() -> None:
    assert COUNTERS[Signal.TRACES].items(request(field(1, b"\xff" * 16))) == 1


@pytest.mark.parametrize(
    "body",
    [
        request(b"")[:-1],
        b"\x0a\x80\x80\x80\x80\x00",
        b"\x8a\x80\x80\x00\x00",
        request(b"\x0b\x0c"),
        request(b"\x00\x00"),
        request(b"\x3d\x00"),
        request(b"\x30" + b"\x80" * 10 + b"\x01"),
        request(field(40, b"")),
    ],
    ids=["cut", "long length", "long tag", "group", "field 0", "cut number", "endless number", "high number"],
)
def test_what_parsers_might_differ_about_is_left_to_one(body: bytes) -> None:
    assert COUNTERS[Signal.TRACES].items(body) is None


def test_deep_values_are_left_to_the_parser() -> None:
    value = AnyValue(string_value="deep")
    for _ in range(40):
        value = AnyValue(array_value=ArrayValue(values=[value]))
    body = request(field(9, field(2, value.SerializeToString())))
    assert COUNTERS[Signal.TRACES].items(body) is None
