"""Weeks of fleets to which nothing happens: no pause is told of, but of those that were made.

What the rule looks at is how many invocations each minute has. Those are drawn as the emulator's fleets draw them, of
300 functions with rates, nights and weekends of their own, for many fleets and ends. At its end some functions of each
fleet are in a pause that goes on.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from clickhouse_connect.driver.client import Client

from dashboard.config import SqlEndpoint
from dashboard.filters import Filters
from dashboard.sql import SqlSource, filter_params, statement
from dashboard.timeaxis import absolute_window
from emulator.fleet.config import build, load
from emulator.fleet.profiles import Profile, Trigger
from emulator.fleet.rhythm import rate_at
from tests.support.cloudwatch import store_at

FULL = os.environ.get("LAMBDASCOPE_SOAK") == "1"
FLEETS = range(1000, 1050) if FULL else range(1000, 1002)
DAYS = 7 if FULL else 2
MINUTES = DAYS * 1440
NEWEST = datetime(2026, 6, 8, tzinfo=UTC)
PAUSES_MIN = (15, 25, 40, 60, 90, 120, 240)
GOING_ON_MIN = (12, 20, 35, 60, 100, 180)
"""How long before the end pauses begin that go on."""
ENOUGH = 150
"""A pause in which so many were due has to be found; those of less may be."""
RATE_EVERY_MIN = 5
MOST_A_MINUTE = 10
"""More in a minute say no more of pauses."""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600 if FULL else 180)]


class Pause(NamedTuple):
    first: int
    """Minute of the fleet's history."""
    end: int
    due: float


class Told(NamedTuple):
    function: str
    first: float
    end: float


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with store_at(tmp_path_factory.mktemp("quiet")) as (_, client):
        yield client


def rates(profile: Profile, begin_minute: int) -> np.ndarray:
    """Requests expected in each minute."""
    every = range(begin_minute, begin_minute + MINUTES, RATE_EVERY_MIN)
    return np.repeat([60 * rate_at(profile, minute * 60_000) for minute in every], RATE_EVERY_MIN)


def history(number: int, begin: datetime, *, swing: float | None = None) -> tuple[pd.DataFrame, dict[str, Pause]]:
    """Minutes of invocations by function, and the pauses of four functions that read queues and of four others.

    Those of the others go on at the end.
    """
    draw, dice = random.Random(number), np.random.default_rng(number)
    begin_minute = int(begin.timestamp()) // 60
    profiles = build(load(None), number).profiles
    if swing is not None:
        profiles = tuple(replace(one, daily_swing=swing) for one in profiles)
    busiest = sorted(profiles, key=lambda one: -one.requests_per_s)
    queues = [one for one in busiest if one.trigger is Trigger.SQS]
    others = [one for one in busiest if one.trigger is Trigger.DIRECT]
    pauses: dict[str, Pause] = {}
    found = []
    for profile in profiles:
        rate = rates(profile, begin_minute)
        counts = dice.poisson(rate)
        if profile in queues[:4]:
            first = draw.randrange(200, MINUTES - 480)
            end = first + draw.choice(PAUSES_MIN)
            due = float(rate[first:end].sum())
            pauses[profile.name] = Pause(first, end, due)
            counts[first:end] = 0
            counts[end] += int(due // profile.batch_size)  # what waited comes in full batches
        elif profile in others[:4]:
            first = MINUTES - draw.choice(GOING_ON_MIN)
            pauses[profile.name] = Pause(first, MINUTES, float(rate[first:].sum()))
            counts[first:] = 0
        minutes = np.repeat(np.arange(begin_minute, begin_minute + MINUTES), np.minimum(counts, MOST_A_MINUTE))
        found.append(pd.DataFrame({"FunctionName": profile.name, "Start": 60 * minutes}))
    return pd.concat(found, ignore_index=True), pauses


def store(client: Client, invocations: pd.DataFrame, folder: Path) -> None:
    for table in ("lambda_invocation_parts", "lambda_rollups"):
        client.command(f"TRUNCATE TABLE {table}")
    file = folder / "invocations.tsv"
    invocations.to_csv(file, sep="\t", header=False, index=False)
    client.command(
        "INSERT INTO lambda_invocation_parts "
        "(AccountId, Region, FunctionName, InstanceId, Start, RequestId, Attempt, Source, Seen) "
        "SELECT '1', 'r', name, 'i', toDateTime64(start, 9, 'UTC'), toString(rowNumberInAllBlocks()), 1, 'extension', "
        f"1 FROM file('{file}', 'TSV', 'name String, start UInt32')",
        settings={"async_insert": 0, "max_partitions_per_insert_block": 0},
    )


def roll_up(client: Client) -> None:
    """Hours of invocations, as the jobs keep them."""
    client.command(
        "INSERT INTO lambda_rollups (PeriodS, Time, AccountId, Region, FunctionName, Version, Invocations) "
        "SELECT 3600, toStartOfHour(Start, 'UTC') AS Hour, AccountId, Region, FunctionName, 1, count() "
        "FROM lambda_invocation_parts GROUP BY Hour, AccountId, Region, FunctionName"
    )


def told(client: Client, begin: datetime) -> set[Told]:
    """What the statement says of each day, as the pages ask it."""
    first = begin.replace(hour=0, minute=0)
    days = (first + timedelta(days=number) for number in range(DAYS + 1))
    return set().union(*(told_of(client, begin, day, day + timedelta(days=1)) for day in days))


def told_of(client: Client, begin: datetime, since: datetime, until: datetime) -> set[Told]:
    """What it says of a time."""
    source, text = SqlSource(client, SqlEndpoint("http", "127.0.0.1", 0)), statement("invocations_stopped")
    asked = filter_params(Filters(), absolute_window(since, until, until + timedelta(days=1)))
    rows = source.frame(text, {key: value for key, value in asked.items() if f"{{{key}:" in text})
    return {
        Told(row["FunctionName"], *((row[one] - begin).total_seconds() / 60 for one in ("Began", "Ended")))
        for row in rows.to_dict("records")
    }


def of_none(found: set[Told], pauses: Mapping[str, Pause]) -> list[Told]:
    """Those of which there was no pause."""
    nothing = Pause(0, 0, 0)
    return [
        one for one in found
        if not (one.first < (pause := pauses.get(one.function, nothing)).end and pause.first < one.end)
    ]  # fmt: skip


@pytest.mark.parametrize("number", FLEETS)
def test_no_pause_is_told_of_but_those_that_were(client: Client, number: int, tmp_path: Path) -> None:
    """Every other fleet has rollups, by which the day before is known."""
    begin = NEWEST - timedelta(minutes=random.Random(-number).randrange(7 * 1440), days=DAYS)
    invocations, pauses = history(number, begin)
    store(client, invocations, tmp_path)
    if number % 2:
        roll_up(client)
    found = told(client, begin)
    assert of_none(found, pauses) == []
    missed = {name: one for name, one in pauses.items() if one.due >= ENOUGH}
    for one in found:
        missed.pop(one.function, None)
    assert missed == {}
    end = begin + timedelta(minutes=MINUTES)
    now = {one.function for one in told_of(client, begin, end - timedelta(hours=1), end)}
    assert {name for name, one in pauses.items() if one.end == MINUTES and one.due >= ENOUGH} <= now


def test_nights_without_any_traffic_are_no_pauses(client: Client, tmp_path: Path) -> None:
    """Every function's traffic falls to nothing at night, as little as it may."""
    begin = NEWEST - timedelta(days=DAYS, hours=5)
    invocations, pauses = history(7, begin, swing=1.0)
    store(client, invocations, tmp_path)
    assert of_none(told(client, begin), pauses) == []
