"""OTLP/gRPC against grpcio's own server: the client alone, and the extension as a process."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from extension.delivery import ACCEPTED, REFUSED, RETRY, Verdict
from extension.errors import HttpError
from extension.http_client import connect
from extension.otlp_grpc import GrpcConnection
from extension.settings import ExportSettings
from extension.transport import Transport
from extension.url import Endpoint
from tests.support.extension import FakeLambda, running_extension, wait_until

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
ANY_STATUS = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
RETRYABLE = {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
"""OTLP specification, "Failures": and RESOURCE_EXHAUSTED with a RetryInfo."""


@dataclass
class Call:
    """One call that the server had."""

    method: str
    body: bytes
    metadata: dict[str, str | bytes]


Behaviour = Callable[[Call, grpc.ServicerContext], bytes]


@dataclass
class Server:
    """grpcio's server with a handler for every method."""

    port: int
    calls: list[Call] = field(default_factory=list)
    behaviour: Behaviour = field(default=lambda _call, _context: b"")


@contextmanager
def serving(*options: tuple[str, Any], credentials: grpc.ServerCredentials | None = None) -> Iterator[Server]:
    played = Server(0)

    class Generic(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
            def answer(body: bytes, context: grpc.ServicerContext) -> bytes:
                metadata = dict(context.invocation_metadata() or ())
                call = Call(str(details.method), body, metadata)
                played.calls.append(call)
                return played.behaviour(call, context)

            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.server(ThreadPoolExecutor(4), handlers=[Generic()], options=[("grpc.so_reuseport", 0), *options])
    if credentials is None:
        played.port = server.add_insecure_port("127.0.0.1:0")
    else:
        played.port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield played
    finally:
        server.stop(0).wait()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as played:
        yield played


def settings_for(port: int, path: str = TRACES) -> ExportSettings:
    return ExportSettings(Endpoint("http", "127.0.0.1", port, path), grpc=True)


@contextmanager
def connected(port: int) -> Iterator[GrpcConnection]:
    connection = GrpcConnection(connect("127.0.0.1", port, 5), settings_for(port))
    yield connection
    connection.close()


def post(connection: GrpcConnection, body: bytes = b"x", *headers: tuple[str, str]) -> Verdict:
    return connection.post(body, headers, time.monotonic() + 20)


def test_calls_over_one_connection_arrive_as_they_were_made(server: Server) -> None:
    with connected(server.port) as connection:
        for number in range(20):
            body = bytes([number]) * number * 1000 + b"x"
            verdict = post(connection, body, ("X-Lambdascope-Sequence", str(number)), ("User-Agent", "me/1"))
            assert (verdict.outcome, connection.reusable) == (ACCEPTED, True)
            call = server.calls[-1]
            assert (call.method, call.body) == (TRACES, body)
            assert call.metadata["x-lambdascope-sequence"] == str(number)
            assert str(call.metadata["user-agent"]).startswith("me/1")


@pytest.mark.parametrize("size", [16379, 16384, 65530, 65536, 3_000_000])
def test_a_message_larger_than_frames_and_windows_arrives_whole(server: Server, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"\x00" * (size % 256)
    with connected(server.port) as connection:
        assert post(connection, body).outcome == ACCEPTED
        assert post(connection, b"next").outcome == ACCEPTED
    assert [call.body for call in server.calls] == [body, b"next"]


def test_gzip_is_undone_by_the_server(server: Server) -> None:
    with connected(server.port) as connection:
        assert post(connection, gzip.compress(b"zipped"), ("Content-Encoding", "gzip")).outcome == ACCEPTED
    assert server.calls[0].body == b"zipped"


def test_partial_success_tells_how_many_were_rejected_and_why(server: Server) -> None:
    partial = ExportTracePartialSuccess(rejected_spans=3, error_message="too old")
    server.behaviour = lambda _call, _context: ExportTraceServiceResponse(partial_success=partial).SerializeToString()
    with connected(server.port) as connection:
        verdict = post(connection)
    assert (verdict.outcome, verdict.rejected, verdict.reason) == (ACCEPTED, 3, "too old")


@pytest.mark.parametrize("code", ANY_STATUS, ids=lambda code: code.name)
def test_each_status_is_kept_or_refused_as_the_specification_says(server: Server, code: grpc.StatusCode) -> None:
    server.behaviour = lambda _call, context: context.abort(code, "why: 100 % so ä")
    with connected(server.port) as connection:
        verdict = post(connection)
        assert connection.reusable
    assert verdict.outcome == (RETRY if code.name in RETRYABLE else REFUSED)
    assert code.name in verdict.reason
    assert "100 % so ä" in verdict.reason
    assert verdict.unauthenticated == (code.name in {"UNAUTHENTICATED", "PERMISSION_DENIED"})


@pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE])
def test_retry_info_is_obeyed(server: Server, code: grpc.StatusCode) -> None:
    # google.rpc.Status{details: [Any{RetryInfo{retry_delay: 2.5 s}}]}, as its encoding has it
    info = b"\x0a\x08\x08\x02\x10\x80\xca\xb5\xee\x01"
    any_of = b"\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12" + bytes([len(info)]) + info
    details = b"\x08\x08\x1a" + bytes([len(any_of)]) + any_of

    def refuse(_call: Call, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(code, "later")

    server.behaviour = refuse
    with connected(server.port) as connection:
        verdict = post(connection)
    assert (verdict.outcome, verdict.retry_after_s) == (RETRY, 2.5)


def test_a_method_that_is_not_there_is_refused() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with connected(port) as connection:
        verdict = post(connection)
    server.stop(0).wait()
    assert (verdict.outcome, "UNIMPLEMENTED" in verdict.reason) == (REFUSED, True)


def test_pings_of_the_server_are_answered_while_we_wait() -> None:
    """It pings each second and closes the connection where no answer comes within another."""
    options = (
        ("grpc.keepalive_time_ms", 1000),
        ("grpc.keepalive_timeout_ms", 500),
        ("grpc.http2.max_pings_without_data", 0),
    )

    def answer_late(_call: Call, _context: grpc.ServicerContext) -> bytes:
        threading.Event().wait(3.2)
        return b""

    with serving(*options) as server, connected(server.port) as connection:
        server.behaviour = answer_late
        assert post(connection).outcome == ACCEPTED


def test_goes_on_with_a_new_connection_where_the_server_says_goodbye() -> None:
    """A server behind a load balancer ends connections of a certain age with GOAWAY."""
    options = (("grpc.max_connection_age_ms", 500), ("grpc.max_connection_age_grace_ms", 500))
    with serving(*options) as server:
        transport = Transport(settings_for(server.port))
        until = time.monotonic() + 4
        sent = 0
        while time.monotonic() < until:
            assert transport.post(b"%d" % sent, ()).outcome == ACCEPTED
            sent += 1
            time.sleep(0.05)
        transport.close()
        assert [call.body for call in server.calls] == [b"%d" % number for number in range(sent)]


def test_a_server_that_does_not_speak_http2_is_an_error_in_time() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            peer.recv(4096)
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            peer.close()

        threading.Thread(target=answer, daemon=True).start()
        with (
            connected(listener.getsockname()[1]) as connection,
            pytest.raises(HttpError, match=r"by HTTP/1|closed"),
        ):
            post(connection)


def test_a_stale_connection_is_renewed_without_losing_the_batch(server: Server) -> None:
    transport = Transport(settings_for(server.port))
    assert transport.post(b"first", ()).outcome == ACCEPTED
    transport._connection._connection._sock.shutdown(2)  # type: ignore[union-attr]
    assert transport.post(b"second", ()).outcome == ACCEPTED
    assert [call.body for call in server.calls] == [b"first", b"second"]
    transport.close()


def run_one_invocation(fake: FakeLambda) -> None:
    invocation = fake.run_invocation("request-1", 1, init_ns=time.time_ns() - 10**9)
    fake.deliver([{"time": "2026-01-01T00:00:00.000Z", "type": "function", "record": "a line\n"}])
    fake.wait_for_next(2)
    fake.deliver([invocation.report()])
    fake.push_shutdown()


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_the_extension_exports_by_grpc(
    server: Server, fake_lambda: FakeLambda, tmp_path: Path, compression: str
) -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20t0ken",
    }
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        run_one_invocation(fake_lambda)
        assert ext.wait() == 0
        assert ext.stderr == []
    spans, logs = [], []
    for call in server.calls:
        assert call.metadata["authorization"] == "Bearer t0ken"
        assert int(str(call.metadata["x-lambdascope-sequence"])) >= 1
        if "TraceService" in call.method:
            request = ExportTraceServiceRequest.FromString(call.body)
            spans += [s.name for rs in request.resource_spans for ss in rs.scope_spans for s in ss.spans]
        else:
            assert call.method == "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
            found = ExportLogsServiceRequest.FromString(call.body)
            logs += [r.body.string_value for rl in found.resource_logs for sl in rl.scope_logs for r in sl.log_records]
    assert {"orders", "init", "post_runtime", "shutdown"} <= set(spans)
    assert logs == ["a line"]


def test_by_tls_with_an_own_authority(fake_lambda: FakeLambda, tmp_path: Path) -> None:
    import subprocess

    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    with serving(credentials=credentials) as server:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://localhost:{server.port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": str(certificate),
        }
        with running_extension(fake_lambda.address, tmp_path, environ) as ext:
            run_one_invocation(fake_lambda)
            assert ext.wait() == 0
            assert ext.stderr == []
        wait_until(lambda: len(server.calls) >= 2, "two calls")
