"""A fleet as the streams that leave it: trace requests and Firehose deliveries. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from emulator.fleet.config import Fleet
from emulator.fleet.facts import Fact, Throttle
from emulator.fleet.ids import random_uuid
from emulator.fleet.otlp import SpanEncoder, TraceRequest
from emulator.metrics import FORMATS, Delivery, MetricPoint, MetricStream, deliveries, records


@dataclass(frozen=True, slots=True)
class Traces:
    """An ExportTraceServiceRequest, encoded."""

    body: bytes
    spans: int


class TraceStream:
    """Facts into requests of about a given size.

    Args:
        fleet: whose account and region the resources name.
        spans_per_request: a request is closed when it has so many. 1: each invocation by itself, as the layer sends it.
    """

    def __init__(self, fleet: Fleet, spans_per_request: int) -> None:
        self._encoder = SpanEncoder(fleet.account_id, fleet.region)
        self._spans_per_request = spans_per_request
        self._request = TraceRequest(self._encoder)

    def add(self, facts: Iterable[Fact]) -> Iterator[Traces]:
        """The requests that became full."""
        for fact in facts:
            if isinstance(fact, Throttle):
                continue
            self._request.add(fact.sandbox, list(self._encoder.spans(fact)))
            if self._request.spans >= self._spans_per_request:
                yield from self.rest()

    def rest(self) -> Iterator[Traces]:
        """What has been gathered, full or not."""
        if self._request.spans:
            yield Traces(self._request.encode(), self._request.spans)
            self._request = TraceRequest(self._encoder)


class MetricDeliveries:
    """Points into Firehose deliveries, of one metric stream.

    Args:
        fleet: whose account and region the stream is in.
        record_format: one of :data:`emulator.metrics.FORMATS`.
    """

    def __init__(self, fleet: Fleet, record_format: str) -> None:
        self._stream = MetricStream(fleet.account_id, fleet.region)
        self._encode = FORMATS[record_format]
        self._random = random.Random(f"{fleet.seed}/deliveries")

    def add(self, points: list[MetricPoint], now_us: int) -> Iterator[Delivery]:
        """The deliveries of a minute's points."""
        made = records(points, self._stream, self._encode)
        yield from deliveries(made, self._new_id, now_us // 1000)

    def _new_id(self) -> str:
        return random_uuid(self._random)
