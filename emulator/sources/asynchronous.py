"""The queue of asynchronous invocation, as a state machine in simulated time.

The rules are those of "How Lambda handles errors and retries with asynchronous invocation" and "Capturing records of
Lambda asynchronous invocations".
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from emulator.clock import NS_PER_MS, NS_PER_S, rfc3339
from emulator.sources.common import Backoff, Condition, MetricSample, Outcome

ERROR_DELAYS_S: Final = (60.0, 120.0)
"""One minute before the second attempt, two before the third."""
NOT_INVOKED: Final = Backoff(1.0, 300.0)
"""Throttles and faults of the service: from 1 second to 5 minutes."""


@dataclass(frozen=True, slots=True)
class AsyncConfig:
    """EventInvokeConfig of a function and its dead-letter queue."""

    max_retries: int = 2
    max_event_age_s: float = 21_600.0
    error_delays_s: tuple[float, ...] = ERROR_DELAYS_S
    """How long each attempt after an error waits; the last figure is that of all further ones. AWS has no setting."""
    dead_letter_queue: str | None = None
    on_success: str | None = None
    on_failure: str | None = None


class AsyncEvent:
    """An event in the queue. Its attempts share one request id."""

    __slots__ = ("attempts", "not_invoked", "payload", "received_ns", "request_id")

    def __init__(self, request_id: str, payload: Any, received_ns: int) -> None:
        self.request_id = request_id
        self.payload = payload
        self.received_ns = received_ns
        self.attempts = 0
        """How often the function ran."""
        self.not_invoked = 0
        """How often in a row it did not come to run."""


@dataclass(frozen=True, slots=True)
class AsyncEnd:
    """An event that leaves the queue. ``condition`` is ``Success`` or why it was given up."""

    event: AsyncEvent
    condition: str
    at_ns: int


class AsyncQueue:
    """Events that wait for their next attempt.

    Args:
        config: of the function.
        new_id: makes request ids.
    """

    def __init__(self, config: AsyncConfig, new_id: Callable[[], str]) -> None:
        self.config = config
        self._new_id = new_id
        self._waiting: list[tuple[int, int, AsyncEvent]] = []
        self._number = 0
        self._ends: list[AsyncEnd] = []
        self._samples: list[MetricSample] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def send(self, payload: Any, now_ns: int, request_id: str | None = None) -> AsyncEvent:
        """Accept an event, as the status 202 says. The first attempt is due at once.

        Args:
            payload: the event, or whatever stands for it.
            now_ns: the time.
            request_id: of all its attempts; by default a new one.
        """
        event = AsyncEvent(request_id or self._new_id(), payload, now_ns)
        self._sample("AsyncEventsReceived", now_ns, 1)
        self._wait(event, now_ns)
        return event

    def poll(self, now_ns: int, *, disabled: bool = False) -> list[AsyncEvent]:
        """The events to invoke the function with now. Those that have grown too old are given up on the way.

        Args:
            now_ns: the time.
            disabled: the function's reserved concurrency is 0: events are given up without any attempt.
        """
        events = []
        while self._waiting and self._waiting[0][0] <= now_ns:
            event = heapq.heappop(self._waiting)[2]
            if disabled:
                self._give_up(event, Condition.ASYNC_DISABLED, now_ns)
            elif now_ns - event.received_ns > self.config.max_event_age_s * NS_PER_S:
                self._give_up(event, Condition.ASYNC_AGE, now_ns)
            else:
                self._sample("AsyncEventAge", now_ns, (now_ns - event.received_ns) / NS_PER_MS)
                events.append(event)
        return events

    def next_poll_ns(self) -> int | None:
        """When an event is due; None while the queue is empty."""
        return self._waiting[0][0] if self._waiting else None

    def complete(self, event: AsyncEvent, outcome: Outcome, now_ns: int) -> None:
        """Say how an attempt ended."""
        if outcome is Outcome.NOT_INVOKED:
            event.not_invoked += 1
            self._wait(event, now_ns + NOT_INVOKED.delay_ns(event.not_invoked))
            return
        event.not_invoked = 0
        event.attempts += 1
        if outcome is Outcome.SUCCESS:
            self._ends.append(AsyncEnd(event, "Success", now_ns))
        elif event.attempts > self.config.max_retries:
            self._give_up(event, Condition.ASYNC_RETRIES, now_ns)
        else:
            self._wait(event, now_ns + self._error_delay_ns(event.attempts))

    def take_ends(self) -> list[AsyncEnd]:
        """The events that left the queue since the last call."""
        ends, self._ends = self._ends, []
        return ends

    def take_samples(self) -> list[MetricSample]:
        """The metrics since the last call."""
        samples, self._samples = self._samples, []
        return samples

    def _error_delay_ns(self, attempts: int) -> int:
        delays_s = self.config.error_delays_s
        return round(delays_s[min(attempts, len(delays_s)) - 1] * NS_PER_S)

    def _give_up(self, event: AsyncEvent, condition: str, now_ns: int) -> None:
        self._sample("AsyncEventsDropped", now_ns, 1)
        self._ends.append(AsyncEnd(event, condition, now_ns))

    def _wait(self, event: AsyncEvent, until_ns: int) -> None:
        self._number += 1
        heapq.heappush(self._waiting, (until_ns, self._number, event))

    def _sample(self, metric: str, at_ns: int, value: float) -> None:
        self._samples.append(MetricSample(metric, at_ns, value))


def destination_record(end: AsyncEnd, function_arn: str, version: str, response: Any) -> dict[str, Any]:
    """What an on-success or on-failure destination receives. ``function_arn`` carries its qualifier."""
    response_context: dict[str, Any] = {"statusCode": 200, "executedVersion": version}
    if end.condition != "Success":
        response_context["functionError"] = "Unhandled"
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": rfc3339(end.at_ns),
        "requestContext": {
            "requestId": end.event.request_id,
            "functionArn": function_arn,
            "condition": end.condition,
            "approximateInvokeCount": end.event.attempts,
        },
        "requestPayload": end.event.payload,
    }
    if end.event.attempts:
        record |= {"responseContext": response_context, "responsePayload": response}
    return record


def dead_letter_attributes(end: AsyncEnd, error_message: str) -> dict[str, str]:
    """Attributes of the message in the dead-letter queue, whose body is the event: the error's first 1 KB."""
    message = error_message.encode()[:1024].decode(errors="ignore")
    return {"RequestID": end.event.request_id, "ErrorCode": "200", "ErrorMessage": message}
