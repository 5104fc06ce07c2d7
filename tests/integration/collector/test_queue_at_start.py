"""A start with a long queue is quick, says how far it is, takes what comes meanwhile, and stores all of it.

LAMBDASCOPE_SOAK=1: a million spans; without, as many as are reported on.
"""

from __future__ import annotations

import http.client
import itertools
import os
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.collector import CollectorProcess, lambda_span, trace_request, wait_for_rows

SOAK = os.environ.get("LAMBDASCOPE_SOAK") == "1"
SPANS = 1_000_000 if SOAK else 100_000
SPANS_PER_REQUEST = 2_000
START_NS = time.time_ns() - 3 * 86_400 * 10**9  # recent: what is older than the retention is removed
NOWHERE = "http://127.0.0.1:9/"
WITHIN_S = 600.0


def bodies(requests: int) -> Iterator[bytes]:
    """Requests of a trace each."""
    spans = [lambda_span(f"work {n}", start_ns=START_NS + n, duration_ns=n) for n in range(SPANS_PER_REQUEST)]
    request = trace_request(spans)
    for number in range(1, requests + 1):
        for span in request.resource_spans[0].scope_spans[0].spans:
            span.trace_id = number.to_bytes(16, "big")
        yield request.SerializeToString()


def export(address: str, body: bytes) -> int:
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        return connection.getresponse().status
    finally:
        connection.close()


def queued(process: CollectorProcess) -> int:
    """Spans that are not stored yet."""
    with urllib.request.urlopen(f"{process.addresses.http_url}/metrics", timeout=30) as answer:
        found = re.search(r'queued_items\{signal="traces"\} (\S+)', answer.read().decode())
    assert found
    return int(float(found[1]))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_start_with_a_long_queue(tmp_path: Path) -> None:
    exports = bodies(SPANS // SPANS_PER_REQUEST + 1)
    process = CollectorProcess(tmp_path / "data", ["--store", NOWHERE])
    process.start()
    for body in itertools.islice(exports, SPANS // SPANS_PER_REQUEST):
        assert export(process.addresses.http, body) == 200
    assert process.stop() == 0
    assert f"stop: {SPANS} items stay in the spool" in process.stderr

    process = CollectorProcess(tmp_path / "data")
    process.start()
    try:
        at_ready = queued(process)
        assert export(process.addresses.http, next(exports)) == 200
        assert re.search(rf"spool: {SPANS} items in \d+ segments are stored now", process.stderr)
        with process.sql() as client:
            all_of_it = (SPANS + SPANS_PER_REQUEST, SPANS + SPANS_PER_REQUEST)
            query = "SELECT count() AS spans, uniqExact(TraceId, SpanId) FROM otel_traces HAVING spans >= "
            assert wait_for_rows(client, query + str(all_of_it[0]), 1, within_s=WITHIN_S) == [all_of_it]
        deadline = time.monotonic() + 60
        while f"spool: all {SPANS} items of before are stored" not in process.stderr:
            assert time.monotonic() < deadline, process.stderr
            time.sleep(0.1)
        if SOAK:
            assert at_ready > SPANS // 2, "ready only when most was stored"
            assert re.search(rf"spool: \d+ of {SPANS} items of before are stored, \d+/s, \d+ s left", process.stderr)
    finally:
        process.stop()
