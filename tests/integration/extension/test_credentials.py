"""Headers out of a secret, through a played AWS Parameters and Secrets extension."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.extension import FakeCollector, FakeLambda, running_extension, wait_until


class SecretsExtension:
    """Answers as the real one does: only with the session token, and 400 as long as it is not ready."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.not_ready = 0
        self.text = "authorization=Bearer%20t0ken"
        played = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                played.asked.append(self.path)
                url = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(url.query).items()}
                status, body = played.answer(url.path, query, self.headers["X-Aws-Parameters-Secrets-Token"])
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def answer(self, path: str, query: dict[str, str], token: str) -> tuple[int, bytes]:
        if token != "session":
            return 401, b"no"
        if self.not_ready:
            self.not_ready -= 1
            return 400, b"not ready to serve traffic, please wait"
        if path == "/secretsmanager/get" and query == {"secretId": "team/otel headers"}:
            return 200, json.dumps({"SecretString": self.text, "Name": "otel"}).encode()
        if path == "/systemsmanager/parameters/get" and query == {"name": "/otel/headers", "withDecryption": "true"}:
            return 200, json.dumps({"Parameter": {"Value": self.text}}).encode()
        return 404, b"{}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def secrets() -> Iterator[SecretsExtension]:
    played = SecretsExtension()
    yield played
    played.close()


def environ(secrets: SecretsExtension, collector: FakeCollector, name: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "LAMBDASCOPE_HEADERS_SECRET": name,
        "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": str(secrets.port),
        "AWS_SESSION_TOKEN": "session",
    }


@pytest.mark.parametrize("name", ["secretsmanager:team/otel headers", "ssm:/otel/headers"])
@pytest.mark.parametrize("text", ["# ours\nauthorization=Bearer%20t0ken\n", '{"Authorization": "Bearer t0ken"}'])
def test_exports_carry_what_the_secret_holds(
    fake_lambda: FakeLambda, collector: FakeCollector, secrets: SecretsExtension, tmp_path: Path, name: str, text: str
) -> None:
    secrets.text = text
    with running_extension(fake_lambda.address, tmp_path, environ(secrets, collector, name)) as ext:
        fake_lambda.run_invocation("request-1", 1)
        fake_lambda.wait_for_next(2)
        fake_lambda.push_shutdown()
        assert ext.wait() == 0
        assert ext.stderr == []
    assert {export.headers["authorization"] for export in collector.exports} == {"Bearer t0ken"}
    assert len(secrets.asked) == 1


def test_nothing_is_sent_without_the_secret_and_everything_once_it_is_there(
    fake_lambda: FakeLambda, collector: FakeCollector, secrets: SecretsExtension, tmp_path: Path
) -> None:
    secrets.not_ready = 2
    with running_extension(fake_lambda.address, tmp_path, environ(secrets, collector, "ssm:/otel/headers")) as ext:
        fake_lambda.run_invocation("request-1", 1)
        wait_until(lambda: len(secrets.asked) == 1, "the first question")
        began, number = time.monotonic(), 2
        while not collector.exports:
            assert time.monotonic() < began + 20
            fake_lambda.run_invocation(f"request-{number}", number)
            number += 1
            fake_lambda.wait_for_next(number)
            time.sleep(0.05)
        fake_lambda.push_shutdown()
        assert ext.wait() == 0
        [line] = ext.stderr
    assert "LAMBDASCOPE_HEADERS_SECRET: /otel/headers" in line
    assert "t0ken" not in line
    assert {request.headers.get("authorization") for request in collector.requests} == {"Bearer t0ken"}
    assert len(collector.spans_of("invoke")) == number - 1


def test_a_secret_that_holds_no_headers_is_told_without_showing_it(
    fake_lambda: FakeLambda, collector: FakeCollector, secrets: SecretsExtension, tmp_path: Path
) -> None:
    secrets.text = "s3cret"
    with running_extension(fake_lambda.address, tmp_path, environ(secrets, collector, "ssm:/otel/headers")) as ext:
        fake_lambda.run_invocation("request-1", 1)
        fake_lambda.wait_for_next(2)
        fake_lambda.push_shutdown()
        assert ext.wait() == 0
        [line] = ext.stderr
    assert "neither name=value lines nor a JSON object" in line
    assert "s3cret" not in line
    assert collector.requests == []


def test_a_file_that_was_replaced_is_read_again_when_it_is_refused(
    fake_lambda: FakeLambda, collector: FakeCollector, tmp_path: Path
) -> None:
    """Tokens are rotated: not a batch of what is refused meanwhile is lost."""
    file = tmp_path / "headers"
    file.write_text("authorization=Bearer old\n")
    wanted = "Bearer old"
    collector.answer = lambda export: (200 if export.headers.get("authorization") == wanted else 401, {}, b"")
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "LAMBDASCOPE_HEADERS_FILE": str(file),
        "LAMBDASCOPE_FLUSH": "end",
    }
    with running_extension(fake_lambda.address, tmp_path, settings) as ext:
        fake_lambda.run_invocation("request-1", 1)
        fake_lambda.wait_for_next(2)
        wanted = "Bearer new"
        file.write_text("authorization=Bearer new\n")
        number = 2
        until = time.monotonic() + 20
        while len(collector.spans_of("invoke")) < number - 1 or number < 4:
            assert time.monotonic() < until
            fake_lambda.run_invocation(f"request-{number}", number)
            number += 1
            fake_lambda.wait_for_next(number)
        fake_lambda.push_shutdown()
        assert ext.wait() == 0
    assert len(collector.spans_of("invoke")) == number - 1
    assert collector.exports[-1].headers["authorization"] == "Bearer new"
    assert not any("refused" in line or "Bearer" in line for line in ext.stderr), ext.stderr


def test_a_secret_that_is_refused_is_asked_for_again_before_anything_is_given_up(
    fake_lambda: FakeLambda, collector: FakeCollector, secrets: SecretsExtension, tmp_path: Path
) -> None:
    """The collector has a new token already: what it refuses in the meantime is kept, and told once."""
    collector.answer = lambda _export: (403, {}, b"")
    with running_extension(fake_lambda.address, tmp_path, environ(secrets, collector, "ssm:/otel/headers")) as ext:
        for number in (1, 2, 3):
            fake_lambda.run_invocation(f"request-{number}", number)
            fake_lambda.wait_for_next(number + 1)
        collector.answer = lambda _export: (200, {}, b"")
        fake_lambda.push_shutdown("failure")
        assert ext.wait() == 0
        [line] = ext.stderr
    assert "HTTP 403; spans are kept for later" in line
    assert len(collector.spans_of("invoke")) == 3
