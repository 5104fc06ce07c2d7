"""A stream in front of a function."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from emulator.clock import NS_PER_MS, NS_PER_S
from emulator.metrics import Mapping as MetricMapping
from emulator.metrics import Target
from emulator.sources import (
    Outcome,
    StreamBatch,
    StreamDiscard,
    StreamNames,
    StreamRecord,
    StreamSource,
    dynamodb_event,
    dynamodb_failure,
    dynamodb_number,
    failed_items,
    kinesis_event,
    kinesis_failure,
    kinesis_number,
)
from emulator.triggers.config import DYNAMODB, KINESIS, StreamSourceConfig
from emulator.triggers.host import Alarm, Destinations, Host, text_of

_IDLE_POLL_NS: Final = 60 * NS_PER_S
"""An idle mapping polls all the same, and says so once a minute."""


@dataclass(frozen=True, slots=True)
class _Kind:
    event: Callable[[StreamBatch, StreamNames], dict[str, Any]]
    failure: Callable[[StreamDiscard, StreamNames, str], dict[str, Any]]
    number: Callable[[StreamRecord], str]
    seen: Callable[[StreamRecord, StreamNames], dict[str, Any]]
    """As filters see a record."""


def _kinesis_seen(record: StreamRecord, _: StreamNames) -> dict[str, Any]:
    """Filters read the data itself, which events have in Base64."""
    return {"partitionKey": record.partition_key, "data": text_of(record.data)}


def _dynamodb_seen(record: StreamRecord, names: StreamNames) -> dict[str, Any]:
    seen: dict[str, Any] = dynamodb_event(StreamBatch(record.shard, 0, (record,), 1, 0), names)["Records"][0]
    return seen


_KINDS: Final[Mapping[str, _Kind]] = {
    KINESIS: _Kind(kinesis_event, kinesis_failure, kinesis_number, _kinesis_seen),
    DYNAMODB: _Kind(dynamodb_event, dynamodb_failure, dynamodb_number, _dynamodb_seen),
}


class StreamTrigger:
    """Reads a stream's shards and invokes the function with their batches."""

    def __init__(
        self, name: str, config: StreamSourceConfig, names: StreamNames, host: Host, destinations: Destinations
    ) -> None:
        assert config.mapping.function is not None, "a stream without a function is refused in the scenario"
        self.function = config.mapping.function
        self._name = name
        self._config = config
        self._names = names
        self._kind = _KINDS[config.kind]
        self._host = host
        self._destinations = destinations
        self._source = StreamSource(config.stream, None if config.mapping.accepts is None else self._accepts)
        self._source.enabled = config.mapping.enabled
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
        """Enable or pause the mapping. Records gather meanwhile."""
        self._source.enabled = is_enabled
        self._poll()

    def put(self, key: str, value: Any, attributes: Mapping[str, str] | None = None) -> str:
        """Append a record: bytes or any JSON. Returns its sequence number."""
        del attributes  # records have none
        if self._config.kind == DYNAMODB:
            data: Any = {"Id": {"S": key}, "data": {"S": json.dumps(value)}}
        else:
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
        record = self._source.put(key, data, self._host.now_ns())
        self._plan()
        return self._kind.number(record)

    def state(self) -> dict[str, Any]:
        """What waits, and what is being processed."""
        waiting = sum(records for _, records, _ in self._source.backlog())
        return {
            "kind": self._config.kind,
            "function": self.function,
            "enabled": self._source.enabled,
            "waiting": waiting,
            "batches_in_flight": self._in_flight,
            "expired": self._source.expired,
        }

    def _accepts(self, record: StreamRecord) -> bool:
        assert self._config.mapping.accepts is not None, "asked only where there is a filter"
        return self._config.mapping.accepts(self._kind.seen(record, self._names))

    def _poll(self) -> None:
        for batch in self._source.poll(self._host.now_ns()):
            self._in_flight += 1
            self._host.background(self._serve(batch))
        self._settle(str(uuid.uuid4()))

    async def _serve(self, batch: StreamBatch) -> None:
        asked = self._host.asked(self.function, json.dumps(self._kind.event(batch, self._names)).encode())
        try:
            attempt = await self._host.run(asked)
        finally:
            self._in_flight -= 1
        if attempt.outcome is not Outcome.NOT_INVOKED:
            age_ms = batch.iterator_age_ns / NS_PER_MS
            self._host.meter.iterator_age(Target(self.function), batch.sent_ns, age_ms)
            self._host.ledger.batch(self.function, self._name, asked.request_id, len(batch.records), age_ms)
        outcome, first_failed = self._judge(batch, attempt.outcome, attempt.answer)
        self._source.complete(batch, outcome, self._host.now_ns(), first_failed=first_failed)
        self._settle(asked.request_id)

    def _judge(self, batch: StreamBatch, outcome: Outcome, answer: bytes) -> tuple[Outcome, int | None]:
        """What came of the batch, and the first record that failed where the function names those."""
        if outcome is not Outcome.SUCCESS or not self._config.mapping.reports_failures:
            return outcome, None
        numbers = [self._kind.number(record) for record in batch.records]
        failed = failed_items(answer, numbers)
        if failed is None:
            return Outcome.FUNCTION_ERROR, None
        return outcome, min((numbers.index(number) for number in failed), default=None)

    def _settle(self, request_id: str) -> None:
        """Tell what was given up and counted, and plan the next poll."""
        for discard in self._source.take_discards():
            to = self._config.stream.on_failure_destination
            self._host.ledger.given_up(
                self.function, self._name, request_id, discard.condition, len(discard.batch.records)
            )
            if to is not None:
                body = json.dumps(self._kind.failure(discard, self._names, request_id))
                self._destinations.deliver(
                    to,
                    body,
                    attributes={},
                    source=self._name,
                    metric="DestinationDeliveryFailures",
                    function=self.function,
                )
        self._host.meter.source(self._metrics, self._source.take_samples())
        self._plan()

    def _plan(self) -> None:
        if self._source.enabled:
            idle_ns = (self._host.now_ns() // _IDLE_POLL_NS + 1) * _IDLE_POLL_NS
            self._alarm.set(min(self._source.next_poll_ns() or idle_ns, idle_ns))
