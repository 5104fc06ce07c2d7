"""Two collectors of one store: one receives, the other does the jobs and listens nowhere."""

from __future__ import annotations

import http.client
import time
from pathlib import Path

from tests.support.clickhouse_server import ClickHouseServer, free_port
from tests.support.collector import CollectorProcess, lambda_span, trace_request

START_NS = time.time_ns() - 3_600 * 10**9


def test_the_jobs_are_done_by_the_one_that_receives_nothing(tmp_path: Path) -> None:
    server = ClickHouseServer(tmp_path / "clickhouse", free_port())
    server.start()
    store = ["--store", f"http://127.0.0.1:{server.port}/default"]
    receives = CollectorProcess(tmp_path / "receives", [*store, "--role", "receive", "--linger-ms", "20"])
    jobs = CollectorProcess(tmp_path / "jobs", [*store, "--role", "jobs", "--jobs-every-s", "1"])
    try:
        span = lambda_span("invoke", start_ns=START_NS, duration_ns=10**6, request_id="one")
        post(receives.start().http, trace_request([span]).SerializeToString())
        addresses = jobs.start()
        assert (addresses.grpc, addresses.http, addresses.sql) == ("-", "-", "-")
        deadline = time.monotonic() + 60
        while not rolled_up(server.port):
            assert time.monotonic() < deadline, jobs.stderr
            time.sleep(0.2)
        assert receives.stop() == jobs.stop() == 0
    finally:
        for process in (receives, jobs):
            if process.running:
                process.kill()
        server.kill()


def post(address: str, body: bytes) -> None:
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
    assert connection.getresponse().status == 200
    connection.close()


def rolled_up(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/", "SELECT count() FROM lambda_rollups WHERE FunctionName = 'checkout'")
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return int(text) if answer.status == 200 else 0
