"""Mappings that did not poll although records came: told of with their function, where chance cannot bring it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from clickhouse_connect.driver.client import Client

from dashboard.config import SqlEndpoint
from dashboard.filters import Filters
from dashboard.sql import SqlSource, filter_params, statement
from dashboard.timeaxis import absolute_window
from emulator.fleet.config import build, load
from emulator.fleet.profiles import Trigger
from emulator.fleet.rhythm import rate_at
from tests.support.cloudwatch import store_at

FULL = os.environ.get("LAMBDASCOPE_SOAK") == "1"
BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
DAY = 1440
GAP = (700, 740)
"""Minutes of the day."""

Counts = dict[int, float]
"""By minute of the day."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with store_at(tmp_path_factory.mktemp("mappings")) as (_, client):
        yield client


def store(client: Client, figures: Mapping[tuple[str, str], Counts], account: str = "1") -> None:
    """Points, by name of the metric and whose it is: a mapping's or a function's."""
    rows = []
    for (metric, name), counts in figures.items():
        key = "EventSourceMappingUUID" if metric == "PolledEventCount" else "FunctionName"
        rows += [
            ["AWS/Lambda", metric, {key: name}, key, BEGIN + timedelta(minutes=minute), 60, value, account, "r"]
            for minute, value in counts.items()
        ]
    columns = ["Namespace", "MetricName", "Dimensions", "DimensionSet", "Time", "PeriodS", "Sum", "AccountId", "Region"]
    settings = {"async_insert": 0, "max_partitions_per_insert_block": 0}
    client.insert("lambda_metrics", rows, column_names=columns, settings=settings)


def told(client: Client, days: int = 1) -> pd.DataFrame:
    source, text = SqlSource(client, SqlEndpoint("http", "127.0.0.1", 0)), statement("mappings_stopped")
    window = absolute_window(BEGIN, BEGIN + timedelta(days=days), BEGIN + timedelta(days=days))
    asked = filter_params(Filters(), window)
    return source.frame(text, {key: value for key, value in asked.items() if f"{{{key}:" in text})


def came(per_minute: float, seed: int = 1, gap: tuple[int, int] = (0, 0)) -> Counts:
    """Records that come by chance: none in the gap, as nothing polls."""
    dice = np.random.default_rng(seed)
    counts = {minute: float(n) for minute, n in enumerate(dice.poisson(per_minute, DAY)) if n}
    return {minute: n for minute, n in counts.items() if not gap[0] <= minute < gap[1]}


def invoked(polled: Counts) -> Counts:
    return {minute: 1.0 for minute, n in polled.items() if n}


WAITED = came(1, gap=GAP) | {GAP[1]: 38.0}
HEAPS = came(0.2) | dict.fromkeys(range(5, DAY, 60), 60.0)
IDLE = dict.fromkeys(range(*GAP), 0.0)
CASES = {
    "it did not poll": ({"worker": WAITED}, {"worker": invoked(WAITED)}, {"worker"}),
    "few records, and many after it": (
        {"worker": came(0.4, 3, GAP) | {740: 9.0, 741: 6.0}},
        {"worker": invoked(came(0.4, 3, GAP) | {740: 9.0, 741: 6.0})},
        {"worker"},
    ),
    "nothing came": ({"worker": came(1, gap=GAP)}, {"worker": invoked(came(1, gap=GAP))}, set()),
    "it polled, and nothing came until much did": ({"worker": IDLE | WAITED}, {"worker": invoked(WAITED)}, set()),
    "records come in heaps": ({"worker": HEAPS}, {"worker": invoked(HEAPS)}, set()),
    "it was invoked meanwhile": ({"worker": WAITED}, {"worker": invoked(came(1))}, set()),
    "another has invocations at other times": (
        {"worker": WAITED},
        {"worker": invoked(WAITED), "other": invoked(came(1, 2, GAP))},
        {"worker"},
    ),
    "nobody has invocations at these times": ({"worker": WAITED}, {"other": invoked(came(1, 2, GAP))}, set()),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mapping_that_did_not_poll_is_told_of(client: Client, case: str) -> None:
    polled, ran, functions = CASES[case]
    client.command("TRUNCATE TABLE lambda_metrics")
    store(client, {("PolledEventCount", f"uuid-of-{name}"): counts for name, counts in polled.items()})
    store(client, {("Invocations", name): counts for name, counts in ran.items()})
    rows = told(client).to_dict("records")
    assert {row["FunctionName"] for row in rows} == functions
    for row in rows:
        assert (row["Page"], row["Cause"], row["Sure"]) == ("function", "paused_mapping", "likely")
        # From the minute after the last poll on, which was some minutes earlier by chance.
        early = pd.Timestamp(BEGIN + timedelta(minutes=GAP[0])) - row["Began"]
        assert timedelta() <= early <= timedelta(minutes=6)
        assert row["Ended"] == pd.Timestamp(BEGIN + timedelta(minutes=GAP[1]))


def test_a_consumer_of_a_stream_is_told_of_on_the_page_of_streams(client: Client) -> None:
    client.command("TRUNCATE TABLE lambda_metrics")
    store(client, {("PolledEventCount", "uuid"): WAITED, ("IteratorAge", "projector"): dict.fromkeys(WAITED, 0.0)})
    store(client, {("Invocations", "projector"): invoked(WAITED)})
    assert list(told(client)["Page"]) == ["streams"]


def test_what_runs_in_another_account_is_not_blamed(client: Client) -> None:
    client.command("TRUNCATE TABLE lambda_metrics")
    store(client, {("PolledEventCount", "uuid"): WAITED})
    store(client, {("Invocations", "worker"): invoked(WAITED)}, account="2")
    assert told(client).empty


def test_the_inventory_says_whose_mapping_it_is(client: Client) -> None:
    client.command("TRUNCATE TABLE lambda_metrics")
    columns = ["AccountId", "Region", "FunctionName", "Uuid", "PolledAt"]
    client.insert("lambda_event_source_mappings", [["1", "r", "seldom", "uuid", BEGIN]], column_names=columns)
    store(client, {("PolledEventCount", "uuid"): WAITED})
    # The function has another caller as well, and is invoked at other times too.
    seldom = {minute: 1.0 for minute in range(0, DAY, 3) if not GAP[0] <= minute < GAP[1]}
    store(client, {("Invocations", "seldom"): seldom, ("Invocations", "worker"): invoked(WAITED)})
    assert list(told(client)["FunctionName"]) == ["seldom"]
    client.command("TRUNCATE TABLE lambda_event_source_mappings")


@pytest.mark.soak
@pytest.mark.parametrize("number", range(20 if FULL else 1))
def test_mappings_that_poll_are_never_told_of(client: Client, number: int) -> None:
    """A week of those of a fleet, by day and night; some records come in heaps, at drawn times."""
    client.command("TRUNCATE TABLE lambda_metrics")
    draw, dice = random.Random(number), np.random.default_rng(number)
    days = 7 if FULL else 2
    begin_ms = int(BEGIN.timestamp()) * 1000
    figures = {}
    for profile in build(load(None), number).profiles:
        if not profile.trigger.is_stream and profile.trigger is not Trigger.SQS:
            continue
        times = draw.choice([1, 5, 25, 100])
        rates = [60 * times * rate_at(profile, begin_ms + hour * 3_600_000) for hour in range(24 * days)]
        counts = dice.poisson(np.repeat(rates, 60)).astype(float)
        if draw.random() < 0.3:
            counts[:: draw.choice([15, 30, 60, 120])] += draw.choice([10, 50, 200])
        polled = {int(minute): float(counts[minute]) for minute in np.flatnonzero(counts)}
        figures["PolledEventCount", f"uuid-of-{profile.name}"] = polled
        figures["Invocations", profile.name] = invoked(polled)
    store(client, figures)
    assert told(client, days).empty
