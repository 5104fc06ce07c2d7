"""Event sources as pure state machines in simulated time: streams, queues, asynchronous invocation.

Each yields what to invoke the function with (``poll``), says when to ask again (``next_poll_ns``), takes how it went
(``complete``), and hands out what it gave up and the samples of its metrics.
"""

from emulator.sources.asynchronous import (
    AsyncConfig,
    AsyncEnd,
    AsyncEvent,
    AsyncQueue,
    dead_letter_attributes,
    destination_record,
)
from emulator.sources.common import Backoff, Condition, MetricSample, Outcome
from emulator.sources.filters import Filter, any_of
from emulator.sources.partial import failed_items
from emulator.sources.sqs import SqsBatch, SqsConfig, SqsMessage, SqsSource, sqs_event
from emulator.sources.stream_events import (
    StreamNames,
    dynamodb_event,
    dynamodb_failure,
    dynamodb_number,
    kinesis_event,
    kinesis_failure,
    kinesis_number,
)
from emulator.sources.streams import StreamBatch, StreamConfig, StreamDiscard, StreamRecord, StreamSource

__all__ = [
    "AsyncConfig",
    "AsyncEnd",
    "AsyncEvent",
    "AsyncQueue",
    "Backoff",
    "Condition",
    "Filter",
    "MetricSample",
    "Outcome",
    "SqsBatch",
    "SqsConfig",
    "SqsMessage",
    "SqsSource",
    "StreamBatch",
    "StreamConfig",
    "StreamDiscard",
    "StreamNames",
    "StreamRecord",
    "StreamSource",
    "any_of",
    "dead_letter_attributes",
    "destination_record",
    "dynamodb_event",
    "dynamodb_failure",
    "dynamodb_number",
    "failed_items",
    "kinesis_event",
    "kinesis_failure",
    "kinesis_number",
    "sqs_event",
]
