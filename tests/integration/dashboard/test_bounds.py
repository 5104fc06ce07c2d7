"""Panels that look at each invocation: of a long time with very many they read the newest, and say from when on."""

from collections.abc import Iterator
from datetime import UTC, datetime
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


def ask(client: Client, panel: str, functions: tuple[str, ...] = (), begin: datetime = BEGIN) -> list[dict[str, Any]]:
    filters = Filters(functions=functions).at(begin, END)
    params = {
        **sql.filter_params(filters, filters.window(END)),
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
