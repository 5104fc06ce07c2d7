"""All triggers of a scenario, and the destinations of what they give up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from emulator.errors import InvokeError
from emulator.metrics import Target
from emulator.request import InvokeInput
from emulator.sources import MetricSample, SqsMessage, StreamNames
from emulator.triggers.asynchronous import EventQueue
from emulator.triggers.config import QueueConfig, SourceConfig, SourcesConfig, StreamSourceConfig
from emulator.triggers.host import Host
from emulator.triggers.queues import QueueTrigger
from emulator.triggers.streams import StreamTrigger

Trigger = StreamTrigger | QueueTrigger


class Triggers:
    """Streams, queues and the events of asynchronous invocation.

    Args:
        config: of the scenario.
        host: what they work with.
        region, account_id: of the ARNs.
    """

    def __init__(self, config: SourcesConfig, host: Host, region: str, account_id: str) -> None:
        self._config = config
        self._host = host
        self._region = region
        self._account_id = account_id
        self._sources = {name: self._make(name, source) for name, source in config.sources.items()}
        self._events = {
            function: EventQueue(function, config.asynchronous.of(function), host, self)
            for function in host.service.deployments
        }
        self._timers: list[asyncio.TimerHandle] = []
        self._is_stopping = False

    def start(self) -> None:
        """Begin to poll. The times of pauses count from now."""
        for trigger in self._sources.values():
            trigger.start()
        loop = asyncio.get_running_loop()
        for name, source in self._config.sources.items():
            for pause in source.mapping.pauses:
                enable = self._sources[name].enable
                self._timers.append(loop.call_later(pause.start_s, partial(enable, is_enabled=False)))
                self._timers.append(loop.call_later(pause.start_s + pause.for_s, partial(enable, is_enabled=True)))

    def stop(self) -> None:
        """Invoke nothing more. What is under way goes on."""
        self._is_stopping = True
        for timer in self._timers:
            timer.cancel()
        for trigger in [*self._sources.values(), *self._events.values()]:
            trigger.stop()

    async def close(self) -> None:
        """Forget what is under way."""
        await self._host.close()

    # What the outside asks for ----------------------------------------------------------------------------------------

    def invoke_event(self, asked: InvokeInput) -> str:
        """Queue an asynchronous request. Returns its request id. Raises InvokeError."""
        self._check_running()
        self._host.service.check(asked.function)
        return self._events[asked.function].send(asked)

    def put(self, source: str, key: str, value: Any) -> str:
        """Append a record to a stream or send a message to a queue. Returns its sequence number or id.

        Raises:
            InvokeError: there is no such source, or the emulator is stopping.
        """
        self._check_running()
        trigger = self._sources.get(source)
        if trigger is None:
            raise InvokeError(404, "ResourceNotFoundException", f"Source not found: {source}", Type="User")
        return trigger.put(key, value)

    def state(self) -> dict[str, Any]:
        """What waits in each source, and in each function's queue of events."""
        return {
            "sources": {name: trigger.state() for name, trigger in self._sources.items()},
            "asynchronous": {name: queue.state() for name, queue in self._events.items()},
        }

    # Destinations -----------------------------------------------------------------------------------------------------

    def deliver(
        self, to: str, body: str, *, attributes: Mapping[str, str], source: str, metric: str, function: str
    ) -> None:
        """See :class:`emulator.triggers.host.Destinations`. Topics, buckets and buses take everything."""
        kind, _, name = to.partition(":")
        delivered = True
        if kind == "sqs":
            queue = self._sources.get(name)
            delivered = isinstance(queue, QueueTrigger)
            if isinstance(queue, QueueTrigger):
                queue.put("", body, attributes)
        elif kind == "lambda":
            delivered = name in self._events
            if delivered and not self._is_stopping:
                self._events[name].send(self._host.asked(name, body.encode()))
        self._host.ledger.delivered(function, source, to, body, is_delivered=delivered)
        if not delivered:
            self._host.meter.source(Target(function), [MetricSample(metric, self._host.now_ns(), 1)])

    def _move(self, to: str, message: SqsMessage) -> None:
        """A message was received too often."""
        queue = self._sources[to]
        queue.put("", message.body, message.attributes)

    # Parts ------------------------------------------------------------------------------------------------------------

    def _make(self, name: str, config: SourceConfig) -> Trigger:
        if isinstance(config, QueueConfig):
            arn = f"arn:aws:sqs:{self._region}:{self._account_id}:{name}"
            return QueueTrigger(name, config, arn, self._host, self._move)
        return self._stream(name, config)

    def _stream(self, name: str, config: StreamSourceConfig) -> StreamTrigger:
        function = self._host.service.deployments[str(config.mapping.function)]
        names = StreamNames(self._region, self._account_id, name, function.arn)
        return StreamTrigger(name, config, names, self._host, self)

    def _check_running(self) -> None:
        if self._is_stopping:
            raise InvokeError(503, "ServiceUnavailableException", "the emulator is stopping")
