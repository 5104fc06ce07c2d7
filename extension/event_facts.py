"""What an event says of where it comes from: docs/depth.md has the table. Pure.

The event itself stays here; nothing but these facts goes on. Shapes are those of AWS's developer guides. A function
that is invoked directly may get anything, so that nothing here trusts a type, and what does not fit is left out.
"""

from __future__ import annotations

from extension import event_shapes as shapes
from extension.event_readers import event_source_arn
from extension.event_record import (
    as_dict,
    as_list,
    as_text,
    first_of,
    links_of_records,
    links_of_request,
)
from extension.json_pieces import last_number, last_text, read_beginning
from extension.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from extension.spans import Link

_HINTED_TEXTS = (
    "eventSource",
    "EventSource",
    "eventSourceARN",
    "eventSourceArn",
    "eventID",
    "Timestamp",
    "SentTimestamp",
)
_HINTED_NUMBERS = ("approximateArrivalTimestamp", "ApproximateCreationDateTime", "timestamp")


class Captured(Record):
    """What the proxy kept of an event.

    Attributes:
        request_id: of the invocation.
        received_ns: when its first byte came, nanoseconds since the epoch.
        untold: how many events before it the proxy could not tell of.
        length: of the event in bytes.
        records: objects in a list of the outermost object; -1 where they were not counted.
        grouped: objects in a list of an object of it; the same.
        prefix: its beginning, or all of it.
        record: the beginning of its last record; empty where the prefix is all of it.
        suffix: its end; the same.
    """

    __slots__ = ("grouped", "length", "prefix", "received_ns", "record", "records", "request_id", "suffix", "untold")
    request_id: str
    received_ns: int
    untold: int
    length: int
    records: int
    grouped: int
    prefix: str
    record: str
    suffix: str


class EventFacts(Record):
    """What is told of an event. None or empty: it does not say, or it cannot be known of one that is so long.

    Attributes:
        trigger: such as ``sqs``; ``direct`` for what has no shape that is known.
        faas_trigger: OpenTelemetry's word: http, pubsub, datasource, timer or other.
        source_arn: of the queue, stream, topic, bucket, rule …
        batch_size: records in it; None where its source sends no records.
        partition: shard or partition of its records, where they are of one.
        first_ns, last_ns: times of its first and its last record, nanoseconds since the epoch.
        attempt: of the delivery, where the source counts them.
        links: spans that sent its records.
        messaging_system: OpenTelemetry's word for the broker.
        destination: the name of the queue or topic.
        ages: whether its source is a stream, whose records have an age.
    """

    __slots__ = (
        "ages",
        "attempt",
        "batch_size",
        "destination",
        "faas_trigger",
        "first_ns",
        "last_ns",
        "links",
        "messaging_system",
        "partition",
        "source_arn",
        "trigger",
    )
    trigger: str
    faas_trigger: str
    source_arn: str | None
    batch_size: int | None
    partition: str | None
    first_ns: int | None
    last_ns: int | None
    attempt: int | None
    links: tuple[Link, ...]
    messaging_system: str | None
    destination: str | None
    ages: bool


def facts_of(captured: Captured) -> EventFacts:
    """What an event says. Never raises for whatever the event is."""
    event = as_dict(read_beginning(captured.prefix))
    records = _records_of(event, captured)
    source = _source_of(event, records)
    if source is None:
        shape = next((shape for shape in shapes.SHAPES if shape.fits(event)), shapes.DIRECT)
        return EventFacts(
            trigger=shape.trigger,
            faas_trigger=shape.faas_trigger,
            source_arn=shape.arn(event),
            first_ns=shape.time_ns(event),
            last_ns=shape.time_ns(event),
            links=links_of_request(event),
            ages=False,
        )
    return _of_records(source, event, records, captured)


def _of_records(
    source: shapes.Source, event: dict[str, Any], records: list[dict[str, Any]], captured: Captured
) -> EventFacts:
    first, last = records[0] if records else {}, records[-1] if records else {}
    whole = not captured.suffix
    arn = source.arn(first) or source.arn(event) or source.arn(last)
    partitions = {source.partition(record) for record in ((first, last) if not whole else records)}
    times = [time for time in (source.time_ns(record) for record in records) if time is not None]
    attempts = [source.attempt(record) for record in records]
    return EventFacts(
        trigger=source.trigger,
        faas_trigger=source.faas_trigger,
        source_arn=arn,
        batch_size=_count(captured, records),
        partition=as_text(event.get("shardId")) or (partitions.pop() if len(partitions) == 1 else None),
        first_ns=source.time_ns(first),
        last_ns=_last_time(source, last, times, whole=whole),
        attempt=max((a for a in attempts if a is not None), default=None),
        links=links_of_records(records),
        messaging_system=source.messaging_system,
        destination=source.destination(first) or _name_of(arn) if source.messaging_system else None,
        ages=source.ages,
    )


def _last_time(source: shapes.Source, last: dict[str, Any], times: list[int], *, whole: bool) -> int | None:
    """Of the last record; where there are several partitions side by side, of the newest of all."""
    if source.grouped and whole:
        return max(times, default=None)
    return source.time_ns(last)


def _records_of(event: dict[str, Any], captured: Captured) -> list[dict[str, Any]]:
    """The records that can be read: of a long event those at its beginning, and the last one."""
    found: list[dict[str, Any]] = []
    for name in ("Records", "records", "messages", "events", "tasks"):
        value = event.get(name)
        lists = list(value.values()) if isinstance(value, dict) else [value]
        found += [record for one in lists for record in as_list(one) if isinstance(record, dict)]
    for name, messages in as_dict(event.get("rmqMessagesByQueue")).items():
        queue = {"queue": name.partition("::")[0]}
        found += [{**record, **queue} for record in as_list(messages) if isinstance(record, dict)]
    if not captured.suffix:
        return found
    hints: dict[str, Any] = {name: last_text(captured.suffix, name) for name in _HINTED_TEXTS}
    hints |= {name: last_number(captured.suffix, name) for name in _HINTED_NUMBERS}
    last = as_dict(read_beginning(captured.record))
    known = {name: value for name, value in hints.items() if value is not None}
    if last or known:
        found.append({**known, **last})
    return found


def _source_of(event: dict[str, Any], records: list[dict[str, Any]]) -> shapes.Source | None:
    """By the name that AWS gives the source, in the records or beside them; else by the event's members."""
    for one in (event, *records[:1], *records[-1:]):
        name = as_text(first_of(one, "eventSource", "EventSource"))
        if name in shapes.SOURCES:
            return shapes.SOURCES[name]
    if "window" in event and not records:  # the last of a window of a stream: state only
        service = (event_source_arn(event) or "").split(":")[2:3]
        return shapes.SOURCES.get("aws:" + "".join(service))
    return next((source for fits, source in shapes.BATCHES if fits(event)), None)


def _count(captured: Captured, records: list[dict[str, Any]]) -> int | None:
    """How many records there are: those that were read, or what the proxy counted where that is not all."""
    if not captured.suffix:
        return len(records)
    counts = [count for count in (captured.records, captured.grouped) if count > 0]
    return counts[0] if len(counts) == 1 else captured.records if captured.records > 0 else None


def _name_of(arn: str | None) -> str | None:
    """The last part of an ARN, without what is in front of a slash: a queue's, topic's or stream's name."""
    return arn.rpartition(":")[2].rpartition("/")[2] or None if arn else None
