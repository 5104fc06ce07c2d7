"""Panels that look at each invocation: of a long time with very many they read the newest, and say from when on."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from collector.config import StoreUrl
from collector.store.migrate import migrate
from dashboard import sql
from dashboard.filters import Filters, InvocationFilters

BEGIN, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
PANELS = ("invocations_summary", "invocations_histogram", "invocations_percentiles", "cold_start_functions")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One cold start in each hour of a day; and at noon, as the rollups tell, three million invocations of another."""
    folder: Path = tmp_path_factory.mktemp("bounds")
    with clickhouse_connect.get_client(dsn=StoreUrl(f"chdb://{folder / 'store'}").dsn) as client:
        migrate(client)
        client.command(
            """INSERT INTO lambda_invocation_parts (AccountId, Region, FunctionName, InstanceId, Start, RequestId,
                Attempt, Source, Seen, FunctionVersion, MeasuredNs, ReportedNs, InitDurationMs, ColdStart,
                MeasuredStatus, RuntimeVersion)
            SELECT '1', 'r', 'f', 'i', toDateTime64('2026-03-01 00:30:00', 9, 'UTC') + toIntervalHour(number),
                toString(number), 1, 'extension', 7, '1', 5000000, 5000000, 100, 1, 'success', 'python:3.12.v38'
            FROM numbers(24)"""
        )
        client.command(
            """INSERT INTO lambda_rollups (PeriodS, Time, AccountId, Region, FunctionName, Version, Invocations)
            VALUES (3600, '2026-03-01 12:00:00', '1', 'r', 'other', 1, 3000000)"""
        )
        yield client


def ask(
    client: Client, panel: str, functions: tuple[str, ...] = (), begin: datetime = BEGIN, end: datetime = END
) -> list[dict[str, Any]]:
    filters = Filters(functions=functions).at(begin, end)
    params = {
        **sql.filter_params(filters, filters.window(end)),
        **sql.invocation_params(InvocationFilters()),
        "functions": list(functions),
    }
    return list(client.query(sql.statement(panel), parameters=params).named_results())


@pytest.mark.parametrize("panel", PANELS)
def test_what_is_before_too_many_is_left_out_and_the_rows_say_so(client, panel):
    rows = ask(client, panel)
    assert sum(row["Invocations"] for row in rows) == 11
    assert {row["Since"].replace(tzinfo=UTC) for row in rows} == {datetime(2026, 3, 1, 13, tzinfo=UTC)}


@pytest.mark.parametrize("panel", ["runtime_versions", "init_by_version"])
def test_versions_are_those_of_what_was_read(client, panel):
    (row,) = ask(client, panel)
    assert row["ColdStarts" if panel == "init_by_version" else "Invocations"] == 11
    assert row["FirstSeen"].replace(tzinfo=UTC) == datetime(2026, 3, 1, 13, 30, tzinfo=UTC)


@pytest.mark.parametrize("panel", PANELS)
def test_all_of_six_hours_is_read_however_many_there_are(client, panel):
    begin = END.replace(day=1, hour=18)
    rows = ask(client, panel, begin=begin)
    assert sum(row["Invocations"] for row in rows) == 6
    assert {row["Since"].replace(tzinfo=UTC) for row in rows} == {begin}


def test_the_many_of_others_do_not_bound_what_is_read_of_a_function(client):
    (row,) = ask(client, "invocations_summary", ("f",))
    assert row["Invocations"] == 24


TALLIES = ("invocations_over_time", "invocations_over_time_long", "concurrency_over_time")


LATER = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def many(client: Client) -> Client:
    """Thirty functions in an hour: f1 ran once, f30 thirty times, each time for a second; f2 failed and f3 waited."""
    client.command(
        """INSERT INTO lambda_invocation_parts (AccountId, Region, FunctionName, InstanceId, Start, RequestId,
            Attempt, Source, Seen, FunctionVersion, MeasuredNs, ReportedNs, ColdStart, ReportedStatus)
        SELECT '1', 'r', concat('f', toString(f)), toString(f),
            toDateTime64('2026-04-01 00:00:00', 9, 'UTC') + toIntervalSecond(120 * n),
            concat(toString(f), '-', toString(n)), 1, 'extension', 7, '1', 1000000000, 1000000000, f = 3,
            if(f = 2, 'error', 'success')
        FROM (SELECT number + 1 AS f, arrayJoin(range(number + 1)) AS n FROM numbers(30))"""
    )
    return client


@pytest.mark.parametrize("panel", TALLIES)
def test_of_many_functions_the_largest_have_rows_and_the_others_are_one(many, panel):
    rows = ask(many, panel, begin=LATER, end=LATER + timedelta(hours=1))
    own = {row["FunctionName"] for row in rows}
    largest = {f"f{n}" for n in range(21, 31)}
    if panel == "concurrency_over_time":
        assert own == {*largest, "*", "all others"}
        busy = sum(row["Avg"] for row in rows if row["FunctionName"] not in ("*", "all others"))
        others = [row for row in rows if row["FunctionName"] == "all others"]
        whole = sum(row["Avg"] for row in rows if row["FunctionName"] == "*")
        assert busy + sum(row["Avg"] for row in others) == pytest.approx(whole)
        assert {row["Peak"] for row in others} == {1}
    else:
        # Those that failed or waited stand for themselves, however little they ran.
        assert own >= {*largest, "f2", "f3", "all others"}
        assert sum(row["Invocations"] for row in rows) == 465
        assert sum(row["Failed"] for row in rows if row["FunctionName"] == "f2") == 2
        assert sum(row["ColdStarts"] for row in rows if row["FunctionName"] == "f3") == 3
    assert {row["Functions"] for row in rows} == {30}


def test_of_chosen_functions_each_has_rows(many):
    rows = ask(many, "invocations_over_time", ("f1", "f7"), LATER, LATER + timedelta(hours=1))
    assert {row["FunctionName"]: row["Functions"] for row in rows} == {"f1": 2, "f7": 2}
    assert sum(row["Invocations"] for row in rows) == 8
