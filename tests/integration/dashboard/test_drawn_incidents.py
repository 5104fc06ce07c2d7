"""Fleets with incidents of every kind, of drawn size, hour and length: the Fleet page names each, and nothing else.

From the emulator's metrics and invocations to the rows of the page, without a browser. In the soak each fleet has an
incident that still goes on at its end. And days of consumers of streams that time out and fail as they always do.
"""

from __future__ import annotations

import os
import random
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
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
FLEETS = range(300, 308) if FULL else range(302, 303)
QUIET_FLEETS = range(700, 706) if FULL else range(701, 702)
HOURS = 12 if FULL else 6
NEWEST = datetime(2026, 6, 8, tzinfo=UTC)
ENOUGH = 60
"""A pause in which so many invocations were due has to be found; those of less may be."""
ENOUGH_GOING_ON = 150
"""The same where it still goes on, so that only what was before it tells how many."""

LATE_MS = 15_000
"""Records that wait so long, and six times as long as batches gather, are late:"""
LATE_RECORDS, SLOW_INVOCATIONS, SLOW_MIN = 4, 12, 20
"""a consumer that is too slow has so many batches of them, of so many, for so long."""
INITS = 5
"""A release has to be told of that has so many cold starts, as the version before it has,"""
TIMES = 3
"""that take so many times as long."""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

TITLES = {
    "reserved_limit": {"Reserved concurrency used up"},
    "reserved_zero": {"Reserved concurrency is 0"},
    "request_rate_limit": {"Request rate of the reservation"},
    "scaling_rate_limit": {"Faster than Lambda adds sandboxes"},
    "account_limit": {"Account's concurrency used up"},
    "poisoned_shard": {"A shard stands still"},
    # Of a queue whose mapping still does not invoke nobody can tell that from callers that are gone.
    "paused_mapping": {"The mapping does not invoke", "Nothing was invoked"},
    "slow_consumer": {"The consumer is too slow"},
    "slow_init": {"Init of a version"},
}


class Ran(NamedTuple):
    """An invocation."""

    start: float
    """Seconds since the epoch."""
    version: str
    init_ms: float | None
    restore_ms: float | None
    age_ms: int

    @property
    def cold_ms(self) -> float | None:
        return self.init_ms or self.restore_ms


class Run(NamedTuple):
    points: list[MetricPoint]
    ran: dict[str, list[Ran]]
    """By function."""
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
    """Every kind once, one after the other, and one of them again until after the end; few, of those without a load."""
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
        {"kind": "slow_consumer", "factor": draw.choice([20, 50, 150])},
        {"kind": "slow_init", "factor": draw.choice([4, 6])},
    ]
    again = [dict(draw.choice(kinds), start_h=HOURS - draw.uniform(0.3, 1), for_min=300)] if FULL else []
    if not FULL:
        kinds = [one for one in kinds if "duration_ms" not in one]
    draw.shuffle(kinds)
    step = (HOURS - 2) / len(kinds)
    for index, one in enumerate(kinds):
        longest = {"account_limit": 12, "slow_init": 180}.get(one["kind"], min(60, 0.7 * 60 * step))
        one.update(start_h=round(0.5 + step * index, 2), for_min=round(draw.uniform(0.4, 1) * longest))
    return fleet_of(
        {
            "functions": draw.choice([30, 48]),
            "days": HOURS / 24,
            "requests_per_s": draw.choice([1.5, 2.5]),
            "limits": {"account_concurrency": quota, "unreserved_minimum": 20, "scaling_environments": environments},
            "incidents": [*kinds, *again],
        },
        number,
    )


def run_of(fleet: Fleet, begin: datetime) -> Run:
    run = Run([], defaultdict(list), set())
    for minute in Simulation(fleet, int(begin.timestamp()) * 1_000_000, with_metrics=True).minutes():
        run.points.extend(minute.points)
        for fact in minute.facts:
            if isinstance(fact, Invocation):
                init = fact.init
                cold_ms = None if init is None else init.duration_us / 1000
                restores = init is not None and init.restore
                run.ran[fact.sandbox.profile.name].append(
                    Ran(
                        fact.start_us / 1e6,
                        fact.sandbox.version,
                        None if restores else cold_ms,
                        cold_ms if restores else None,
                        fact.iterator_age_ms or 0,
                    )
                )
            elif isinstance(fact, Throttle):
                run.throttles.add((fact.profile.name, str(fact.cause)))
    return run


def put(stored: Stored, run: Run, account: str, folder: Path) -> None:
    insert_points(stored.store, run.points, account, account_id=account)
    rows = pd.DataFrame([(name, *one, one.cold_ms is not None) for name, ran in run.ran.items() for one in ran])
    rows.to_csv(folder / "ran.tsv", sep="\t", header=False, index=False, na_rep="\\N")
    stored.client.command(
        "INSERT INTO lambda_invocation_parts "
        "(AccountId, Region, FunctionName, InstanceId, Start, RequestId, Attempt, Source, Seen, FunctionVersion, "
        "InitDurationMs, RestoreDurationMs, ColdStart) "
        f"SELECT '{account}', 'eu-west-1', name, 'i', toDateTime64(start, 9, 'UTC'), "
        f"'{account}-' || toString(rowNumberInAllBlocks()), 1, 'extension', 1, version, init, restore, cold "
        f"FROM file('{folder / 'ran.tsv'}', 'TSV', 'name String, start Float64, version String, "
        "init Nullable(Float64), restore Nullable(Float64), age UInt32, cold Bool')",
        settings={"async_insert": 0, "max_partitions_per_insert_block": 0},
    )
    Causes(stored.client).run(settled=True)


def told(client: Client, account: str, window: Window) -> list[dict[str, Any]]:
    """The rows of the Fleet page's incidents."""
    source = SqlSource(client, SqlEndpoint("http", "127.0.0.1", 0))

    def answer(name: str, part: Window) -> pd.DataFrame:
        text, asked = statement(name), filter_params(Filters(scope=f"{account}/eu-west-1"), part)
        return source.frame(text, {key: value for key, value in asked.items() if f"{{{key}:" in text})

    parts = [answer(name, part) for name in INCIDENTS for part in question(name).parts(window)]
    found = shaping.incidents(parts, window.begin, releases(answer("init_by_version", window), window))
    return [
        {str(key): value for key, value in row.items()} | {"Title": causes.title(row["Page"], row["Cause"])}
        for row in found.to_dict("records")
    ]


def is_visible(incident: Any, run: Run, begin_s: float, end_s: float) -> bool:
    """Whether it did to its function what it is meant to: a limit was met, enough invocations did not come."""
    ran = run.ran[incident.function]
    during = [one for one in ran if begin_s <= one.start < end_s]
    if incident.kind == "paused_mapping":
        before = sum(begin_s - 1800 <= one.start < begin_s for one in ran)
        return before * (end_s - begin_s) / 1800 >= (ENOUGH if ran[-1].start >= end_s else ENOUGH_GOING_ON)
    if incident.kind == "slow_consumer":
        usual_ms = statistics.median(one.age_ms for one in ran)
        late = sum(one.age_ms >= max(LATE_MS, 6 * usual_ms) for one in during)
        return end_s - begin_s >= 60 * SLOW_MIN and len(during) >= SLOW_INVOCATIONS and late >= LATE_RECORDS
    if incident.kind == "slow_init":
        return is_slower(during, [one for one in ran if one.start < begin_s])
    return incident.kind == "poisoned_shard" or (incident.function, incident.cause) in run.throttles


def is_slower(during: list[Ran], before: list[Ran]) -> bool:
    """Whether the version that ran last in the meantime has far longer inits than the one that ran last before."""
    if not during or not before:
        return False
    colds = [[one.cold_ms for one in ran if one.version == ran[-1].version and one.cold_ms] for ran in (before, during)]
    if min(map(len, colds)) < INITS:
        return False
    return statistics.median(colds[1]) >= TIMES * statistics.median(colds[0])


def titled(row: Mapping[str, Any]) -> str:
    """What the row says, without the numbers of versions."""
    return "Init of a version" if row["Page"] == "cold_starts" else str(row["Title"])


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
        mine = [row for row in rows if row["FunctionName"] == one.function and titled(row) in TITLES[one.kind]]
        at_its_time = [row for row in mine if row["Began"] <= until and row["Ended"] >= since]
        assert at_its_time or not is_visible(one, run, since.timestamp(), until.timestamp()), (one, rows)


def consumers(number: int) -> Fleet:
    """Those that read streams."""
    described = {"functions": 300, "days": 3 if FULL else 1, "requests_per_s": (1.0, 2.0, 4.0)[number % 3]}
    fleet = fleet_of(described, number)
    return replace(fleet, profiles=tuple(one for one in fleet.profiles if one.trigger.is_stream))


@pytest.mark.parametrize("number", QUIET_FLEETS)
def test_consumers_to_whom_nothing_happens_are_not_told_of(stored: Stored, number: int, tmp_path: Path) -> None:
    """One of the small run's takes eleven seconds, at times a minute, and then times out."""
    fleet = consumers(number)
    begin = NEWEST - timedelta(days=fleet.days)
    account = f"{number:012d}"
    put(stored, run_of(fleet, begin), account, tmp_path)
    assert told(stored.client, account, absolute_window(begin, NEWEST, NEWEST)) == []
