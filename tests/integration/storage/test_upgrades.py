"""Upgrades with data in place: a database that stopped at any file ends like one that had all from the start."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from collector.jobs.rollups import Rollups
from collector.otlp.decode import decode
from collector.otlp.signals import Signal
from collector.store import migrate as module
from collector.store.migrate import migrate, migrations, pending
from tests.support.collector import lambda_span, trace_request

MS = 1_000_000
T0 = 1_750_000_000_000 * MS  # 2025-06-15 15:06:40 UTC
LONG_AFTER_S = T0 // 10**9 + 7 * 86_400
FULL = os.environ.get("LAMBDASCOPE_SOAK") == "1"
NAMES = [migration.name for migration in migrations()]
PREFIXES = range(2, len(NAMES)) if FULL else [2, 11, len(NAMES) - 1]
"""How many files were applied before the data came: with all of them at full size, else at the turning points."""
EVERYTHING = (
    "SELECT * FROM lambda_invocations ORDER BY RequestId, InstanceId",
    "SELECT * FROM lambda_sandboxes ORDER BY InstanceId",
    (
        "SELECT * EXCEPT (Provisional) FROM lambda_activity(from = '2025-06-15 15:00:00', to = '2025-06-15 16:00:00', "
        "bucket_s = 60) ORDER BY FunctionName, FunctionVersion, Bucket"
    ),
    "SELECT TraceId, min(Start), max(End) FROM otel_traces_trace_id_ts GROUP BY TraceId ORDER BY TraceId",
)


def spans(request: str, at_ms: int) -> list[object]:
    start_ns = T0 + at_ms * MS
    return [
        lambda_span("invoke", start_ns=start_ns, duration_ns=90 * MS, request_id=request, lambda__status="success"),
        lambda_span(
            "post_runtime",
            start_ns=start_ns + 90 * MS,
            duration_ns=10 * MS,
            request_id=request,
            lambda__duration_ms=100.0,
            lambda__billed_duration_ms=101,
            lambda__memory_size_mb=256,
        ),
        lambda_span("init", start_ns=start_ns - 400 * MS, duration_ns=400 * MS),
    ]


def store(client: Client, request: str, at_ms: int) -> None:
    body = trace_request(spans(request, at_ms)).SerializeToString()  # type: ignore[arg-type]
    for rows in decode(Signal.TRACES, [body]):
        names, types = zip(*rows.layout.columns, strict=True)
        client.insert(
            rows.layout.table, rows.columns, column_names=names, column_type_names=types, column_oriented=True
        )


def shape(client: Client) -> list[tuple[str, ...]]:
    """Every table and view with its columns."""
    rows = client.query(
        "SELECT table, name, type, default_expression FROM system.columns "
        "WHERE database = currentDatabase() AND NOT startsWith(table, '.inner') ORDER BY ALL"
    ).result_rows
    return [tuple(str(value) for value in row) for row in rows]


def everything(client: Client) -> list[object]:
    return [client.query(question).result_rows for question in EVERYTHING]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    opened = clickhouse_connect.get_client(dsn=f"chdb://{tmp_path_factory.mktemp('upgrades') / 'store'}")
    yield opened
    opened.close()


def database(root: Client, name: str) -> Client:
    root.command(f"CREATE DATABASE {name}")
    path = root.command("SELECT path FROM system.disks LIMIT 1")
    return clickhouse_connect.get_client(interface="chdb", path=str(Path(str(path))), database=name)


@pytest.fixture(scope="module")
def fresh(root: Client) -> tuple[list[object], list[tuple[str, ...]]]:
    """What a database says that has had every file from the start."""
    client = database(root, "fresh")
    migrate(client)
    store(client, "before", 0)
    store(client, "after", 70_000)
    answer = everything(client), shape(client)
    client.close()
    return answer


@pytest.mark.soak
@pytest.mark.parametrize("applied", PREFIXES, ids=lambda count: f"after-{NAMES[count - 1][:4]}")
def test_a_database_that_stopped_there_ends_as_a_new_one(
    applied: int, root: Client, fresh: tuple[list[object], list[tuple[str, ...]]]
) -> None:
    client = database(root, f"upgraded_{applied}")
    for migration in migrations()[:applied]:
        module._apply(client, migration)
    store(client, "before", 0)
    migrate(client)
    store(client, "after", 70_000)
    assert pending(client) == []
    assert (everything(client), shape(client)) == fresh
    while Rollups(client).run(LONG_AFTER_S, settled=True).minutes:
        pass
    assert everything(client) == fresh[0]
    client.close()
