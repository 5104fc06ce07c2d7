"""Rollups alone are read where all of them hold, and never where one does not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

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
from dashboard.timeaxis import Window
from tests.support.cloudwatch import store_at
from tests.support.collector import lambda_span, trace_request

BEGIN = datetime(2026, 6, 1, 12, tzinfo=UTC)
LONG_AFTER_S = int((BEGIN + timedelta(days=3)).timestamp())


@pytest.fixture
def opened(tmp_path) -> Iterator[tuple[ClickHouseStore, Client]]:
    with store_at(tmp_path) as (store, client):
        yield store, client


def deliver(store: ClickHouseStore, name: str, at: datetime) -> None:
    """An invocation and what is known of its end."""
    ns = int(at.timestamp()) * 10**9
    spans = [
        lambda_span("invoke", request_id=name, start_ns=ns, duration_ns=10**8, lambda__status="success"),
        lambda_span("post_runtime", request_id=name, start_ns=ns + 10**8, duration_ns=1, lambda__duration_ms=100.0),
    ]
    for number, decoded in enumerate(decode(Signal.TRACES, [trace_request(spans).SerializeToString()])):
        store.insert(decoded, f"{name}-{number}")


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
