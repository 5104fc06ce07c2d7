"""The Firehose sender against a real HTTP server that answers as it is told to."""

import http.server
import json
import random
import socket
import threading

import pytest

from emulator.metrics import Delivery, FirehoseSender, FirehoseSettings, RejectedError, RetriesOverError

DELIVERY = Delivery("7f3c-id", b'{"requestId":"7f3c-id","timestamp":1,"records":[]}')
GOOD = (200, "application/json", b'{"requestId":"7f3c-id","timestamp":1790000000000}')


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Answers from a list, the last one again and again; keeps what it was sent."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((dict(self.headers), body))  # type: ignore[attr-defined]
        answers = self.server.answers  # type: ignore[attr-defined]
        status, content_type, answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if status == 0:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoint():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.daemon_threads = True
    server.answers = [GOOD]  # type: ignore[attr-defined]
    server.requests = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def slept():
    return []


@pytest.fixture
def sender(endpoint, slept):
    settings = FirehoseSettings(
        f"http://127.0.0.1:{endpoint.server_port}/firehose?x=1", "secret", common_attributes={"tenant": "a"}
    )
    sender = FirehoseSender(settings, random.Random(1), slept.append)
    yield sender
    sender.close()


def test_a_delivery_has_firehoses_headers(endpoint, sender):
    sender.send(DELIVERY)
    ((headers, body),) = endpoint.requests
    assert body == DELIVERY.body
    assert headers["X-Amz-Firehose-Protocol-Version"] == "1.0"
    assert headers["X-Amz-Firehose-Request-Id"] == "7f3c-id"
    assert headers["X-Amz-Firehose-Access-Key"] == "secret"
    assert headers["X-Amz-Firehose-Source-Arn"].startswith("arn:aws:firehose:")
    assert json.loads(headers["X-Amz-Firehose-Common-Attributes"]) == {"commonAttributes": {"tenant": "a"}}
    assert headers["Content-Type"] == "application/json"
    assert "Content-Encoding" not in headers


BAD = [
    (503, "application/json", b'{"requestId":"7f3c-id","timestamp":1,"errorMessage":"later"}'),
    (302, "text/plain", b""),
    (200, "text/plain", GOOD[2]),
    (200, "application/json", b"OK"),
    (200, "application/json", b'{"requestId":"another","timestamp":1}'),
    (200, "application/json", b'{"requestId":"7f3c-id"}'),
    (0, "", b""),
]


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_answer_is_retried_with_the_same_id_and_bytes(endpoint, sender, slept, bad):
    endpoint.answers = [bad, bad, GOOD]
    sender.send(DELIVERY)
    assert len(endpoint.requests) == 3
    assert {(headers["X-Amz-Firehose-Request-Id"], body) for headers, body in endpoint.requests} == {
        ("7f3c-id", DELIVERY.body)
    }
    assert [round(delay) for delay in slept] == [1, 2]


def test_status_413_is_final(endpoint, sender, slept):
    endpoint.answers = [(413, "application/json", b"{}")]
    with pytest.raises(RejectedError, match="7f3c-id: status 413"):
        sender.send(DELIVERY)
    assert (len(endpoint.requests), slept) == (1, [])


def test_retries_end_with_the_retry_duration(endpoint, sender, slept):
    endpoint.answers = [BAD[0]]
    with pytest.raises(RetriesOverError, match=r"status 503.*after \d+ attempts"):
        sender.send(DELIVERY)
    assert 150 < sum(slept) <= 300
    assert max(slept) <= 120 * 1.15


def test_the_access_key_is_not_in_the_settings_text(sender):
    assert "secret" not in repr(sender.settings)
