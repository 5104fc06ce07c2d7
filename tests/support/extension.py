"""Lambda and a collector, played over real sockets for the extension's tests; and the extension as a real process."""

from __future__ import annotations

import gzip
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
IDENTIFIER = "0a1b2c3d-0000-4000-8000-000000000001"
ACCOUNT = "123456789012"
ARN = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:orders"


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Poll until `condition` holds; fail the test, naming `what`, where it does not in time."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, f"waited {timeout_s} s in vain for {what}"
        time.sleep(0.005)


def rfc3339(ns: int) -> str:
    """As the platform writes times: UTC, milliseconds."""
    return datetime.fromtimestamp(ns // 1_000_000 / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def plain(value: AnyValue) -> Any:
    """The Python value of an AnyValue."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    return getattr(value, kind)


def attributes(pairs: Any) -> dict[str, Any]:
    """A repeated KeyValue as a dictionary; fails where a key is there twice."""
    items: list[KeyValue] = list(pairs)
    found = {pair.key: plain(pair.value) for pair in items}
    assert len(found) == len(items), f"a key is there twice: {[pair.key for pair in items]}"
    return found


# Lambda --------------------------------------------------------------------------------------------------------------


@dataclass
class LambdaBehaviour:
    """How the played Lambda answers."""

    register_status: int = 200
    register_body: bytes | None = None
    register_identifier: str | None = IDENTIFIER
    subscribe_statuses: list[int] = field(default_factory=list)
    """Of the first subscriptions; 200 after them."""
    chunked: bool = False
    refuse_invoke_events: bool = False


class FakeLambda:
    """The Extensions API, and the sending side of the Telemetry API, of one sandbox."""

    def __init__(self, behaviour: LambdaBehaviour | None = None) -> None:
        self.behaviour = behaviour or LambdaBehaviour()
        self.registrations: list[tuple[dict[str, str], Any]] = []
        self.subscriptions: list[tuple[dict[str, str], Any]] = []
        self.next_calls = 0
        self._events: Queue[bytes] = Queue()
        self._server = _serve(_lambda_handler(self))
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """End the server; pending long polls end with it."""
        self._events.put(b"")
        self._server.shutdown()
        self._server.server_close()

    def push_raw(self, body: bytes) -> None:
        """Answer the next GET /next with these bytes."""
        self._events.put(body)

    def push_invoke(self, request_id: str, *, timeout_s: float = 30.0, trace: str = "") -> None:
        """Answer the next GET /next with an INVOKE event."""
        event = {
            "eventType": "INVOKE",
            "deadlineMs": round((time.time() + timeout_s) * 1000),
            "requestId": request_id,
            "invokedFunctionArn": f"{ARN}:live",
            "tracing": {"type": "X-Amzn-Trace-Id", "value": trace},
        }
        self.push_raw(json.dumps(event).encode())

    def push_shutdown(self, reason: str = "spindown", *, timeout_s: float = 2.0) -> None:
        """Answer the next GET /next with a SHUTDOWN event."""
        deadline_ms = round((time.time() + timeout_s) * 1000)
        self.push_raw(
            json.dumps({"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline_ms}).encode()
        )

    def next_event(self) -> bytes:
        """For the handler: wait for an event to answer with."""
        return self._events.get()

    def wait_for_next(self, count: int) -> None:
        """Wait until so many GET /next have come."""
        wait_until(lambda: self.next_calls >= count, f"GET /next number {count}, had {self.next_calls}")

    @property
    def listener_port(self) -> int:
        """Where the last accepted subscription wants its telemetry."""
        uri = str(self.subscriptions[-1][1]["destination"]["URI"])
        return int(uri.rpartition(":")[2])

    def deliver(self, records: list[dict[str, Any]]) -> None:
        """Send telemetry, as the platform does."""
        self.deliver_raw(json.dumps(records).encode())

    def deliver_raw(self, body: bytes) -> int:
        """Send these bytes as telemetry; the status of the answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.listener_port}/", body, {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return int(answer.status)

    def run_invocation(self, request_id: str, number: int, *, init_ns: int = 0) -> Invocation:
        """One whole, successful invocation, from the INVOKE event to its runtimeDone; init records where asked for."""
        invocation = Invocation(request_id, time.time_ns() // 1_000_000 * 1_000_000)
        self.wait_for_next(number)
        self.push_invoke(request_id)
        records = init_records(init_ns) if init_ns else []
        self.deliver([*records, *invocation.records()])
        return invocation


@dataclass
class Invocation:
    """What the platform says of one invocation."""

    request_id: str
    start_ns: int
    duration_ms: float = 11.185
    status: str = "success"

    def records(self) -> list[dict[str, Any]]:
        """platform.start and platform.runtimeDone."""
        done_ns = self.start_ns + round(self.duration_ms * 1e6)
        span = {"name": "responseLatency", "start": rfc3339(self.start_ns), "durationMs": 2.215}
        return [
            {"time": rfc3339(self.start_ns), "type": "platform.start",
             "record": {"requestId": self.request_id, "version": "$LATEST"}},
            {"time": rfc3339(done_ns), "type": "platform.runtimeDone",
             "record": {"requestId": self.request_id, "status": self.status, "spans": [span],
                        "metrics": {"durationMs": self.duration_ms, "producedBytes": 40}}},
        ]  # fmt: skip

    def report(self) -> dict[str, Any]:
        """platform.report."""
        metrics = {"durationMs": self.duration_ms + 0.457, "billedDurationMs": 12, "memorySizeMB": 128,
                   "maxMemoryUsedMB": 67}  # fmt: skip
        time_ns = self.start_ns + round((self.duration_ms + 3) * 1e6)
        record = {"requestId": self.request_id, "status": self.status, "metrics": metrics}
        return {"time": rfc3339(time_ns), "type": "platform.report", "record": record}


def init_records(start_ns: int, duration_ms: float = 173.778) -> list[dict[str, Any]]:
    """The three records of an on-demand init."""
    kind = {"initializationType": "on-demand", "phase": "init"}
    about = {"runtimeVersion": "python:3.12.v38", "functionName": "orders", "functionVersion": "$LATEST"}
    end_ns = start_ns + round(duration_ms * 1e6)
    return [
        {"time": rfc3339(start_ns), "type": "platform.initStart",
         "record": {**kind, **about}},
        {"time": rfc3339(end_ns - 1_000_000), "type": "platform.initRuntimeDone",
         "record": {**kind, "status": "success"}},
        {"time": rfc3339(end_ns), "type": "platform.initReport",
         "record": {**kind, "status": "success", "metrics": {"durationMs": duration_ms}}},
    ]  # fmt: skip


def _lambda_handler(fake: FakeLambda) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        def do_POST(self) -> None:
            fake.registrations.append((self.lower_headers(), self.json_body()))
            behaviour = fake.behaviour
            if behaviour.refuse_invoke_events and "INVOKE" in fake.registrations[-1][1]["events"]:
                self.answer(403, b'{"errorType":"Extension.InvalidEventType"}')
                return
            body = behaviour.register_body
            if body is None:
                about = {"functionName": "orders", "functionVersion": "$LATEST", "handler": "h", "accountId": ACCOUNT}
                body = json.dumps(about).encode()
            headers = {"Lambda-Extension-Identifier": behaviour.register_identifier or ""}
            headers = headers if behaviour.register_identifier else {}
            self.answer(behaviour.register_status, body, headers, chunked=behaviour.chunked)

        def do_PUT(self) -> None:
            number = len(fake.subscriptions)
            fake.subscriptions.append((self.lower_headers(), self.json_body()))
            statuses = fake.behaviour.subscribe_statuses
            self.answer(statuses[number] if number < len(statuses) else 200, b'"OK"', chunked=fake.behaviour.chunked)

        def do_GET(self) -> None:
            assert self.path == "/2020-01-01/extension/event/next"
            assert self.headers["Lambda-Extension-Identifier"] == IDENTIFIER
            fake.next_calls += 1
            self.answer(200, fake.next_event(), chunked=fake.behaviour.chunked)

    return Handler


# Collector -----------------------------------------------------------------------------------------------------------


@dataclass
class Export:
    """One request that the collector got."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: tuple[str, int]
    """The peer's address: the same for two requests on one connection."""

    @property
    def traces(self) -> ExportTraceServiceRequest:
        """The body as traces, by the official bindings."""
        return ExportTraceServiceRequest.FromString(self._decoded())

    @property
    def logs(self) -> ExportLogsServiceRequest:
        """The body as logs, by the official bindings."""
        return ExportLogsServiceRequest.FromString(self._decoded())

    def _decoded(self) -> bytes:
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body

    @property
    def spans(self) -> list[Span]:
        """All spans of the request."""
        return [s for rs in self.traces.resource_spans for ss in rs.scope_spans for s in ss.spans]


Answer = tuple[int, dict[str, str], bytes]


class FakeCollector:
    """An OTLP/HTTP collector. `answer` decides; what it accepts is in `exports`, everything that came in `requests`."""

    def __init__(
        self,
        answer: Callable[[Export], Answer | None] | None = None,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.answer = answer or (lambda _export: (200, {}, b""))
        self.requests: list[Export] = []
        self.exports: list[Export] = []
        self.released = threading.Event()
        self.connections: list[socket.socket] = []
        self._server = _serve(_collector_handler(self), port, tls, host)
        self.port = int(self._server.server_address[1])
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """End the server, and let go of what a black hole holds."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def drop_connections(self) -> None:
        """Close all connections from this side."""
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def trace_exports(self) -> list[Export]:
        """Accepted exports of traces."""
        return [export for export in list(self.exports) if export.path.endswith("/v1/traces")]

    @property
    def spans(self) -> list[Span]:
        """Accepted spans."""
        return [span for export in self.trace_exports for span in export.spans]

    def spans_of(self, phase: str) -> list[dict[str, Any]]:
        """The attributes of the accepted spans of a phase."""
        found = [attributes(span.attributes) for span in self.spans]
        return [values for values in found if values["lambda.phase"] == phase]

    def wait_for_spans(self, count: int) -> list[Span]:
        """Wait until so many spans have been accepted."""
        wait_until(lambda: len(self.spans) >= count, f"{count} spans, had {len(self.spans)}")
        return self.spans


def _collector_handler(fake: FakeCollector) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        def setup(self) -> None:
            super().setup()
            fake.connections.append(self.connection)

        def do_POST(self) -> None:
            address = (str(self.client_address[0]), int(self.client_address[1]))
            export = Export(self.path, self.lower_headers(), self.body(), address)
            fake.requests.append(export)
            answer = fake.answer(export)
            if answer is None:  # a black hole: the request is read and nothing is said
                fake.released.wait()
                self.close_connection = True
                return
            status, headers, body = answer
            if 200 <= status < 300:
                fake.exports.append(export)
            self.answer(status, body, headers)

    return Handler


# Both ----------------------------------------------------------------------------------------------------------------


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        pass

    def lower_headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def json_body(self) -> Any:
        return json.loads(self.body())

    def answer(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, chunked: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))))
        self.end_headers()
        if chunked:
            pieces = [body[i : i + 7] for i in range(0, len(body), 7)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that went away is what the tests are about."""


def _serve(
    handler: type[BaseHTTPRequestHandler], port: int = 0, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> ThreadingHTTPServer:
    server = _Server((host, port), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


# The extension -------------------------------------------------------------------------------------------------------

_RUN = "import sys; sys.path.insert(0, sys.argv[1]); from extension.__main__ import main; sys.exit(main())"


@dataclass
class Extension:
    """The extension as a process."""

    process: subprocess.Popen[bytes]
    stderr_path: Path

    @property
    def stderr(self) -> list[str]:
        """The lines that it wrote."""
        return self.stderr_path.read_text(errors="replace").splitlines()

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(PATIENCE_S)


@contextmanager
def running_extension(
    runtime_api: str, directory: Path, environ: Mapping[str, str], *, code: str = _RUN, pass_fds: tuple[int, ...] = ()
) -> Iterator[Extension]:
    """Start ``python -I -S`` with the extension, as the layer does; end it at the end of the block if need be."""
    base = {
        "PATH": os.environ["PATH"],
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": "eu-central-1",
        "LAMBDASCOPE_STATE_FILE": str(directory / "state"),
    }
    stderr_path = directory / "extension.stderr"
    command = [sys.executable, "-I", "-S", "-c", code, str(ROOT)]
    with stderr_path.open("wb") as stderr:
        process = subprocess.Popen(command, env={**base, **environ}, stderr=stderr, pass_fds=pass_fds)
    try:
        yield Extension(process, stderr_path)
    finally:
        process.kill()
        process.wait()
