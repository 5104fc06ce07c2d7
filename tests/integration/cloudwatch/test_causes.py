"""lambda_inferred_throttle_causes and lambda_stream_lag against fleets whose incidents are drawn by chance and known.

Each fleet is drawn from its number: other limits, loads, durations, batches, shards and lengths. Small in `make test`;
at its full size as a soak, with fleets that nobody has looked at.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from clickhouse_connect.driver.client import Client

from collector.jobs.causes import Causes
from collector.store.clickhouse import ClickHouseStore
from emulator.fleet.config import Fleet
from tests.support.cloudwatch import FleetRun, insert_points, run_fleet, store_at
from tests.support.fleet import START_US, fleet_of, one_function

pytestmark = pytest.mark.soak

FULL = os.environ.get("LAMBDASCOPE_SOAK") == "1"
FLEETS = range(100, 120) if FULL else (2,)
RANGE = "from = '2026-06-01 00:00:00', to = '2026-06-03 00:00:00'"
START = datetime.fromtimestamp(START_US // 1_000_000, UTC)
POLL_S = 300

MAY_BE_NAMED = {
    "reserved_limit": {"reserved_concurrency"},
    # Below 100 ms a sandbox that hangs makes the other limit of a reserved function the one that is reached.
    "request_rate_limit": {"reserved_request_rate", "reserved_concurrency"},
    "reserved_zero": {"reserved_zero"},
    # A load that comes at once meets the scaling rate on its way to the limit.
    "account_limit": {"account_concurrency", "scaling_rate"},
    "scaling_rate_limit": {"scaling_rate", "account_concurrency"},
}
"""Causes by kind of incident."""


class Stored(NamedTuple):
    store: ClickHouseStore
    client: Client


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    with store_at(tmp_path_factory.mktemp("causes")) as (store, client):
        yield Stored(store, client)


def incident_start(incident: Any) -> datetime:
    return START + timedelta(minutes=round(incident.start_h * 60))


# Throttles -----------------------------------------------------------------------------------------------------------


def throttled_fleet(number: int) -> Fleet:
    """An incident of each kind, one after the other."""
    draw = random.Random(number)
    quota = draw.choice([500, 1000, 2000, 3000, 5000])
    reserved, short = draw.choice([1, 2, 3, 5, 10, 20, 50]), draw.choice([1, 2, 5, 10])
    duration_ms, rate = draw.choice([150, 250, 400, 900, 2500]), draw.choice([100, 150, 300])
    incidents: list[dict[str, Any]] = [
        {
            "kind": "reserved_limit",
            "reserved": reserved,
            "duration_ms": duration_ms,
            "requests_per_s": round(reserved / duration_ms * 1000 * draw.uniform(1.3, 4), 1),
        },
        {"kind": "reserved_zero"},
        {
            "kind": "request_rate_limit",
            "reserved": short,
            "duration_ms": draw.choice([3, 4, 10]),
            "requests_per_s": short * 10 * draw.choice([1.5, 2, 3, 5]),
        },
        {
            "kind": "account_limit",
            "requests_per_s": rate,
            "duration_ms": quota / rate * 1000 * draw.choice([1.3, 2]),
        },
    ]
    if quota >= 2000:
        burst, ms = draw.choice([1400, 2000, 2600]), draw.choice([1000, 4000, 6000])
        incidents.append({"kind": "scaling_rate_limit", "burst": burst, "duration_ms": ms})
    draw.shuffle(incidents)
    for index, incident in enumerate(incidents):
        incident.update(start_h=0.4 + 0.6 * index, for_min=draw.choice([3, 5, 12]))
    return fleet_of(
        {
            "functions": draw.choice([40, 60]),
            "days": (0.6 * len(incidents) + 0.6) / 24,
            "requests_per_s": draw.choice([1, 3]),
            "limits": {"account_concurrency": quota},
            "incidents": incidents,
        },
        number,
    )


def poll(client: Client, fleet: Fleet, account_id: str) -> None:
    """What an inventory that polls every five minutes has seen of the limits."""
    functions, limits = [], []
    for second in range(-POLL_S + 7, round(fleet.days * 86_400) + POLL_S, POLL_S):
        at = START + timedelta(seconds=second)
        limits.append([account_id, "eu-west-1", fleet.limits.account_concurrency, 100, at])
        held = {profile.name: profile.reserved_concurrency for profile in fleet.profiles}
        for incident in fleet.incidents:
            start = incident_start(incident)
            if start <= at < start + timedelta(minutes=incident.for_min):
                zero = {"reserved_zero": 0}.get(incident.kind)
                held[str(incident.function)] = getattr(incident, "reserved", zero)
        functions += [[account_id, "eu-west-1", name, reserved, at] for name, reserved in held.items()]
    client.insert(
        "lambda_functions",
        functions,
        column_names=["AccountId", "Region", "FunctionName", "ReservedConcurrency", "PolledAt"],
    )
    client.insert(
        "lambda_account_limits",
        limits,
        column_names=["AccountId", "Region", "ConcurrentExecutions", "UnreservedConcurrentExecutions", "PolledAt"],
    )


@pytest.mark.parametrize("polled", [False, True], ids=["without an inventory", "with an inventory"])
@pytest.mark.parametrize("number", FLEETS)
def test_throttles_are_named_by_their_cause(stored: Stored, number: int, polled: bool) -> None:
    fleet = throttled_fleet(number)
    run = run_fleet(fleet, START_US)
    account_id = f"{2 * number + polled:012d}"
    insert_points(stored.store, run.points, account_id, account_id=account_id)
    if polled:
        poll(stored.client, fleet, account_id)
    rows = list(
        stored.client.query(
            f"SELECT FunctionName, Minute, Cause, Since, Throttles, Evidence, Inferred FROM "
            f"lambda_inferred_throttle_causes({RANGE}) WHERE AccountId = {{account:String}} ORDER BY Minute",
            parameters={"account": account_id},
        ).named_results()
    )
    check_minutes(run, rows)
    for incident in fleet.incidents:
        truth = {
            minute for name, minute in run.throttles if name == incident.function and during(incident, utc(minute))
        }
        if not truth:  # a reservation of 0 drops events before anything could throttle them
            assert incident.kind == "reserved_zero"
            continue
        mine = [row for row in rows if row["FunctionName"] == incident.function and during(incident, row["Minute"])]
        named = Counter(row["Cause"] for row in mine)
        assert set(named) <= MAY_BE_NAMED[incident.kind], (incident, named)
        assert min(row["Since"].replace(tzinfo=UTC) for row in mine) == utc(min(truth)), incident
        assert all(row["Evidence"] for row in mine)


@pytest.mark.parametrize("polled", [False, True], ids=["without an inventory", "with an inventory"])
def test_short_requests_above_ten_per_second_and_unit_of_the_accounts_limit(stored: Stored, polled: bool) -> None:
    incident = {"kind": "account_limit", "requests_per_s": 2500, "duration_ms": 3, "start_h": 0.4, "for_min": 5}
    limits = {"account_concurrency": 150}
    fleet = fleet_of(
        {"functions": 30, "days": 1 / 24, "requests_per_s": 1, "limits": limits, "incidents": [incident]}, 7
    )
    run = run_fleet(fleet, START_US)
    account_id = f"{900 + polled:012d}"
    insert_points(stored.store, run.points, account_id, account_id=account_id)
    if polled:
        poll(stored.client, fleet, account_id)
    rows = stored.client.query(
        f"SELECT Cause, Evidence FROM lambda_inferred_throttle_causes({RANGE}) WHERE AccountId = {{account:String}}"
        " AND FunctionName = {function:String}",
        parameters={"account": account_id, "function": fleet.incidents[0].function},
    ).result_rows
    truth = {minute: causes for (name, minute), causes in run.throttles.items() if name == fleet.incidents[0].function}
    assert all(max(causes, key=lambda cause: causes[cause]) == "account_request_rate" for causes in truth.values())
    assert [cause for cause, _ in rows] == ["account_request_rate"] * len(truth)
    assert all("requests per second ran in the account" in evidence for _, evidence in rows)


def utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def during(incident: Any, minute: datetime) -> bool:
    start = incident_start(incident)
    return start <= minute.replace(tzinfo=UTC) < start + timedelta(minutes=incident.for_min + 1)


def check_minutes(run: FleetRun, rows: list[dict[str, Any]]) -> None:
    """Every throttled minute is there with its figure, and its cause is one that throttled in it."""
    found = {(row["FunctionName"], round(row["Minute"].replace(tzinfo=UTC).timestamp())): row for row in rows}
    assert {key: sum(causes.values()) for key, causes in run.throttles.items()} == {
        key: row["Throttles"] for key, row in found.items()
    }
    wrong = {
        key: (row["Cause"], dict(run.throttles[key]))
        for key, row in found.items()
        if row["Cause"] not in run.throttles[key]
    }
    assert len(wrong) <= len(found) // 100, wrong


# Streams -------------------------------------------------------------------------------------------------------------


def lagging_fleet(number: int) -> Fleet:
    """Two incidents of each kind, each with a consumer of its own."""
    draw = random.Random(number)
    kinds = ["poisoned_shard", "slow_consumer", "paused_mapping"] * 2
    draw.shuffle(kinds)
    functions, incidents = [], []
    for index, kind in enumerate(kinds):
        shards, batch, rate = draw.choice([1, 2, 4, 8]), draw.choice([10, 50, 100]), draw.choice([0.5, 2, 5])
        duration_ms, name = draw.choice([50, 200, 800]), f"consumer-{index}"
        functions.append(
            {
                "name": name,
                "trigger": draw.choice(["kinesis", "dynamodb"]),
                "requests_per_s": rate,
                "shards": shards,
                "batch_size": batch,
                "batching_window_s": draw.choice([0, 1, 10, 30]),
                "duration_ms": duration_ms,
                "timeout_s": draw.choice([30, 60, 300]),
                "error_rate": draw.choice([0, 0.002, 0.01]),
            }
        )
        incident: dict[str, Any] = {"kind": kind, "function": name, "for_min": draw.choice([10, 25, 60, 90])}
        if kind == "poisoned_shard":
            incident["shard"] = draw.randrange(shards)
        if kind == "slow_consumer":  # so slow that full batches cannot keep up
            incident["factor"] = min(9999, max(4, draw.uniform(1.5, 4) * batch / (rate / shards) * 1000 / duration_ms))
        incidents.append({**incident, "start_h": round(1 + 0.35 * index, 3)})
    return fleet_of(
        {"functions": 20, "days": 5 / 24, "requests_per_s": 1, "describe": functions, "incidents": incidents}, number
    )


@pytest.mark.parametrize("number", FLEETS)
def test_lag_is_named_by_its_cause_with_the_minute_in_which_it_began(stored: Stored, number: int) -> None:
    fleet = lagging_fleet(number)
    run = run_fleet(fleet, START_US)
    account_id = f"{10_000 + number:012d}"
    insert_points(stored.store, run.points, account_id, account_id=account_id)
    query = (
        f"SELECT FunctionName, Cause, any(Since) AS Began, count() AS Minutes FROM lambda_stream_lag_between({RANGE}) "
        "WHERE AccountId = {account:String} AND Cause NOT IN ('', 'catching_up') GROUP BY FunctionName, Cause, Since"
    )
    rows = list(stored.client.query(query, parameters={"account": account_id}).named_results())
    assert causes(stored.client, "lambda_inferred_stream_causes", account_id) == causes(
        stored.client, "lambda_stream_lag_between", account_id
    )
    for incident in fleet.incidents:
        mine = [row for row in rows if row["FunctionName"] == incident.function]
        longest = max(mine, key=lambda row: row["Minutes"], default=None)
        assert longest is not None, f"{incident}: not seen"
        assert longest["Cause"] == incident.kind, (incident, mine)
        began = longest["Began"].replace(tzinfo=UTC)
        assert abs(began - incident_start(incident)) <= timedelta(minutes=1), (incident, mine)


def causes(client: Client, view: str, account_id: str) -> list[Any]:
    """Every minute with a cause, with all that is said of it."""
    return list(
        client.query(
            f"SELECT FunctionName, Uuid, EventSourceArn, Minute, IteratorAgeMs, TimeToLossS, Cause, Confidence, Since, "
            f"Evidence FROM {view}({RANGE}) WHERE AccountId = {{account:String}} AND Cause != '' ORDER BY ALL",
            parameters={"account": account_id},
        ).result_rows
    )


def healthy_fleet(number: int) -> Fleet:
    """Consumers to whom nothing happens but what happens to everybody: single errors, a call that hangs, throttles."""
    draw = random.Random(number)
    functions = [
        {
            "name": f"consumer-{index}",
            "trigger": draw.choice(["kinesis", "dynamodb"]),
            "requests_per_s": draw.choice([0.02, 0.05, 0.2, 0.5]),
            "shards": draw.choice([1, 2, 4]),
            "batch_size": draw.choice([10, 50, 100]),
            "batching_window_s": draw.choice([0, 1, 5, 30]),
            "duration_ms": draw.choice([50, 200, 1000]),
            "timeout_s": draw.choice([30, 60, 120, 300]),
            "error_rate": draw.choice([0, 0.002, 0.01]),
            "timeout_rate": draw.choice([0, 0.0005]),
        }
        for index in range(12)
    ]
    incidents = [
        {
            "kind": "account_limit",
            "start_h": start_h,
            "for_min": draw.choice([4, 7, 12]),
            "requests_per_s": 40,
            "duration_ms": 8000,
        }
        for start_h in (1.5, 3.5)
    ]
    return fleet_of(
        {
            "functions": 60,
            "days": 5 / 24,
            "requests_per_s": 1,
            "limits": {"account_concurrency": 100, "unreserved_minimum": 20, "scaling_environments": 40},
            "describe": functions,
            "incidents": incidents,
        },
        number,
    )


@pytest.mark.parametrize("number", FLEETS)
def test_a_consumer_that_only_met_throttles_and_single_failures_is_not_held_up(stored: Stored, number: int) -> None:
    fleet = healthy_fleet(number)
    run = run_fleet(fleet, START_US)
    account_id = f"{20_000 + number:012d}"
    insert_points(stored.store, run.points, account_id, account_id=account_id)
    rows = stored.client.query(
        "SELECT FunctionName, Cause, toString(Since), count(), any(Evidence), max(IteratorAgeMs) "
        f"FROM lambda_stream_lag_between({RANGE}) "
        "WHERE AccountId = {account:String} AND Cause NOT IN ('', 'catching_up', 'throttled') "
        "GROUP BY FunctionName, Cause, Since ORDER BY ALL",
        parameters={"account": account_id},
    ).result_rows
    assert causes(stored.client, "lambda_inferred_stream_causes", account_id) == causes(
        stored.client, "lambda_stream_lag_between", account_id
    )
    assert len(rows) <= 1, rows  # two calls that hang one after the other look like a slow shard


def test_the_causes_that_are_kept_are_those_of_each_day(stored: Stored) -> None:
    """Of all the fleets that were stored for the tests before this one, and of two small ones."""
    reader: dict[str, Any] = {"trigger": "kinesis", "requests_per_s": 1, "shards": 2}
    limited: dict[str, Any] = {"requests_per_s": 1, "duration_ms": 300}
    for number, fleet in enumerate((
        one_function({"kind": "poisoned_shard", "start_h": 0.3, "for_min": 20, "shard": 0}, **reader),
        one_function({"kind": "reserved_limit", "start_h": 0.3, "for_min": 5, "reserved": 1}, **limited),
    )):  # fmt: skip
        account_id = f"{30_000 + number:012d}"
        insert_points(stored.store, run_fleet(fleet, START_US).points, account_id, account_id=account_id)
    Causes(stored.client).run(settled=True)
    for kind in ("throttle", "stream"):
        kept = stored.client.query(f"SELECT * FROM lambda_{kind}_causes_between({RANGE}) ORDER BY ALL").result_rows
        day = "from = '2026-06-01 00:00:00', to = '2026-06-02 00:00:00'"
        judged = stored.client.query(f"SELECT * FROM lambda_inferred_{kind}_causes({day}) ORDER BY ALL").result_rows
        assert kept == judged
        assert kept
