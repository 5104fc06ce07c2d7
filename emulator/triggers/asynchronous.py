"""Asynchronous invocation: a function's own queue of events."""

from __future__ import annotations

import json
import uuid
from typing import Any

from emulator.metrics import Target
from emulator.request import InvokeInput
from emulator.sources import AsyncConfig, AsyncEnd, AsyncEvent, AsyncQueue, dead_letter_attributes, destination_record
from emulator.triggers.host import Alarm, Destinations, Host, text_of

SUCCESS = "Success"


class EventQueue:
    """Invokes a function with the events it was sent, again after errors and throttles, as Lambda does."""

    def __init__(self, function: str, config: AsyncConfig, host: Host, destinations: Destinations) -> None:
        self._function = function
        self._config = config
        self._host = host
        self._destinations = destinations
        self._queue = AsyncQueue(config, lambda: str(uuid.uuid4()))
        self._alarm = Alarm(host.clock, self._poll)
        self._answers: dict[str, bytes] = {}
        """The last answer to each event that may be tried again."""
        self._in_flight = 0
        self._is_stopping = False

    def send(self, asked: InvokeInput) -> str:
        """Accept an event. Returns its request id, which all its attempts have."""
        event = self._queue.send(asked, self._host.now_ns(), asked.request_id)
        self._poll()
        return event.request_id

    def stop(self) -> None:
        """Begin no more attempts; what is under way goes on."""
        self._is_stopping = True
        self._alarm.cancel()

    def state(self) -> dict[str, int]:
        """Events that wait, and those that are being processed."""
        return {"waiting": len(self._queue), "in_flight": self._in_flight}

    def _poll(self) -> None:
        disabled = self._host.service.deployments[self._function].config.reserved_concurrency == 0
        for event in self._queue.poll(self._host.now_ns(), disabled=disabled):
            self._in_flight += 1
            self._host.background(self._serve(event))
        self._settle()

    async def _serve(self, event: AsyncEvent) -> None:
        try:
            attempt = await self._host.run(event.payload)
        finally:
            self._in_flight -= 1
        if attempt.answer:
            self._answers[event.request_id] = attempt.answer
        self._queue.complete(event, attempt.outcome, self._host.now_ns())
        self._settle()

    def _settle(self) -> None:
        for end in self._queue.take_ends():
            self._ended(end, self._answers.pop(end.event.request_id, b""))
        self._host.meter.source(Target(self._function), self._queue.take_samples())
        if not self._is_stopping:
            self._alarm.set(self._queue.next_poll_ns())

    def _ended(self, end: AsyncEnd, answer: bytes) -> None:
        """An event left the queue: tell the destinations."""
        self._host.ledger.event_ended(self._function, end.event.request_id, end.condition, end.event.attempts)
        succeeded = end.condition == SUCCESS
        to = self._config.on_success if succeeded else self._config.on_failure
        if to is not None:
            self._deliver(to, self._record(end, answer), {}, "DestinationDeliveryFailures")
        if not succeeded and self._config.dead_letter_queue is not None:
            attributes = dead_letter_attributes(end, _error_message(answer))
            body = end.event.payload.payload.decode(errors="replace")
            self._deliver(self._config.dead_letter_queue, body, attributes, "DeadLetterErrors")

    def _record(self, end: AsyncEnd, answer: bytes) -> str:
        asked: InvokeInput = end.event.payload
        qualified = asked.invoked_arn
        if qualified.endswith(f":function:{self._function}"):
            qualified += ":$LATEST"
        shown = AsyncEnd(AsyncEvent(asked.request_id, text_of(asked.payload), end.event.received_ns), *_rest(end))
        shown.event.attempts = end.event.attempts
        version = self._host.service.deployments[self._function].config.version
        return json.dumps(destination_record(shown, qualified, version, text_of(answer)))

    def _deliver(self, to: str, body: str, attributes: dict[str, str], metric: str) -> None:
        self._destinations.deliver(
            to, body, attributes=attributes, source=self._function, metric=metric, function=self._function
        )


def _rest(end: AsyncEnd) -> tuple[str, int]:
    return end.condition, end.at_ns


def _error_message(answer: bytes) -> str:
    error: Any = text_of(answer)
    return str(error.get("errorMessage", "")) if isinstance(error, dict) else str(error)
