"""Between traffic and the model: what each trigger makes of an arrival."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Protocol

from emulator.clock import NS_PER_S
from emulator.fleet.profiles import Profile, Trigger
from emulator.sources import (
    AsyncConfig,
    AsyncEvent,
    AsyncQueue,
    MetricSample,
    Outcome,
    SqsBatch,
    SqsConfig,
    SqsSource,
    StreamBatch,
    StreamConfig,
    StreamSource,
)

_POISON: Final = b"poison"
_HARMLESS: Final = b"record"
_NS_PER_US: Final = 1000

OnEnd = Callable[[Outcome, int], None]
"""Told how an invocation ended, and when in microseconds."""


class Host(Protocol):
    """What a feed needs of the simulation."""

    def new_id(self) -> str:
        """A request or message id."""

    def at(self, at_us: int, action: Callable[[int], None]) -> None:
        """Do something at a time."""

    def is_disabled(self, function: str) -> bool:
        """Whether the function's reserved concurrency is 0."""

    def invoke(
        self,
        function: str,
        request_id: str,
        now_us: int,
        on_end: OnEnd | None = None,
        *,
        poisoned: bool = False,
        iterator_age_ms: int | None = None,
        records: int = 1,
    ) -> None:
        """Ask for an invocation; ``on_end`` is told at once where it is throttled."""

    def sample(self, function: str, samples: Iterable[MetricSample], *, of_mapping: bool) -> None:
        """Samples of the function, or of its event source mapping."""


class Feed(Protocol):
    """Takes arrivals, one by one."""

    def arrive(self, now_us: int) -> None:
        """A request, event, message or record."""


class DirectFeed:
    """Callers that wait for the answer, and do not ask again after a 429."""

    def __init__(self, function: str, host: Host) -> None:
        self._function = function
        self._host = host

    def arrive(self, now_us: int) -> None:
        """A request."""
        self._host.invoke(self._function, self._host.new_id(), now_us)


class _PollingFeed:
    """A source that says when to ask it again."""

    def __init__(self, function: str, host: Host) -> None:
        self._function = function
        self._host = host
        self._wake_us: int | None = None

    def poll(self, now_us: int) -> None:
        raise NotImplementedError

    def _wake(self, due_ns: int | None, now_us: int) -> None:
        """Ask again when something is due, unless that is already planned."""
        if due_ns is None:
            return
        due_us = max(now_us, -(-due_ns // _NS_PER_US))
        if self._wake_us is None or due_us < self._wake_us:
            self._wake_us = due_us
            self._host.at(due_us, self._woken)

    def _woken(self, now_us: int) -> None:
        if self._wake_us is not None and self._wake_us <= now_us:
            self._wake_us = None
        self.poll(now_us)


class AsyncFeed(_PollingFeed):
    """The queue of asynchronous invocation."""

    def __init__(self, function: str, host: Host) -> None:
        super().__init__(function, host)
        self._queue = AsyncQueue(AsyncConfig(), host.new_id)

    def arrive(self, now_us: int) -> None:
        """An event."""
        self._queue.send(None, now_us * _NS_PER_US)
        self.poll(now_us)

    def poll(self, now_us: int) -> None:
        """Invoke what is due."""
        disabled = self._host.is_disabled(self._function)
        for event in self._queue.poll(now_us * _NS_PER_US, disabled=disabled):
            self._host.invoke(self._function, event.request_id, now_us, partial(self._ended, event))
        self._settle(now_us)

    def _ended(self, event: AsyncEvent, outcome: Outcome, now_us: int) -> None:
        self._queue.complete(event, outcome, now_us * _NS_PER_US)
        self._settle(now_us)

    def _settle(self, now_us: int) -> None:
        self._queue.take_ends()
        self._host.sample(self._function, self._queue.take_samples(), of_mapping=False)
        self._wake(self._queue.next_poll_ns(), now_us)


class SqsFeed(_PollingFeed):
    """A queue, with the visibility timeout that AWS recommends: six times the function's."""

    def __init__(self, profile: Profile, host: Host) -> None:
        super().__init__(profile.name, host)
        config = SqsConfig(
            visibility_timeout_s=6 * profile.timeout_s,
            max_receive_count=5,
            batch_size=profile.batch_size,
            batching_window_s=profile.batching_window_s,
        )
        self.source = SqsSource(config, host.new_id)

    def arrive(self, now_us: int) -> None:
        """A message."""
        self.source.send("", now_us * _NS_PER_US)
        self.poll(now_us)

    def poll(self, now_us: int) -> None:
        """Invoke with what is due."""
        for batch in self.source.poll(now_us * _NS_PER_US):
            request_id = self._host.new_id()
            ended = partial(self._ended, batch)
            self._host.invoke(self._function, request_id, now_us, ended, records=len(batch.messages))
        self._settle(now_us)

    def _settle(self, now_us: int) -> None:
        self._host.sample(self._function, self.source.take_samples(), of_mapping=True)
        self._wake(self.source.next_poll_ns(), now_us)

    def _ended(self, batch: SqsBatch, outcome: Outcome, now_us: int) -> None:
        self.source.complete(batch, outcome, now_us * _NS_PER_US)
        self._settle(now_us)


class StreamFeed(_PollingFeed):
    """A stream with its mapping. Records go to shards by chance, as with well-chosen partition keys."""

    def __init__(self, profile: Profile, host: Host, draw: random.Random) -> None:
        super().__init__(profile.name, host)
        config = StreamConfig(
            shards=profile.shards,
            batch_size=profile.batch_size,
            batching_window_s=profile.batching_window_s,
            retention_s=86_400.0 if profile.trigger is Trigger.DYNAMODB else 7 * 86_400.0,
        )
        self.source = StreamSource(config)
        self.poisoned = False
        """Whether the function fails on poison records."""
        self._draw = draw

    def arrive(self, now_us: int) -> None:
        """A record."""
        self._put(_HARMLESS, int(self._draw.random() * self.source.config.shards), now_us)

    def poison(self, shard: int, now_us: int) -> None:
        """A record that the function fails on as long as ``poisoned`` is set."""
        self.poisoned = True
        self._put(_POISON, shard, now_us)

    def _put(self, data: bytes, shard: int, now_us: int) -> None:
        self.source.put("", data, now_us * _NS_PER_US, shard=shard)
        self._wake(self.source.next_poll_ns(), now_us)

    def poll(self, now_us: int) -> None:
        """Invoke with what is due."""
        for batch in self.source.poll(now_us * _NS_PER_US):
            age_ns = batch.iterator_age_ns
            poisoned = self.poisoned and any(record.data is _POISON for record in batch.records)
            self._host.invoke(
                self._function,
                self._host.new_id(),
                now_us,
                partial(self._ended, batch),
                poisoned=poisoned,
                iterator_age_ms=age_ns // (NS_PER_S // 1000),
                records=len(batch.records),
            )
        self._settle(now_us)

    def _settle(self, now_us: int) -> None:
        self.source.take_discards()
        self._host.sample(self._function, self.source.take_samples(), of_mapping=True)
        self._wake(self.source.next_poll_ns(), now_us)

    def _ended(self, batch: StreamBatch, outcome: Outcome, now_us: int) -> None:
        self.source.complete(batch, outcome, now_us * _NS_PER_US)
        self._settle(now_us)


def feed_of(profile: Profile, host: Host, draw: random.Random) -> Feed:
    """The feed of a function's trigger."""
    match profile.trigger:
        case Trigger.DIRECT:
            return DirectFeed(profile.name, host)
        case Trigger.ASYNCHRONOUS:
            return AsyncFeed(profile.name, host)
        case Trigger.SQS:
            return SqsFeed(profile, host)
        case _:
            return StreamFeed(profile, host, draw)
