"""What share of what CloudWatch counts is here: the panel adds up what lambda_coverage_between says of each minute."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from collector.cloudwatch.point import Point
from collector.cloudwatch.spooled import encode, rows
from collector.otlp.decode import decode
from collector.otlp.signals import Signal
from dashboard import sql
from dashboard.config import SqlEndpoint
from dashboard.filters import Filters
from dashboard.sql import SqlSource, filter_params
from dashboard.timeaxis import Window
from tests.support.cloudwatch import store_at
from tests.support.collector import lambda_span, trace_request

BEGIN = datetime(2026, 6, 1, 12, tzinfo=UTC)
ONE, OTHER, REGION = "123456789012", "210987654321", "eu-west-1"


def _invoked(account: str, function: str) -> bytes:
    """One invocation in each minute of half an hour."""
    at_ns = [(int(BEGIN.timestamp()) + 60 * minute + 20) * 10**9 for minute in range(30)]
    spans = [lambda_span("invoke", request_id=f"{account}-{ns}", start_ns=ns, duration_ns=10**8) for ns in at_ns]
    request = trace_request(spans, function=function)
    for attribute in request.resource_spans[0].resource.attributes:
        if attribute.key == "cloud.account.id":
            attribute.value.string_value = account
    return request.SerializeToString()


def _counted(account: str, function: str, minutes: Sequence[int], total: float) -> list[Point]:
    return [
        Point(
            "AWS/Lambda", "Invocations", {"FunctionName": function}, "FunctionName",
            int(BEGIN.timestamp()) + 60 * minute, 60, total, 0.0, 1.0, total, {}, "Count", account, REGION,
        )
        for minute in minutes
    ]  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlSource]:
    """Of two accounts CloudWatch told of other minutes, and what it told again was less."""
    with store_at(tmp_path_factory.mktemp("coverage")) as (store, client):
        for number, total in enumerate((4.0, 2.0)):
            told = [
                *_counted(ONE, "f", range(12), total),
                *_counted(ONE, "unseen", range(4, 12), total),
                *_counted(OTHER, "f", range(5, 20), total),
            ]
            store.insert(rows([encode(told, 1_800_000_000_000_000_000 + number)]), f"points-{number}")
        spans = [_invoked(ONE, "f"), _invoked(OTHER, "f"), _invoked(ONE, "untold")]
        for number, decoded in enumerate(decode(Signal.TRACES, spans)):
            store.insert(decoded, f"spans-{number}")
        yield SqlSource(client, SqlEndpoint("http", "127.0.0.1", 0))


def _rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    return sorted(frame.itertuples(index=False, name=None))


BY_MINUTE = """
SELECT AccountId, Region, FunctionName, sum(Invocations), sum(FromExtension), sum(FromLogs)
FROM lambda_coverage_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
GROUP BY AccountId, Region, FunctionName
HAVING sum(Invocations) > 0
"""


@pytest.mark.parametrize(
    ("first_s", "last_s"), [(0, 1200), (59.999, 600.001), (300.5, 431), (-3600, 7200), (720, 1200)]
)
def test_it_adds_up_the_minutes_of_the_view(source: SqlSource, first_s: float, last_s: float) -> None:
    begin, end = (BEGIN + timedelta(seconds=seconds) for seconds in (first_s, last_s))
    params = filter_params(Filters(range="custom", begin=begin, end=end), Window(begin, end, 60, end))
    told = source.frame(sql.statement("ingest_coverage"), params)
    assert _rows(told.drop(columns="Share")) == _rows(source.frame(BY_MINUTE, params))
    assert list(told["Share"]) == sorted(told["Share"])


def test_it_counts_the_minutes_that_each_account_was_told_of(source: SqlSource) -> None:
    end = BEGIN + timedelta(hours=1)
    params = filter_params(Filters(range="custom", begin=BEGIN, end=end), Window(BEGIN, end, 60, end))
    told = source.frame(sql.statement("ingest_coverage"), params).drop(columns="Share")
    assert _rows(told) == [
        (ONE, REGION, "f", 4.0 * 12, 12, 0),
        (ONE, REGION, "unseen", 4.0 * 8, 0, 0),
        (OTHER, REGION, "f", 4.0 * 15, 15, 0),
    ]
