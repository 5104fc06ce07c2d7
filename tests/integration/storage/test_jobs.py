"""The jobs on the embedded engine: the lease, rollups, retention that frees disk, and the size cap."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from collector.jobs import retention, size_cap
from collector.jobs.lease import Lease
from collector.jobs.partitions import Partition
from collector.jobs.retention import KeepDays
from collector.jobs.rollups import Rollups
from collector.store.migrate import migrate

KEEP = KeepDays(traces=30, logs=30, metrics=90, invocations=90, minutes=90, rollups=400)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = clickhouse_connect.get_client(dsn=f"chdb://{tmp_path_factory.mktemp('jobs') / 'store'}")
    migrate(client)
    yield client
    client.close()


@pytest.fixture
def client(opened: Client) -> Client:
    tables = opened.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' "
        "AND name != 'lambda_schema'"
    ).result_rows
    for (name,) in tables:
        opened.command(f"TRUNCATE TABLE {name}")
    return opened


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


# The lease -----------------------------------------------------------------------------------------------------------


def test_one_of_several_holds_the_lease(client: Client) -> None:
    first, second = Lease(client), Lease(client)
    assert [first.held(), second.held(), first.held(), second.held()] == [True, False, True, False]


def test_a_released_lease_is_taken_over(client: Client) -> None:
    first, second = Lease(client), Lease(client)
    assert first.held()
    assert not second.held()
    first.release()
    until(second.held, "the second takes it")
    assert not first.held()


def test_a_holder_that_is_gone_loses_it(client: Client) -> None:
    client.command(
        "INSERT INTO lambda_leases (Name, Holder, Since, SeenAt) VALUES ('jobs', 'gone', now64(3) - 600, now64(3) - 61)"
    )
    assert Lease(client).held()


# Retention -----------------------------------------------------------------------------------------------------------


def test_retention_is_set_once_and_changed_without_rewriting(client: Client) -> None:
    retention.apply(client, KEEP)
    assert retention.apply(client, KEEP) == []
    client.command("INSERT INTO otel_logs (Timestamp, Body) SELECT now64(9), 'x' FROM numbers(10)")
    parts = "SELECT name, modification_time FROM system.parts WHERE table = 'otel_logs' AND active"
    before = client.query(parts).result_rows
    longer = KeepDays(traces=30, logs=60, metrics=90, invocations=90, minutes=90, rollups=400)
    assert retention.apply(client, longer) == ["otel_logs"]
    assert client.query(parts).result_rows == before
    for_ever = KeepDays(traces=30, logs=0, metrics=90, invocations=90, minutes=90, rollups=400)
    assert retention.apply(client, for_ever) == ["otel_logs"]
    assert retention.apply(client, for_ever) == []


INSERTS = {
    "otel_traces": "INSERT INTO otel_traces (Timestamp, TraceId) VALUES",
    "otel_logs": "INSERT INTO otel_logs (Timestamp, Body) VALUES",
    "lambda_invocation_parts": "INSERT INTO lambda_invocation_parts (Start, RequestId) VALUES",
}


@pytest.mark.parametrize("table", INSERTS)
def test_what_has_expired_leaves_the_disk(client: Client, table: str) -> None:
    retention.apply(client, KEEP)
    client.command(f"ALTER TABLE {table} MODIFY SETTING merge_with_ttl_timeout = 1")
    for days in (1, 100):
        client.command(f"{INSERTS[table]} (now64(9) - INTERVAL {days} DAY, 'x')")
    parts = f"SELECT partition FROM system.parts WHERE table = '{table}' AND active AND rows > 0"
    kept = [(str(datetime.now(UTC).date() - timedelta(days=1)),)]
    until(lambda: client.query(parts).result_rows == kept, "the old part is dropped, the new one is not")


@pytest.mark.parametrize("table", INSERTS)
def test_what_was_there_before_the_setting_leaves_the_disk(
    client: Client, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    """ClickHouse itself keeps a part for which it has worked out no TTL."""
    retention.apply(client, KeepDays(traces=0, logs=0, metrics=0, invocations=0, minutes=0, rollups=0))
    today = datetime.now(UTC).date()
    for days in (1, 100, 101):
        client.command(f"{INSERTS[table]} ('{today - timedelta(days=days)} 12:00:00', 'old')")
    retention.apply(client, KEEP)
    assert {one.day for one in retention.drop_expired(client, KEEP, today) if one.table == table} == {
        today - timedelta(days=days) for days in (100, 101)
    }
    left = f"SELECT DISTINCT partition FROM system.parts WHERE table = '{table}' AND active AND rows > 0"
    assert client.query(left).result_rows == [(str(today - timedelta(days=1)),)]
    assert (
        f"retention: dropped {table} of {today - timedelta(days=101)} to {today - timedelta(days=100)}, " in caplog.text
    )
    assert retention.drop_expired(client, KEEP, today) == []


# The size cap --------------------------------------------------------------------------------------------------------

TODAY = date(2026, 11, 21)


def part(table: str, days_ago: int, size: int) -> Partition:
    day = TODAY - timedelta(days=days_ago)
    return Partition(table, str(day), day, size)


@pytest.mark.parametrize(
    ("limit", "dropped"),
    [
        (1000, []),
        (300, []),
        (299, [("a", 2), ("b", 2)]),
        (150, [("a", 2), ("b", 2), ("a", 1)]),
        (1, [("a", 2), ("b", 2), ("a", 1)]),  # today's stays whatever it takes
    ],
)
def test_the_oldest_days_go_first(limit: int, dropped: list[tuple[str, int]]) -> None:
    partitions = [part("a", 0, 100), part("a", 1, 100), part("a", 2, 50), part("b", 2, 50)]
    found = size_cap.to_drop(partitions, 300, limit, TODAY)
    assert [(partition.table, (TODAY - partition.day).days) for partition in found] == dropped


def test_the_cap_drops_partitions_and_says_so(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    for days in (0, 1, 2):
        client.command(
            f"INSERT INTO otel_logs (Timestamp, Body) SELECT now64(9) - INTERVAL {days} DAY, "
            "randomPrintableASCII(1000) FROM numbers(2000)"
        )
    today = datetime.now(UTC).date()
    size = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase()"
    total = int(client.query(size).result_rows[0][0])
    dropped = size_cap.apply(client, total * 7 // 10, today)
    assert {(partition.table, (today - partition.day).days) for partition in dropped} == {("otel_logs", 2)}
    assert client.query("SELECT count() FROM otel_logs").result_rows == [(4000,)]
    assert "dropped" in caplog.text
    assert size_cap.apply(client, total, today) == []


# Rollups -------------------------------------------------------------------------------------------------------------


def test_a_rollup_waits_for_its_minute_to_settle(client: Client) -> None:
    """An insert's rows become visible a moment after one another: what was counted a pass ago is taken up."""
    now = int(time.time()) // 60 * 60
    insert = (
        "INSERT INTO lambda_invocation_parts (FunctionName, InstanceId, Start, RequestId, Attempt, Source, Seen, "
        "ReportedNs) SELECT 'f', 'i', fromUnixTimestamp64Milli({ms:Int64} + number), toString(number), 1, 'extension', "
        "7, 1000000 FROM numbers({from:UInt32}, 10)"
    )
    rollups = Rollups(client)
    client.command(insert, parameters={"ms": (now - 3600) * 1000, "from": 0})
    assert (rollups.run(now).minutes, rollups.run(now).minutes, rollups.run(now).minutes) == (0, 1, 0)
    client.command(insert, parameters={"ms": (now - 3600) * 1000, "from": 20})
    assert (rollups.run(now).minutes, rollups.run(now).minutes) == (0, 1)
    held = client.query("SELECT sum(Invocations) FROM lambda_rollups WHERE PeriodS = 60 AND FunctionName = 'f'")
    assert held.result_rows[0][0] >= 20


def test_a_minute_that_is_not_closed_has_no_rollup(client: Client) -> None:
    now = int(time.time())
    client.command(
        "INSERT INTO lambda_invocation_parts (FunctionName, InstanceId, Start, RequestId, Attempt, Source, Seen, "
        "ReportedNs) VALUES ('f', 'i', now64(9) - 60, 'r', 1, 'extension', 7, 1000000)"
    )
    assert Rollups(client).run(now, settled=True).minutes == 0
