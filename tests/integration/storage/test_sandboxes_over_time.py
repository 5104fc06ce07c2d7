"""Sandboxes alive, busy and idle, against what was sent of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.config import StoreUrl
from collector.otlp.decode import decode
from collector.otlp.signals import Signal
from collector.store.clickhouse import ClickHouseStore
from tests.support.collector import lambda_span, trace_request

MS = 1_000_000
T0_MS = 1_749_999_600_000  # 2025-06-15 15:00:00 UTC
MINUTE_MS = 60_000


def invocation(request: str, instance: str, start_ms: int, took_ms: int) -> list[Span]:
    same: dict[str, Any] = {"request_id": request, "instance": instance}
    return [
        lambda_span("invoke", start_ns=start_ms * MS, duration_ns=took_ms * MS, lambda__status="success", **same),
        lambda_span(
            "post_runtime",
            start_ns=(start_ms + took_ms) * MS,
            duration_ns=0,
            lambda__duration_ms=float(took_ms),
            lambda__start_unix_nano=start_ms * MS,
            **same,
        ),
    ]


SENT = {
    # From 15:00 until it is shut down at 15:05; busy for a minute at 15:01 and for 30 s over the border to 15:04.
    ("f", "told"): [
        lambda_span("init", start_ns=T0_MS * MS, duration_ns=500 * MS),
        *invocation("r1", "told", T0_MS + MINUTE_MS, MINUTE_MS),
        *invocation("r2", "told", T0_MS + 4 * MINUTE_MS - 15_000, 30_000),
        lambda_span("shutdown", start_ns=(T0_MS + 5 * MINUTE_MS) * MS, duration_ns=MS),
    ],
    # First heard of at 15:01:30 and last at 15:02; nobody told its end.
    ("f", "silent"): invocation("r3", "silent", T0_MS + 90_000, 30_000),
    # Made and never used.
    ("g", "unused"): [
        lambda_span("init", start_ns=T0_MS * MS, duration_ns=500 * MS),
        lambda_span("shutdown", start_ns=(T0_MS + 2 * MINUTE_MS) * MS, duration_ns=MS),
    ],
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("sandboxes")
    url = StoreUrl(f"chdb://{folder / 'store'}")
    store = ClickHouseStore(url)
    store.open()
    bodies = [
        trace_request(spans, function=function, instance=instance).SerializeToString()
        for (function, instance), spans in SENT.items()
    ]
    for rows in decode(Signal.TRACES, bodies):
        store.insert(rows, "seed")
    opened = clickhouse_connect.get_client(dsn=url.dsn)
    yield opened
    opened.close()
    store.close()


def ask(client: Client, minutes: int, bucket_s: int) -> dict[tuple[str, int], list[float]]:
    """By function and minute from T0: Alive, AlivePeak, Busy, BusyPeak, Idle and Presumed."""
    rows = client.query(
        "SELECT FunctionName, intDiv(toUnixTimestamp(Bucket) * 1000 - {t0:Int64}, 60000), "
        "Alive, AlivePeak, Busy, BusyPeak, Idle, Presumed "
        "FROM lambda_sandboxes_over_time(from = fromUnixTimestamp64Milli({t0:Int64}), "
        "to = fromUnixTimestamp64Milli({t1:Int64}), bucket_s = {bucket_s:UInt32})",
        parameters={"t0": T0_MS, "t1": T0_MS + minutes * MINUTE_MS, "bucket_s": bucket_s},
    ).result_rows
    return {(row[0], row[1]): [round(float(value), 9) for value in row[2:]] for row in rows}


def test_minute_by_minute(client: Client) -> None:
    found = ask(client, 6, 60)
    assert {minute: found["f", minute] for minute in range(6)} == {
        0: [1, 1, 0, 0, 1, 0],
        1: [1.5, 2, 1.5, 2, 0, 0],
        2: [2, 2, 0, 0, 2, 1],
        3: [2, 2, 0.25, 1, 1.75, 1],
        4: [2, 2, 0.25, 1, 1.75, 1],
        5: [1, 1, 0, 0, 1, 1],
    }
    assert found["g", 0] == [1, 1, 0, 0, 1, 0]
    assert found["g", 1] == [1, 1, 0, 0, 1, 0]
    assert ("g", 2) not in found


def test_the_account_is_all_of_them(client: Client) -> None:
    found = ask(client, 6, 60)
    assert found["*", 0] == [2, 2, 0, 0, 2, 0]
    assert found["*", 1] == [2.5, 3, 1.5, 2, 1, 0]


def test_the_range_as_one_bucket(client: Client) -> None:
    """Five minutes, in which `told` lived throughout and `silent` for three and a half minutes."""
    found = ask(client, 5, 0)
    assert found["f", 0] == [1.7, 2, 0.4, 2, 1.3, 0.6]


def test_a_quarter_of_an_hour_after_the_last_word_it_is_gone(client: Client) -> None:
    found = ask(client, 20, 60)
    assert found["f", 16] == [1, 1, 0, 0, 1, 1]
    assert ("f", 17) not in found
