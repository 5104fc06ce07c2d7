"""Several queries at once beside ingest: exports go on being acknowledged, and each answer is that of some moment."""

from __future__ import annotations

import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import urllib3

from tests.support.acknowledged import Sender, differences
from tests.support.collector import CollectorProcess, running_collector

DAY_NS = 86_400 * 10**9
SENDERS = 3
READERS = 5
ROUNDS = 3
"""Of each reader's queries."""
LARGE = "SELECT number, repeat('x', 50) FROM numbers(300000)"
WHOLE = "SELECT count(), uniqExact(TraceId, SpanId), countIf(SpanName = 'invoke') FROM otel_traces"
WIDE = "SELECT Body, Timestamp FROM otel_logs ORDER BY Body FORMAT JSON"
FAILING = "SELECT throwIf(number = 200000, 'on purpose') FROM numbers(300000)"


def read(process: CollectorProcess, senders: list[Sender]) -> int:
    """Queries of every kind, one after the other; the spans that the last of them saw."""
    host, _, port = process.addresses.sql.partition(":")
    seen = 0
    with urllib3.HTTPConnectionPool(host, int(port), retries=False, timeout=60) as http:

        def ask(query: str) -> urllib3.BaseHTTPResponse:
            return http.request("GET", "/?" + urllib.parse.urlencode({"query": query}))

        for _ in range(ROUNDS):
            spans, distinct, invocations = (int(number) for number in ask(WHOLE).data.split())
            assert spans == distinct == invocations * senders[0].items  # an export is there as a whole or not at all
            assert spans >= seen
            seen = spans
            assert ask(LARGE).data.count(b"\n") == 300_000
            rows = ask(WIDE).json()
            assert len(rows["data"]) == rows["rows"]
            assert b"on purpose" in ask(FAILING).data
    return seen


def test_queries_and_ingest_go_on_beside_each_other(tmp_path: Path) -> None:
    start_ns = (time.time_ns() // DAY_NS - 3) * DAY_NS  # and the day after: both are over
    senders = [Sender(f"sandbox-{number}", start_ns, items=4, rest_s=0.01) for number in range(SENDERS)]
    until, give_up = threading.Event(), threading.Event()
    with running_collector("--linger-ms", "50", data=tmp_path / "data") as process:
        with ThreadPoolExecutor(SENDERS + READERS) as threads:
            sending = [threads.submit(sender.run, process.addresses.http, until, give_up) for sender in senders]
            try:
                while not all(sender.acknowledged for sender in senders):
                    time.sleep(0.01)
                before = [len(sender.acknowledged) for sender in senders]
                reading = [threads.submit(read, process, senders) for _ in range(READERS)]
                seen = [answer.result(timeout=120) for answer in reading]
                during = [len(sender.acknowledged) for sender in senders]
            finally:
                until.set()
            for sent in sending:
                sent.result(timeout=60)
            give_up.set()
        assert all(later > earlier for earlier, later in zip(before, during, strict=True)), "ingest stood still"
        assert max(seen) > 0
        with process.sql() as client:

            def rows(query: str) -> list[tuple[str, ...]]:
                return [tuple(str(value) for value in row) for row in client.query(query).result_rows]

            deadline = time.monotonic() + 60
            while found := differences(rows, senders):
                assert time.monotonic() < deadline, found
                time.sleep(0.2)
