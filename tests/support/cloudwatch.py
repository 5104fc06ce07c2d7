"""Fleets with a known truth, and their CloudWatch metrics in a store of their own."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from collector.cloudwatch.point import Point, dimension_set
from collector.cloudwatch.spooled import encode, rows
from collector.config import StoreUrl
from collector.store.clickhouse import ClickHouseStore
from emulator.fleet.config import Fleet
from emulator.fleet.facts import Throttle
from emulator.fleet.simulation import Simulation
from emulator.metrics import MetricPoint
from emulator.metrics.catalogue import METRICS

US_PER_MINUTE = 60_000_000
_ROWS = 200_000


@dataclass
class FleetRun:
    """What a fleet did, as its metrics and as the truth behind them."""

    points: list[MetricPoint] = field(default_factory=list)
    throttles: dict[tuple[str, int], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Causes by function and minute, the latter in seconds since the epoch."""


def run_fleet(fleet: Fleet, start_us: int) -> FleetRun:
    """Simulate it."""
    run = FleetRun()
    for minute in Simulation(fleet, start_us, with_metrics=True).minutes():
        run.points += minute.points
        for fact in minute.facts:
            if isinstance(fact, Throttle):
                run.throttles[fact.profile.name, fact.at_us // US_PER_MINUTE * 60][str(fact.cause)] += 1
    return run


def as_point(point: MetricPoint, account_id: str = "123456789012", region: str = "eu-west-1") -> Point:
    """A point of the emulator as /firehose reads it."""
    dimensions = dict(point.dimensions)
    return Point(
        "AWS/Lambda",
        point.metric,
        dimensions,
        dimension_set(dimensions),
        point.start_ns // 1_000_000_000,
        60,
        point.total,
        point.minimum,
        point.maximum,
        float(point.count),
        {},
        METRICS[point.metric].unit.value,
        account_id,
        region,
    )


@contextlib.contextmanager
def store_at(folder: Path) -> Iterator[tuple[ClickHouseStore, Client]]:
    """An embedded store with all tables, and a client of it."""
    url = StoreUrl(f"chdb://{folder / 'store'}")
    store = ClickHouseStore(url)
    store.open()
    client = clickhouse_connect.get_client(dsn=url.dsn)
    try:
        yield store, client
    finally:
        client.close()
        store.close()


def insert_points(
    store: ClickHouseStore, points: list[MetricPoint], token: str, *, account_id: str = "123456789012"
) -> None:
    """Points as /firehose stores them."""
    for first in range(0, len(points), _ROWS):
        part = [as_point(one, account_id) for one in points[first : first + _ROWS]]
        body = encode(part, 1_800_000_000_000_000_000)
        store.insert(rows([body]), f"{token}-{first}")
