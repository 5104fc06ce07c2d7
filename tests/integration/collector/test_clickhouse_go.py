"""clickhouse-go over HTTP, as Grafana's ClickHouse data source uses it, on the SQL endpoint.

The driver is built from the Go module proxy, which takes minutes: only where LAMBDASCOPE_SOAK=1. What it sends first is
also in the contract tests.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from collector.sql.hello import answer, is_hello
from tests.support.collector import lambda_span, running_collector, trace_request, wait_for_rows

SOURCE = Path(__file__).parents[2] / "support" / "clickhouse_go"
TRACE = b"\x07" * 16


def test_the_drivers_first_question() -> None:
    """conn_http.go of clickhouse-go 2.50; the block is as ClickHouse writes it from revision 54454 on."""
    assert is_hello("SELECT displayName(), version(), revision(), timezone()", "54483")
    assert not is_hello("SELECT displayName(), version(), revision(), timezone()", "")
    assert not is_hello("SELECT version()", "54483")
    block = answer("n", "26.9", "UTC")
    assert block.startswith(b"\x01\x00\x02\xff\xff\xff\xff\x00\x04\x01\x0ddisplayName()\x06String\x00\x01n")
    assert block.endswith(b"\x0arevision()\x06UInt32\x00" + bytes(4) + b"\x0atimezone()\x06String\x00\x03UTC")


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.skipif(os.environ.get("LAMBDASCOPE_SOAK") != "1", reason="builds a Go program, for minutes: make soak")
def test_grafanas_health_check_and_queries(tmp_path: Path) -> None:
    program = tmp_path / "clickhouse_go"
    subprocess.run(["go", "build", "-o", str(program), "."], cwd=SOURCE, check=True)
    with running_collector("--linger-ms", "20", data=tmp_path / "data") as collector:
        with grpc.insecure_channel(collector.addresses.grpc) as channel:
            span = lambda_span("op", start_ns=1_750_000_000 * 10**9, duration_ns=10**6, trace_id=TRACE, key="value")
            TraceServiceStub(channel).Export(trace_request([span]))
        client = collector.sql()
        wait_for_rows(client, "SELECT 1 FROM otel_traces_trace_id_ts", 1)
        client.close()
        for compression in COMPRESSIONS:
            run = subprocess.run(
                [str(program), collector.addresses.sql, compression, TRACE.hex()],
                capture_output=True, check=True, text=True,
            )  # fmt: skip
            answers = json.loads(run.stdout)
            assert answers["columns"] == ["BodyString"]
            assert answers["databases"] == ["default"]
            assert answers["insert_refused"] is True
            assert answers["large"][0] == "300000"
            assert answers["search"] == [f"{TRACE.hex()}checkoutop2025-06-15 15:06:40 +0000 UTC 1"]
            assert len(answers["trace"]) == len(answers["volume"]) == 1
            assert "map[key:key value:value]" in answers["trace"][0]


COMPRESSIONS = ("none", "gzip")
"""What the data source sends is gzip; the driver's own LZ4 and ZSTD (``compress=1``) are refused."""
