"""Rollups alone are read where all of them hold, and never where one does not."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from clickhouse_connect.driver.client import Client

from collector.jobs.rollups import Rollups
from collector.otlp.decode import decode
from collector.otlp.signals import Signal
from collector.store.clickhouse import ClickHouseStore
from dashboard import sql
from dashboard.config import SqlEndpoint
from dashboard.filters import Filters
from dashboard.sql import SqlSource, filter_params, instant
from dashboard.timeaxis import Window, absolute_window
from tests.support.cloudwatch import store_at
from tests.support.collector import lambda_span, trace_request

BEGIN = datetime(2026, 6, 1, 12, tzinfo=UTC)
LONG_AFTER_S = int((BEGIN + timedelta(days=3)).timestamp())


@pytest.fixture
def opened(tmp_path) -> Iterator[tuple[ClickHouseStore, Client]]:
    with store_at(tmp_path) as (store, client):
        yield store, client


def told(name: str, at: datetime, *, function: str = "checkout", ms: int = 100, status: str = "success") -> bytes:
    """An invocation and what is known of its end."""
    ns, took_ns = int(at.timestamp()) * 10**9, ms * 10**6
    spans = [
        lambda_span("invoke", request_id=name, start_ns=ns, duration_ns=took_ns, lambda__status=status),
        lambda_span(
            "post_runtime", request_id=name, start_ns=ns + took_ns, duration_ns=1, lambda__duration_ms=float(ms)
        ),
    ]
    return trace_request(spans, function=function, instance=f"{function}-1").SerializeToString()


def insert(store: ClickHouseStore, name: str, exports: list[bytes]) -> None:
    for number, decoded in enumerate(decode(Signal.TRACES, exports)):
        store.insert(decoded, f"{name}-{number}")


def deliver(store: ClickHouseStore, name: str, at: datetime) -> None:
    insert(store, name, [told(name, at)])


def hold(client: Client, begin: datetime, end: datetime) -> bool:
    params = {"from": instant(begin), "to": instant(end)}
    return bool(client.query(sql.statement("rollups_hold"), parameters=params).result_rows[0][0])


def test_they_hold_until_something_arrives(opened: tuple[ClickHouseStore, Client]) -> None:
    store, client = opened
    rollups = Rollups(client)
    day, hour = timedelta(days=1), timedelta(hours=1)
    assert hold(client, BEGIN - day, BEGIN + day)  # nothing was heard of it
    deliver(store, "first", BEGIN + timedelta(minutes=30))
    assert not hold(client, BEGIN, BEGIN + hour)
    assert hold(client, BEGIN + hour, BEGIN + 2 * hour)
    rollups.run(LONG_AFTER_S, settled=True)
    assert hold(client, BEGIN - day, BEGIN + day)
    deliver(store, "late", BEGIN + timedelta(minutes=40))
    for begin, end in (
        (BEGIN, BEGIN + hour),
        (BEGIN - day, BEGIN + day),
        (BEGIN + timedelta(minutes=40), BEGIN + hour),
    ):
        assert not hold(client, begin, end)
    assert hold(client, BEGIN - day, BEGIN)


def test_neither_do_hours_and_days_that_are_not_made(opened: tuple[ClickHouseStore, Client]) -> None:
    """Minutes are made at once, an hour and a day when they are over."""
    store, client = opened
    deliver(store, "one", BEGIN + timedelta(minutes=5))
    midnight, hour = BEGIN.replace(hour=0), timedelta(hours=1)
    whole = [(BEGIN, BEGIN + timedelta(minutes=30)), (BEGIN, BEGIN + hour), (midnight, midnight + timedelta(days=1))]
    held = []
    for now in (BEGIN + timedelta(minutes=50), BEGIN + 2 * hour, midnight + timedelta(days=2)):
        Rollups(client).run(int(now.timestamp()), settled=True)
        held.append([hold(client, *one) for one in whole])
    assert held == [[True, False, False], [True, True, False], [True, True, True]]


def test_a_panel_reads_what_has_come_since(opened: tuple[ClickHouseStore, Client]) -> None:
    store, client = opened
    window = Window(BEGIN, BEGIN + timedelta(hours=12), 300, BEGIN + timedelta(days=2))
    params = filter_params(Filters(range="custom", begin=window.begin, end=window.end), window)
    text = sql.statement("invocations_over_time_long")

    def counted() -> tuple[int, bool]:
        source = SqlSource(client, SqlEndpoint("http", "127.0.0.1", 0))
        rows = source.frame(text, params)
        return int(rows["Invocations"].sum()), next(iter(source.held.found.values()))[1]

    deliver(store, "first", BEGIN + timedelta(minutes=30))
    assert counted() == (1, False)
    Rollups(client).run(LONG_AFTER_S, settled=True)
    assert counted() == (1, True)
    deliver(store, "late", BEGIN + timedelta(minutes=40))
    assert counted() == (2, False)
    Rollups(client).run(LONG_AFTER_S, settled=True)
    assert counted() == (2, True)


INSTEAD = [
    path.stem
    for path in sorted(sql.QUERIES.glob("*.sql"))
    if re.search(r"^-- rollups: .*, or \w+$", path.read_text(encoding="utf-8"), re.MULTILINE)
]
"""Those for which another statement stands where all rollups hold."""


@pytest.fixture(scope="module")
def settled(tmp_path_factory) -> Iterator[Client]:
    """Four days of three functions, all of whose rollups hold; of some minutes they were made twice."""
    with store_at(tmp_path_factory.mktemp("settled")) as (store, client):
        every = [
            told(
                f"r{n}",
                BEGIN + timedelta(days=-2, minutes=47 * n, seconds=n),
                function=f"f{n % 3}",
                ms=100 + 7 * n,
                status="success" if n % 7 else "error",
            )
            for n in range(120)
        ]
        for name, part in (("first", every[::2]), ("then", every[1::2])):
            insert(store, name, part)
            Rollups(client).run(LONG_AFTER_S, settled=True)
        yield client


@pytest.mark.parametrize("functions", [(), ("f1",)])
@pytest.mark.parametrize(
    ("begin", "hours"),
    [
        (BEGIN, 24),
        (BEGIN + timedelta(minutes=13), 6.75),
        (BEGIN - timedelta(hours=12, minutes=7), 23.55),
        (BEGIN - timedelta(hours=12), 48),
        (BEGIN - timedelta(hours=1, minutes=31), 61.4),
    ],
)
@pytest.mark.parametrize("name", INSTEAD)
def test_what_stands_for_a_statement_has_the_same_rows(settled: Client, name, begin, hours, functions) -> None:
    end = begin + timedelta(hours=hours)
    window = absolute_window(begin, end, BEGIN + timedelta(days=9))
    filters = Filters(range="custom", begin=begin, end=end, functions=functions)
    params = {**filter_params(filters, window), "span_s": int(window.span_s)}
    text = sql.statement(name)
    source = SqlSource(settled, SqlEndpoint("http", "127.0.0.1", 0))
    held = source.frame(text, params)
    assert [known for _, known in source.held.found.values()] == [True]
    plain = source.frame(text.replace("-- rollups: ", "-- reads: "), params)
    assert len(held) > 1
    by = [one for one in ("IsTotal", "FunctionName", "Bucket") if one in held]
    said, same = (one.sort_values(by, ignore_index=True) for one in (plain, held))
    pd.testing.assert_frame_equal(same, said)
