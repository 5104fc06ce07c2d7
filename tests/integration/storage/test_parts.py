"""Data that has come to rest is kept in one part per partition, which is what a question about a week reads fastest."""

import os
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import urllib3

from tests.support.collector import CollectorProcess, lambda_span, running_collector, trace_request, wait_for_rows

REST_S = 120
"""As in collector/store/engine.xml."""
THE_DAY_BEFORE = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
INSERTS = 4
PARTS = "SELECT table, path FROM system.parts WHERE active AND table IN ('otel_traces', 'lambda_invocation_parts')"
WHAT_RAN = "SELECT RequestId, DurationMs FROM lambda_invocations ORDER BY RequestId"


def insert(collector: CollectorProcess, number: int) -> None:
    """Store an invocation, in parts of its own."""
    span = lambda_span(
        "invoke",
        request_id=f"r{number}",
        start_ns=int((THE_DAY_BEFORE + timedelta(minutes=number)).timestamp()) * 10**9,
        duration_ns=10**7 * (number + 1),
        lambda__status="success",
    )
    answer = urllib3.request(
        "POST",
        f"{collector.addresses.http_url}/v1/traces",
        body=trace_request([span]).SerializeToString(),
        headers={"Content-Type": "application/x-protobuf"},
    )
    assert answer.status == 200
    wait_for_rows(collector.sql(), f"SELECT 1 FROM lambda_invocations WHERE RequestId = 'r{number}'", 1)


def test_what_nothing_comes_to_becomes_one_part(tmp_path: Path) -> None:
    with running_collector(data=tmp_path / "data") as collector:
        for number in range(INSERTS):
            insert(collector, number)
        before = collector.sql().query(PARTS).result_rows
        ran = collector.sql().query(WHAT_RAN).result_rows
    of_each = Counter(table for table, _ in before)
    assert len(of_each) == 2
    assert min(of_each.values()) > 1
    assert len(ran) == INSERTS
    long_ago = time.time() - REST_S - 1
    for _, path in before:
        os.utime(path, (long_ago, long_ago))
    with running_collector(data=tmp_path / "data") as collector:
        in_one = f"SELECT 1 FROM (SELECT table, count() AS n FROM ({PARTS}) GROUP BY table) HAVING max(n) = 1"
        wait_for_rows(collector.sql(), in_one, 1)
        assert collector.sql().query(WHAT_RAN).result_rows == ran
