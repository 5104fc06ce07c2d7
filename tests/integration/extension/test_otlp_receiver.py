"""What the function's own SDK sends: taken at once, passed on as it is, never to ourselves."""

import gzip
import socket
import time
import urllib.error
import urllib.request

import pytest

from extension.batches import BatchQueue
from extension.otlp_receiver import OtlpReceiver
from extension.reactor import Reactor
from tests.support.extension import FakeCollector, running_extension, wait_until

_ID = "6f1c0000-0000-4000-8000-000000000001"


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def environ(collector, port):
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://localhost:{port}",
        "LAMBDASCOPE_OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "LAMBDASCOPE_OTEL_EXPORTER_OTLP_HEADERS": "api-key=secret",
        "LAMBDASCOPE_OTLP_RECEIVER": str(port),
    }


def send(port, path, body, **headers):
    """As an SDK does; status and body of the answer."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, names, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_what_the_sdk_sends_arrives_as_it_was(fake_lambda, collector, environ, port, tmp_path):
    """Bytes, content type and encoding; with the layer's headers and without a batch number of ours; all signals."""
    packed = gzip.compress(b"any bytes at all")
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        wait_until(lambda: listening(port), "the receiver")
        fake_lambda.wait_for_next(1)
        sent = [
            ("/v1/traces", packed, {"Content_Type": "application/x-protobuf", "Content_Encoding": "gzip"}),
            ("/v1/metrics", b"\x0a\x00", {"Content_Type": "application/x-protobuf"}),
            ("/v1/logs", b"{}", {"Content_Type": "application/json; charset=utf-8"}),
        ]
        assert [send(port, path, body, **headers) for path, body, headers in sent] == [
            (200, b""), (200, b""), (200, b"{}")]  # fmt: skip
        assert send(port, "/v1/other", b"", Content_Type="application/json")[0] == 404
        assert send(port, "/v1/traces", b"x", Content_Type="text/plain")[0] == 415
        fake_lambda.run_invocation(_ID, 1)
        fake_lambda.wait_for_next(2)
        fake_lambda.push_shutdown()
        assert (ext.wait(), ext.stderr) == (0, [])
    passed_on = [export for export in collector.exports if "x-lambdascope-sequence" not in export.headers]
    assert sorted((e.path, e.body) for e in passed_on) == sorted((path, body) for path, body, _ in sent)
    for export in passed_on:
        [given] = [headers for path, _, headers in sent if path == export.path]
        assert export.headers["content-type"] == given["Content_Type"]
        assert export.headers.get("content-encoding") == given.get("Content_Encoding")
        assert export.headers["api-key"] == "secret"
    ours = [
        span
        for export in collector.trace_exports
        if "x-lambdascope-sequence" in export.headers
        for span in export.spans
    ]
    assert len(ours) == 3


def test_what_fails_is_sent_again(fake_lambda, environ, port, tmp_path):
    refusing = [True]
    collector = FakeCollector(lambda _export: (503, {}, b"") if refusing[0] else (200, {}, b""))
    where = {"LAMBDASCOPE_OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
    with running_extension(fake_lambda.address, tmp_path, {**environ, **where}) as ext:
        wait_until(lambda: listening(port), "the receiver")
        send(port, "/v1/traces", b"body", Content_Type="application/x-protobuf")
        fake_lambda.run_invocation(_ID, 1)
        fake_lambda.wait_for_next(2)
        assert collector.exports == []
        refusing[0] = False
        fake_lambda.push_shutdown()
        assert ext.wait() == 0
    assert [export.body for export in collector.exports if "x-lambdascope-sequence" not in export.headers] == [b"body"]
    collector.close()


def test_an_address_that_is_our_own_is_not_sent_to(fake_lambda, environ, port, tmp_path):
    del environ["LAMBDASCOPE_OTEL_EXPORTER_OTLP_ENDPOINT"]
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        fake_lambda.run_invocation(_ID, 1)
        fake_lambda.wait_for_next(2)
        fake_lambda.push_shutdown()
        assert ext.wait() == 0
        [line] = ext.stderr
    assert "LAMBDASCOPE_OTEL_EXPORTER_OTLP_ENDPOINT" in line


def test_a_port_that_is_taken_costs_a_line(fake_lambda, collector, environ, port, tmp_path):
    with socket.create_server(("127.0.0.1", port)), running_extension(fake_lambda.address, tmp_path, environ) as ext:
        fake_lambda.run_invocation(_ID, 1)
        fake_lambda.wait_for_next(2)
        fake_lambda.push_shutdown()
        assert ext.wait() == 0
        [line] = ext.stderr
    assert f"no OTLP receiver for the function at port {port}" in line
    assert len(collector.spans_of("invoke")) == 1


def test_the_queue_of_a_signal_is_bounded():
    """The SDK is always answered; the oldest request goes, and is counted."""
    queue, troubles = BatchQueue(65536), list[Exception]()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        reactor = Reactor(troubles.append)
        receiver = OtlpReceiver(reactor, sock, {"/v1/traces": queue})
        with socket.create_connection(sock.getsockname()) as sdk:
            for number in range(5):
                body = bytes([number]) * 30_000
                head = (
                    f"POST /v1/traces HTTP/1.1\r\nContent-Type: application/x-protobuf\r\nContent-Length: {len(body)}"
                )
                sdk.sendall(head.encode() + b"\r\n\r\n" + body)
                until = time.monotonic() + 20
                while len(queue) + queue.dropped <= number:
                    assert time.monotonic() < until
                    reactor.run_once(0.1)
                assert sdk.recv(1000).startswith(b"HTTP/1.1 200 ")
        receiver.close()
    assert troubles == []
    assert queue.dropped == 3
    assert queue.bytes <= 65536
    oldest = queue.take()
    assert oldest is not None
    assert oldest.body[:1] == b"\x03"
