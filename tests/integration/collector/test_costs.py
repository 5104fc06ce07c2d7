"""Costs at list prices over real rows, and files that users load."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.config import StoreUrl
from collector.otlp.decode import decode
from collector.otlp.signals import Signal
from collector.reference.files import PRICES, RUNTIMES, packaged
from collector.reference.load import load
from collector.store.clickhouse import ClickHouseStore
from tests.support.collector import lambda_span, trace_request

MS = 1_000_000
T0 = 1_750_000_000_000 * MS
FROM = datetime.fromtimestamp(T0 / 1e9 - 60, UTC)
TO = datetime.fromtimestamp(T0 / 1e9 + 60, UTC)


def invocation() -> list[Span]:
    """800 ms of init, 120 ms of work, 5 ms of extensions: 925 ms billed of 512 MB."""
    return [
        lambda_span(
            "invoke",
            request_id="r1",
            start_ns=T0 + 800 * MS,
            duration_ns=120 * MS,
            faas__coldstart=True,
            lambda__status="success",
            lambda__busy_start_unix_nano=T0,
        ),
        lambda_span(
            "post_runtime",
            request_id="r1",
            start_ns=T0 + 920 * MS,
            duration_ns=5 * MS,
            lambda__status="success",
            lambda__duration_ms=125.0,
            lambda__billed_duration_ms=925.0,
            lambda__init_duration_ms=800.0,
            lambda__memory_size_mb=512,
            lambda__max_memory_used_mb=100,
        ),
    ]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    url = StoreUrl(f"chdb://{tmp_path_factory.mktemp('costs') / 'store'}")
    store = ClickHouseStore(url)
    store.open()
    for rows in decode(Signal.TRACES, [trace_request(invocation()).SerializeToString()]):
        store.insert(rows, "seed")
    client = clickhouse_connect.get_client(dsn=url.dsn)
    yield client
    client.close()
    store.close()


@pytest.fixture(autouse=True)
def _packaged_only(client: Client) -> None:
    for kind in (PRICES, RUNTIMES):
        client.command(f"TRUNCATE TABLE {kind.table}")


def costs(client: Client) -> dict[str, object]:
    query = "SELECT * FROM lambda_costs(from = {a:DateTime64(3, 'UTC')}, to = {b:DateTime64(3, 'UTC')})"
    [row] = client.query(query, parameters={"a": FROM, "b": TO}).named_results()
    return dict(row)


def test_an_invocation_costs_what_the_price_list_says(client):
    one = costs(client)
    gb_seconds = 0.925 * 0.5
    price = {"amd64": 0.0000166667, "arm64": 0.0000133334}[str(one["Architecture"])]
    assert one["Invocations"] == 1
    assert one["GbSeconds"] == pytest.approx(gb_seconds)
    assert one["DurationUsd"] == pytest.approx(gb_seconds * price)
    assert one["RequestsUsd"] == pytest.approx(2e-7)
    assert one["InitUsd"] == pytest.approx(0.4 * price)
    assert one["PostRuntimeUsd"] == pytest.approx(gb_seconds * price * 5 / 925)


def test_a_newer_price_of_the_region_counts(client):
    before = costs(client)
    text = (
        "as_of\tregion\titem\tarchitecture\tfrom_units\tprice\n"
        f"2030-01-01\t{before['Region']}\tgb_second\t{before['Architecture']}\t0\t0.5\n"
        "2030-01-01\tmars-north-1\trequest\t\t0\t9\n"
    )
    assert load(client, text) == ("prices", 2)
    after = costs(client)
    assert after["DurationUsd"] == pytest.approx(0.925 * 0.5 * 0.5)
    assert after["RequestsUsd"] == before["RequestsUsd"]


def test_an_older_row_changes_nothing(client):
    before = costs(client)
    load(client, "as_of\tregion\titem\tarchitecture\tfrom_units\tprice\n2001-01-01\t\trequest\t\t0\t9\n")
    assert costs(client) == before


def test_the_newest_date_of_a_runtime_counts(client):
    query = "SELECT DeprecationDate, Successor FROM lambda_runtimes WHERE Runtime = 'python3.12'"
    [(packaged_date, successor)] = client.query(query).result_rows
    assert [packaged_date, successor] == next([row[2], row[5]] for row in packaged(RUNTIMES) if row[1] == "python3.12")
    heading = "as_of\truntime\tdeprecation_date\tblock_create_date\tblock_update_date\tsuccessor\n"
    load(client, f"{heading}2030-01-01\tpython3.12\t2031-02-03\t\t\t\n2030-01-01\tcobol1\t\t\t\t\n")
    assert client.query(query).result_rows == [(date(2031, 2, 3), "")]
    assert client.query("SELECT DeprecationDate FROM lambda_runtimes WHERE Runtime = 'cobol1'").result_rows == [(None,)]
