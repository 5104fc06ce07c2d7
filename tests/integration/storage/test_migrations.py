"""Migrations on the embedded engine: once, by several at once, over data of an earlier version, and distributed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from collector.jobs.causes import Causes, Progress
from collector.otlp.decode import decode
from collector.otlp.signals import Signal
from collector.store import migrate as module
from collector.store.migrate import migrate, migrations, pending
from collector.store.render import Layout
from tests.support.collector import lambda_span, trace_request

MS = 1_000_000
T0 = 1_750_000_000_000 * MS


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    opened = clickhouse_connect.get_client(dsn=f"chdb://{tmp_path / 'store'}")
    yield opened
    opened.close()


def shape(client: Client) -> list[tuple[str, ...]]:
    """Every table and view with its columns."""
    rows = client.query(
        "SELECT table, name, type, default_expression FROM system.columns "
        "WHERE database = currentDatabase() ORDER BY ALL"
    ).result_rows
    return [tuple(str(value) for value in row) for row in rows]


def test_what_was_applied_is_not_applied_again(client: Client) -> None:
    assert [m.name for m in migrate(client)] == [m.name for m in migrations()]
    before = shape(client)
    assert migrate(client) == []
    assert shape(client) == before


def test_a_missing_table_is_made_again(client: Client) -> None:
    migrate(client)
    client.command("DROP TABLE lambda_sandbox_parts")
    assert [migration.name for migration in pending(client)] == ["0012_lambda_sandboxes.sql"]
    migrate(client)
    assert pending(client) == []


def test_every_file_may_be_run_again(client: Client) -> None:
    migrate(client)
    before = shape(client)
    client.command("TRUNCATE TABLE lambda_schema")
    migrate(client)
    assert shape(client) == before


def test_a_version_may_be_returned_to(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update that is undone, and made again: its files were all applied before."""
    migrate(client)
    known = migrations()
    earlier = [*known[:-1], module.Migration(known[-1].name, known[-1].text + "-- as it was earlier\n")]
    for version in (earlier, known, earlier, known):
        monkeypatch.setattr(module, "migrations", lambda layout, version=version: version)
        assert [migration.name for migration in migrate(client)] == [known[-1].name]
        assert migrate(client) == []


def test_several_at_once(tmp_path: Path) -> None:
    """Collectors that start at the same time: each ends with all tables, and none fails."""
    dsn = f"chdb://{tmp_path / 'store'}"
    clients = [clickhouse_connect.get_client(dsn=dsn) for _ in range(3)]
    failures: list[BaseException] = []

    def run(client: Client) -> None:
        try:
            migrate(client)
        except BaseException as error:  # noqa: BLE001  # shown by the test
            failures.append(error)

    threads = [threading.Thread(target=run, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    left = pending(clients[0])
    for client in clients:
        client.close()
    assert (failures, left) == ([], [])


def test_text_indexes(client: Client) -> None:
    migrate(client, Layout(text_indexes=True))
    rows = client.query("SELECT name, type FROM system.data_skipping_indices WHERE table = 'otel_traces'").result_rows
    assert {str(name) for name, kind in rows if kind == "text"} >= {"idx_trace_id", "idx_span_attr_items"}


# Upgrades ------------------------------------------------------------------------------------------------------------

FIRST_VERSION = {"0001", "0002", "0003", "0004", "0006", "0010"}
"""Numbers of the tables that the first version had; its lambda_* views kept nothing."""


def spans() -> list[object]:
    invoke = lambda_span("invoke", start_ns=T0, duration_ns=90 * MS, request_id="r-1", lambda__status="success")
    report = lambda_span(
        "post_runtime",
        start_ns=T0 + 90 * MS,
        duration_ns=10 * MS,
        request_id="r-1",
        lambda__duration_ms=100.0,
        lambda__billed_duration_ms=101,
    )
    init = lambda_span("init", start_ns=T0 - 400 * MS, duration_ns=400 * MS)
    return [invoke, report, init]


def seeded_first_version(client: Client) -> None:
    for migration in migrations():
        if migration.name[:4] in FIRST_VERSION:
            for statement in migration.statements:
                client.command(statement)
    client.command("CREATE VIEW lambda_invocations AS SELECT TraceId FROM otel_traces")
    for rows in decode(Signal.TRACES, [trace_request(spans()).SerializeToString()]):  # type: ignore[arg-type]
        names, types = zip(*rows.layout.columns, strict=True)
        client.insert(
            rows.layout.table, rows.columns, column_names=names, column_type_names=types, column_oriented=True
        )


def test_what_an_earlier_version_stored_is_in_the_new_tables(client: Client) -> None:
    seeded_first_version(client)
    migrate(client)
    rows = client.query(
        "SELECT RequestId, DurationMs, BilledDurationMs, EndEstimated FROM lambda_invocations"
    ).result_rows
    assert rows == [("r-1", 100.0, 101.0, 0)]
    assert client.query("SELECT InstanceId, Invocations FROM lambda_sandboxes").result_rows == [("sandbox-1", 1)]


def test_what_is_carried_over_is_carried_over_once(client: Client) -> None:
    seeded_first_version(client)
    migrate(client)
    client.command("TRUNCATE TABLE lambda_invocation_parts")
    assert migrate(client) == []
    assert client.query("SELECT count() FROM lambda_invocations").result_rows == [(0,)]


# A cluster -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def distributed(tmp_path: Path) -> Iterator[Client]:
    """The embedded engine as a cluster of one shard, which is what it can be."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "config.xml"
    config.write_text(
        f"<clickhouse><remote_servers><fleet><shard><replica><host>127.0.0.1</host><port>{port}</port></replica></shard>"
        f"</fleet></remote_servers><tcp_port>{port}</tcp_port></clickhouse>"
    )
    opened = clickhouse_connect.get_client(
        interface="chdb", path=str(tmp_path / "store"), chdb_options={"config-file": str(config)}
    )
    yield opened
    opened.close()


def test_the_distributed_schema_runs_and_answers(distributed: Client) -> None:
    layout = Layout("fleet", replicated=False)
    migrate(distributed, layout)
    assert pending(distributed) == []  # the layout is remembered
    for rows in decode(Signal.TRACES, [trace_request(spans()).SerializeToString()]):  # type: ignore[arg-type]
        names, types = zip(*rows.layout.columns, strict=True)
        distributed.insert(
            rows.layout.table,
            rows.columns,
            column_names=names,
            column_type_names=types,
            column_oriented=True,
            settings={"distributed_foreground_insert": 1},
        )
    assert distributed.query("SELECT RequestId, DurationMs FROM lambda_invocations").result_rows == [("r-1", 100.0)]
    assert distributed.query("SELECT Invocations FROM lambda_sandboxes").result_rows == [(1,)]
    answer = distributed.query(
        "SELECT Peak, Invocations FROM lambda_activity(from = '2025-06-15 15:00:00', to = '2025-06-15 16:00:00', "
        "bucket_s = 3600) WHERE FunctionName = '*'"
    ).result_rows
    assert answer == [(1, 1)]
    point = ["AWS/Lambda", "MemoryThrottles", {"FunctionName": "f"}, "FunctionName", 1_750_000_000, 60, 4]
    distributed.insert(
        "lambda_metrics",
        [point, ["AWS/Lambda", "Throttles", *point[2:]]],
        column_names=["Namespace", "MetricName", "Dimensions", "DimensionSet", "Time", "PeriodS", "Sum"],
        settings={"distributed_foreground_insert": 1},
    )
    assert Causes(distributed).run(settled=True).waiting == 0
    causes = distributed.query("SELECT FunctionName, Throttles, Cause FROM lambda_throttle_causes").result_rows
    assert causes == [("f", 4.0, "managed_instance_memory")]
    assert Causes(distributed).run(settled=True) == Progress(blocks=0, waiting=0)


def test_a_failing_file_is_named(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = module.Migration("0099_broken.sql", "-- once\nSELECT nothing FROM nowhere;")
    with pytest.raises(Exception, match=r"0099_broken\.sql"):
        module._apply(client, broken)
