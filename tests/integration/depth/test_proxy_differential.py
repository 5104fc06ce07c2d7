"""Through the proxy and without it, both ends see the same: generated traffic of every endpoint of the Runtime API."""

from __future__ import annotations

import os
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from tests.support.depth import WAIT_S, running_proxy

SOAK = os.environ.get("LAMBDASCOPE_SOAK") == "1"
SEEDS = range(200 if SOAK else 25)
LARGEST = 20 << 20
PATHS = (
    "GET /2018-06-01/runtime/invocation/next",
    "POST /2018-06-01/runtime/invocation/8476a536-e9f4-11e8-9739-2dfe598c3fcd/response",
    "POST /2018-06-01/runtime/invocation/8476a536-e9f4-11e8-9739-2dfe598c3fcd/error",
    "POST /2018-06-01/runtime/init/error",
    "GET /2018-06-01/runtime/restore/next",
    "POST /2018-06-01/runtime/restore/error",
    "POST /2099-01-01/runtime/not/yet/known",
)
ENDINGS = ("keep", "close", "reset", "half")


@dataclass
class Step:
    """One request and its answer, as bytes in pieces; `ending` is what happens to the connection afterwards."""

    request: list[bytes]
    answer: list[bytes]
    ending: str = "keep"
    by: str = "server"


@dataclass
class Seen:
    """What one end received, and how its connection ended: with an end of stream or a reset."""

    data: bytearray = field(default_factory=bytearray)
    end: str = ""


def body_of(rng: random.Random) -> bytes:
    size = rng.choice([0, 1, rng.randrange(2, 200), rng.randrange(200, 70_000), rng.randrange(70_000, 400_000)])
    return rng.randbytes(size)


def in_pieces(rng: random.Random, data: bytes) -> list[bytes]:
    """Cut anywhere, in the middle of a line too."""
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(4)))
    edges = [0, *cuts, len(data)]
    return [data[a:b] for a, b in pairwise(edges) if b > a]


def framed(rng: random.Random, first: str, headers: list[str], body: bytes) -> bytes:
    """A message with a length or in chunks, with extensions and trailers there may be."""
    if rng.random() < 0.5:
        head = [first, *headers, f"Content-Length: {len(body)}"]
        return "\r\n".join([*head, "", ""]).encode() + body
    trailers = ["Lambda-Runtime-Function-Error-Type: Runtime.Late", "Lambda-Runtime-Function-Error-Body: eyJ9"]
    head = [first, *headers, "Transfer-Encoding: chunked", "Trailer: Lambda-Runtime-Function-Error-Type"]
    chunks, at = b"", 0
    while at < len(body):
        size = rng.randrange(1, 60_000)
        piece = body[at : at + size]
        chunks += f"{len(piece):x}{rng.choice(['', ';name=value'])}\r\n".encode() + piece + b"\r\n"
        at += size
    end = "\r\n".join(["0", *rng.choice([[], trailers]), "", ""]).encode()
    return "\r\n".join([*head, "", ""]).encode() + chunks + end


def request_of(rng: random.Random) -> bytes:
    line = rng.choice(PATHS) + rng.choice(["", "?a=1&b=%20", "?"])
    headers = [
        "Host: 127.0.0.1:9001",
        "Lambda-Runtime-Function-Response-Mode: streaming",
        "X-Long: " + "x" * rng.randrange(3000),
        rng.choice(["lambda-runtime-function-error-type: Runtime.Unknown", "Expect: 100-continue", "x:  y "]),
    ]
    if line.startswith("GET"):
        return "\r\n".join([f"{line} HTTP/1.1", *headers[:1], "", ""]).encode()
    return framed(rng, f"{line} HTTP/1.1", headers, body_of(rng))


def answer_of(rng: random.Random) -> bytes:
    status = rng.choice(["200 OK", "202 Accepted", "400 Bad Request", "403 Forbidden", "413 Too Large", "500 Server"])
    headers = [
        "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        "Lambda-Runtime-Client-Context: " + "c" * rng.randrange(3500),
        "Lambda-Runtime-Tenant-Id: ü",
    ]
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" if rng.random() < 0.2 else b""
    return interim + framed(rng, f"HTTP/1.1 {status}", headers, body_of(rng))


def garbage(rng: random.Random) -> bytes:
    return rng.choice(
        [rng.randbytes(500), b"\r\n" * 20, b"GET \0\0", b"HTTP/1.1 200\r\nContent-Length: -1\r\n\r\nx" * 3]
    )


def steps_of(seed: int) -> list[Step]:
    rng = random.Random(seed)
    steps = [Step(in_pieces(rng, request_of(rng)), in_pieces(rng, answer_of(rng))) for _ in range(rng.randrange(1, 6))]
    if rng.random() < 0.3:
        steps.append(Step([garbage(rng)], [garbage(rng)]))
    last = steps[-1]
    last.ending, last.by = rng.choice(ENDINGS[1:]), rng.choice(["server", "client"])
    if rng.random() < 0.3:  # an abort amid of an answer, or of a request
        whole = last.answer if last.by == "server" else last.request
        del whole[len(whole) // 2 :]
    return steps


def end_connection(connection: socket.socket, ending: str) -> None:
    if ending == "half":
        connection.shutdown(socket.SHUT_WR)
    elif ending == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    elif ending == "close":
        connection.close()


def receive(connection: socket.socket, seen: Seen, size: int | None) -> None:
    """So many bytes more, or all until the end."""
    try:
        while size is None or size > 0:
            piece = connection.recv(min(size or 1 << 16, 1 << 16))
            if not piece:
                seen.end = "end"
                return
            seen.data += piece
            size = None if size is None else size - len(piece)
    except ConnectionResetError:
        seen.end = "reset"


def play(connection: socket.socket, steps: list[Step], side: str, seen: Seen) -> None:
    """One side of the conversation."""
    connection.settimeout(WAIT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(BrokenPipeError, ConnectionResetError):
        for step in steps:
            if side == "client":
                for piece in step.request:
                    connection.sendall(piece)
            else:
                receive(connection, seen, sum(map(len, step.request)))
                for piece in step.answer:
                    connection.sendall(piece)
            if side == "client":
                receive(connection, seen, sum(map(len, step.answer)))
            if step.by == side and step.ending != "keep":
                end_connection(connection, step.ending)
                if step.ending != "half":
                    return
    if not seen.end:
        receive(connection, seen, None)
    connection.close()


@contextmanager
def server(steps: list[Step], seen: Seen) -> Iterator[tuple[str, int]]:
    """The Runtime API's side, for one connection."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            play(connection, steps, "server", seen)

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            thread.join(WAIT_S)
            assert not thread.is_alive()


def conversation(steps: list[Step], *, proxied: bool) -> tuple[Seen, Seen]:
    """What client and server saw."""
    client, api = Seen(), Seen()
    with server(steps, api) as address:
        if not proxied:
            with socket.create_connection(address) as connection:
                play(connection, steps, "client", client)
        else:
            with running_proxy(address) as proxy, socket.create_connection(proxy.address) as connection:
                play(connection, steps, "client", client)
                wait_for_server(api, steps)
    return client, api


def wait_for_server(api: Seen, steps: list[Step]) -> None:
    """The proxy is to live until the other end has seen all there is."""
    gate = threading.Event()
    for _ in range(int(WAIT_S * 200)):
        if api.end or steps[-1].by == "server":
            return
        gate.wait(0.005)


@pytest.mark.parametrize("seed", SEEDS)
def test_both_ends_see_the_same_with_and_without_it(seed):
    steps = steps_of(seed)
    plain = conversation(steps, proxied=False)
    through = conversation(steps, proxied=True)
    sent = b"".join(p for s in steps for p in s.answer), b"".join(p for s in steps for p in s.request)
    for without, with_proxy, whole in zip(plain, through, sent, strict=True):
        assert with_proxy.end == without.end
        if steps[-1].ending == "reset":  # what was under way is lost, more or less of it each time, without a proxy too
            assert whole.startswith(with_proxy.data)
        else:
            assert with_proxy.data == without.data


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("size", [0, 1, 16384, 1 << 20, LARGEST])
def test_a_body_streams_through_while_the_other_end_is_slow(direction, size):
    """20 MB pass a proxy that keeps 64 KB: neither lost nor held back, in either direction."""
    body = random.Random(size).randbytes(size)
    message = b"POST /x HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size + body
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body
    steps = [Step([message], [b"HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n"], "close")]
    if direction == "down":
        steps = [Step([b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n"], [answer], "close")]
    client, api = conversation(steps, proxied=True)
    assert (bytes(client.data), bytes(api.data)) == (b"".join(steps[0].answer), b"".join(steps[0].request))


def test_the_first_bytes_of_an_answer_arrive_before_its_last_are_sent():
    """Nothing is held back: each piece is there before the next one leaves."""
    got = threading.Event()
    problems: list[str] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            if not got.wait(WAIT_S):
                problems.append("the first chunk was held back")
            connection.sendall(b"0\r\nX-Trailer: 1\r\n\r\n")

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        with running_proxy(listener.getsockname()) as proxy, socket.create_connection(proxy.address) as connection:
            connection.sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n")
            seen = Seen()
            receive(connection, seen, 52)
            got.set()
            receive(connection, seen, None)
        thread.join()
    assert not problems
    assert seen.data.endswith(b"0\r\nX-Trailer: 1\r\n\r\n")


def test_an_upstream_that_is_not_there_ends_the_connection():
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        nobody = listener.getsockname()
    with running_proxy(nobody) as proxy, socket.create_connection(proxy.address) as connection:
        seen = Seen()
        connection.settimeout(WAIT_S)
        with suppress(ConnectionResetError):
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        receive(connection, seen, None)
    assert not seen.data
    assert seen.end


def test_many_runtimes_ask_for_the_next_event_at_once():
    """As on Managed Instances: 64 long polls, answered in another order than they were asked."""
    waiting: list[socket.socket] = []
    with (
        closing(socket.create_server(("127.0.0.1", 0), backlog=128)) as listener,
        running_proxy(listener.getsockname()) as proxy,
    ):
        clients = [socket.create_connection(proxy.address) for _ in range(64)]
        for number, client in enumerate(clients):
            client.settimeout(WAIT_S)
            client.sendall(b"GET /2018-06-01/runtime/invocation/next?n=%d HTTP/1.1\r\n\r\n" % number)
        listener.settimeout(WAIT_S)
        for _ in clients:
            waiting.append(listener.accept()[0])  # noqa: PERF401 - one by one, as they come
        for api in reversed(waiting):
            number = int(api.recv(1000).partition(b"?n=")[2].split()[0])
            head = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r%d\r\nContent-Length: 2\r\n\r\n{}"
            api.sendall(head % number)
        for number, client in enumerate(clients):
            assert b"Request-Id: r%d\r" % number in client.recv(1000)
        told = {proxy.event().split(b" ")[1] for _ in clients}
        assert told == {b"r%d" % number for number in range(64)}
        for connection in (*clients, *waiting):
            connection.close()


def test_who_asks_is_told_where_it_listens():
    with running_proxy(("127.0.0.1", 1)) as proxy, socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(WAIT_S)
        asking.connect(proxy.announcer)
        assert asking.recv(100).decode() == "{}:{} 127.0.0.1:1".format(*proxy.address)
