"""Values, silence, what was not delivered; pauses that the inventory knows; retention; coverage; exact causes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from clickhouse_connect.driver.client import Client

from collector.aws import progress
from collector.cloudwatch.point import Point, dimension_set
from collector.cloudwatch.spooled import encode, rows
from collector.jobs.causes import Causes
from collector.otlp.decode import decode
from collector.otlp.signals import Signal
from collector.store.clickhouse import ClickHouseStore
from tests.support.cloudwatch import store_at
from tests.support.collector import lambda_span, trace_request

ACCOUNT, REGION = "123456789012", "eu-west-1"
T0 = datetime(2026, 6, 1, tzinfo=UTC)
RANGE = "from = '2026-06-01 00:00:00', to = '2026-06-01 01:00:00'"


class Stored(NamedTuple):
    store: ClickHouseStore
    client: Client

    def put(self, token: str, *points: Point) -> None:
        self.store.insert(rows([encode(points, 1)]), token)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.client.query(query).result_rows]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    with store_at(tmp_path_factory.mktemp("states")) as (store, client):
        yield Stored(store, client)


@pytest.fixture
def stored(shared: Stored) -> Stored:
    for table in ("lambda_metrics", "lambda_event_source_mappings", "lambda_event_sources", "lambda_poller_state"):
        shared.client.command(f"TRUNCATE TABLE {table}")
    return shared


def point(metric: str, minute: int, value: float, function: str = "f", *, least: float | None = None) -> Point:
    dimensions = {"FunctionName": function} if function else {}
    time_s = int(T0.timestamp()) + 60 * minute
    low = value if least is None else least
    return Point(
        "AWS/Lambda", metric, dimensions, dimension_set(dimensions), time_s, 60, value, low, value, 1.0, {}, "Count",
        ACCOUNT, REGION,
    )  # fmt: skip


def states(stored: Stored, minutes: int) -> list[str]:
    view = f"lambda_metric_minutes({RANGE}, metric = 'Invocations', dimension_set = 'FunctionName')"
    query = f"SELECT State FROM {view} WHERE Dimensions['FunctionName'] = 'f' ORDER BY Minute LIMIT {minutes}"
    return [row[0] for row in stored.rows(query)]


def test_a_minute_has_a_value_or_nothing_ran_or_nothing_was_delivered(stored: Stored) -> None:
    stored.put("states", point("Invocations", 0, 5), point("Invocations", 1, 2, "other"), point("Invocations", 3, 0))
    assert states(stored, 5) == ["value", "no_invocations", "no_delivery", "value", "no_delivery"]


def test_what_the_poller_has_read_was_delivered_though_nothing_ran(stored: Stored) -> None:
    stored.put("polled", point("Invocations", 0, 5))
    since_s = int(T0.timestamp())
    state = progress.Progress("metrics", ACCOUNT, REGION, since_s=since_s, through_s=since_s + 180)
    progress.write(stored.store, state, 1_800_000_000_000)
    assert states(stored, 4) == ["value", "no_invocations", "no_invocations", "no_delivery"]


def mapping(stored: Stored, state: str, minute: int) -> None:
    stored.client.insert(
        "lambda_event_source_mappings",
        [[ACCOUNT, REGION, "f", "u-1", "arn:stream", "kinesis", state, T0 + timedelta(minutes=minute)]],
        column_names=["AccountId", "Region", "FunctionName", "Uuid", "EventSourceArn", "Kind", "State", "PolledAt"],
    )


def test_a_pause_that_the_inventory_knows_is_exact_and_retention_is_what_the_stream_has(stored: Stored) -> None:
    stored.client.insert(
        "lambda_event_sources",
        [[ACCOUNT, REGION, "arn:stream", "kinesis", 7200, T0]],
        column_names=["AccountId", "Region", "EventSourceArn", "Kind", "RetentionS", "PolledAt"],
    )
    mapping(stored, "Enabled", -5)
    mapping(stored, "Disabled", 5)
    points = [point("IteratorAge", minute, 3_600_000) for minute in range(5)]
    points += [point("Invocations", minute, 1, "other") for minute in range(10)]
    stored.put("pause", *points)
    query = (
        "SELECT toMinute(Minute), Uuid, State, RetentionS, RetentionKnown, RetentionShare, Cause, Confidence, Inferred "
        f"FROM lambda_stream_lag_between({RANGE}) WHERE FunctionName = 'f'"
        " AND toMinute(Minute) IN (4, 7) ORDER BY Minute"
    )
    (before, paused) = stored.rows(query)
    assert before[:6] == (4, "u-1", "value", 7200, 1, 0.5)
    assert paused == (7, "u-1", "no_invocations", 7200, 1, None, "paused_mapping", "exact", 0)


def reads(minutes: Iterable[int], *, age_ms: float = 500, each: float = 1) -> list[Point]:
    """A consumer that is invoked in these minutes."""
    return [one for at in minutes for one in (point("Invocations", at, each), point("IteratorAge", at, age_ms))]


DAY = range(-1500, 20)
"""Minutes, of which those that lie a day before the silence are known too."""
SILENT = range(20, 60)

SILENCES = {
    "as never before": (reads(DAY), ("paused_mapping", "possible")),
    "as at that time of the day before": (
        reads(at for at in DAY if not SILENT.start - 1440 <= at < SILENT.stop - 1440), None
    ),
    "after an hour that happened to have much": (reads(range(-1500, 20, 4)), None),
    "after an hour alone": (reads(range(-40, 20)), None),
    "after an hour alone that says enough": (reads(range(-40, 20), each=2), ("paused_mapping", "possible")),
    "and then nothing had waited": ([*reads(DAY), *reads([59])], None),
    "and then all had waited": ([*reads(DAY), *reads([59], age_ms=39 * 60_000)], ("paused_mapping", "likely")),
    "and then the youngest of a batch of all had waited": (
        [*reads(DAY), *reads([59], age_ms=4 * 60_000)], ("paused_mapping", "likely")
    ),
    "and then what came in that minute had waited": ([*reads(DAY), *reads([59], age_ms=65_000)], None),
    "and then the youngest had waited since a call that hung": (
        [*reads(DAY), point("Duration", 19, 30 * 60_000), *reads([59], age_ms=4 * 60_000)], None
    ),
    "and then the youngest had waited since it was throttled": (
        [*reads(DAY), point("Throttles", 25, 1), *reads([59], age_ms=4 * 60_000)], ("throttled", "likely")
    ),
    "and then the youngest had waited, which seldom comes": (
        [*reads(range(-1500, 20, 15)), *reads([59], age_ms=4 * 60_000)], None
    ),
    "and then it had waited as batches always do": (
        [*reads(range(-1500, 54), age_ms=300_000), *reads([59], age_ms=300_000)], None
    ),
}  # fmt: skip


@pytest.mark.parametrize("silence", SILENCES)
def test_a_silence_is_a_pause_of_the_mapping_where_chance_and_the_hour_do_not_bring_it(
    stored: Stored, silence: str
) -> None:
    points, cause = SILENCES[silence]
    stored.put(silence, *points, *(point("Invocations", minute, 1, "other") for minute in range(-1500, 60)))
    columns = f"DISTINCT Cause, Confidence FROM {{}}({RANGE}) WHERE FunctionName = 'f' AND Cause != 'catching_up'"
    told = stored.rows(f"SELECT {columns.format('lambda_stream_lag_between')} AND Cause != ''")
    assert told == ([] if cause is None else [cause])
    assert stored.rows(f"SELECT {columns.format('lambda_inferred_stream_causes')}") == told


@pytest.mark.parametrize(("ran", "slow", "waits", "since"), [
    (range(-600, 60), range(20, 50), (25, 35, 45), [20]),
    (range(-600, 60), range(20, 50), (), []),
    (range(-600, 60), range(24, 28), (25,), []),
    (range(-600, 60), (), (25, 35, 45), []),
    # Where seldom anything comes, the time between two invocations says nothing, for up to half an hour.
    (range(-600, 60, 7), range(1, 60), (30,), [2]),
    (range(-600, 60, 7), [*range(-30, 0), *range(5, 60)], (30,), [9]),
    (range(-1600, 60, 40), range(-400, 60), (0, 40), []),
])  # fmt: skip
def test_a_consumer_stays_too_slow_for_records_that_wait_now_and_then(
    stored: Stored, ran: range, slow: Sequence[int], waits: Sequence[int], since: list[int]
) -> None:
    stored.put(
        "slow",
        *(one for at in ran for one in reads([at], age_ms=30_000 if at in waits else 500)),
        *(point("Duration", at, 40_000 if at in slow else 100) for at in ran),
    )
    columns = f"DISTINCT Cause, Since FROM {{}}({RANGE}) WHERE FunctionName = 'f' AND Cause != 'catching_up'"
    told = stored.rows(f"SELECT {columns.format('lambda_inferred_stream_causes')}")
    assert told == [("slow_consumer", T0.replace(tzinfo=None) + timedelta(minutes=at)) for at in since]
    assert stored.rows(f"SELECT {columns.format('lambda_stream_lag_between')} AND Cause != ''") == told


def test_the_time_to_data_loss_follows_from_the_age_the_slope_and_the_retention(stored: Stored) -> None:
    mapping(stored, "Enabled", 0)
    stored.client.insert(
        "lambda_event_sources",
        [[ACCOUNT, REGION, "arn:stream", "kinesis", 7200, T0]],
        column_names=["AccountId", "Region", "EventSourceArn", "Kind", "RetentionS", "PolledAt"],
    )
    growing = [
        point("IteratorAge", minute, 600_000 + 30_000 * minute) for minute in range(20)
    ]  # half a second per second
    stored.put("slope", *growing, *(point("Invocations", minute, 3) for minute in range(20)))
    query = (
        f"SELECT AgeSlope, TimeToLossS FROM lambda_stream_lag_between({RANGE}) WHERE FunctionName = 'f' ORDER BY Minute"
    )
    slope, loss_s = stored.rows(query)[-1]
    assert slope == pytest.approx(0.5)
    assert loss_s == pytest.approx((7200 - 600 - 19 * 30) / 0.5)


def test_managed_instances_say_the_cause_themselves(stored: Stored) -> None:
    stored.put("managed", point("Throttles", 0, 4), point("MemoryThrottles", 0, 1), point("CPUThrottles", 0, 0))
    Causes(stored.client).run(settled=True)
    query = f"SELECT Cause, Confidence, Inferred FROM lambda_throttle_causes_between({RANGE})"
    assert stored.rows(query) == [("managed_instance_memory", "exact", 0)]


def test_coverage_is_what_was_seen_of_what_cloudwatch_counts(stored: Stored) -> None:
    start_ns = int(T0.timestamp()) * 1_000_000_000
    spans = [
        lambda_span("invoke", start_ns=start_ns + 1_000_000 * index, duration_ns=1_000_000, request_id=f"r{index}")
        for index in range(3)
    ]
    body = trace_request(spans, function="f").SerializeToString()
    for part in decode(Signal.TRACES, [body]):
        stored.store.insert(part, "coverage")
    now_minute = int((datetime.now(UTC) - T0).total_seconds()) // 60
    stored.put(
        "coverage", point("Invocations", 0, 4), point("Invocations", 0, 2, "bare"), point("Invocations", now_minute, 9)
    )
    query = (
        "SELECT FunctionName, Invocations, FromExtension, FromLogs, Coverage FROM lambda_coverage ORDER BY FunctionName"
    )
    assert stored.rows(query) == [("bare", 2.0, 0, 0, 0.0), ("f", 4.0, 3, 0, 0.75)]


def admitted(minute: int, runs: float, throttles: float, mean_ms: float) -> list[Point]:
    """A function with three reserved sandboxes in an account that is not full."""
    duration = point("Duration", minute, runs * mean_ms)
    account = {"ConcurrentExecutions": 40, "UnreservedConcurrentExecutions": 37, "ClaimedAccountConcurrency": 60}
    return [
        point("Invocations", minute, runs),
        point("Throttles", minute, throttles),
        point("ConcurrentExecutions", minute, 3),
        duration._replace(sample_count=runs),
        *(point(name, minute, value, "") for name, value in account.items()),
    ]


def test_a_minute_in_which_a_sandbox_hangs_has_the_cause_of_those_around_it(stored: Stored) -> None:
    """Of ten requests per second and reserved sandbox fewer are admitted in it than in the others."""
    stored.put(
        "rate",
        point("ClaimedAccountConcurrency", -30, 500, ""),
        *(one for minute in range(3, 15) for one in admitted(minute, 1400 if minute == 8 else 1800, 3600, 40)),
    )
    episodes = "SELECT Cause, min(Minute), max(Minute), uniqExact(Since)"
    query = f"{episodes} FROM lambda_inferred_throttle_causes({RANGE}) GROUP BY Cause"
    first, last = ((T0 + timedelta(minutes=minute)).replace(tzinfo=None) for minute in (3, 14))
    assert stored.rows(query) == [("reserved_request_rate", first, last, 1)]
