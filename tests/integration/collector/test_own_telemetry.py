"""The collector watches itself: spans and metrics to an OTLP receiver, a log in JSON, progress of a long replay."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path

import pytest

from tests.support.clickhouse_server import free_port
from tests.support.collector import CollectorProcess, lambda_span, running_collector, trace_request, wait_for_rows

START_NS = time.time_ns() - 3 * 86_400 * 10**9  # recent: what is older than the retention is removed


def export(process: CollectorProcess, name: str, spans: int = 1) -> None:
    made = [lambda_span(f"{name}-{number}", start_ns=START_NS, duration_ns=1) for number in range(spans)]
    request = urllib.request.Request(
        f"{process.addresses.http_url}/v1/traces",
        trace_request(made).SerializeToString(),
        {"Content-Type": "application/x-protobuf"},
    )
    urllib.request.urlopen(request, timeout=30).close()


def test_its_own_spans_and_metrics_are_stored_by_itself(tmp_path: Path) -> None:
    port = free_port()
    flags = ("--http-port", str(port), "--own-telemetry", f"http://127.0.0.1:{port}", "--linger-ms", "20")
    with running_collector(*flags, data=tmp_path / "data") as process:
        export(process, "a")
        client = process.sql()
        columns = "SpanAttributes['signal'], SpanAttributes['items'], StatusCode"
        query = f"SELECT {columns} FROM otel_traces WHERE SpanName = 'insert' ORDER BY Timestamp LIMIT 1"
        first = wait_for_rows(client, query, 1)
        assert first == [("traces", "1", "Unset")]
        client.close()


def test_its_log_as_json(tmp_path: Path) -> None:
    flags = ["--log-format", "json", "--store", "http://127.0.0.1:9/"]
    process = CollectorProcess(tmp_path / "data", flags)
    process.start()
    process.stop()
    lines = [line for line in process.stderr.splitlines() if not line.startswith("collector: ready ")]
    entries = [json.loads(line) for line in lines]
    assert any("Connection refused" in entry["body"] and entry["severity_text"] == "WARNING" for entry in entries)


@pytest.mark.timeout(300)
def test_a_start_with_much_queued_is_quick_and_tells_how_far_it_is(tmp_path: Path) -> None:
    """Receivers answer while the spool of before is being stored; every item is stored in the end."""
    process = CollectorProcess(tmp_path / "data", ["--store", "http://127.0.0.1:9/"])
    process.start()
    for number in range(30):
        export(process, f"queued-{number}", 5000)
    process.kill()
    process = CollectorProcess(tmp_path / "data", ["--linger-ms", "20"])
    process.start()
    assert "spool: 150000 items in" in process.stderr
    export(process, "new")
    client = process.sql()
    wait_for_rows(client, "SELECT 1 FROM otel_traces WHERE SpanName = 'new-0'", 1, within_s=150)
    assert client.query("SELECT count(), uniqExact(SpanName) FROM otel_traces").result_rows == [(150_001, 150_001)]
    client.close()
    process.stop()
