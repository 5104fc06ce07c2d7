"""What an HTTP/2 server may do (RFC 9113), frame by frame, by a scripted peer over a socket pair."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from extension import hpack
from extension.errors import ConnectionLost, DeadlineExceeded, HttpError, MalformedMessage
from extension.http2 import Answer, Http2Connection

DATA, HEADERS, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 1, 1, 4, 8, 0x20
REQUEST = [(":method", "POST"), (":path", "/x")]
OK = hpack.encode([(":status", "200"), ("grpc-status", "0")])


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def setting(key: int, value: int) -> bytes:
    return key.to_bytes(2, "big") + number(value)


class Peer:
    """The server's end: says what it is told to, and keeps the frames that it gets."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(20)
        self.frames: list[tuple[int, int, int, bytes]] = []
        self.preface = self._exactly(24)

    def say(self, *frames: bytes) -> None:
        self.sock.sendall(b"".join(frames))

    def read_until(self, done: Callable[[tuple[int, int, int, bytes]], bool]) -> tuple[int, int, int, bytes]:
        while True:
            head = self._exactly(9)
            payload = self._exactly(int.from_bytes(head[:3], "big"))
            got = (head[3], head[4], int.from_bytes(head[5:], "big"), payload)
            self.frames.append(got)
            if done(got):
                return got

    def request(self) -> None:
        self.read_until(lambda got: got[0] == DATA and bool(got[1] & END_STREAM))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.sock.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data


class Exchange:
    """A connection whose other end follows a script, on a thread of its own."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.connection = Http2Connection(self.ours)
        self.troubles: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    def with_peer(self, script: Callable[[Peer], None], body: bytes = b"body", timeout_s: float = 20) -> Answer:
        def run() -> None:
            try:
                script(Peer(self.theirs))
            except EOFError:
                pass  # the client has hung up, which its test expects
            except BaseException as error:  # noqa: BLE001 - shown by the fixture
                self.troubles.append(error)

        thread = threading.Thread(target=run)
        self._threads.append(thread)
        thread.start()
        return self.connection.exchange(REQUEST, body, time.monotonic() + timeout_s)

    def close(self) -> None:
        self.connection.close()
        for thread in self._threads:
            thread.join()
        self.theirs.close()
        assert self.troubles == []


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    made = Exchange()
    yield made
    made.close()


def answered(*frames: bytes) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.say(frame(SETTINGS, 0, 0))
        peer.request()
        peer.say(*frames)

    return script


@pytest.mark.parametrize(
    "frames",
    [
        [frame(HEADERS, END_HEADERS | END_STREAM, 1, OK)],
        [frame(HEADERS, END_STREAM, 1, OK[:5]), frame(CONTINUATION, 0, 1, OK[5:9]),
         frame(CONTINUATION, END_HEADERS, 1, OK[9:])],
        [frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, b"\x03" + OK + b"\0\0\0")],
        [frame(HEADERS, END_HEADERS | END_STREAM | PRIORITY, 1, b"\0\0\0\0\x10" + OK)],
        [frame(HEADERS, END_HEADERS, 1, hpack.encode([(":status", "103")])), frame(HEADERS, 5, 1, OK)],
        [frame(0x2F, 0xFF, 1, b"unknown"), frame(PING, 0, 0, b"12345678"), frame(PING, ACK, 0, b"87654321"),
         frame(HEADERS, END_HEADERS | END_STREAM, 1, OK), frame(RST, 0, 1, number(0))],
        [frame(HEADERS, END_HEADERS | END_STREAM, 1, OK), frame(GOAWAY, 0, 0, number(1) + number(0))],
        [frame(GOAWAY, 0, 0, number(1) + number(0) + b"bye"), frame(HEADERS, END_HEADERS | END_STREAM, 1, OK)],
    ],
)  # fmt: skip
def test_an_answer_in_any_form(exchange: Exchange, frames: list[bytes]) -> None:
    assert exchange.with_peer(answered(*frames)).headers["grpc-status"] == "0"


@pytest.mark.parametrize("padding", [b"", b"\x05"])
def test_data_and_trailers(exchange: Exchange, padding: bytes) -> None:
    flags = PADDED if padding else 0
    answer = exchange.with_peer(
        answered(
            frame(HEADERS, END_HEADERS, 1, hpack.encode([(":status", "200")])),
            frame(DATA, flags, 1, padding + b"hello " + b"\0" * 5 * len(padding)),
            frame(DATA, flags, 1, padding + b"world" + b"\0" * 5 * len(padding)),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, hpack.encode([("grpc-status", "7")])),
        )
    )
    assert (answer.body, answer.headers[":status"], answer.headers["grpc-status"]) == (b"hello world", "200", "7")


def test_sends_no_more_than_the_windows_allow_and_follows_the_settings(exchange: Exchange) -> None:
    """Windows of stream and connection, an INITIAL_WINDOW_SIZE that shrinks in the middle, a larger MAX_FRAME_SIZE."""
    body = bytes(range(256)) * 400  # 102400 bytes
    seen: list[int] = []

    def sent(peer: Peer) -> int:
        return sum(len(payload) for kind, _, _, payload in peer.frames if kind == DATA)

    def script(peer: Peer) -> None:
        assert peer.preface == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        peer.read_until(lambda _: sent(peer) == 65535)
        peer.say(frame(SETTINGS, 0, 0, setting(4, 1000) + setting(5, 32768)), frame(PING, 0, 0, b"12345678"))
        peer.read_until(lambda got: got[0] == PING and got[1] == ACK)
        seen.append(sent(peer))
        peer.say(frame(WINDOW, 0, 0, number(1 << 20)), frame(WINDOW, 0, 1, number(64535 + 20000)))
        peer.read_until(lambda _: sent(peer) >= 65535 + 20000)
        peer.say(frame(PING, 0, 0, b"abcdefgh"))
        peer.read_until(lambda got: got[0] == PING and got[3] == b"abcdefgh")
        seen.append(sent(peer))
        peer.say(frame(WINDOW, 0, 1, number(1 << 20)))
        peer.request()
        assert b"".join(payload for kind, _, _, payload in peer.frames if kind == DATA) == body
        peer.say(frame(HEADERS, END_HEADERS | END_STREAM, 1, OK))

    exchange.with_peer(script, body)
    assert seen == [65535, 85535]


def test_gives_back_what_it_has_read_of_the_windows(exchange: Exchange) -> None:
    """A server may send more than a window's worth over time, and more than 64 KiB in one answer."""
    pieces = [frame(DATA, 0, 1, bytes(16384)) for _ in range(8)]
    given: list[int] = []

    def script(peer: Peer) -> None:
        answered(frame(HEADERS, END_HEADERS, 1, hpack.encode([(":status", "200")])), *pieces)(peer)
        peer.say(frame(DATA, END_STREAM, 1, b"x"), frame(PING, 0, 0, b"12345678"))
        peer.read_until(lambda got: got[0] == WINDOW and got[2] == 0 and got[3] == number(1))
        given.extend(int.from_bytes(f[3], "big") for f in peer.frames if f[0] == WINDOW and f[2] == 0)

    assert len(exchange.with_peer(script).body) == 8 * 16384 + 1
    exchange.close()
    assert sum(given) == 8 * 16384 + 1


def test_an_answer_before_the_whole_request_ends_the_request(exchange: Exchange) -> None:
    def script(peer: Peer) -> None:
        peer.read_until(lambda got: got[0] == DATA)
        peer.say(frame(HEADERS, END_HEADERS | END_STREAM, 1, OK))
        peer.read_until(lambda got: got[0] == RST)

    assert exchange.with_peer(script, bytes(100_000)).headers["grpc-status"] == "0"
    assert exchange.connection.reusable


@pytest.mark.parametrize(
    ("frames", "error", "answered_before"),
    [
        ([frame(RST, 0, 1, number(7))], ConnectionLost, False),  # REFUSED_STREAM
        ([frame(RST, 0, 1, number(2))], ConnectionLost, False),
        ([frame(HEADERS, END_HEADERS, 1, hpack.encode([(":status", "200")])), frame(RST, 0, 1, number(8))],
         ConnectionLost, True),
        ([frame(GOAWAY, 0, 0, number(0) + number(0))], ConnectionLost, False),
    ],
)  # fmt: skip
def test_an_end_without_an_answer(
    exchange: Exchange, frames: list[bytes], error: type[HttpError], answered_before: bool
) -> None:
    with pytest.raises(error) as raised:
        exchange.with_peer(answered(*frames))
    assert isinstance(raised.value, ConnectionLost)
    assert raised.value.answered == answered_before
    assert not exchange.connection.reusable


@pytest.mark.parametrize(
    "wrong",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(99),
        frame(PUSH, END_HEADERS, 1, number(2) + OK),
        frame(HEADERS, END_HEADERS | END_STREAM, 3, OK),
        frame(DATA, 0, 0, b"x"),
        frame(CONTINUATION, END_HEADERS, 1, OK),
        frame(HEADERS, 0, 1, OK) + frame(PING, 0, 0, b"12345678"),
        frame(HEADERS, END_HEADERS | PADDED, 1, b"\xff" + OK),
        frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\x7f"),
        frame(HEADERS, END_HEADERS, 1, b"\xbe"),
        frame(WINDOW, 0, 0, number((1 << 31) - 1)),
        frame(SETTINGS, 0, 0, setting(4, 1 << 31)),
    ],
)
def test_what_no_server_may_say_ends_the_connection(exchange: Exchange, wrong: bytes) -> None:
    with pytest.raises(MalformedMessage):
        exchange.with_peer(answered(wrong))
    assert not exchange.connection.reusable


def test_no_answer_in_time(exchange: Exchange) -> None:
    with pytest.raises(DeadlineExceeded):
        exchange.with_peer(answered(), timeout_s=0.05)
    assert not exchange.connection.reusable


def test_a_window_that_stays_closed_is_no_answer_in_time(exchange: Exchange) -> None:
    with pytest.raises(DeadlineExceeded):
        exchange.with_peer(lambda peer: peer.read_until(lambda _: False) and None, bytes(100_000), timeout_s=0.05)
