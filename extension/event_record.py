"""Reading what may be anything: values of an event, and the trace context in it. Pure; never raises."""

from __future__ import annotations

from extension import ids
from extension.spans import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST_LINKS = 32
_MOST_RECORDS_LOOKED_AT = 128
_TRACEPARENT_PARTS = 4


def as_dict(value: object) -> dict[str, Any]:
    """The value where it is an object; else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The value where it is a list; else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str | None:
    """The value where it is a text that is not empty."""
    return value if isinstance(value, str) and value else None


def first_of(record: dict[str, Any], *names: str) -> object:
    """The first of these members that is there."""
    return next((record[name] for name in names if name in record), None)


def at(record: object, *path: str) -> object:
    """What is below; None where the path ends before."""
    for name in path:
        record = as_dict(record).get(name)
    return record


def arn_or_none(value: object) -> str | None:
    """The value where it is an ARN."""
    return value if isinstance(value, str) and value.startswith("arn:") and len(value) <= 2048 else None


def numbers_of(value: object) -> float | None:
    """A number, or a text that is one."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return float(value)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def links_of_records(records: list[dict[str, Any]]) -> tuple[Link, ...]:
    """The contexts that came with the records, each once."""
    links: list[Link] = []
    for record in records[:_MOST_RECORDS_LOOKED_AT]:
        for link in _contexts_of(record):
            if link not in links and len(links) < _MOST_LINKS:
                links.append(link)
    return tuple(links)


def links_of_request(event: dict[str, Any]) -> tuple[Link, ...]:
    """The context in a request's headers, whose names are in any case: W3C's, else X-Ray's."""
    headers = as_dict(event.get("multiValueHeaders")) | as_dict(event.get("headers"))
    values = {name.lower(): _first_value(value) for name, value in headers.items()}
    link = _of_traceparent(values.get("traceparent")) or _of_x_ray(values.get("x-amzn-trace-id"))
    return (link,) if link is not None else ()


def _first_value(value: object) -> object:
    """Of a header that may be a list of several."""
    return value[0] if isinstance(value, list) and value else value


def _contexts_of(record: dict[str, Any]) -> list[Link]:
    """Attributes of SQS and SNS messages, headers and properties of brokers' messages, else X-Ray's own attribute."""
    attributes = as_dict(first_of(record, "messageAttributes")) or as_dict(at(record, "Sns", "MessageAttributes"))
    found = [
        _of_traceparent(first_of(as_dict(attributes.get("traceparent")), "stringValue", "Value")),
        _of_traceparent(at(record, "properties", "traceparent")),
        _of_traceparent(_text_of_bytes(at(record, "basicProperties", "headers", "traceparent", "bytes"))),
    ]
    headers = as_list(record.get("headers"))
    found += [_of_traceparent(_text_of_bytes(as_dict(header).get("traceparent"))) for header in headers]
    if not any(found):
        found.append(_of_x_ray(at(record, "attributes", "AWSTraceHeader")))
    return [link for link in found if link is not None]


def _text_of_bytes(value: object) -> str | None:
    """Kafka's header values are lists of signed bytes."""
    numbers = as_list(value)
    if not 0 < len(numbers) < 256 or not all(type(n) is int and -128 <= n < 256 for n in numbers):
        return None
    return bytes(n & 255 for n in numbers).decode("ascii", "replace")


def _of_traceparent(value: object) -> Link | None:
    """W3C Trace Context: ``00-TRACE-SPAN-FLAGS``."""
    parts = value.strip().split("-") if isinstance(value, str) and len(value) < 256 else []
    if len(parts) < _TRACEPARENT_PARTS or len(parts[0]) != 2 or parts[0] == "ff":
        return None
    return _link(parts[1], parts[2])


def _link(trace: str, span: str) -> Link | None:
    try:
        trace_id, span_id = bytes.fromhex(trace), bytes.fromhex(span)
    except ValueError:
        return None
    if (len(trace), len(span)) != (32, 16) or not any(trace_id) or not any(span_id):
        return None
    return Link(trace_id=trace_id, span_id=span_id)


def _of_x_ray(value: object) -> Link | None:
    header = ids.parse_trace_header(value) if isinstance(value, str) else None
    if header is None or not header.parent_id:
        return None
    return Link(trace_id=header.trace_id, span_id=header.parent_id)
