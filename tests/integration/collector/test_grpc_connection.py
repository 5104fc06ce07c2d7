"""Connections on 4317: real clients, both ways of answering, and clients that do not behave.

LAMBDASCOPE_SOAK=1 sends a hundred times as many mangled bytes, and builds OpenTelemetry's exporter for Go.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import random
import re
import resource
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from collector.listener import Listener
from collector.receiver import frames
from collector.receiver import grpc as receiver
from collector.receiver.access import Open, new_token
from collector.receiver.frames import Frame
from collector.receiver.intake import Done, Intake, IntakeSettings
from collector.receiver.relay import Library
from collector.spool.record import Record
from collector.spool.repeats import Repeats
from collector.telemetry import Counters
from extension.delivery import ACCEPTED, REFUSED
from extension.http_client import connect
from extension.otlp_grpc import GrpcConnection
from extension.settings import ExportSettings
from extension.url import Endpoint
from tests.support.certificates import Authority
from tests.support.collector import CollectorProcess, lambda_span, running_collector, trace_request, wait_for_rows

SOAK = os.environ.get("LAMBDASCOPE_SOAK") == "1"
ROUNDS = 50_000 if SOAK else 500
GO_SOURCE = Path(__file__).parents[2] / "support" / "otlp_go"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
START_NS = time.time_ns() - 3 * 86_400 * 10**9  # recent: what is older than the retention is removed
MAX_REQUEST_BYTES = 4 << 20
HELLO = frames.PREFACE + frames.settings({})
Answer = tuple[grpc.StatusCode, str | None, bytes | None, list[tuple[str, str | bytes]]]


@pytest.fixture(scope="module")
def collector() -> Iterator[CollectorProcess]:
    limits = ("--max-request-bytes", str(MAX_REQUEST_BYTES), "--max-decompressed-bytes", "8MiB", "--linger-ms", "50")
    with running_collector(*limits) as process:
        yield process
        assert "Traceback" not in process.stderr, process.stderr


def spans(name: str, count: int = 1, size: int = 0) -> bytes:
    made = [
        lambda_span(name, start_ns=START_NS + n, duration_ns=1, request_id=str(n), text="x" * size)
        for n in range(count)
    ]
    return trace_request(made).SerializeToString()


GOOD = spans("good")


@contextlib.contextmanager
def channel_to(address: str, credentials: grpc.ChannelCredentials | None = None) -> Iterator[grpc.Channel]:
    """With a connection of its own: channels of the same options share one."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    if credentials is None:
        opened = grpc.insecure_channel(address, options=options)
    else:
        opened = grpc.secure_channel(address, credentials, options=options)
    with opened as channel:
        yield channel


def check(channel: grpc.Channel) -> int:
    status: int = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20).status
    return status


def answer(channel: grpc.Channel, body: bytes, **options: object) -> Answer:
    export: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
    try:
        response, done = export.with_call(body, timeout=20, **options)  # type: ignore[arg-type]
    except grpc.RpcError as error:
        return (
            error.code(),
            error.details(),
            None,
            [(item.key, item.value) for item in error.trailing_metadata() or ()],
        )
    return (done.code(), done.details(), response, [(key, value) for key, value in done.trailing_metadata() or ()])


def metric(collector: CollectorProcess, name: str) -> float:
    with urllib.request.urlopen(f"{collector.addresses.http_url}/metrics", timeout=20) as page:
        text = page.read().decode()
    found = re.search(rf"^lambdascope_collector_{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1])


def eventually(what: Callable[[], bool], within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# Real clients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "options"),
    [
        (GOOD, {}),
        (b"", {}),
        (GOOD * 3, {"compression": grpc.Compression.Gzip}),
        (gzip.compress(GOOD), {}),
        (b"\xff\xff", {}),
        (b"\x1f\x8bnonsense", {}),
        (bytes(MAX_REQUEST_BYTES + 1), {}),
        (bytes(9 << 20), {"compression": grpc.Compression.Gzip}),
        (bytes(1000), {"compression": grpc.Compression.Deflate}),
        (GOOD, {"metadata": (("x-lambdascope-instance", "i"), ("x-lambdascope-sequence", "1"))}),
        (GOOD, {"metadata": (("anything-bin", b"\x00\xff"), ("authorization", "Basic of no use"))}),
        (b"\xff" + "é%\n".encode() * 9, {}),
    ],
    ids=["one", "empty", "gzip", "gzip that is not said", "malformed", "not gzip", "too large", "too large inside",
         "deflate", "numbered", "metadata", "words that need an escape"],
)  # fmt: skip
def test_both_ways_give_the_same_answer(collector: CollectorProcess, body: bytes, options: dict[str, object]) -> None:
    """A connection that begins with something else is the library's, exports included."""
    with channel_to(collector.addresses.grpc) as ours, channel_to(collector.addresses.grpc) as librarys:
        assert check(librarys) == health_pb2.HealthCheckResponse.SERVING
        assert answer(ours, body, **options) == answer(librarys, body, **options)


def test_more_headers_than_are_read(collector: CollectorProcess) -> None:
    """The library's to answer, and nothing that a client would send again for ever."""
    with channel_to(collector.addresses.grpc) as channel:
        for _ in range(2):
            code = answer(channel, GOOD, metadata=(("large", "x" * 20_000),))[0]
            assert code in {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
            answer(channel, GOOD)


def test_health_checks_between_exports(collector: CollectorProcess) -> None:
    """The first costs the client its connection, which it does not notice; the next one serves both."""
    with channel_to(collector.addresses.grpc) as channel:
        for _ in range(10):
            assert answer(channel, GOOD)[0] is grpc.StatusCode.OK
            assert check(channel) == health_pb2.HealthCheckResponse.SERVING


def test_a_check_while_exports_are_on_their_way(collector: CollectorProcess) -> None:
    """GOAWAY lets what began before it end."""
    with channel_to(collector.addresses.grpc) as channel:
        export: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
        export(GOOD, timeout=20)
        pending = [export.future(spans(f"n{n}", 200), timeout=20) for n in range(20)]
        watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=20)
        assert next(watching).status == health_pb2.HealthCheckResponse.SERVING
        pending += [export.future(GOOD, timeout=20) for _ in range(20)]
        assert [call.result() for call in pending] == [b""] * 40
        watching.cancel()


def test_many_streams_at_once(collector: CollectorProcess) -> None:
    """Five times as many as one connection may have at a time: the client waits with the others."""

    async def run() -> list[bytes]:
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(collector.addresses.grpc, options=options) as channel:
            export: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
            return list(await asyncio.gather(*(export(spans(f"s{n}"), timeout=60) for n in range(500))))

    assert asyncio.run(run()) == [b""] * 500


@pytest.mark.parametrize("size", [1, 16_000, 70_000, 300_000, 3_000_000])
@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip])
def test_messages_larger_than_frames_and_windows(
    collector: CollectorProcess, size: int, compression: grpc.Compression | None
) -> None:
    with channel_to(collector.addresses.grpc) as channel:
        body = spans("large", 3, size // 3)
        for _ in range(2):
            assert answer(channel, body, compression=compression)[0] is grpc.StatusCode.OK


def test_the_layers_own_client(collector: CollectorProcess) -> None:
    host, _, port = collector.addresses.grpc.rpartition(":")
    settings = ExportSettings(Endpoint("http", host, int(port), EXPORT), grpc=True)
    connection = GrpcConnection(connect(host, int(port), 5), settings)
    for number in range(200):
        headers = [("x-lambdascope-instance", "of the layer"), ("x-lambdascope-sequence", str(number + 1))]
        zipped = number % 2 == 1
        body = spans("layer", number + 1)
        verdict = connection.post(
            gzip.compress(body) if zipped else body,
            (*headers, ("content-encoding", "gzip")) if zipped else tuple(headers),
            time.monotonic() + 20,
        )
        assert (verdict.outcome, connection.reusable) == (ACCEPTED, True)
    assert connection.post(b"\xff\xff", (), time.monotonic() + 20).outcome == REFUSED
    too_large = connection.post(bytes(MAX_REQUEST_BYTES + 1), (), time.monotonic() + 20)
    assert (too_large.outcome, "larger" in too_large.reason) == (REFUSED, True)
    connection.close()


def test_a_refusal_before_the_end_of_a_large_request(tmp_path: Path) -> None:
    """Who has no token is told so at once, and need not send megabytes first."""
    _, digest = new_token()
    (tmp_path / "tokens").write_text(digest)
    with running_collector("--tokens", str(tmp_path / "tokens"), data=tmp_path / "data") as process:
        with channel_to(process.addresses.grpc) as channel:
            for size in (10, 3_000_000):
                assert answer(channel, bytes(size))[0] is grpc.StatusCode.UNAUTHENTICATED
        with raw(process) as client:
            client.sendall(HELLO + call_headers(1))
            found = client.read_until(lambda found: found[-1].kind == frames.RST_STREAM)
            assert found[-1].payload == frames.NO_ERROR.to_bytes(4, "big")
            assert frames.field_line(b"grpc-status", b"16") in found[-2].payload


def test_tls(tmp_path: Path) -> None:
    """With certificates of clients: exports, health, and HTTP/2 as what is agreed on (RFC 9113, 3.2)."""
    authority = Authority(tmp_path)
    certificate, key = authority.sign("server")
    client_certificate, client_key = authority.sign("client")
    flags = ["--tls-certificate", str(certificate), "--tls-key", str(key)]
    flags += ["--tls-client-authority", str(authority.certificate)]
    with running_collector(*flags, data=tmp_path / "data") as process:
        credentials = grpc.ssl_channel_credentials(
            authority.certificate.read_bytes(), client_key.read_bytes(), client_certificate.read_bytes()
        )
        with channel_to(process.addresses.grpc, credentials) as channel:
            assert answer(channel, spans("large", 1, 500_000))[0] is grpc.StatusCode.OK
            assert check(channel) == health_pb2.HealthCheckResponse.SERVING
            assert answer(channel, GOOD)[0] is grpc.StatusCode.OK
        context = ssl.create_default_context(cafile=str(authority.certificate))
        context.load_cert_chain(client_certificate, client_key)
        context.set_alpn_protocols(["h2"])
        host, _, port = process.addresses.grpc.rpartition(":")
        plain = socket.create_connection((host, int(port)), timeout=20)
        with context.wrap_socket(plain, server_hostname=host) as wrapped:
            assert wrapped.selected_alpn_protocol() == "h2"
        without = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
        with channel_to(process.addresses.grpc, without) as channel:
            assert answer(channel, GOOD)[0] is grpc.StatusCode.UNAVAILABLE


def test_a_stop_answers_what_runs(tmp_path: Path) -> None:
    """An export that has begun is answered or refused as one to send again; none is lost without a word."""
    process = CollectorProcess(tmp_path / "data", ["--linger-ms", "50"])
    process.start()
    with channel_to(process.addresses.grpc) as channel:
        export: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
        export(GOOD, timeout=20)
        pending = [export.future(spans(f"n{n}", 500), timeout=20) for n in range(30)]
        assert process.stop() == 0
        codes = {call.code() for call in pending}
    assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    accepted = sum(call.code() is grpc.StatusCode.OK for call in pending)
    process.start()
    client = process.sql()
    stored = wait_for_rows(client, "SELECT DISTINCT SpanName FROM otel_traces", accepted + 1)
    client.close()
    process.stop()
    names = {f"n{n}" for n, call in enumerate(pending) if call.code() is grpc.StatusCode.OK}
    assert names <= {name for (name,) in stored}
    assert "Traceback" not in process.stderr


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not SOAK, reason="builds a Go program, for minutes: make soak")
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_opentelemetrys_exporter_for_go(collector: CollectorProcess, tmp_path: Path, encoding: str) -> None:
    program = tmp_path / "otlp_go"
    subprocess.run(["go", "build", "-o", str(program), "."], cwd=GO_SOURCE, check=True)
    command = [str(program), collector.addresses.grpc, "200", encoding]
    run = subprocess.run(command, capture_output=True, check=False, text=True)
    assert run.stdout.split() == ["SERVING", "200"], run.stderr
    client = collector.sql()
    wait_for_rows(client, f"SELECT 1 FROM otel_traces WHERE startsWith(SpanName, '{encoding} ')", 200)
    client.close()


# Clients that do not behave ------------------------------------------------------------------------------------------


class Raw:
    """A socket, and the frames that come on it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.found: list[Frame] = []
        self._rest = b""
        self.ended = False

    def sendall(self, data: bytes) -> None:
        self._sock.sendall(data)

    def shutdown(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)

    def read_until(self, enough: Callable[[list[Frame]], bool] = lambda _: False) -> list[Frame]:
        """Up to what is enough, or to the end."""
        while not (self.found and enough(self.found)):
            try:
                data = self._sock.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                self.ended = True
                break
            self._rest += data
            while (frame := frames.read(self._rest, 0)) is not None:
                self.found.append(frame)
                self._rest = self._rest[frames.HEAD_BYTES + len(frame.payload) :]
        return self.found


@contextlib.contextmanager
def raw(collector: CollectorProcess) -> Iterator[Raw]:
    host, _, port = collector.addresses.grpc.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as sock:
        yield Raw(sock)


def call_headers(stream: int, path: str = EXPORT, flags: int = frames.END_HEADERS) -> bytes:
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x", "te": "trailers",
              "content-type": "application/grpc", "user-agent": "a test"}  # fmt: skip
    block = b"".join(frames.field_line(name.encode(), value.encode("latin-1")) for name, value in fields.items())
    return frames.write(frames.HEADERS, flags, stream, block)


def call_data(stream: int, message: bytes = GOOD, flags: int = frames.END_STREAM) -> bytes:
    return frames.write(frames.DATA, flags, stream, b"\0" + len(message).to_bytes(4, "big") + message)


def is_answered(stream: int) -> Callable[[list[Frame]], bool]:
    return lambda found: found[-1].stream == stream and bool(found[-1].flags & frames.END_STREAM)


def code_of(frame: Frame) -> int:
    return int.from_bytes(frame.payload[4:8], "big")


BEGUN = HELLO + call_headers(1)
HELLO_HEALTH = HELLO + call_headers(1, "/grpc.health.v1.Health/Check")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", frames.PROTOCOL_ERROR),
        (frames.PREFACE + call_headers(1), frames.PROTOCOL_ERROR),
        (HELLO + call_headers(2), frames.PROTOCOL_ERROR),
        (BEGUN + frames.write(frames.HEADERS, frames.END_HEADERS, 3, b"\xff" * 6), frames.COMPRESSION_ERROR),
        (BEGUN + frames.with_number(frames.WINDOW_UPDATE, 0, (1 << 31) - 1), frames.FLOW_CONTROL_ERROR),
        (BEGUN + frames.write(frames.PING, 0, 0, bytes(8)) * 1001, frames.ENHANCE_YOUR_CALM),
        (BEGUN + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", frames.FRAME_SIZE_ERROR),
    ],
    ids=["no HTTP/2", "no SETTINGS", "even", "no HPACK", "a window beyond all", "a flood", "a large frame"],
)  # fmt: skip
def test_faults_end_the_connection_with_their_code(collector: CollectorProcess, sent: bytes, code: int) -> None:
    with raw(collector) as client:
        client.sendall(sent)
        last = client.read_until()[-1]
        assert (last.kind, code_of(last)) == (frames.GOAWAY, code)
    eventually(lambda: metric(collector, "in_flight_bytes") == 0)


@pytest.mark.parametrize(
    "message",
    [b"", b"\0\0", b"\0\0\0\0\x09abc", b"\0\0\0\0\x01ab", b"\x02\0\0\0\x01a", bytes(10)],
    ids=["none", "half a prefix", "cut off", "more than one", "neither plain nor compressed", "two"],
)
def test_calls_without_exactly_one_message(collector: CollectorProcess, message: bytes) -> None:
    """INVALID_ARGUMENT, and the connection goes on."""
    with raw(collector) as client:
        client.sendall(HELLO + call_headers(1) + frames.write(frames.DATA, frames.END_STREAM, 1, message))
        refused = client.read_until(is_answered(1))[-1]
        assert frames.field_line(b"grpc-status", b"3") in refused.payload
        client.sendall(call_headers(3) + call_data(3))
        assert frames.field_line(b"grpc-status", b"0") in client.read_until(is_answered(3))[-1].payload


def test_one_byte_at_a_time(collector: CollectorProcess) -> None:
    with raw(collector) as client:
        for byte in HELLO + call_headers(1) + call_data(1):
            client.sendall(bytes((byte,)))
        assert frames.field_line(b"grpc-status", b"0") in client.read_until(is_answered(1))[-1].payload


def test_a_client_that_sends_nothing_more_is_answered(collector: CollectorProcess) -> None:
    with raw(collector) as client:
        client.sendall(HELLO + call_headers(1) + call_data(1))
        client.shutdown()
        found = client.read_until()
        assert client.ended
        assert any(frames.field_line(b"grpc-status", b"0") in frame.payload for frame in found)


def test_what_is_announced_holds_nothing_and_a_reset_gives_back(collector: CollectorProcess) -> None:
    with raw(collector) as client:
        client.sendall(HELLO + call_headers(1) + frames.write(frames.DATA, 0, 1, b"\0" + (1 << 20).to_bytes(4, "big")))
        client.sendall(call_headers(3) + call_data(3))
        client.read_until(is_answered(3))
        assert metric(collector, "in_flight_bytes") == 0
        client.sendall(frames.write(frames.DATA, 0, 1, bytes(10_000)))
        eventually(lambda: metric(collector, "in_flight_bytes") == 10_000)
        client.sendall(frames.with_number(frames.RST_STREAM, 1, frames.CANCEL))
        eventually(lambda: metric(collector, "in_flight_bytes") == 0)
        client.sendall(call_headers(5) + frames.write(frames.DATA, 0, 5, b"\0\0\1\0\0" + bytes(9_000)))
        eventually(lambda: metric(collector, "in_flight_bytes") == 9_000)
    eventually(lambda: metric(collector, "in_flight_bytes") == 0)


def test_a_stalled_request_is_cut_off(collector: CollectorProcess) -> None:
    """After 20 s without a byte of it; what else is on the connection goes on."""
    with raw(collector) as client:
        client.sendall(HELLO + call_headers(1) + frames.write(frames.DATA, 0, 1, b"\0\0\1\0\0" + bytes(9_000)))
        deadline = time.monotonic() + 40
        stream = 3
        while not any(frame.kind == frames.RST_STREAM and frame.stream == 1 for frame in client.found):
            assert time.monotonic() < deadline
            client.sendall(call_headers(stream) + call_data(stream))
            client.read_until(is_answered(stream))
            stream += 2
            time.sleep(0.5)
    eventually(lambda: metric(collector, "in_flight_bytes") == 0)


def test_a_client_that_does_not_read(collector: CollectorProcess) -> None:
    """Its requests are not read either, once its answers pile up; others do not notice."""
    host, _, port = collector.addresses.grpc.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=2) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(HELLO)
        sent = 0
        with contextlib.suppress(TimeoutError):
            for stream in range(1, 400_001, 2):
                client.sendall(call_headers(stream) + call_data(stream, b"\xff\xff"))
                sent += 1
        assert sent < 200_000
        with channel_to(collector.addresses.grpc) as channel:
            assert answer(channel, GOOD)[0] is grpc.StatusCode.OK


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_mangled_bytes(collector: CollectorProcess) -> None:
    """Each connection is answered or ended, and the collector lives."""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    plain = HELLO + call_headers(1) + call_data(1) + call_headers(3) + call_data(3, GOOD * 3)
    for _ in range(ROUNDS):
        sent = bytearray(plain)
        for _ in range(rng.randrange(1, 4)):
            sent[rng.randrange(len(sent))] = rng.randrange(256)
        with raw(collector) as client, contextlib.suppress(ConnectionError):
            client.sendall(bytes(sent[: rng.randrange(len(sent))] if rng.random() < 0.3 else sent))
            client.shutdown()
            client.read_until()
            assert client.ended, f"seed {seed}"
    assert "Traceback" not in collector.stderr, f"seed {seed}: {collector.stderr}"
    eventually(lambda: metric(collector, "in_flight_bytes") == 0)
    with channel_to(collector.addresses.grpc) as channel:
        assert answer(channel, GOOD)[0] is grpc.StatusCode.OK


def test_a_library_that_has_ended_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    """By the next connection that is its. Exports do not depend on it."""

    async def run() -> None:
        health = health_aio.HealthServicer()
        await health.set("", health_pb2.HealthCheckResponse.SERVING)
        servers: list[grpc.aio.Server] = []

        def new_server() -> grpc.aio.Server:
            servers.append(grpc.aio.server())
            health_pb2_grpc.add_HealthServicer_to_server(health, servers[-1])
            return servers[-1]

        class Relayed(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.Transport)
                library.take(transport, b"")

        library = Library(new_server)
        await library.start()
        port = await asyncio.get_running_loop().create_server(Relayed, "127.0.0.1", 0)
        address = "{}:{}".format(*port.sockets[0].getsockname())
        for ended in (False, True, True):
            if ended:
                await servers[-1].stop(0)
            async with grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
                answered = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
                assert answered.status == health_pb2.HealthCheckResponse.SERVING
        port.close()
        await library.stop(0)
        assert len(servers) == 3

    asyncio.run(run())
    assert "has ended by itself, and is started again" in caplog.text


def open_files(collector: CollectorProcess) -> int:
    return len(list(Path(f"/proc/{collector.pid}/fd").iterdir()))


def test_connections_of_the_librarys_leave_nothing_behind(collector: CollectorProcess) -> None:
    """However they end: also where the client has only said that it sends nothing more."""
    before = open_files(collector)
    for _ in range(30):
        with raw(collector) as client:
            client.sendall(HELLO_HEALTH + call_data(1, b""))
            client.read_until(is_answered(1))
            client.shutdown()
            client.read_until()
            assert client.ended
    eventually(lambda: open_files(collector) <= before + 10)


def test_a_silent_client_of_the_librarys_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver, "IDLE_S", 1.0)
    monkeypatch.setattr(receiver, "STALLED_S", 1.0)

    async def run() -> None:
        limits = IntakeSettings(max_request_bytes=1000, max_decompressed_bytes=1000, max_in_flight_bytes=1000)
        intake = Intake(limits, Nowhere(), Repeats(), Counters(), lambda: 0)
        server = receiver.GrpcReceiver(intake, Open(), Listener("grpc", "127.0.0.1", 0))
        port = await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HELLO_HEALTH + call_data(1, b""))
        async with asyncio.timeout(20):
            await reader.read()
        writer.close()
        await server.stop(0)

    asyncio.run(run())


class Nowhere:
    def submit(self, record: Record, done: Done) -> None:
        raise AssertionError


def test_clients_that_mix_calls_are_remembered_for_a_while() -> None:
    now_s = 1e6
    library = Library(grpc.aio.server, lambda: now_s)
    one, two, other = ("10.0.0.1", b"a"), ("10.0.0.1", b"b"), ("10.0.0.2", b"a")
    library.remember(one)
    library.remember(one)
    assert [library.serves(client) for client in (one, two, other)] == [True, False, False]
    library.remember(two)  # a proxy, perhaps
    assert [library.serves(client) for client in (one, two, ("10.0.0.1", b"c"), other)] == [True, True, True, False]
    now_s += 700
    assert not any(library.serves(client) for client in (one, two, other))
    for number in range(5000):
        library.remember((f"10.1.0.{number}", b"a"))
    assert not library.serves(("10.1.0.0", b"a"))


@pytest.mark.parametrize("before", [b"", BEGUN, HELLO_HEALTH], ids=["first", "after an export", "after a check"])
def test_a_path_that_is_no_text(collector: CollectorProcess, before: bytes) -> None:
    """One that is not UTF-8 ends the server of grpcio 1.85 for good: the library does not get to see it."""
    with raw(collector) as client:
        client.sendall((before or HELLO) + call_headers(3, "/\xec"))
        client.read_until()
        assert client.ended
    with channel_to(collector.addresses.grpc) as channel:
        assert check(channel) == health_pb2.HealthCheckResponse.SERVING
    assert "UnicodeDecodeError" not in collector.stderr


def test_a_thousand_idle_connections(collector: CollectorProcess) -> None:
    """Half of them have begun an export that they do not go on with; they hold neither room nor others up."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    begun = HELLO + call_headers(1) + frames.write(frames.DATA, 0, 1, b"\0\0\x01\0\0" + bytes(100))
    with contextlib.ExitStack() as open_ones:
        for number in range(1000):
            open_ones.enter_context(raw(collector)).sendall(begun if number % 2 else HELLO)
        with channel_to(collector.addresses.grpc) as channel:
            for _ in range(20):
                assert answer(channel, GOOD)[0] is grpc.StatusCode.OK
            assert check(channel) == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_every_address_is_also_every_one_of_ipv4(tmp_path: Path) -> None:
    with running_collector("--host", "::", "--allow-unauthenticated", "yes", data=tmp_path / "data") as process:
        for listening in (process.addresses.grpc, process.addresses.http):
            port = listening.rpartition(":")[2]
            socket.create_connection(("127.0.0.1", int(port)), timeout=20).close()
        with channel_to("127.0.0.1:" + process.addresses.grpc.rpartition(":")[2]) as channel:
            assert answer(channel, GOOD)[0] is grpc.StatusCode.OK
