"""Whatever answers at the collector's address: the function goes on in time, and one line says what is wrong."""

import socket
import threading
import time

import pytest

from tests.support.extension import running_extension

TIMEOUT_S = 0.2
"""Of an export."""
GOES_ON_WITHIN_S = 20.0
"""Three invocations on a busy machine; whoever waited for the collector or for a deadline would need longer."""


def _send(connection, data):
    connection.recv(1 << 20)
    connection.sendall(data)


def _drip(connection, over):
    connection.recv(1 << 20)
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 10_000:
        connection.sendall(bytes([byte]))
        if over.wait(0.1):
            return


def _half_closed(connection, over):
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(1 << 16):
        pass
    over.wait()


def _never_reads(_connection, over):
    over.wait()


def _answers(data, *, closes=True):
    def serve(connection, over):
        _send(connection, data)
        if not closes:
            over.wait()

    return serve


HOSTILE = {
    "closes at once": lambda connection, _over: None,
    "half-closed": _half_closed,
    "never reads": _never_reads,
    "one byte at a time": _drip,
    "garbage": _answers(b"\x00\xff\r\n\r\n" * 50),
    "another protocol": _answers(b"SSH-2.0-OpenSSH_9.2\r\n", closes=False),
    "HTTP/2 to HTTP/1": _answers(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18), closes=False),
    "a head without an end": _answers(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 3_000_000, closes=False),
    "an answer that breaks off": _answers(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
    "an answer too long": _answers(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n" + bytes(100), closes=False),
    "a negative length": _answers(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"),
    "chunks of nonsense": _answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "continues for ever": _answers(b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000, closes=False),
    "a redirection": _answers(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
    "no such status": _answers(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"),
    "retry in a million years": _answers(
        b"HTTP/1.1 503 Busy\r\nRetry-After: 99999999999999\r\nContent-Length: 0\r\n\r\n"
    ),
    "retry then": _answers(b"HTTP/1.1 429 Busy\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n"),
    "success, not protobuf": _answers(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 6\r\n\r\n\xff\xff\xff\xff\xff\xff"
    ),
    "success, of a page": _answers(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"
    ),
}


@pytest.fixture
def hostile(request):
    """A server that serves each connection so; its port."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def serve(connection):
        with connection:
            connection.settimeout(20)
            try:
                HOSTILE[request.param](connection, over)
            except OSError:
                return  # the extension has had enough of it

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    yield listener.getsockname()[1]
    over.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    acceptor.join(10)
    for thread in threads:
        thread.join(10)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("hostile", HOSTILE, indirect=True)
def test_the_function_goes_on_and_one_line_names_the_address(request, fake_lambda, hostile, tmp_path, protocol):
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{hostile}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_TIMEOUT": str(round(TIMEOUT_S * 1000)),
        "LAMBDASCOPE_FLUSH": "end",
        "LAMBDASCOPE_LOGS": "off",
    }
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        began = time.monotonic()
        for number in range(1, 4):
            fake_lambda.run_invocation(f"request-{number}", number)
            fake_lambda.wait_for_next(number + 1)
        assert time.monotonic() - began < GOES_ON_WITHIN_S
        fake_lambda.push_shutdown(timeout_s=0.5)
        assert ext.wait() == 0
    lines = ext.stderr
    assert len(lines) <= 2, lines
    assert all(line.startswith("lambdascope: ") and str(hostile) in line for line in lines), lines
    assert lines or request.node.callspec.params["hostile"] == "success, not protobuf"


@pytest.mark.parametrize(
    ("hostile", "protocol", "hint"),
    [
        ("no such status", "grpc", "is it the address for http/protobuf?"),
        ("success, of a page", "http/protobuf", "HTTP 200 with a page of text/html"),
    ],
    indirect=["hostile"],
)
def test_a_wrong_address_is_told_for_what_it_is(fake_lambda, hostile, tmp_path, protocol, hint):
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{hostile}", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        fake_lambda.run_invocation("request-1", 1)
        fake_lambda.wait_for_next(2)
        fake_lambda.push_shutdown(timeout_s=0.5)
        assert ext.wait() == 0
    assert hint in ext.stderr[0]
