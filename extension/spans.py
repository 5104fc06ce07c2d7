"""A span, as the lifecycle makes it and the encoder writes it."""

from __future__ import annotations

from extension.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    AttributeValue = str | bool | int | float
    Attributes = dict[str, AttributeValue]

# Values of OTLP's enums (opentelemetry/proto/trace/v1/trace.proto).
KIND_INTERNAL: Final = 1
KIND_SERVER: Final = 2
KIND_CONSUMER: Final = 5
STATUS_UNSET: Final = 0
STATUS_OK: Final = 1
STATUS_ERROR: Final = 2


class Link(Record):
    """A pointer to a span of another trace."""

    __slots__ = ("span_id", "trace_id")
    trace_id: bytes
    span_id: bytes


class Span(Record):
    """One finished span. Times are nanoseconds since the epoch; `parent_id` is empty where there is none."""

    __slots__ = (
        "attributes",
        "end_ns",
        "kind",
        "links",
        "name",
        "parent_id",
        "span_id",
        "start_ns",
        "status_code",
        "status_message",
        "trace_id",
    )
    name: str
    kind: int
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    start_ns: int
    end_ns: int
    attributes: Attributes
    status_code: int
    status_message: str
    links: tuple[Link, ...]
