"""A queue in front of a function, or by itself."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from emulator.metrics import Mapping as MetricMapping
from emulator.sources import Outcome, SqsBatch, SqsMessage, SqsSource, failed_items, sqs_event
from emulator.triggers.config import QueueConfig
from emulator.triggers.host import Alarm, Host, text_of

SendTo = Callable[[str, SqsMessage], None]
"""Moves a message to the queue of that name."""


class QueueTrigger:
    """Receives a queue's messages and invokes the function with their batches."""

    def __init__(self, name: str, config: QueueConfig, arn: str, host: Host, move: SendTo) -> None:
        self._name = name
        self._config = config
        self._arn = arn
        self._host = host
        self._move = move
        accepts = None if config.mapping.accepts is None else self._accepts
        self._source = SqsSource(config.queue, lambda: str(uuid.uuid4()), accepts)
        self._source.enabled = config.mapping.enabled and config.mapping.function is not None
        self._metrics = MetricMapping(str(uuid.uuid5(uuid.NAMESPACE_URL, f"event-source-mapping/{name}")))
        self._alarm = Alarm(host.clock, self._poll)
        self._in_flight = 0

    def start(self) -> None:
        """Begin to poll."""
        self._poll()

    def stop(self) -> None:
        """Poll no more; what is under way goes on."""
        self._source.enabled = False
        self._alarm.cancel()

    def enable(self, *, is_enabled: bool) -> None:
        """Enable or pause the mapping."""
        self._source.enabled = is_enabled and self._config.mapping.function is not None
        self._poll()

    def put(self, key: str, value: Any, attributes: Mapping[str, str] | None = None) -> str:
        """Send a message: a text as it is, anything else as JSON. Returns its id."""
        del key  # standard queues have no groups
        body = value if isinstance(value, str) else json.dumps(value)
        message = self._source.send(body, self._host.now_ns(), attributes or {})
        self._plan()
        return message.id

    def state(self) -> dict[str, Any]:
        """What waits, and what is being processed."""
        return {
            "kind": self._config.kind,
            "function": self._config.mapping.function,
            "enabled": self._source.enabled,
            "waiting": self._source.backlog(self._host.now_ns())[0],
            "batches_in_flight": self._in_flight,
            "expired": self._source.expired,
        }

    def _accepts(self, message: SqsMessage) -> bool:
        """Filters of queues read the body, as JSON where it is some."""
        assert self._config.mapping.accepts is not None, "asked only where there is a filter"
        return self._config.mapping.accepts({"body": text_of(message.body.encode())})

    def _poll(self) -> None:
        for batch in self._source.poll(self._host.now_ns()):
            self._in_flight += 1
            self._host.background(self._serve(batch))
        self._settle()

    async def _serve(self, batch: SqsBatch) -> None:
        function = self._config.mapping.function
        assert function is not None, "a queue without a function is never polled"
        asked = self._host.asked(function, json.dumps(sqs_event(batch, self._arn)).encode())
        try:
            attempt = await self._host.run(asked)
        finally:
            self._in_flight -= 1
        if attempt.outcome is not Outcome.NOT_INVOKED:
            self._host.ledger.batch(function, self._name, asked.request_id, len(batch.messages), None)
        outcome, failed = attempt.outcome, frozenset[str]()
        if outcome is Outcome.SUCCESS and self._config.mapping.reports_failures:
            named = failed_items(attempt.answer, {message.id for message in batch.messages})
            outcome, failed = (Outcome.FUNCTION_ERROR, failed) if named is None else (outcome, named)
        self._source.complete(batch, outcome, self._host.now_ns(), failed_ids=failed)
        self._settle()

    def _settle(self) -> None:
        to = self._config.dead_letter_queue
        while self._source.dead_letters and to is not None:
            self._move(to, self._source.dead_letters.pop(0))
        self._host.meter.source(self._metrics, self._source.take_samples())
        self._plan()

    def _plan(self) -> None:
        if self._source.enabled:
            self._alarm.set(self._source.next_poll_ns())
