"""Which span of the function's own SDK is the handler's: read from the exports that pass through the receiver.

That of an OpenTelemetry instrumentation for Lambda names its request (``faas.invocation_id``; ``faas.execution`` before
semantic conventions 1.19). Without one it is the earliest span within the time of the invocation, provided that the
sandbox runs one at a time. Loaded only where the receiver is switched on.
"""

from __future__ import annotations

from extension.json_reader import loads
from extension.protobuf import Fields
from extension.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_REQUEST_KEYS = frozenset({"faas.invocation_id", "faas.execution"})
_MOST_BYTES = 1 << 20
_MOST_PER_EXPORT = 256
_MOST_KEPT = 64
_RESOLUTION_NS = 1_000_000
"""Of the platform's times, which are cut to it."""
_GZIP_WINDOW_BITS = 31
_TRACE_ID_BYTES, _SPAN_ID_BYTES = 16, 8
# Fields of ExportTraceServiceRequest, ResourceSpans, ScopeSpans (2) and Span.
_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS = 1, 2, 2
_TRACE_ID, _SPAN_ID, _PARENT_ID, _START, _ATTRIBUTES = 1, 2, 4, 7, 9
_KEY, _VALUE, _STRING_VALUE = 1, 2, 1


class HandlerSpan(Record):
    """A span that may be a handler's; `parent_id` is empty where it has none, `request_id` where it names none."""

    __slots__ = ("parent_id", "request_id", "span_id", "start_ns", "trace_id")
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    start_ns: int
    request_id: str


class HandlerSpans:
    """The latest of them."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: list[HandlerSpan] = []

    def take(self, body: bytes, content_type: str, encoding: str) -> None:
        """Look at an export of spans. Never raises: what cannot be read is passed on all the same."""
        try:
            spans = list(_read(body, content_type, encoding))
        except (ValueError, TypeError, AttributeError, KeyError, IndexError):
            return
        ids = {span.span_id for span in spans}
        self._kept += [span for span in spans if span.request_id or span.parent_id not in ids]
        del self._kept[:-_MOST_KEPT]

    def of(self, request_id: str, start_ns: int, end_ns: int, *, alone: bool) -> HandlerSpan | None:
        """The span of the handler that dealt with a request; `alone`: whether no other was dealt with meanwhile."""
        named = [span for span in self._kept if span.request_id == request_id and span.start_ns <= end_ns]
        if named:
            return named[-1]
        within = [span for span in self._kept if start_ns - _RESOLUTION_NS <= span.start_ns <= end_ns]
        unnamed = [span for span in within if not span.request_id]
        return min(unnamed, key=_start, default=None) if alone else None


def _start(span: HandlerSpan) -> int:
    return span.start_ns


def _read(body: bytes, content_type: str, encoding: str) -> Iterator[HandlerSpan]:
    if encoding == "gzip":
        import zlib  # noqa: PLC0415 - for an SDK that compresses

        try:
            body = zlib.decompressobj(_GZIP_WINDOW_BITS).decompress(body, _MOST_BYTES)
        except zlib.error as error:
            raise ValueError("not gzip") from error
    if len(body) >= _MOST_BYTES:
        raise ValueError("too long to look at")
    if content_type == "application/json":
        return _of_json(loads(body))
    return _of_protobuf(body)


def _of_protobuf(body: bytes) -> Iterator[HandlerSpan]:
    count = 0
    named = any(key.encode() in body for key in _REQUEST_KEYS)
    for resource in _messages(body, _RESOURCE_SPANS):
        for scope in _messages(resource, _SCOPE_SPANS):
            for span in _messages(scope, _SPANS):
                count += 1
                if count > _MOST_PER_EXPORT:
                    return
                yield from _span_of_protobuf(span, named=named)


def _span_of_protobuf(data: bytes, *, named: bool) -> Iterator[HandlerSpan]:
    """`named`: whether its attributes are worth a look."""
    ids = {_TRACE_ID: b"", _SPAN_ID: b"", _PARENT_ID: b""}
    start_ns, request_id = 0, ""
    for field, value in Fields(data):
        if isinstance(value, int):
            continue
        if field in ids:
            ids[field] = value
        elif field == _START:
            start_ns = int.from_bytes(value, "little")
        elif field == _ATTRIBUTES and named and not request_id:
            request_id = _request_of(value)
    yield from _span(ids[_TRACE_ID], ids[_SPAN_ID], ids[_PARENT_ID], start_ns, request_id)


def _request_of(attribute: bytes) -> str:
    fields = {field: value for field, value in Fields(attribute) if isinstance(value, bytes)}
    if fields.get(_KEY, b"").decode("utf-8", "replace") not in _REQUEST_KEYS:
        return ""
    return next((value.decode("utf-8", "replace") for value in _messages(fields.get(_VALUE, b""), _STRING_VALUE)), "")


def _messages(data: bytes, number: int) -> Iterator[bytes]:
    return (value for field, value in Fields(data) if field == number and isinstance(value, bytes))


def _of_json(document: Any) -> Iterator[HandlerSpan]:
    spans = (
        span
        for resource in document.get("resourceSpans", ())
        for scope in resource.get("scopeSpans", ())
        for span in scope.get("spans", ())
    )
    for _, span in zip(range(_MOST_PER_EXPORT), spans, strict=False):
        values = {item["key"]: item.get("value", {}).get("stringValue") for item in span.get("attributes", ())}
        request_id = next((str(values[key]) for key in _REQUEST_KEYS if values.get(key)), "")
        trace, own, parent = (bytes.fromhex(span.get(name) or "") for name in ("traceId", "spanId", "parentSpanId"))
        yield from _span(trace, own, parent, int(span.get("startTimeUnixNano") or 0), request_id)


def _span(trace_id: bytes, span_id: bytes, parent_id: bytes, start_ns: int, request_id: str) -> Iterator[HandlerSpan]:
    """The span, unless its ids are none."""
    if len(trace_id) == _TRACE_ID_BYTES and len(span_id) == _SPAN_ID_BYTES and any(trace_id) and any(span_id):
        parent = parent_id if len(parent_id) == _SPAN_ID_BYTES and any(parent_id) else b""
        yield HandlerSpan(
            trace_id=trace_id, span_id=span_id, parent_id=parent, start_ns=start_ns, request_id=request_id
        )
