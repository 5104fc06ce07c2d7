"""What the extension costs while functions run: processor time, memory and bytes, over plain HTTP, TLS and gRPC.

The extension is the built layer's, run by its own interpreter; Lambda and the collector are played here, so that
their work is not counted. All that was queued is sent before the end is taken.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import statistics
import subprocess
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import grpc

from benchmarks import Measurement
from benchmarks._billed import billed
from benchmarks._extension_process import undisturbed
from tests.support.certificates import Authority

LAYER_ZIP: Final = Path(__file__).resolve().parents[1] / "dist" / "layer.zip"
RUNS: Final = 5
INVOCATIONS: Final = 400
WARM_UP: Final = 50
QUEUE_BYTES: Final = 2 << 20
"""May wait of each signal, by default."""
PAUSE_S: Final = 0.005
"""Between the end of an invocation and the next, so that reports come with the next one's records, as on Lambda."""

_RUN: Final = "import sys; from extension.__main__ import main; sys.exit(main())"
_ALLOWED_FIRST_MS: Final = {"http": 45.0, "tls": 80.0}
_ALLOWED_RSS_MIB: Final = {"http": 16.0, "tls": 22.0}
_OTEL_CPU_MS: Final = 170.0
"""What the OpenTelemetry SDK needs to its first export by gRPC, at the least."""


def measure() -> Iterator[Measurement]:
    """Yields the figures whose names begin with ``extension.``."""
    with tempfile.TemporaryDirectory(prefix="lambdascope-bench-") as folder:
        layer = _Layer(Path(folder))
        for protocol in ("http", "tls", "grpc"):
            yield from _first_exports(layer, protocol)
        yield from _dense_traffic(layer)
        yield from _outage(layer)
    with undisturbed():
        yield from billed(LAYER_ZIP)


def _first_exports(layer: _Layer, protocol: str) -> Iterator[Measurement]:
    first = [_first_export(layer, protocol) for _ in range(RUNS)]
    cpu_ms = [cpu for cpu, _ in first]
    against = {"least": round(min(cpu_ms), 1), "opentelemetry_sdk_grpc": _OTEL_CPU_MS}
    if protocol in _ALLOWED_FIRST_MS:
        against["allowed"] = _ALLOWED_FIRST_MS[protocol]
    yield Measurement(f"extension.cpu_ms_first_export_{protocol}", round(statistics.median(cpu_ms), 1), "ms", against)
    dense = [_dense(layer, protocol) for _ in range(RUNS)]
    allowed = {"allowed": _ALLOWED_RSS_MIB[protocol]} if protocol in _ALLOWED_RSS_MIB else {}
    yield Measurement(f"extension.rss_mib_{protocol}", round(max(run.rss_mib for run in dense), 2), "MiB", allowed)


def _dense_traffic(layer: _Layer) -> Iterator[Measurement]:
    dense = [_dense(layer, "http") for _ in range(RUNS)]
    per_invocation = [run.cpu_ms for run in dense]
    beside = {name: [_dense(layer, name).cpu_ms for _ in range(RUNS)] for name in ("tls", "grpc")}
    yield Measurement(
        "extension.cpu_ms_per_invocation",
        round(statistics.median(per_invocation), 3),
        "ms",
        {
            "least": round(min(per_invocation), 3),
            "allowed": 1.0,
            **{name: round(statistics.median(figures), 3) for name, figures in beside.items()},
        },
    )
    yield Measurement(
        "extension.bytes_per_invocation",
        round(statistics.median(run.sent_bytes for run in dense)),
        "By",
        {"allowed": 4096.0},
    )


def _outage(layer: _Layer) -> Iterator[Measurement]:
    """What the memory comes to with a collector that nobody reaches, and more lines than may wait for it."""
    with _running(layer, "outage") as played:
        for number in range(INVOCATIONS):
            played.invocation(number, "an order of three items " * 500)
        rss_mib = played.rss_mib()
    bound = _ALLOWED_RSS_MIB["http"] + 2 * QUEUE_BYTES / (1 << 20)  # of spans and of log records
    yield Measurement("extension.rss_mib_outage", round(rss_mib, 2), "MiB", {"allowed": bound})


class _Layer:
    """The layer, unpacked, and how its launcher starts Python: with its own loader and libraries, not the machine's."""

    def __init__(self, folder: Path) -> None:
        with zipfile.ZipFile(LAYER_ZIP) as archive:
            archive.extractall(folder)
            for entry in archive.infolist():
                (folder / entry.filename).chmod(entry.external_attr >> 16 & 0o777 or 0o755)
        root = folder / "lambdascope"
        [loader] = (root / "lib").glob("ld-linux-*")
        self.command = [
            str(loader), "--inhibit-cache", "--library-path", str(root / "lib"), str(root / "bin" / "python3"),
            "-I", "-S", "-E", "-s", "-c", _RUN,
        ]  # fmt: skip
        self.environment = {
            "SSL_CERT_DIR": str(root / "ca"),
            "SSL_CERT_FILE": str(root / "ca" / "none"),
            "OPENSSL_CONF": str(root / "openssl.cnf"),
            "LC_ALL": "C",
        }


@dataclass(frozen=True)
class _Dense:
    """Figures of one invocation in dense traffic."""

    cpu_ms: float
    sent_bytes: float
    rss_mib: float


def _first_export(layer: _Layer, protocol: str) -> tuple[float, float]:
    """Processor time and memory when the first export has been answered."""
    with _running(layer, protocol) as played:
        played.invocation(0)
        played.wait_for_exports(2)  # spans and logs
        return played.cpu_ms(), played.rss_mib()


def _dense(layer: _Layer, protocol: str) -> _Dense:
    with _running(layer, protocol) as played:
        for number in range(WARM_UP):
            played.invocation(number)
        played.wait_for_exports(2)
        cpu_ms, sent = played.cpu_ms(), played.received
        for number in range(WARM_UP, WARM_UP + INVOCATIONS):
            played.invocation(number)
            time.sleep(PAUSE_S)
        rss_mib = played.rss_mib()
        return _Dense(
            (played.cpu_ms_at_the_end() - cpu_ms) / INVOCATIONS, (played.received - sent) / INVOCATIONS, rss_mib
        )


@contextlib.contextmanager
def _running(layer: _Layer, protocol: str) -> Iterator[_Played]:
    with tempfile.TemporaryDirectory(prefix="lambdascope-bench-") as folder, contextlib.ExitStack() as stack:
        api, collector = (stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        environment = {
            **layer.environment,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.getsockname()[1]}",
            "AWS_LAMBDA_FUNCTION_NAME": "orders",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_REGION": "eu-central-1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.getsockname()[1]}",
            "LAMBDASCOPE_STATE_FILE": f"{folder}/state",
        }
        server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
        context = None
        if protocol == "tls":
            authority, context = _tls(Path(folder))
            environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"https://127.0.0.1:{collector.getsockname()[1]}"
            environment["OTEL_EXPORTER_OTLP_CERTIFICATE"] = str(authority)
        if protocol == "outage":
            closed = stack.enter_context(socket.socket())
            closed.bind(("127.0.0.1", 0))  # and does not listen
            environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{closed.getsockname()[1]}"
        if protocol == "grpc":
            environment["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc"
            environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        process = subprocess.Popen(layer.command, env=environment, stderr=subprocess.DEVNULL)
        try:
            played = _Played(process.pid, api)
            server.add_generic_rpc_handlers((_GrpcCollector(played),))
            server.start()
            threading.Thread(target=played.collect, args=(collector, context), daemon=True).start()
            played.start()
            yield played
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
            server.stop(0).wait()


def _tls(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """The authority that the extension is to trust, and what it signed for a collector at 127.0.0.1."""
    authority = Authority(folder)
    certificate, key = authority.sign("collector")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return authority.certificate, context


class _GrpcCollector(grpc.GenericRpcHandler):
    """Accepts every export by gRPC, and counts its message's bytes."""

    def __init__(self, played: _Played) -> None:
        self._played = played

    def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        def accept(body: bytes, _context: grpc.ServicerContext) -> bytes:
            self._played.received += len(body)
            self._played.exports += 1
            return b""

        return grpc.unary_unary_rpc_method_handler(accept)


@dataclass
class _Played:
    """Lambda and a collector, for one extension."""

    pid: int
    api: socket.socket
    received: int = 0
    exports: int = 0
    connection: socket.socket = field(init=False)
    delivery: socket.socket = field(init=False)
    report: list[dict[str, object]] = field(default_factory=list)

    def start(self) -> None:
        self.connection, _ = self.api.accept()
        _request(self.connection)
        body = b'{"functionName":"orders","functionVersion":"1","handler":"h","accountId":"123456789012"}'
        _answer(self.connection, body, b"Lambda-Extension-Identifier: 5d2a7c1e\r\n")
        subscription = _request(self.connection)
        _answer(self.connection, b'"OK"')
        port = int(subscription.rpartition(b"localdomain:")[2].rstrip(b'"}'))
        self.delivery = socket.create_connection(("127.0.0.1", port))
        _request(self.connection)

    def invocation(self, number: int, text: str = "an order of three items was accepted for the customer") -> None:
        """One invocation that logs two lines of this text, until the extension asks for the next event."""
        request_id = f"6f1c0000-0000-4000-8000-{number:012d}"
        event = {
            "eventType": "INVOKE",
            "deadlineMs": round((time.time() + 30) * 1000),
            "requestId": request_id,
            "invokedFunctionArn": "arn:aws:lambda:eu-central-1:123456789012:function:orders",
            "tracing": {
                "type": "X-Amzn-Trace-Id",
                "value": f"Root=1-6650b9d5-{number:024x};Parent=0a1b2c3d4e5f6071;Sampled=0",
            },
        }
        _answer(self.connection, json.dumps(event).encode())
        start, *rest = _records(request_id, text)
        self.deliver([*self.report, start])
        self.deliver(rest[:-1])
        self.report = rest[-1:]
        _request(self.connection)

    def deliver(self, records: list[dict[str, object]]) -> None:
        body = json.dumps(records).encode()
        head = "POST / HTTP/1.1\r\nHost: sandbox.localdomain\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        self.delivery.sendall(head.encode() + body)
        self.delivery.recv(4096)

    def collect(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Accept exports, and count their bytes with their headers."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._collect_from, args=(connection, tls), daemon=True).start()

    def _collect_from(self, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        with contextlib.suppress(ConnectionError):
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            while True:
                size = len(_request(connection))
                self.received += size
                self.exports += 1
                _answer(connection, b"")

    def wait_for_exports(self, count: int) -> None:
        until = time.monotonic() + 20
        while self.exports < count:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.exports} of {count} exports came")
            time.sleep(0.002)

    def cpu_ms(self) -> float:
        tasks = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6

    def cpu_ms_at_the_end(self) -> float:
        """Have it shut down, which sends all that waits; processor time of its whole life."""
        deadline_ms = round((time.time() + 20) * 1000)
        event = {"eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": deadline_ms}
        _answer(self.connection, json.dumps(event).encode())
        _, _, usage = os.wait4(self.pid, 0)
        return (usage.ru_utime + usage.ru_stime) * 1e3

    def rss_mib(self) -> float:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _records(request_id: str, text: str) -> list[dict[str, object]]:
    """What the platform says of an invocation of 20 ms that logs two lines; the last is the report."""
    now = time.time()

    def at(ms: float) -> str:
        return datetime.fromtimestamp(now + ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    spans = [
        {"name": n, "start": at(0), "durationMs": 2.215}
        for n in ("responseLatency", "responseDuration", "runtimeOverhead")
    ]
    line = f"[INFO]\t{at(5)}\t{request_id}\t{text}\n"
    return [
        {"time": at(0), "type": "platform.start", "record": {"requestId": request_id, "version": "$LATEST"}},
        {"time": at(5), "type": "function", "record": line},
        {"time": at(6), "type": "function", "record": line},
        {"time": at(20), "type": "platform.runtimeDone", "record": {
            "requestId": request_id, "status": "success", "spans": spans,
            "metrics": {"durationMs": 20.185, "producedBytes": 40}}},
        {"time": at(21), "type": "platform.report", "record": {
            "requestId": request_id, "status": "success",
            "metrics": {"durationMs": 20.642, "billedDurationMs": 21, "memorySizeMB": 128, "maxMemoryUsedMB": 67}}},
    ]  # fmt: skip


def _request(connection: socket.socket) -> bytes:
    data = b""
    while True:
        piece = connection.recv(1 << 20)
        if not piece:
            raise ConnectionError(f"closed after {data[:80]!r}")
        data += piece
        head, end, body = data.partition(b"\r\n\r\n")
        length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
        if end and len(body) >= int(length or b"0"):
            return data


def _answer(connection: socket.socket, body: bytes, headers: bytes = b"") -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body)
