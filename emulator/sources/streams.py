"""Kinesis-like and DynamoDB-streams-like event source mappings, as one state machine in simulated time.

The rules are those of "How Lambda processes records from stream and queue-based event sources" and of the pages about
Kinesis and DynamoDB: one batch at a time per shard (per shard and lane with a parallelisation factor), in order, and a
batch that fails blocks its lane until it succeeds, is given up, or grows too old.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from emulator.clock import NS_PER_S
from emulator.sources.common import MAX_EVENT_BYTES, Backoff, Condition, MetricSample, Outcome


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """An event source mapping of a stream, with the names and defaults of CreateEventSourceMapping."""

    shards: int = 1
    batch_size: int = 100
    batching_window_s: float = 0.0
    parallelization_factor: int = 1
    bisect_on_error: bool = False
    max_retries: int = -1
    """-1: until the records expire."""
    max_record_age_s: float = -1.0
    """-1: as long as the stream keeps them."""
    on_failure_destination: str | None = None
    retention_s: float = 86_400.0
    """How long the stream keeps a record: 24 hours on DynamoDB, 24 hours to 365 days on Kinesis."""
    retry: Backoff = field(default_factory=lambda: Backoff(1.0, 60.0))
    """AWS says that it backs off exponentially, and no figures."""


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A record of a shard."""

    shard: int
    number: int
    """Rises within the shard."""
    partition_key: str
    arrived_ns: int
    data: Any
    """Bytes for Kinesis, an item for DynamoDB."""
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StreamBatch:
    """Records of one shard to invoke the function with."""

    shard: int
    lane: int
    records: tuple[StreamRecord, ...]
    invoke_count: int
    """How many times these records have been sent, this one included."""
    sent_ns: int

    @property
    def iterator_age_ns(self) -> int:
        """The metric IteratorAge: the age of the batch's last record when it is sent."""
        return max(0, self.sent_ns - self.records[-1].arrived_ns)


@dataclass(frozen=True, slots=True)
class StreamDiscard:
    """A batch that was given up. Where the mapping has a destination, its invocation record goes there."""

    batch: StreamBatch
    condition: str
    at_ns: int


class _Piece:
    """Part of a batch that was not processed yet."""

    __slots__ = ("failures", "not_invoked", "records", "sends")

    def __init__(self, records: tuple[StreamRecord, ...], failures: int = 0, sends: int = 0) -> None:
        self.records = records
        self.failures = failures
        self.sends = sends
        self.not_invoked = 0


class _Lane:
    """What is processed strictly in order: a shard, or a share of its partition keys."""

    __slots__ = ("busy", "pieces", "queue", "retry_ns")

    def __init__(self) -> None:
        self.queue: deque[StreamRecord] = deque()
        self.pieces: deque[_Piece] = deque()
        self.busy = False
        self.retry_ns = 0


class StreamSource:
    """The shards of a stream and the mapping that reads them.

    Args:
        config: of both.
        accepts: the mapping's filter; records that it refuses are done with. None: no filter.

    Ask ``poll`` for batches whenever ``next_poll_ns`` says so, invoke the function with each, tell ``complete``.
    """

    def __init__(self, config: StreamConfig, accepts: Callable[[StreamRecord], bool] | None = None) -> None:
        self.config = config
        self._accepts = accepts
        self.enabled = True
        """False while the mapping is paused: records gather, nothing is read."""
        self.expired = 0
        """Records that the stream itself dropped, unread, at the end of their retention."""
        self._lanes = {
            (shard, lane): _Lane() for shard in range(config.shards) for lane in range(config.parallelization_factor)
        }
        self._numbers = [0] * config.shards
        self._discards: list[StreamDiscard] = []
        self._samples: list[MetricSample] = []
        self._empty_minute = -1

    # The stream ------------------------------------------------------------------------------------------------------

    def shard_of(self, partition_key: str) -> int:
        """The shard of a key: Kinesis spreads the key's MD5 evenly over the shards."""
        return int.from_bytes(hashlib.md5(partition_key.encode()).digest()) * self.config.shards >> 128  # noqa: S324 - Kinesis's own choice, no secret

    def put(self, partition_key: str, data: Any, now_ns: int, *, shard: int | None = None) -> StreamRecord:
        """Append a record to a shard, by default to its key's."""
        shard = self.shard_of(partition_key) if shard is None else shard
        self._numbers[shard] += 1
        size_bytes = len(data) if isinstance(data, bytes) else len(repr(data))
        record = StreamRecord(shard, self._numbers[shard], partition_key, now_ns, data, size_bytes)
        lane = zlib.crc32(partition_key.encode()) % self.config.parallelization_factor
        self._lanes[shard, lane].queue.append(record)
        return record

    def backlog(self) -> Iterator[tuple[int, int, int]]:
        """Of each shard that lags: its number, its unprocessed records, and when the oldest of them arrived."""
        for shard in range(self.config.shards):
            waiting = [record for key, lane in self._lanes.items() if key[0] == shard for record in _waiting(lane)]
            if waiting:
                yield shard, len(waiting), min(record.arrived_ns for record in waiting)

    # The mapping -----------------------------------------------------------------------------------------------------

    def poll(self, now_ns: int) -> list[StreamBatch]:
        """The batches to invoke the function with now, at most one for each lane."""
        if not self.enabled:
            return []
        batches = []
        for key, lane in self._lanes.items():
            if not lane.busy and lane.retry_ns <= now_ns:
                batch = self._next_batch(key, lane, now_ns)
                if batch is not None:
                    lane.busy = True
                    batches.append(batch)
        if not batches and now_ns // (60 * NS_PER_S) != self._empty_minute:
            self._empty_minute = now_ns // (60 * NS_PER_S)
            self._sample("PolledEventCount", now_ns, 0)
        return batches

    def next_poll_ns(self) -> int | None:
        """When ``poll`` may have a batch; None while nothing waits, or all that waits is being processed."""
        if not self.enabled:
            return None
        due = (self._due_ns(lane) for lane in self._lanes.values() if not lane.busy)
        return min((at_ns for at_ns in due if at_ns is not None), default=None)

    def complete(self, batch: StreamBatch, outcome: Outcome, now_ns: int, *, first_failed: int | None = None) -> None:
        """Say how a batch's invocation ended.

        Args:
            batch: as ``poll`` gave it.
            outcome: of the invocation.
            now_ns: when it ended.
            first_failed: of a function that answers ``batchItemFailures``: the index of the lowest record it names.
        """
        lane = self._lanes[batch.shard, batch.lane]
        lane.busy = False
        piece = lane.pieces[0]
        if outcome is Outcome.NOT_INVOKED:
            piece.sends -= 1
            piece.not_invoked += 1
            lane.retry_ns = now_ns + self.config.retry.delay_ns(piece.not_invoked)
            return
        piece.not_invoked = 0
        self._sample("InvokedEventCount", batch.sent_ns, len(batch.records))
        if outcome is Outcome.SUCCESS and first_failed is None:
            lane.pieces.popleft()
            return
        failed = len(batch.records) - (first_failed or 0)
        self._sample("FailedInvokeEventCount", now_ns, failed)
        self._retry(batch, lane, first_failed or 0, now_ns)

    def take_discards(self) -> list[StreamDiscard]:
        """The batches given up since the last call."""
        discards, self._discards = self._discards, []
        return discards

    def take_samples(self) -> list[MetricSample]:
        """The event counts since the last call."""
        samples, self._samples = self._samples, []
        return samples

    # Parts -----------------------------------------------------------------------------------------------------------

    def _due_ns(self, lane: _Lane) -> int | None:
        if lane.pieces:
            return lane.retry_ns
        if not lane.queue:
            return None
        if len(lane.queue) >= self.config.batch_size:
            return max(lane.retry_ns, lane.queue[0].arrived_ns)
        return max(lane.retry_ns, lane.queue[0].arrived_ns + round(self.config.batching_window_s * NS_PER_S))

    def _next_batch(self, key: tuple[int, int], lane: _Lane, now_ns: int) -> StreamBatch | None:
        self._drop_expired(key, lane, now_ns)
        while not lane.pieces:
            due_ns = self._due_ns(lane)
            if due_ns is None or due_ns > now_ns:
                return None
            polled = _take(lane.queue, self.config.batch_size)
            self._sample("PolledEventCount", now_ns, len(polled))
            records = self._filtered(polled, now_ns)
            if records:
                lane.pieces.append(_Piece(records))
        piece = lane.pieces[0]
        piece.sends += 1
        return StreamBatch(*key, piece.records, piece.sends, now_ns)

    def _filtered(self, polled: tuple[StreamRecord, ...], now_ns: int) -> tuple[StreamRecord, ...]:
        if self._accepts is None:
            return polled
        records = tuple(filter(self._accepts, polled))
        if len(records) < len(polled):
            self._sample("FilteredOutEventCount", now_ns, len(polled) - len(records))
        return records

    def _drop_expired(self, key: tuple[int, int], lane: _Lane, now_ns: int) -> None:
        """First what the stream no longer has, then what the mapping calls too old."""
        kept_ns = now_ns - round(self.config.retention_s * NS_PER_S)
        while lane.queue and lane.queue[0].arrived_ns <= kept_ns:
            lane.queue.popleft()
            self.expired += 1
        while lane.pieces and lane.pieces[0].records[-1].arrived_ns <= kept_ns:
            self.expired += len(lane.pieces.popleft().records)
        if self.config.max_record_age_s < 0:
            return
        young_ns = now_ns - round(self.config.max_record_age_s * NS_PER_S)
        while lane.pieces and lane.pieces[0].records[0].arrived_ns < young_ns:
            self._discard(key, lane.pieces.popleft(), Condition.STREAM_AGE, now_ns)
        old: list[StreamRecord] = []
        while not lane.pieces and lane.queue and lane.queue[0].arrived_ns < young_ns:
            old.append(lane.queue.popleft())
        if old:
            self._sample("PolledEventCount", now_ns, len(old))
        for first in range(0, len(old), self.config.batch_size):
            piece = _Piece(tuple(old[first : first + self.config.batch_size]))
            self._discard(key, piece, Condition.STREAM_AGE, now_ns)

    def _retry(self, batch: StreamBatch, lane: _Lane, first_failed: int, now_ns: int) -> None:
        """Narrow down to what failed, bisect it where that is asked for, or count the failure."""
        piece = lane.pieces.popleft()
        records = piece.records[first_failed:]
        if first_failed > 0:
            # Progress: the records before the failed one are done, and the retries count from here.
            lane.pieces.appendleft(_Piece(records))
        elif self.config.bisect_on_error and len(records) > 1:
            # "Splitting batches doesn't consume the retry quota."
            half = len(records) // 2
            lane.pieces.extendleft(
                [
                    _Piece(records[half:], piece.failures, piece.sends),
                    _Piece(records[:half], piece.failures, piece.sends),
                ]
            )
        else:
            piece.failures += 1
            if 0 <= self.config.max_retries < piece.failures:
                self._discard((batch.shard, batch.lane), piece, Condition.STREAM_RETRIES, now_ns)
                lane.retry_ns = now_ns
                return
            lane.pieces.appendleft(piece)
        lane.retry_ns = now_ns + self.config.retry.delay_ns(max(1, piece.failures))

    def _discard(self, key: tuple[int, int], piece: _Piece, condition: str, now_ns: int) -> None:
        batch = StreamBatch(*key, piece.records, piece.sends, now_ns)
        self._discards.append(StreamDiscard(batch, condition, now_ns))
        delivered = self.config.on_failure_destination is not None
        metric = "OnFailureDestinationDeliveredEventCount" if delivered else "DroppedEventCount"
        self._sample(metric, now_ns, len(piece.records))

    def _sample(self, metric: str, at_ns: int, value: float) -> None:
        self._samples.append(MetricSample(metric, at_ns, value))


def _take(queue: deque[StreamRecord], most: int) -> tuple[StreamRecord, ...]:
    """The first records, as many as fit into a batch and into an invocation's payload; at least one."""
    records = [queue.popleft()]
    size_bytes = records[0].size_bytes
    while queue and len(records) < most and size_bytes + queue[0].size_bytes <= MAX_EVENT_BYTES:
        records.append(queue.popleft())
        size_bytes += records[-1].size_bytes
    return tuple(records)


def _waiting(lane: _Lane) -> Iterator[StreamRecord]:
    for piece in lane.pieces:
        yield from piece.records
    yield from lane.queue
