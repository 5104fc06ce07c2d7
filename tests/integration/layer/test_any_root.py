"""The built layer in root file systems that have nothing: no C library, no shell, no /proc, nothing to write to."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from deploy.layer.certificates import hashed_directory
from tests.support.layer import ENTRY, SHUTDOWN, ExtensionsApi, answer, launched, wait_until

pytestmark = [pytest.mark.layer, pytest.mark.root]

# Runs in a mount namespace of its own: /opt is read-only, /tmp is full, and there is nothing but what is asked for.
ENTER = """
import os, subprocess, sys
program, root, layer, proc, entry = sys.argv[1:]
mount = lambda *arguments: subprocess.run([program, *arguments], check=True)
mount("--bind", layer, root + "/opt")
mount("-o", "remount,bind,ro", root + "/opt")
mount("-t", "tmpfs", "-o", "size=4096", "tmpfs", root + "/tmp")
with open(root + "/tmp/full", "wb") as full:
    full.write(bytes(4096))
if proc == "proc":
    mount("-t", "proc", "proc", root + "/proc")
os.chroot(root)
os.chdir("/")
os.execv(entry, [entry])
"""


@pytest.fixture(params=["proc", "no proc"])
def bare(request, tmp_path):
    """Gives the command that enters a bare root and starts the launcher of a layer there."""
    if os.geteuid() != 0:
        pytest.fail("needs root: only root may mount and change the root directory")
    root = tmp_path / "root"
    for folder in ("opt", "tmp", "proc"):
        (root / folder).mkdir(parents=True)

    def command(layer: Path) -> list[str]:
        enter = [sys.executable, "-c", ENTER, tool("mount"), str(root), str(layer), request.param, f"/opt/{ENTRY}"]
        return [tool("unshare"), "--mount", "--propagation", "private", *enter]

    return command


def tool(name: str) -> str:
    """The path of a command: the environment that the launcher gets has no PATH to find it by."""
    path = shutil.which(name)
    assert path is not None, f"{name} of util-linux is missing"
    return path


class Collector(http.server.ThreadingHTTPServer):
    """Takes OTLP/HTTP exports."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.traces: list[ExportTraceServiceRequest] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def span_names(self) -> set[str]:
        """Names of the spans that have arrived."""
        return {
            span.name
            for request in list(self.traces)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/traces":
            self.server.traces.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name is the standard library's
        pass


@contextlib.contextmanager
def collecting(certificate: Path | None = None) -> Iterator[Collector]:
    """A collector that listens; with TLS where it has a certificate."""
    with Collector() as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.url = server.url.replace("http:", "https:")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def certificate_for_this_host(folder: Path) -> Path:
    """A file with a key and a certificate for 127.0.0.1 that it signed itself."""
    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    subject = ["-subj", "/O=Lambdascope  Tests/CN=Collector", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *subject, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both


TELEMETRY: list[dict[str, object]] = [
    {
        "time": "2026-11-21T10:00:00.000Z",
        "type": "platform.initStart",
        "record": {"initializationType": "on-demand", "phase": "init", "functionName": "f", "functionVersion": "1"},
    },
    {
        "time": "2026-11-21T10:00:00.300Z",
        "type": "platform.initRuntimeDone",
        "record": {"initializationType": "on-demand", "phase": "init", "status": "success"},
    },
    {
        "time": "2026-11-21T10:00:00.301Z",
        "type": "platform.initReport",
        "record": {
            "initializationType": "on-demand", "phase": "init", "status": "success", "metrics": {"durationMs": 301.0},
        },
    },
    {
        "time": "2026-11-21T10:00:00.302Z",
        "type": "platform.start",
        "record": {"requestId": "6f1f2c52-0000-4000-8000-000000000001", "version": "$LATEST"},
    },
    {
        "time": "2026-11-21T10:00:00.322Z",
        "type": "platform.runtimeDone",
        "record": {
            "requestId": "6f1f2c52-0000-4000-8000-000000000001", "status": "success", "metrics": {"durationMs": 20.0},
        },
    },
]  # fmt: skip


INVOKE_BODY = json.dumps({
    "eventType": "INVOKE",
    "deadlineMs": 1795255203000,
    "requestId": "6f1f2c52-0000-4000-8000-000000000001",
    "invokedFunctionArn": "arn:aws:lambda:eu-central-1:123456789012:function:f",
}).encode()  # fmt: skip


def deliver(api: ExtensionsApi, records: list[dict[str, object]]) -> int:
    """Deliver telemetry to where the launcher has subscribed it; the status of the answer."""
    destination = api.expect("telemetry").json["destination"]
    assert isinstance(destination, dict)
    connection = http.client.HTTPConnection("127.0.0.1", int(destination["URI"].rpartition(":")[2]), timeout=20)
    connection.request("POST", "/", json.dumps(records), {"Content-Type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    return status


def run_one_invocation(api: ExtensionsApi, collector: Collector, layer: Path, command: list[str]) -> None:
    """From the start to SHUTDOWN, with one invocation, of which the collector must hear."""
    environment = {
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "PATH": "",
    }
    with launched(layer, environment, command=command) as launcher:
        api.expect("register")
        assert deliver(api, TELEMETRY) == 200
        api.expect("next")
        api.answer_held(answer(200, INVOKE_BODY))
        api.expect("next")
        api.answer_held(SHUTDOWN)
        assert launcher.exit_code() == 0, launcher.stderr()
        wait_until(lambda: {"f", "init"} <= collector.span_names(), "the export of the invocation and of its init")


def test_starts_reports_and_exports_where_there_is_nothing(serve, bare, unpacked):
    with collecting() as collector:
        run_one_invocation(serve(), collector, unpacked, bare(unpacked))


def test_exports_over_tls_to_whom_an_authority_of_the_layer_vouches_for(serve, bare, layer_copy, tmp_path):
    """The collector's authority is put among the layer's; OpenSSL must find it there by its hash."""
    certificate = certificate_for_this_host(tmp_path)
    (layer_copy / "lambdascope/ca").chmod(0o755)
    for name, content in hashed_directory(certificate.read_text()).items():
        (layer_copy / "lambdascope/ca" / name).write_bytes(content)
    with collecting(certificate) as collector:
        run_one_invocation(serve(), collector, layer_copy, bare(layer_copy))
