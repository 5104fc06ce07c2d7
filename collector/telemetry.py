"""What the collector counts about itself, and how /metrics shows it to Prometheus."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from prometheus_client import generate_latest
from prometheus_client.core import (
    CollectorRegistry,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from collector.otlp.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX: Final = "lambdascope_collector_"


def _zero() -> dict[Signal, int]:
    return dict.fromkeys(Signal, 0)


LATENCY_BOUNDS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(slots=True)
class Latencies:
    """A histogram. ``counts[i]`` is how many took at most ``LATENCY_BOUNDS_S[i]`` and longer than the bound below."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_S) + 1))
    sum_s: float = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        self.sum_s += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound, as Prometheus has them."""
        bounds = [*map(str, LATENCY_BOUNDS_S), "+Inf"]
        return list(zip(bounds, itertools.accumulate(map(float, self.counts)), strict=True))


@dataclass(slots=True)
class Counters:
    """Running totals since the start. Items are spans, log records and points.

    Attributes:
        received: items of requests that are durable, and what the spool held at the start.
        queued: of those, items that are in the spool and neither stored nor rejected.
        stored: of those, items that ClickHouse acknowledged.
        rejected: of those, items that ClickHouse refused for good; kept in the quarantine.
        repeated: items of requests that were acknowledged again without being stored again.
        refused: requests that got no acknowledgement, by the name of the error.
        insert_failures: inserts that failed and were tried again.
        insert_seconds: how long the inserts of batches took that succeeded.
        undecoded_batches: batches that ClickHouse could not decode, and that were decoded in Python.
        torn_bytes: cut off from the spool at the start: never acknowledged.
        damaged_bytes: cut off from the spool: damage on disk.
    """

    received: dict[Signal, int] = field(default_factory=_zero)
    queued: dict[Signal, int] = field(default_factory=_zero)
    stored: dict[Signal, int] = field(default_factory=_zero)
    rejected: dict[Signal, int] = field(default_factory=_zero)
    repeated: dict[Signal, int] = field(default_factory=_zero)
    refused: dict[str, int] = field(default_factory=dict)
    insert_failures: int = 0
    undecoded_batches: int = 0
    insert_seconds: Latencies = field(default_factory=Latencies)
    torn_bytes: int = 0
    damaged_bytes: int = 0

    def receive(self, signal: Signal, items: int) -> None:
        """Count items that have become durable."""
        self.received[signal] += items
        self.queued[signal] += items

    def settle(self, signal: Signal, *, stored: int, rejected: int) -> None:
        """Count items that the spool no longer answers for."""
        self.queued[signal] -= stored + rejected
        self.stored[signal] += stored
        self.rejected[signal] += rejected

    def refuse(self, reason: str) -> None:
        """Count one refused request."""
        self.refused[reason] = self.refused.get(reason, 0) + 1


@dataclass(frozen=True, slots=True)
class StoreState:
    """What ClickHouse says of itself, of the tables that the collector writes to.

    Attributes:
        parts: active parts, per table.
        disk_bytes: their size, per table.
        repeated_blocks: blocks that it recognised as inserted before, since it started.
    """

    parts: Mapping[str, int] = field(default_factory=dict)
    disk_bytes: Mapping[str, int] = field(default_factory=dict)
    repeated_blocks: int = 0


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is true now.

    Attributes:
        spool_bytes: size of the spool.
        oldest_age_s: how long ago the oldest request in the spool came; 0 where it is empty.
        free_bytes: free space of the spool's disk.
        in_flight_bytes: requests that are being worked on.
        connections: open connections of plain OTLP/HTTP.
        store_up: whether the last exchange with ClickHouse succeeded.
        store: as of some seconds ago.
    """

    spool_bytes: int
    oldest_age_s: float
    free_bytes: int
    in_flight_bytes: int
    connections: int
    store_up: bool
    store: StoreState


def prometheus_text(counters: Counters, gauges: Gauges) -> str:
    """The page of /metrics. For each signal, received = stored + rejected + queued."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Page([*_items(counters), *_totals(counters), *_now(gauges)]))
    return generate_latest(registry).decode()


class _Page(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client wants it."""
        yield from self._families


def _items(counters: Counters) -> Iterator[Metric]:
    rows = (
        ("received_items", "Items acknowledged, and items found in the spool at the start.", counters.received),
        ("stored_items", "Items that ClickHouse has.", counters.stored),
        ("rejected_items", "Items that ClickHouse refused for good; they are in the quarantine.", counters.rejected),
        ("repeated_items", "Items of repeated exports, which were not stored again.", counters.repeated),
    )
    for name, text, values in rows:
        family = CounterMetricFamily(PREFIX + name, text, labels=["signal"])
        for signal in Signal:
            family.add_metric([signal.label], values[signal])
        yield family
    queued = GaugeMetricFamily(PREFIX + "queued_items", "Items in the spool.", labels=["signal"])
    for signal in Signal:
        queued.add_metric([signal.label], counters.queued[signal])
    yield queued


def _totals(counters: Counters) -> Iterator[Metric]:
    refused = CounterMetricFamily(
        PREFIX + "refused_requests", "Requests that were not acknowledged, by reason.", labels=["reason"]
    )
    for reason, count in sorted(counters.refused.items()):
        refused.add_metric([reason], count)
    yield refused
    rows = (
        ("insert_failures", "Inserts that failed and were tried again.", counters.insert_failures),
        ("undecoded_batches", "Batches that were decoded in Python.", counters.undecoded_batches),
        ("spool_torn_bytes", "Unacknowledged bytes cut off at the start.", counters.torn_bytes),
        ("spool_damaged_bytes", "Bytes cut off because of damage.", counters.damaged_bytes),
    )
    for name, text, value in rows:
        yield CounterMetricFamily(PREFIX + name, text, value=value)
    yield HistogramMetricFamily(
        PREFIX + "insert_seconds",
        "How long the inserts of batches took that succeeded.",
        buckets=counters.insert_seconds.buckets(),
        sum_value=counters.insert_seconds.sum_s,
    )


def _now(gauges: Gauges) -> Iterator[Metric]:
    rows = (
        ("spool_bytes", "Size of the spool.", gauges.spool_bytes),
        ("spool_oldest_age_seconds", "How long ago the oldest request in the spool came.", gauges.oldest_age_s),
        ("disk_free_bytes", "Free space of the spool's disk.", gauges.free_bytes),
        ("in_flight_bytes", "Size of the requests that are being worked on.", gauges.in_flight_bytes),
        ("http_connections", "Open connections of plain OTLP/HTTP.", gauges.connections),
        ("store_up", "1 where the last exchange with ClickHouse succeeded.", int(gauges.store_up)),
    )
    for name, text, value in rows:
        yield GaugeMetricFamily(PREFIX + name, text, value=value)
    yield CounterMetricFamily(
        PREFIX + "store_repeated_blocks",
        "Blocks that ClickHouse recognised as inserted before.",
        value=gauges.store.repeated_blocks,
    )
    for name, text, values in (
        ("store_parts", "Active parts of a table.", gauges.store.parts),
        ("store_disk_bytes", "Size of a table.", gauges.store.disk_bytes),
    ):
        family = GaugeMetricFamily(PREFIX + name, text, labels=["table"])
        for table, count in sorted(values.items()):
            family.add_metric([table], count)
        yield family
