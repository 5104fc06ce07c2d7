"""Recorded real telemetry: the sums that the emulator is held to hold in it, and the built layer understands it."""

import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support import emulator_sums
from tests.support.emulator import PATIENCE_S, REPOSITORY

RECORDED = sorted(Path(__file__).with_name("recorded").glob("*.jsonl"))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("{")]


@contextmanager
def collector() -> Iterator[tuple[int, list[Any]]]:
    """Takes OTLP over HTTP, and keeps the spans."""
    spans: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    spans.extend(span for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, spans
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_sums_hold_in_what_was_recorded(path):
    records = [line for line in lines(path) if "type" in line]

    looked = emulator_sums.check(records, is_init_free=path.stem.endswith("init-free"), spans_within_ms=0.3)

    assert looked["platform.report"] == len([one for one in records if one["type"] == "platform.report"]) > 0


@pytest.mark.layer
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_layer_tells_the_phases_of_what_was_recorded(path):
    with collector() as (port, spans):
        command = [sys.executable, "-m", "emulator", "replay", str(path), "--layer", "dist/layer.zip"]
        command += ["--relay", f"collector=127.0.0.1:{port}", "--logs"]
        command += ["--env", "LAMBDASCOPE_OTEL_EXPORTER_OTLP_ENDPOINT=http://${relay:collector}"]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    assert done.returncode == 0, done.stderr
    phases = {phase: span for span in spans if (phase := phase_of(span))}
    for kind, phase in (("platform.initReport", "init"), ("platform.runtimeDone", "invoke")):
        record = next(line["record"] for line in lines(path) if line.get("type") == kind)
        duration_ms = (phases[phase].end_time_unix_nano - phases[phase].start_time_unix_nano) / 1e6
        assert abs(duration_ms - record["metrics"]["durationMs"]) <= 1
    assert {"post_runtime", "shutdown"} <= set(phases)


def phase_of(span) -> str | None:
    found = [attribute.value.string_value for attribute in span.attributes if attribute.key == "lambda.phase"]
    return found[0] if found else None
