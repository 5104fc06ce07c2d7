"""Fleets with incidents of every kind, of drawn size, hour and length: the Fleet page names each, and nothing else.

From the emulator's metrics and invocations to the rows of the page, without a browser. Each fleet has an incident that
still goes on at its end. One takes half a minute of processor time, so all of it is a soak.
"""

from __future__ import annotations

import os
import random
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from clickhouse_connect.driver.client import Client

from collector.jobs.causes import Causes
from collector.store.clickhouse import ClickHouseStore
from dashboard import causes
from dashboard.charts import fleet as shaping
from dashboard.charts.cold_starts import releases
from dashboard.config import SqlEndpoint
from dashboard.filters import Filters
from dashboard.plans import INCIDENTS
from dashboard.questions import question
from dashboard.sql import SqlSource, filter_params, statement
from dashboard.timeaxis import Window, absolute_window
from emulator.fleet.config import Fleet
from emulator.fleet.facts import Invocation, Throttle
from emulator.fleet.simulation import Simulation
from emulator.metrics import MetricPoint
from tests.support.cloudwatch import insert_points, store_at
from tests.support.fleet import fleet_of

FULL = os.environ.get("LAMBDASCOPE_SOAK") == "1"
FLEETS = range(300, 304)
HOURS = 8
NEWEST = datetime(2026, 6, 8, tzinfo=UTC)
ENOUGH = 150
"""A pause in which so many invocations were due has to be found; those of less may be."""

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not FULL, reason="takes minutes: LAMBDASCOPE_SOAK=1"),
]

TITLES = {
    "reserved_limit": {"Reserved concurrency used up"},
    "reserved_zero": {"Reserved concurrency is 0"},
    "request_rate_limit": {"Request rate of the reservation"},
    "scaling_rate_limit": {"Faster than Lambda adds sandboxes"},
    "account_limit": {"Account's concurrency used up"},
    "poisoned_shard": {"A shard stands still"},
    # Of a queue whose mapping still does not invoke nobody can tell that from callers that are gone.
    "paused_mapping": {"The mapping does not invoke", "Nothing was invoked"},
}


class Run(NamedTuple):
    points: list[MetricPoint]
    starts: dict[str, list[float]]
    """Seconds since the epoch, by function."""
    throttles: set[tuple[str, str]]
    """Function and cause."""


class Stored(NamedTuple):
    store: ClickHouseStore
    client: Client


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    with store_at(tmp_path_factory.mktemp("drawn")) as (store, client):
        yield Stored(store, client)


def drawn(number: int) -> Fleet:
    """Every kind once, one after the other, and one of them again until after the end."""
    draw = random.Random(number)
    quota, environments = draw.choice([(300, 50), (400, 60), (600, 100)])
    reserved, ms = draw.choice([1, 2, 3, 5, 10]), draw.choice([150, 400, 1000, 2500])
    short, load = draw.choice([1, 2, 3, 5]), draw.choice([80, 120])
    kinds: list[dict[str, Any]] = [
        {
            "kind": "reserved_limit",
            "reserved": reserved,
            "duration_ms": ms,
            "requests_per_s": round(reserved * 1000 / ms * draw.uniform(1.5, 4), 1),
        },
        {"kind": "reserved_zero"},
        {
            "kind": "request_rate_limit",
            "reserved": short,
            "duration_ms": draw.choice([3, 5, 10]),
            "requests_per_s": short * 10 * draw.choice([1.5, 2, 4]),
        },
        {"kind": "scaling_rate_limit", "burst": round(environments * draw.uniform(1.5, 3)), "duration_ms": 3000},
        {"kind": "account_limit", "requests_per_s": load, "duration_ms": round(quota * 1000 / load * 1.5)},
        {"kind": "poisoned_shard", "shard": 0},
        {"kind": "paused_mapping"},
    ]
    again = dict(draw.choice(kinds), start_h=HOURS - draw.uniform(0.3, 1), for_min=300)
    draw.shuffle(kinds)
    step = (HOURS - 2) / len(kinds)
    for index, one in enumerate(kinds):
        longest = 12 if one["kind"] == "account_limit" else 0.7 * 60 * step
        one.update(start_h=round(0.5 + step * index, 2), for_min=round(draw.uniform(0.4, 1) * min(60, longest)))
    return fleet_of(
        {
            "functions": draw.choice([30, 48]),
            "days": HOURS / 24,
            "requests_per_s": draw.choice([1.5, 2.5]),
            "limits": {"account_concurrency": quota, "unreserved_minimum": 20, "scaling_environments": environments},
            "incidents": [*kinds, again],
        },
        number,
    )


def run_of(fleet: Fleet, begin: datetime) -> Run:
    run = Run([], defaultdict(list), set())
    for minute in Simulation(fleet, int(begin.timestamp()) * 1_000_000, with_metrics=True).minutes():
        run.points.extend(minute.points)
        for fact in minute.facts:
            if isinstance(fact, Invocation):
                run.starts[fact.sandbox.profile.name].append(fact.start_us / 1e6)
            elif isinstance(fact, Throttle):
                run.throttles.add((fact.profile.name, str(fact.cause)))
    return run


def put(stored: Stored, run: Run, account: str, folder: Path) -> None:
    insert_points(stored.store, run.points, account, account_id=account)
    rows = pd.DataFrame([(name, at) for name, starts in run.starts.items() for at in starts])
    rows.to_csv(folder / "starts.tsv", sep="\t", header=False, index=False)
    stored.client.command(
        "INSERT INTO lambda_invocation_parts "
        "(AccountId, Region, FunctionName, InstanceId, Start, RequestId, Attempt, Source, Seen) "
        f"SELECT '{account}', 'eu-west-1', name, 'i', toDateTime64(start, 9, 'UTC'), "
        f"'{account}-' || toString(rowNumberInAllBlocks()), 1, 'extension', 1 "
        f"FROM file('{folder / 'starts.tsv'}', 'TSV', 'name String, start Float64')",
        settings={"async_insert": 0, "max_partitions_per_insert_block": 0},
    )
    Causes(stored.client).run(settled=True)


def told(client: Client, account: str, window: Window) -> list[dict[str, Any]]:
    """The rows of the Fleet page's incidents, without releases."""
    source, parts = SqlSource(client, SqlEndpoint("http", "127.0.0.1", 0)), []
    for name in INCIDENTS:
        text = statement(name)
        for part in question(name).parts(window):
            asked = filter_params(Filters(scope=f"{account}/eu-west-1"), part)
            parts.append(source.frame(text, {key: value for key, value in asked.items() if f"{{{key}:" in text}))
    found = shaping.incidents(parts, window.begin, releases(pd.DataFrame(), window))
    return [
        {str(key): value for key, value in row.items()} | {"Title": causes.title(row["Page"], row["Cause"])}
        for row in found.to_dict("records")
    ]


def is_visible(incident: Any, run: Run, begin_s: float, end_s: float) -> bool:
    """Whether it did to its function what it is meant to: a limit was met, enough invocations did not come."""
    starts = run.starts[incident.function]
    if incident.kind == "paused_mapping":
        before = bisect_left(starts, begin_s) - bisect_left(starts, begin_s - 1800)
        return before * (end_s - begin_s) / 1800 >= ENOUGH
    return incident.kind == "poisoned_shard" or (incident.function, incident.cause) in run.throttles


@pytest.mark.parametrize("number", FLEETS)
def test_each_incident_is_named_and_nothing_else_is(stored: Stored, number: int, tmp_path: Path) -> None:
    fleet = drawn(number)
    end = NEWEST - timedelta(minutes=random.Random(-number).randrange(7 * 1440))
    begin = end - timedelta(hours=HOURS)
    run, account = run_of(fleet, begin), f"{number:012d}"
    put(stored, run, account, tmp_path)
    rows = told(stored.client, account, absolute_window(begin, end, end))
    assert not [row for row in rows if row["FunctionName"] not in {one.function for one in fleet.incidents}]
    for one in fleet.incidents:
        since = begin + timedelta(minutes=round(one.start_h * 60))
        until = min(end, since + timedelta(minutes=one.for_min))
        mine = [row for row in rows if row["FunctionName"] == one.function and row["Title"] in TITLES[one.kind]]
        at_its_time = [row for row in mine if row["Began"] <= until and row["Ended"] >= since]
        assert at_its_time or not is_visible(one, run, since.timestamp(), until.timestamp()), (one, rows)
