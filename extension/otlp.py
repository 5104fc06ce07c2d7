"""OTLP messages as bytes: opentelemetry/proto/{common,resource,trace,logs,collector}/v1. Pure.

Importing ``opentelemetry-proto`` costs 25 ms of processor time and 5 MB; this costs half a millisecond. The tests take
it as the judge: what is written here must parse there to what was meant, field by field.
"""

from __future__ import annotations

from extension import __version__
from extension.protobuf import double, fixed64, integer, nested, string

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from extension.logs import LogRecord
    from extension.spans import Link, Span

SCOPE_NAME = "lambdascope"
_MAX_DEPTH = 16
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_MOST_KEYS = 256
_keys: dict[str, bytes] = {}
"""Keys as they are encoded: there are few of them, and each comes back with every span."""
_MOST_PAIRS = 512
_LONGEST_REMEMBERED = 128
_pairs: dict[tuple[int, str, str], bytes] = {}
"""Attributes with a text as they are encoded: a request id comes back with each span, a status with each invocation."""
_SCOPE = nested(1, string(1, SCOPE_NAME) + string(2, __version__))


def any_value(value: object, depth: int = _MAX_DEPTH) -> bytes:
    """An AnyValue; None is the empty one. What has no form in OTLP is written as text."""
    if depth > 0 and isinstance(value, (list, tuple)):
        return nested(5, b"".join(nested(1, any_value(item, depth - 1)) for item in value))
    if depth > 0 and isinstance(value, dict):
        return nested(6, b"".join(nested(1, _key_value(str(k), v, depth - 1)) for k, v in value.items()))
    return b"" if value is None else _scalar(value)


def _scalar(value: object) -> bytes:
    if isinstance(value, bool):
        return integer(2, value)
    if isinstance(value, int) and _INT64_MIN <= value <= _INT64_MAX:
        return integer(3, value)
    if isinstance(value, float):
        return double(4, value)
    if isinstance(value, bytes):
        return nested(7, value)
    return string(1, value if isinstance(value, str) else str(value))


def _key_value(key: str, value: object, depth: int = _MAX_DEPTH) -> bytes:
    encoded = _keys.get(key)
    if encoded is None:
        encoded = string(1, key)
        if len(_keys) < _MOST_KEYS:
            _keys[key] = encoded
    if type(value) is str:
        return encoded + nested(2, string(1, value))
    if type(value) is int and 0 <= value <= _INT64_MAX:  # the usual kinds by the shortest way
        return encoded + nested(2, integer(3, value))
    return encoded + nested(2, any_value(value, depth))


def _attribute(field: int, key: str, value: object) -> bytes:
    if not isinstance(value, str):
        return nested(field, _key_value(key, value))
    remembered = _pairs.get((field, key, value))
    if remembered is None:
        remembered = nested(field, _key_value(key, value))
        if len(value) <= _LONGEST_REMEMBERED:
            if len(_pairs) >= _MOST_PAIRS:
                _pairs.clear()
            _pairs[field, key, value] = remembered
    return remembered


def attributes(field: int, values: Mapping[str, object]) -> bytes:
    """A repeated KeyValue field."""
    return b"".join([_attribute(field, key, value) for key, value in values.items()])


def resource(values: Mapping[str, object]) -> bytes:
    """A Resource."""
    return attributes(1, values)


def span(value: Span) -> bytes:
    """A Span."""
    status = (string(2, value.status_message) if value.status_message else b"") + integer(3, value.status_code)
    return b"".join(
        (
            nested(1, value.trace_id),
            nested(2, value.span_id),
            nested(4, value.parent_id) if value.parent_id else b"",
            string(5, value.name),
            integer(6, value.kind),
            fixed64(7, value.start_ns),
            fixed64(8, value.end_ns),
            attributes(9, value.attributes),
            *(nested(13, _link(link)) for link in value.links),
            nested(15, status),
        )
    )


def _link(link: Link) -> bytes:
    return nested(1, link.trace_id) + nested(2, link.span_id)


def log_record(value: LogRecord) -> bytes:
    """A LogRecord."""
    return b"".join(
        (
            fixed64(1, value.time_ns),
            integer(2, value.severity_number) if value.severity_number else b"",
            string(3, value.severity_text) if value.severity_text else b"",
            nested(5, any_value(value.body)),
            attributes(6, value.attributes),
            nested(9, value.trace_id) if value.trace_id else b"",
            nested(10, value.span_id) if value.span_id else b"",
            fixed64(11, value.observed_ns),
        )
    )


def export_request(encoded_resource: bytes, items: Iterable[bytes]) -> bytes:
    """An ExportTraceServiceRequest or ExportLogsServiceRequest, which have the same form, of one resource and scope."""
    scope_items = _SCOPE + b"".join(nested(2, item) for item in items)
    return nested(1, nested(1, encoded_resource) + nested(2, scope_items))
