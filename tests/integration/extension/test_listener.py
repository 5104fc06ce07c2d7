"""The listener against senders of every kind, over real sockets."""

import _socket
import socket
import threading
from collections.abc import Iterator

import pytest

from extension.listener import MAX_DELIVERY_BYTES, Listener
from extension.reactor import Reactor
from tests.support.extension import wait_until


class Served:
    """A listener on a thread, and what it handed on."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        sock.bind(("127.0.0.1", 0))
        sock.listen(128)
        self.address = sock.getsockname()
        self.troubles: list[Exception] = []
        self.reactor = Reactor(self.troubles.append)
        self.listener = Listener(self.reactor, sock, self.bodies.append)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stop.is_set():
            self.reactor.run_once(0.02)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.listener.close()
        assert self.troubles == []

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=20)


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.close()


def delivery(body: bytes, *, more: str = "", method: str = "POST") -> bytes:
    return f"{method} / HTTP/1.1\r\nHost: sandbox\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def status(sock: socket.socket) -> bytes:
    return sock.recv(4096).split(b"\r\n")[0]


def test_deliveries_over_one_connection_keep_their_order(served: Served) -> None:
    with served.connect() as sock:
        sock.sendall(delivery(b"[1]") + delivery(b"[2]", method="PUT"))
        wait_until(lambda: served.bodies == [b"[1]", b"[2]"], "two deliveries")
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 OK")


def test_a_large_delivery(served: Served) -> None:
    body = b"x" * (MAX_DELIVERY_BYTES - 1)
    with served.connect() as sock:
        sock.sendall(delivery(body))
        assert status(sock) == b"HTTP/1.1 200 OK"
    wait_until(lambda: served.bodies == [body], "the delivery")


def test_one_who_asks_first_is_told_to_go_on(served: Served) -> None:
    head, _, body = delivery(b"[1]", more="Expect: 100-continue\r\n").partition(b"\r\n\r\n")
    with served.connect() as sock:
        sock.sendall(head + b"\r\n\r\n")
        assert status(sock) == b"HTTP/1.1 100 Continue"
        sock.sendall(body)
        assert status(sock) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"nonsense\r\n\r\n", b"HTTP/1.1 400 Bad Request"),
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 405 Method Not Allowed"),
        (f"POST / HTTP/1.1\r\nContent-Length: {MAX_DELIVERY_BYTES + 1}\r\n\r\n".encode(), b"HTTP/1.1 400 Bad Request"),
    ],
)
def test_what_is_no_delivery_is_refused(served: Served, data: bytes, answer: bytes) -> None:
    with served.connect() as sock:
        sock.sendall(data)
        assert status(sock) == answer
        assert sock.recv(1) == b""
    assert served.listener.refused == 1


def test_slow_and_silent_senders_keep_nobody_waiting(served: Served) -> None:
    """More connections than are kept, all of them in the middle of something: a good one still gets through."""
    slow = [served.connect() for _ in range(40)]
    for sock in slow:
        sock.sendall(b"POST / HTTP/1.1\r\nContent-Le")
    with served.connect() as good:
        good.sendall(delivery(b"[1]"))
        assert status(good) == b"HTTP/1.1 200 OK"
    wait_until(lambda: served.bodies == [b"[1]"], "the good delivery")
    for sock in slow:
        sock.close()


def test_a_sender_that_leaves_without_its_answer_is_no_trouble(served: Served) -> None:
    for _ in range(20):
        sock = served.connect()
        sock.sendall(delivery(b"[1]"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    with served.connect() as good:
        good.sendall(delivery(b"[2]"))
        assert status(good) == b"HTTP/1.1 200 OK"
    wait_until(lambda: served.bodies[-1:] == [b"[2]"], "the last delivery")
