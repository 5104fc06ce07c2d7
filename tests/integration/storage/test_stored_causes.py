"""Causes as the jobs keep them: those that the views infer, whatever came when and how often."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from collector.cloudwatch.point import Point, dimension_set
from collector.cloudwatch.spooled import encode, rows
from collector.config import StoreUrl
from collector.jobs import causes, retention
from collector.jobs.causes import AT_MOST_S, REST, Causes, Progress
from collector.jobs.runner import Jobs, JobSettings, stop
from collector.store.clickhouse import ClickHouseStore
from collector.store.client import connect
from collector.worker import Worker
from tests.support.cloudwatch import store_at

ACCOUNT, REGION = "123456789012", "eu-west-1"
MIDNIGHT = datetime(2026, 6, 2, tzinfo=UTC)
DAYS = [date(2026, 6, 1), date(2026, 6, 2)]
RANGE = "from = '2026-06-01 00:00:00', to = '2026-06-03 00:00:00'"
TABLES = ("lambda_kept_throttle_causes", "lambda_kept_stream_causes")
INPUTS = (
    "lambda_metrics",
    "lambda_functions",
    "lambda_account_limits",
    "lambda_event_source_mappings",
    "lambda_kept_cause_arrivals",
)


class Kept:
    """A store, and what it says of causes."""

    def __init__(self, store: ClickHouseStore, client: Client, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self._store = store
        self._tokens = 0

    def clear(self) -> None:
        for table in (*INPUTS, *TABLES):
            self.client.command(f"TRUNCATE TABLE {table}")

    def put(self, points: list[Point]) -> None:
        self._tokens += 1
        self._store.insert(rows([encode(points, 1_800_000_000_000_000_000 + self._tokens)]), f"token-{self._tokens}")

    def make(self) -> Progress:
        return Causes(self.client).run(settled=True)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.client.query(query).result_rows]

    def throttles(self, columns: str = "*") -> list[tuple[Any, ...]]:
        return self.rows(f"SELECT {columns} FROM lambda_throttle_causes_between({RANGE}) ORDER BY ALL")

    def streams(self, columns: str = "*") -> list[tuple[Any, ...]]:
        return self.rows(f"SELECT {columns} FROM lambda_stream_causes_between({RANGE}) ORDER BY ALL")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("kept")
    with store_at(folder) as (store, client):
        yield Kept(store, client, folder)


@pytest.fixture
def kept(opened: Kept) -> Kept:
    opened.clear()
    return opened


def point(metric: str, minute: int, value: float, function: str = "f", least: float | None = None) -> Point:
    """A point so many minutes after midnight."""
    dimensions = {"FunctionName": function} if function else {}
    low = value if least is None else least
    return Point(
        "AWS/Lambda", metric, dimensions, dimension_set(dimensions), int(MIDNIGHT.timestamp()) + 60 * minute, 60,
        value, low, value, 1.0, {}, "Count", ACCOUNT, REGION,
    )  # fmt: skip


def throttled(minutes: range, of: float = 5) -> list[Point]:
    """The function f at a limit of its own, with room in the account."""
    figures = {"Throttles": of, "Invocations": 60, "ConcurrentExecutions": 10, "Duration": 9000}
    points = [point(metric, minute, value) for minute in minutes for metric, value in figures.items()]
    account = {"ConcurrentExecutions": 40, "UnreservedConcurrentExecutions": 20, "ClaimedAccountConcurrency": 200}
    return points + [point(metric, minute, value, "") for minute in minutes for metric, value in account.items()]


def poisoned(minutes: range) -> list[Point]:
    """The consumer c with a shard that stands still from the first minute on."""
    points = []
    for minute in range(minutes.start - 60, minutes.stop):
        lag_ms = 60_000.0 * max(0, minute - minutes.start + 1)
        points += [
            point("IteratorAge", minute, max(500, lag_ms), "c", 400),
            point("Invocations", minute, 20, "c"),
            point("Errors", minute, 5 if lag_ms else 0, "c"),
            point("Duration", minute, 100, "c"),
        ]
    return points


def poll_reservation(kept: Kept, reserved: int, minute: int) -> None:
    kept.client.insert(
        "lambda_functions",
        [[ACCOUNT, REGION, "f", reserved, MIDNIGHT + timedelta(minutes=minute)]],
        column_names=["AccountId", "Region", "FunctionName", "ReservedConcurrency", "PolledAt"],
    )


def poll_limit(kept: Kept, limit: int, days: int) -> None:
    kept.client.insert(
        "lambda_account_limits",
        [[ACCOUNT, REGION, limit, limit, MIDNIGHT + timedelta(days=days)]],
        column_names=["AccountId", "Region", "ConcurrentExecutions", "UnreservedConcurrentExecutions", "PolledAt"],
    )


def test_what_lasts_over_midnight_is_one_episode(kept: Kept) -> None:
    kept.put(throttled(range(-40, 45)) + poisoned(range(-40, 45)))
    assert kept.make().blocks > 0
    began = (MIDNIGHT - timedelta(minutes=40)).replace(tzinfo=None)
    assert len(kept.throttles()) == 85
    assert {row[0] for row in kept.throttles("Since")} == {began}
    lagging = kept.streams("Cause, Since, Minute")
    assert {row[:2] for row in lagging} == {("poisoned_shard", began)}
    assert {row[2].date() for row in lagging} == set(DAYS)
    # Nobody has to read the day before to be told since when.
    late = "from = '2026-06-02 00:10:00', to = '2026-06-02 00:20:00'"
    assert kept.rows(f"SELECT DISTINCT Since FROM lambda_throttle_causes_between({late})") == [(began,)]
    assert kept.rows(f"SELECT DISTINCT Since FROM lambda_stream_causes_between({late})") == [(began,)]


def test_whatever_the_order_and_however_often_points_come_a_day_says_what_the_view_infers(kept: Kept) -> None:
    every = throttled(range(200, 220)) + poisoned(range(200, 215))
    shuffled = every + random.Random(7).sample(every, len(every) // 2)
    random.Random(8).shuffle(shuffled)
    for first in (0, len(shuffled) // 2):
        kept.put(shuffled[first : first + len(shuffled) // 2])
        kept.make()
    found = (kept.throttles(), kept.streams())
    day = "from = '2026-06-02 00:00:00', to = '2026-06-03 00:00:00'"
    for kind, of_kind in zip(("throttle", "stream"), found, strict=True):
        assert of_kind == kept.rows(f"SELECT * FROM lambda_inferred_{kind}_causes({day}) ORDER BY ALL")
        assert len(of_kind) >= 10
    kept.clear()
    kept.put(every)
    kept.make()
    assert (kept.throttles(), kept.streams()) == found


def test_late_points_and_later_polls_change_what_they_bear_on(kept: Kept) -> None:
    kept.put(throttled(range(130, 140)))
    kept.make()
    assert set(kept.throttles("Throttles, Cause, ReservationKnown, AccountLimit")) == {
        (5.0, "reserved_concurrency", 0, None)
    }
    kept.put(throttled(range(139, 140), of=9))
    assert kept.make().blocks > 0
    assert max(kept.throttles("Throttles")) == (9.0,)
    poll_reservation(kept, 10, 180)
    assert kept.make().blocks > 0
    assert set(kept.throttles("ReservedConcurrency, ReservationKnown")) == {(10, 1)}
    poll_limit(kept, 1000, 30)  # of a month later: the first that is known holds for what was before
    assert kept.make().blocks > 0
    assert set(kept.throttles("AccountLimit")) == {(1000.0,)}
    poll_limit(kept, 1000, 31)
    assert kept.make().blocks == 0


def test_what_another_collector_made_by_other_rules_is_made_anew(kept: Kept) -> None:
    kept.put(throttled(range(130, 140)))
    kept.make()
    expected = kept.throttles()
    kept.client.command(
        "INSERT INTO lambda_kept_throttle_causes (Block, Minute, Version, Arrivals, Rules) "
        "SELECT Block, Block, max(Version) + 1, max(Arrivals), 1 FROM lambda_kept_throttle_causes GROUP BY Block"
    )
    assert kept.throttles() == []
    assert kept.make().blocks > 0
    assert kept.throttles() == expected
    assert kept.make() == Progress(blocks=0, waiting=0)


def test_a_block_waits_until_nothing_comes_and_rests_from_what_it_took(kept: Kept) -> None:
    now_s = 0.0
    job = Causes(kept.client, clock=lambda: now_s)
    kept.put(throttled(range(130, 135)))
    assert job.run().blocks == 0
    assert job.run().waiting == 0
    assert len(kept.throttles()) == 5
    assert job.run() == Progress(blocks=0, waiting=0)
    kept.put(throttled(range(135, 136)))
    assert job.run().blocks == 0
    kept.put(throttled(range(136, 137)))  # more comes in each pass
    assert job.run().blocks == 0
    kept.put(throttled(range(137, 138)))
    now_s += AT_MOST_S
    assert job.run().blocks > 0
    assert len(kept.throttles()) == 8
    assert job.run().waiting == 0


def test_a_block_that_takes_long_rests_ten_times_as_long(kept: Kept) -> None:
    ticks = itertools.count()
    job = Causes(kept.client, clock=lambda: float(next(ticks)))
    kept.put(throttled(range(130, 135)))
    job.run()
    job.run()
    made_s = next(ticks)
    kept.put(throttled(range(135, 136)))
    while len(kept.throttles()) != 6:
        job.run()
    assert next(ticks) - made_s > REST


def test_what_takes_too_much_memory_is_left_out_and_said(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept.put(throttled(range(130, 135)) + [point("Invocations", minute, 3) for minute in range(600, 610)])
    with monkeypatch.context() as patch:
        patch.setitem(causes._SETTINGS, "max_memory_usage", 1_000_000)
        assert kept.make().waiting == 1
    assert "too much" in caplog.text
    assert kept.throttles() == []
    assert kept.make() == Progress(blocks=1, waiting=0)
    assert len(kept.throttles()) == 5


LAGGING = 60
"""Consumers of which a day takes seconds to judge."""


def lag_all_day(kept: Kept) -> None:
    for metric, value in {"IteratorAge": "120000 + sipHash64(number) % 600000", "Invocations": "5"}.items():
        kept.client.command(
            "INSERT INTO lambda_metrics (AccountId, Region, Namespace, MetricName, DimensionSet, Dimensions, Time, "
            f"PeriodS, Sum, SampleCount, Min, Max) SELECT '{ACCOUNT}', '{REGION}', 'AWS/Lambda', '{metric}', "
            f"'FunctionName', map('FunctionName', concat('c', toString(number % {LAGGING}))), "
            f"toDateTime('2026-06-01 00:00:00', 'UTC') + 60 * intDiv(number, {LAGGING}), 60, {value} AS value, 5, "
            f"value / 5, value FROM numbers({LAGGING} * 2880)",
            settings={"async_insert": 0, "max_partitions_per_insert_block": 0},
        )


async def stopped_while_making(jobs: Jobs, making: Callable[[], bool]) -> None:
    worker = Worker("jobs")
    try:
        await worker.call(jobs.run)  # sees what has come
        run = asyncio.ensure_future(worker.call(jobs.run))
        async with asyncio.timeout(120):
            while not making():
                assert not run.done()
                await asyncio.sleep(0.01)
        async with asyncio.timeout(120):
            await stop(jobs, worker)
        assert await run
    finally:
        worker.close()


def test_a_stop_does_not_wait_for_a_block_that_is_being_made(kept: Kept) -> None:
    lag_all_day(kept)
    store = StoreUrl(f"chdb://{kept.folder / 'store'}")
    settings = JobSettings(1.0, retention.KeepDays(*[0] * 6), 0)
    running = "SELECT 1 FROM system.processes WHERE Settings['log_comment'] LIKE 'lambdascope-causes-%'"
    jobs = Jobs(lambda: connect(store), settings, time.time)
    with contextlib.closing(clickhouse_connect.get_client(dsn=store.dsn)) as other:
        asyncio.run(stopped_while_making(jobs, lambda: bool(other.query(running).result_rows)))
        assert not other.query(running).result_rows
    assert kept.streams() == []
    assert kept.make().waiting == 0
    assert len(kept.streams("DISTINCT FunctionName")) == LAGGING


def test_two_jobs_at_once_and_who_reads_meanwhile_see_whole_days(kept: Kept) -> None:
    minutes = range(130, 150)
    kept.put(throttled(minutes))
    kept.make()
    done = threading.Event()

    def make() -> None:
        client = clickhouse_connect.get_client(dsn=StoreUrl(f"chdb://{kept.folder / 'store'}").dsn)
        with contextlib.closing(client):
            job = Causes(client)
            while not done.is_set():
                job.run(settled=True)

    with ThreadPoolExecutor() as pool:
        jobs = [pool.submit(make) for _ in range(2)]
        seen: set[tuple[Any, ...]] = set()
        try:
            for more in range(6, 8):
                kept.put(throttled(minutes, of=more))
                deadline = time.monotonic() + 120
                while (float(more),) not in seen:
                    assert time.monotonic() < deadline, "the newest points are not judged"
                    found = kept.throttles("Throttles")
                    assert len(found) == len(minutes)
                    assert len(set(found)) == 1
                    seen |= set(found)
                    assert not any(job.done() for job in jobs)
        finally:
            done.set()
        for job in jobs:
            job.result()
    assert kept.make() == Progress(blocks=0, waiting=0)


def test_blocks_without_anything_to_judge_hold_too_and_those_to_come_are_not_made(kept: Kept) -> None:
    kept.put([point("Invocations", minute, 3) for minute in range(600, 610)])
    assert kept.make().waiting == 0
    held = "SELECT Kind, toString(max(Block)), min(MadeOfArrivals = Arrivals) FROM lambda_cause_blocks"
    assert kept.rows(f"{held} GROUP BY Kind ORDER BY Kind") == [
        ("streams", "2026-06-02 00:00:00", 1),
        ("throttles", "2026-06-02 10:00:00", 1),
    ]
    assert (kept.throttles(), kept.streams()) == ([], [])


def test_causes_are_kept_as_long_as_the_points_that_they_are_of(kept: Kept) -> None:
    kept.put(throttled(range(-5, 5)))
    kept.make()
    days = retention.KeepDays(traces=0, logs=0, metrics=3, invocations=0, minutes=0, rollups=0)
    assert {*TABLES, "lambda_kept_cause_arrivals"} <= set(retention.apply(kept.client, days))
    try:
        dropped = {
            (one.table, one.day) for one in retention.drop_expired(kept.client, days, DAYS[0] + timedelta(days=4))
        }
        assert {(table, DAYS[0]) for table in TABLES} <= dropped
        assert {row[0].date() for row in kept.throttles("Minute")} == {DAYS[1]}
    finally:
        retention.apply(kept.client, retention.KeepDays(*(0 for _ in range(6))))
