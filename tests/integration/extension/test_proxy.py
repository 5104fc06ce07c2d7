"""Exports through a proxy, the Runtime API never; and credentials from a file."""

import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager, suppress

import pytest

from tests.support.extension import FakeCollector, running_extension

_ID = "6f1c0000-0000-4000-8000-000000000001"
_NAME = "collector.example.com"


class Proxy:
    """Takes every request to the collector, whatever host it names, and keeps the first line of each."""

    def __init__(self, target_port, answer=b"HTTP/1.1 200 Connection established\r\n\r\n"):
        self.lines = []
        self._target = ("127.0.0.1", target_port)
        self._answer = answer
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._sock.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=self._sock.accept()[:1], daemon=True).start()

    def _serve(self, client):
        with client, suppress(OSError), socket.create_connection(self._target) as target:
            head = client.recv(65536)
            self.lines.append(head.split(b"\r\n")[0].decode())
            if head.startswith(b"CONNECT "):
                client.sendall(self._answer)
            else:
                target.sendall(head)
            back = threading.Thread(target=self._copy, args=(target, client), daemon=True)
            back.start()
            self._copy(client, target)

    @staticmethod
    def _copy(source, sink):
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)


@contextmanager
def proxied(collector, **more):
    proxy = Proxy(collector.port, **more)
    yield proxy
    proxy.close()


def run(fake_lambda, tmp_path, environ):
    """One invocation and SHUTDOWN; what was written to standard error."""
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        fake_lambda.run_invocation(_ID, 1)
        fake_lambda.wait_for_next(2)
        fake_lambda.push_shutdown()
        assert ext.wait() == 0
        return ext.stderr


@pytest.fixture
def tls_collector(tmp_path):
    certificate, key = tmp_path / "ca.pem", tmp_path / "key.pem"
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
    subject = ["-subj", f"/CN={_NAME}", "-addext", f"subjectAltName=DNS:{_NAME}"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *subject, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    collector = FakeCollector(tls=context)
    yield collector, str(certificate)
    collector.close()


def test_plain_http_goes_to_the_proxy_with_the_whole_address(fake_lambda, collector, tmp_path):
    """The name need not be known here: the proxy looks it up. The Runtime API is on loopback, and is not asked for."""
    with proxied(collector) as proxy:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{_NAME}:4318", "HTTP_PROXY": proxy.url}
        assert run(fake_lambda, tmp_path, environ) == []
        assert set(proxy.lines) == {f"POST http://{_NAME}:4318/v1/traces HTTP/1.1"}
    assert len(collector.spans_of("invoke")) == 1
    assert collector.requests[0].headers["host"] == f"{_NAME}:4318"


def test_tls_goes_through_a_tunnel_to_the_name_that_was_meant(fake_lambda, tls_collector, tmp_path):
    collector, certificate = tls_collector
    with proxied(collector) as proxy:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"https://{_NAME}", "OTEL_EXPORTER_OTLP_CERTIFICATE": certificate,
                   "https_proxy": proxy.url.removeprefix("http://")}  # fmt: skip
        assert run(fake_lambda, tmp_path, environ) == []
        assert set(proxy.lines) == {f"CONNECT {_NAME}:443 HTTP/1.1"}
    assert len(collector.spans_of("invoke")) == 1


@pytest.mark.parametrize("answer", [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", b"hello\r\n\r\n"])
def test_a_proxy_that_refuses_is_named(fake_lambda, collector, tmp_path, answer):
    with proxied(collector, answer=answer) as proxy:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"https://{_NAME}", "HTTPS_PROXY": proxy.url}
        [line] = run(fake_lambda, tmp_path, environ)
    assert "the proxy answered" in line
    assert f"CONNECT {_NAME}:443" in line


@pytest.mark.parametrize(
    ("endpoint", "no_proxy"),
    [("http://127.0.0.2:{}", "10.0.0.1, 127.0.0.2"), ("http://127.0.0.2:{}", "*"), ("http://localhost:{}", "")],
)
def test_some_addresses_are_reached_directly(fake_lambda, tmp_path, endpoint, no_proxy):
    """What NO_PROXY names, and this machine."""
    collector = FakeCollector(host="0.0.0.0")
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint.format(collector.port), "NO_PROXY": no_proxy,
               "HTTP_PROXY": "http://127.0.0.1:9"}  # fmt: skip
    assert run(fake_lambda, tmp_path, environ) == []
    assert len(collector.spans_of("invoke")) == 1
    collector.close()


def test_headers_of_a_file_take_precedence(fake_lambda, collector, tmp_path):
    file = tmp_path / "headers"
    file.write_text("# of the vault\n\nAPI-Key=s3cr%3Dt\nx-team=a\n")
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "LAMBDASCOPE_HEADERS_FILE": str(file),
               "OTEL_EXPORTER_OTLP_HEADERS": "api-key=old,x-other=b"}  # fmt: skip
    assert run(fake_lambda, tmp_path, environ) == []
    for export in collector.exports:
        assert (export.headers["api-key"], export.headers["x-team"], export.headers["x-other"]) == ("s3cr=t", "a", "b")


@pytest.mark.parametrize("content", [None, "secret without a name", "bad name=x"])
def test_a_file_that_cannot_be_used_costs_a_line_without_its_content(fake_lambda, collector, tmp_path, content):
    file = tmp_path / "headers"
    if content is not None:
        file.write_text(content)
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "LAMBDASCOPE_HEADERS_FILE": str(file)}
    [line] = run(fake_lambda, tmp_path, environ)
    assert str(file) in line
    assert "secret" not in line
    assert len(collector.spans_of("invoke")) == 1
