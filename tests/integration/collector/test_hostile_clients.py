"""Malformed input, bombs, slow clients, a thousand idle connections: documented answers, and the good traffic goes on.

LAMBDASCOPE_SOAK=1 sends a hundred times as much malformed input.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import os
import random
import re
import resource
import socket
import time
from collections.abc import Iterator

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from tests.support.collector import CollectorProcess, lambda_span, running_collector, trace_request

ROUNDS = 50_000 if os.environ.get("LAMBDASCOPE_SOAK") == "1" else 500
START_NS = time.time_ns() - 3 * 86_400 * 10**9  # recent: what is older than the retention is removed
GOOD = trace_request([lambda_span("good", start_ns=START_NS, duration_ns=1)]).SerializeToString()
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_MORE_THAN_SOCKETS_HOLD = 64 << 20
PROTOBUF = {"Content-Type": "application/x-protobuf"}


@pytest.fixture(scope="module")
def collector() -> Iterator[CollectorProcess]:
    with running_collector("--max-decompressed-bytes", "1MiB", "--linger-ms", "100") as process:
        yield process


def connected(collector: CollectorProcess) -> socket.socket:
    host, _, port = collector.addresses.http.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def post(collector: CollectorProcess, body: bytes, headers: dict[str, str], path: str = "/v1/traces") -> int:
    connection = http.client.HTTPConnection(collector.addresses.http, timeout=20)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_mangled_requests_are_refused_or_understood(collector: CollectorProcess) -> None:
    """Never anything but 200 or 400, on a connection that goes on."""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    connection = http.client.HTTPConnection(collector.addresses.http, timeout=20)
    answers: dict[int, int] = {}
    for _ in range(ROUNDS):
        body = bytearray(GOOD)
        for _ in range(rng.randrange(3)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        sent = bytes(body[: rng.randrange(len(body) + 1)] if rng.random() < 0.3 else body)
        kind = rng.choice([PROTOBUF, {"Content-Type": "application/json"}, {**PROTOBUF, "Content-Encoding": "gzip"}])
        connection.request("POST", rng.choice(["/v1/traces", "/v1/logs", "/v1/metrics"]), sent, kind)
        answer = connection.getresponse()
        answer.read()
        answers[answer.status] = answers.get(answer.status, 0) + 1
    connection.close()
    assert set(answers) == {200, 400}, f"seed {seed}: {answers}"
    assert post(collector, GOOD, PROTOBUF) == 200


@pytest.mark.soak
def test_bytes_that_are_no_http(collector: CollectorProcess) -> None:
    """Each connection ends, with 400 or without a word, and the collector lives."""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    for _ in range(ROUNDS // 10):
        with connected(collector) as client:
            noise = rng.choice([b"", b"POST ", b"POST /v1/traces HTTP/1.1\r\n"]) + rng.randbytes(rng.randrange(1, 400))
            client.sendall(noise + b"\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                answer = client.recv(4096)
                assert answer[:12] in {b"", b"HTTP/1.1 400", b"HTTP/1.0 400", b"HTTP/1.1 404"}, (
                    f"seed {seed}: {noise!r}"
                )
    assert post(collector, GOOD, PROTOBUF) == 200


def test_bombs_are_too_large(collector: CollectorProcess) -> None:
    """A small body that would be 100 MB: 413, RESOURCE_EXHAUSTED (OTLP specification, "Failures")."""
    bomb = gzip.compress(bytes(100 << 20))
    assert len(bomb) < 1 << 17
    assert post(collector, bomb, {**PROTOBUF, "Content-Encoding": "gzip"}) == 413
    with grpc.insecure_channel(collector.addresses.grpc) as channel:
        export: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
        with pytest.raises(grpc.RpcError) as refused:
            export(bomb)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_thousand_idle_connections_and_slow_clients(collector: CollectorProcess) -> None:
    """Half of them have begun a request that they do not go on with; they hold neither room nor others up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    with contextlib.ExitStack() as open_ones:
        for number in range(1000):
            client = open_ones.enter_context(connected(collector))
            if number % 2:
                head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
                client.sendall(head + b"Content-Length: 16000000\r\n\r\n" + bytes(100))
        for _ in range(20):
            assert post(collector, GOOD, PROTOBUF) == 200
        with grpc.insecure_channel(collector.addresses.grpc) as channel:
            TraceServiceStub(channel).Export(trace_request([]), timeout=20)


def test_who_does_not_read_answers_is_not_read(collector: CollectorProcess) -> None:
    """Else the answers to requests without end would pile up. Once they are read, it goes on where it stopped."""
    request = b"POST /v1/traces HTTP/1.1\r\nContent-Type: application/x-protobuf\r\nContent-Length: 2\r\n\r\n\xff\xff"
    block = request * 200
    host, _, port = collector.addresses.http.rpartition(":")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        client.connect((host, int(port)))
        client.settimeout(2)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < _MORE_THAN_SOCKETS_HOLD:
                sent += client.send(block[sent % len(request) :])
        assert sent < _MORE_THAN_SOCKETS_HOLD
        assert post(collector, GOOD, PROTOBUF) == 200
        due, answers, rest = sent // len(request), 0, b""
        client.settimeout(20)
        while answers < due:
            received = rest + client.recv(1 << 16)
            answers += received.count(b"HTTP/1.1 400 ")
            rest = received[-len(b"HTTP/1.1 400") :]
        assert answers == due


def test_requests_one_after_the_other_without_waiting(collector: CollectorProcess) -> None:
    """HTTP pipelining (RFC 9112, 9.3.2): answers come in the order of the requests, also where the shape changes."""
    head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n"
    bad = b"\xff\xff"
    with connected(collector) as client:
        good = head % len(GOOD) + GOOD
        client.sendall(
            good * 3 + head % len(bad) + bad + good + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        received = b""
        while piece := client.recv(65536):
            received += piece
    statuses = re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", received)
    assert statuses == [b"200", b"200", b"200", b"400", b"200", b"200"]
    assert received.endswith(b"ok\n")
