"""Sort keys and indexes are used where docs/sql.md says so: EXPLAIN names them, and fewer granules than there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from collector.config import StoreUrl
from collector.jobs.rollups import Rollups
from collector.store.migrate import migrate

DOCS = (Path(__file__).parents[3] / "docs" / "sql.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(SELECT [^`]+)` \| `(\w+)` \| `([^`]+)` \|$", DOCS, re.MULTILINE)

_TRACES = """
INSERT INTO otel_traces
    (Timestamp, TraceId, SpanId, SpanName, ServiceName, ResourceAttributes, SpanAttributes, Duration)
SELECT
    toDateTime64('2026-11-18 00:00:00', 9, 'UTC') + toIntervalSecond(number * 8), lower(hex(MD5(toString(number)))),
    lower(hex(number)), 'invoke', concat('f', toString(number % 7)),
    map('cloud.account.id', '1', 'cloud.region', 'eu-west-1', 'faas.name', concat('f', toString(number % 7)),
        'faas.instance', concat('i', toString(intDiv(number, 100))), 'faas.version', '1'),
    map('lambda.phase', 'invoke', 'lambda.attempt', '1', 'lambda.status', 'success',
        'faas.invocation_id', lower(hex(MD5(toString(number))))), 1000000
FROM numbers(32400)
"""
_METRICS = """
INSERT INTO lambda_metrics (Namespace, MetricName, Dimensions, DimensionSet, Time, PeriodS, Sum, AccountId, Region)
SELECT
    'AWS/Lambda', ['Invocations', 'Throttles', 'Errors'][1 + number % 3], map('FunctionName', 'f0'), 'FunctionName',
    toDateTime('2026-11-18 00:00:00', 'UTC') + 60 * intDiv(number, 3), 60, 1, '1', 'eu-west-1'
FROM numbers(12960)
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = clickhouse_connect.get_client(dsn=StoreUrl(f"chdb://{tmp_path_factory.mktemp('keys') / 'store'}").dsn)
    migrate(client)
    for statement in (_TRACES, _METRICS):
        client.command(statement, settings={"max_partitions_per_insert_block": 0})
    while Rollups(client).run(2_000_000_000, settled=True).minutes:
        pass
    yield client
    client.close()


def reads(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The steps of a plan that read a table."""
    if node["Node Type"] == "ReadFromMergeTree":
        yield node
    for child in node.get("Plans", []):
        yield from reads(child)


def test_there_is_something_to_hold_to() -> None:
    assert len(ROWS) >= 8


@pytest.mark.parametrize(("asked", "table", "named"), ROWS, ids=[row[0][:60] for row in ROWS])
def test_the_keys_that_the_docs_name_are_used(client: Client, asked: str, table: str, named: str) -> None:
    rows = client.query(f"EXPLAIN json = 1, indexes = 1 {asked}").result_rows
    plan = json.loads("\n".join(str(row[0]) for row in rows))
    step = next(one for one in reads(plan[0]["Plan"]) if str(one["Description"]).endswith(f".{table}"))
    used = [", ".join(one.get("Keys", [])) for one in step["Indexes"] if one["Type"] == "PrimaryKey"]
    assert named in [*used, *(one.get("Name") for one in step["Indexes"])]
    assert 0 < step["Indexes"][-1]["Selected Granules"] < step["Indexes"][0]["Initial Granules"]
