"""An SQS-like queue with its event source mapping, as a state machine in simulated time (standard queues only).

The rules are those of "Using Lambda with Amazon SQS" and "Configuring scaling behavior for SQS event source mappings".
"""

from __future__ import annotations

import hashlib
import heapq
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from emulator.clock import NS_PER_MS, NS_PER_S
from emulator.sources.common import MAX_EVENT_BYTES, MetricSample, Outcome

_FIRST_POLLERS: Final = 5
_POLLERS_PER_MINUTE: Final = 300
_MOST_POLLERS: Final = 1000
NO_ATTRIBUTES: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SqsConfig:
    """A queue and its mapping, with AWS's names and defaults."""

    visibility_timeout_s: float = 30.0
    retention_s: float = 345_600.0
    max_receive_count: int | None = None
    """After so many receives a message goes to the dead-letter queue. None: the queue has none."""
    batch_size: int = 10
    batching_window_s: float = 0.0
    maximum_concurrency: int | None = None
    """Of the mapping, 2 to 1,000. None: what the pollers reach."""


class SqsMessage:
    """A message of the queue."""

    __slots__ = ("attributes", "body", "first_received_ns", "id", "receives", "sent_ns", "visible_ns")

    def __init__(self, message_id: str, body: str, sent_ns: int, attributes: Mapping[str, str]) -> None:
        self.id = message_id
        self.body = body
        self.attributes = attributes
        """Of the sender's own, all of them texts."""
        self.sent_ns = sent_ns
        self.first_received_ns = 0
        self.receives = 0
        self.visible_ns = sent_ns


@dataclass(frozen=True, slots=True)
class SqsBatch:
    """Messages to invoke the function with."""

    messages: tuple[SqsMessage, ...]
    received_ns: int


class SqsSource:
    """The queue and the mapping that polls it.

    Args:
        config: of both.
        new_id: makes message ids.
        accepts: the mapping's filter; messages that it refuses are deleted. None: no filter.
    """

    def __init__(
        self, config: SqsConfig, new_id: Callable[[], str], accepts: Callable[[SqsMessage], bool] | None = None
    ) -> None:
        self.config = config
        self._accepts = accepts
        self.enabled = True
        self.expired = 0
        """Messages that the queue dropped at the end of their retention."""
        self.dead_letters: list[SqsMessage] = []
        self._new_id = new_id
        self._hidden: list[tuple[int, int, SqsMessage]] = []
        """By when each becomes visible, then by when it came."""
        self._visible: deque[SqsMessage] = deque()
        self._number = 0
        self._in_flight = 0
        self._pollers = float(min(_FIRST_POLLERS, self._most_pollers()))
        self._grown_ns: int | None = None
        self._samples: list[MetricSample] = []

    def send(self, body: str, now_ns: int, attributes: Mapping[str, str] = NO_ATTRIBUTES) -> SqsMessage:
        """SendMessage."""
        message = SqsMessage(self._new_id(), body, now_ns, attributes)
        self._make_visible(message, now_ns)
        return message

    def backlog(self, now_ns: int) -> tuple[int, int]:
        """Messages that are visible, and the age of the oldest one in nanoseconds."""
        self._surface(now_ns)
        return len(self._visible), now_ns - min((message.sent_ns for message in self._visible), default=now_ns)

    def poll(self, now_ns: int) -> list[SqsBatch]:
        """The batches to invoke the function with now, as many as the mapping's concurrency leaves room for."""
        batches: list[SqsBatch] = []
        if not self.enabled:
            return batches
        self._surface(now_ns)
        self._grow(now_ns)
        while self._in_flight < int(self._pollers):
            batch = self._next_batch(now_ns)
            if batch is None:
                self._shrink()
                return batches
            self._in_flight += 1
            batches.append(batch)
        self._grown_ns = now_ns
        return batches

    def next_poll_ns(self) -> int | None:
        """When ``poll`` may have a batch; None while nothing waits or all pollers are at work."""
        if not self.enabled or not (self._visible or self._hidden):
            return None
        if self._in_flight >= int(self._pollers):
            return None if self._grown_ns is None else self._grown_ns + 60 * NS_PER_S // _POLLERS_PER_MINUTE
        next_visible_ns = self._hidden[0][0] if self._hidden else None
        due_ns = self._due_ns()
        return min(at_ns for at_ns in (next_visible_ns, due_ns) if at_ns is not None)

    def complete(self, batch: SqsBatch, outcome: Outcome, now_ns: int, *, failed_ids: Collection[str] = ()) -> None:
        """Say how a batch's invocation ended.

        What succeeded is deleted; what failed becomes visible again when its visibility timeout is over.

        Args:
            batch: as ``poll`` gave it.
            outcome: of the invocation.
            now_ns: when it ended.
            failed_ids: of a function that answers ``batchItemFailures``: the messages it names.
        """
        self._in_flight -= 1
        if outcome is Outcome.SUCCESS:
            failed = [message for message in batch.messages if message.id in failed_ids]
            self._sample("DeletedEventCount", now_ns, len(batch.messages) - len(failed))
        else:
            failed = list(batch.messages)
        if outcome is not Outcome.NOT_INVOKED:
            self._sample("InvokedEventCount", batch.received_ns, len(batch.messages))
            if failed:
                self._sample("FailedInvokeEventCount", now_ns, len(failed))
        hidden_until_ns = batch.received_ns + round(self.config.visibility_timeout_s * NS_PER_S)
        for message in failed:
            self._make_visible(message, max(now_ns, hidden_until_ns))

    def take_samples(self) -> list[MetricSample]:
        """The event counts since the last call."""
        samples, self._samples = self._samples, []
        return samples

    # Parts -----------------------------------------------------------------------------------------------------------

    def _surface(self, now_ns: int) -> None:
        while self._hidden and self._hidden[0][0] <= now_ns:
            self._visible.append(heapq.heappop(self._hidden)[2])

    def _due_ns(self) -> int | None:
        """When the visible messages make a batch: it is full, or the first of them has waited for the window."""
        if not self._visible:
            return None
        window_s = 0.0 if len(self._visible) >= self.config.batch_size else self.config.batching_window_s
        return self._visible[0].visible_ns + round(window_s * NS_PER_S)

    def _next_batch(self, now_ns: int) -> SqsBatch | None:
        due_ns = self._due_ns()
        if due_ns is None or due_ns > now_ns:
            return None
        messages: list[SqsMessage] = []
        size_bytes = filtered_out = 0
        while self._visible and len(messages) < self.config.batch_size:
            size_bytes += len(self._visible[0].body)
            if messages and size_bytes > MAX_EVENT_BYTES:
                break
            message = self._receive(self._visible.popleft(), now_ns)
            if message is not None and self._accepts is not None and not self._accepts(message):
                filtered_out += 1
            elif message is not None:
                messages.append(message)
        if filtered_out:
            self._sample("FilteredOutEventCount", now_ns, filtered_out)
        if messages or filtered_out:
            self._sample("PolledEventCount", now_ns, len(messages) + filtered_out)
        if not messages:
            return None
        return SqsBatch(tuple(messages), now_ns)

    def _receive(self, message: SqsMessage, now_ns: int) -> SqsMessage | None:
        """None for a message that has expired, or that has been received too often and moves to the dead letters."""
        if now_ns - message.sent_ns >= self.config.retention_s * NS_PER_S:
            self.expired += 1
            return None
        if self.config.max_receive_count is not None and message.receives >= self.config.max_receive_count:
            self.dead_letters.append(message)
            return None
        message.receives += 1
        message.first_received_ns = message.first_received_ns or now_ns
        return message

    def _grow(self, now_ns: int) -> None:
        """More pollers while all of them were at work: 300 a minute."""
        if self._grown_ns is not None:
            grown = (now_ns - self._grown_ns) * _POLLERS_PER_MINUTE / (60 * NS_PER_S)
            self._pollers = min(float(self._most_pollers()), self._pollers + grown)
            self._grown_ns = now_ns

    def _shrink(self) -> None:
        """Nothing is left over: no growth, and a fresh start once the queue is idle."""
        self._grown_ns = None
        if not self._in_flight and not self._hidden:
            self._pollers = float(min(_FIRST_POLLERS, self._most_pollers()))

    def _most_pollers(self) -> int:
        return _MOST_POLLERS if self.config.maximum_concurrency is None else self.config.maximum_concurrency

    def _make_visible(self, message: SqsMessage, at_ns: int) -> None:
        message.visible_ns = at_ns
        self._number += 1
        heapq.heappush(self._hidden, (at_ns, self._number, message))

    def _sample(self, metric: str, at_ns: int, value: float) -> None:
        self._samples.append(MetricSample(metric, at_ns, value))


def sqs_event(batch: SqsBatch, queue_arn: str) -> dict[str, Any]:
    """The function's event, in the shape that AWS's guide shows. Times are milliseconds since the epoch, as text."""
    return {"Records": [_sqs_record(message, queue_arn) for message in batch.messages]}


def _sqs_record(message: SqsMessage, queue_arn: str) -> dict[str, Any]:
    receipt = hashlib.sha256(f"{message.id}/{message.receives}".encode()).hexdigest()
    return {
        "messageId": message.id,
        "receiptHandle": f"AQEB{receipt}",
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": str(message.sent_ns // NS_PER_MS),
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": str(message.first_received_ns // NS_PER_MS),
        },
        "messageAttributes": {
            name: {"stringValue": value, "stringListValues": [], "binaryListValues": [], "dataType": "String"}
            for name, value in message.attributes.items()
        },
        "md5OfBody": hashlib.md5(message.body.encode()).hexdigest(),  # noqa: S324 - the field's name says MD5
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }
