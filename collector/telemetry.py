"""What the collector counts about itself, and how /metrics shows it (Prometheus' text format)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from collector.otlp.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX: Final = "lambdascope_collector_"


def _zero() -> dict[Signal, int]:
    return dict.fromkeys(Signal, 0)


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
class Gauges:
    """What is true now.

    Attributes:
        spool_bytes: size of the spool.
        in_flight_bytes: requests that are being worked on.
        store_up: whether the last exchange with ClickHouse succeeded.
    """

    spool_bytes: int
    in_flight_bytes: int
    store_up: bool


def prometheus_text(counters: Counters, gauges: Gauges) -> str:
    """The page of /metrics. For each signal, received = stored + rejected + queued."""
    return "".join(_lines(counters, gauges))


_PER_SIGNAL: Final = (
    ("received_items_total", "counter", "Items acknowledged, and items found in the spool at the start."),
    ("stored_items_total", "counter", "Items that ClickHouse has."),
    ("rejected_items_total", "counter", "Items that ClickHouse refused for good; they are in the quarantine."),
    ("queued_items", "gauge", "Items in the spool."),
    ("repeated_items_total", "counter", "Items of repeated exports, which were not stored again."),
)


def _lines(counters: Counters, gauges: Gauges) -> Iterator[str]:
    values = (counters.received, counters.stored, counters.rejected, counters.queued, counters.repeated)
    for (name, kind, text), per_signal in zip(_PER_SIGNAL, values, strict=True):
        yield _head(name, kind, text)
        for signal in Signal:
            yield f'{PREFIX}{name}{{signal="{signal.label}"}} {per_signal[signal]}\n'
    yield _head("refused_requests_total", "counter", "Requests that were not acknowledged, by reason.")
    for reason, count in sorted(counters.refused.items()):
        yield f'{PREFIX}refused_requests_total{{reason="{reason}"}} {count}\n'
    for name, kind, text, value in (
        ("insert_failures_total", "counter", "Inserts that failed and were tried again.", counters.insert_failures),
        ("undecoded_batches_total", "counter", "Batches that were decoded in Python.", counters.undecoded_batches),
        ("spool_torn_bytes_total", "counter", "Unacknowledged bytes cut off at the start.", counters.torn_bytes),
        ("spool_damaged_bytes_total", "counter", "Bytes cut off because of damage.", counters.damaged_bytes),
        ("spool_bytes", "gauge", "Size of the spool.", gauges.spool_bytes),
        ("in_flight_bytes", "gauge", "Size of the requests that are being worked on.", gauges.in_flight_bytes),
        ("store_up", "gauge", "1 where the last exchange with ClickHouse succeeded.", int(gauges.store_up)),
    ):
        yield _head(name, kind, text)
        yield f"{PREFIX}{name} {value}\n"


def _head(name: str, kind: str, text: str) -> str:
    return f"# HELP {PREFIX}{name} {text}\n# TYPE {PREFIX}{name} {kind}\n"
