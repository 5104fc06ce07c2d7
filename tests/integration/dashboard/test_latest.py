"""The latest invocations are found in the hours that have some, and none is missed for what the rollups do not know."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import NamedTuple

import pytest
from clickhouse_connect.driver.client import Client

from collector.jobs.rollups import Rollups
from collector.otlp.decode import decode
from collector.otlp.signals import Signal
from collector.store.clickhouse import ClickHouseStore
from dashboard import sql
from dashboard.config import SqlEndpoint
from dashboard.filters import Filters, InvocationFilters
from dashboard.sql import SqlSource, filter_params, invocation_params
from dashboard.timeaxis import Window
from tests.support.cloudwatch import store_at
from tests.support.collector import lambda_span, trace_request

BEGIN = datetime(2026, 6, 1, 8, tzinfo=UTC)
LONG_AFTER = BEGIN + timedelta(days=3)
ENOUGH_TO_COUNT = 15
"""Hours: a longer time than that in which invocations are read one by one."""


class Ran(NamedTuple):
    """An invocation: when, in minutes after BEGIN, of which function, and how it ended."""

    minute: float
    function: str = "rare"
    status: str = "success"

    @property
    def name(self) -> str:
        return f"{self.function}-{self.minute}"


RARE = [Ran(5, status="timeout"), Ran(65, status="error"), Ran(70), Ran(320), Ran(ENOUGH_TO_COUNT * 60 + 3)]
OFTEN = [Ran(60 * hour + minute, "often") for hour in range(ENOUGH_TO_COUNT + 1) for minute in range(0, 60, 4)]
LATE = [Ran(200, status="error"), Ran(321, status="timeout")]
"""Of hours of which it was counted that nothing failed, or that there was nothing."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ClickHouseStore, Client]]:
    with store_at(tmp_path_factory.mktemp("latest")) as (store, client):
        yield store, client


def deliver(store: ClickHouseStore, ran: list[Ran]) -> None:
    for function in sorted({one.function for one in ran}):
        spans = [
            lambda_span(
                "invoke",
                request_id=one.name,
                start_ns=int((BEGIN + timedelta(minutes=one.minute)).timestamp()) * 10**9,
                duration_ns=10**8,
                lambda__status=one.status,
            )
            for one in ran
            if one.function == function
        ]
        request = trace_request(spans, function=function).SerializeToString()
        for number, decoded in enumerate(decode(Signal.TRACES, [request])):
            store.insert(decoded, f"{function}-{len(ran)}-{number}")


def latest(client: Client, window: Window, limit: int, status: str, functions: tuple[str, ...]) -> list[str]:
    params = {
        **filter_params(Filters(functions=functions), window),
        **invocation_params(InvocationFilters(status=status)),
        "limit": limit,
    }
    rows = SqlSource(client, SqlEndpoint("http", "127.0.0.1", 0)).frame(sql.statement("invocations_latest"), params)
    return list(rows["RequestId"]) if len(rows) else []


def expected(ran: list[Ran], window: Window, limit: int, status: str, functions: tuple[str, ...]) -> list[str]:
    chosen = [
        one
        for one in ran
        if window.begin <= BEGIN + timedelta(minutes=one.minute) < window.end
        and (not functions or one.function in functions)
        and (status in ("", one.status) or (status == "failed" and one.status != "success"))
    ]
    return [one.name for one in sorted(chosen, reverse=True)][:limit]


LAST = 60 * ENOUGH_TO_COUNT
WINDOWS = [(0, 71), (30, LAST + 2), (67, LAST + 7), (0, LAST + 60)]


@pytest.mark.parametrize("step", ["nothing is counted", "all is counted", "more has come", "that is counted too"])
def test_the_latest_are_those_of_the_time_whatever_is_counted(
    opened: tuple[ClickHouseStore, Client], step: str
) -> None:
    store, client = opened
    ran = RARE + OFTEN if step in ("nothing is counted", "all is counted") else RARE + OFTEN + LATE
    if step == "nothing is counted":
        deliver(store, ran)
    elif step == "more has come":
        deliver(store, LATE)
    else:
        Rollups(client).run(int(LONG_AFTER.timestamp()), settled=True)
    for begin, end in WINDOWS:
        window = Window(BEGIN + timedelta(minutes=begin), BEGIN + timedelta(minutes=end), 300, LONG_AFTER)
        for limit, status, functions in product(
            (3, 100), ("", "failed", "timeout"), ((), ("rare",), ("rare", "often"))
        ):
            asked = (window, limit, status, functions)
            assert latest(client, *asked) == expected(ran, *asked), asked


def test_an_hour_that_ends_later_and_holds_no_more_is_read(opened: tuple[ClickHouseStore, Client]) -> None:
    """As much arrived for the minutes before the range's end as the hour's rollup was made of."""
    store, client = opened
    day_after = 36 * 60
    deliver(store, [Ran(day_after + 10, "seldom"), Ran(day_after + 50, "seldom")])
    Rollups(client).run(int(LONG_AFTER.timestamp()), settled=True)
    late = Ran(day_after + 20, "seldom", "error")
    deliver(store, [late])
    end = BEGIN + timedelta(minutes=day_after + 30)
    window = Window(end - timedelta(hours=9), end, 300, LONG_AFTER)
    assert latest(client, window, 5, "failed", ()) == [late.name]
