"""Once started the proxy does not fail: whatever its peers do, the next one is served, in little memory.

Each case runs against the program of the layer, and against one that AddressSanitizer and UndefinedBehaviorSanitizer
end at the first mistake.
"""

from __future__ import annotations

import random
import resource
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from deploy.layer.launcher import PROXY
from tests.support.depth import WAIT_S, RunningProxy, programs, running_proxy
from tests.support.sanitized_launcher import compile_sanitized

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
EVENT = b'{"Records":[{"eventSource":"aws:sqs"}]}'
ANSWER = (b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r\r\nContent-Length: %d\r\n\r\n" % len(EVENT)) + EVENT
MOST_MEMORY_KIB = 3 * 1024


@pytest.fixture(scope="module", params=["of the layer", "with sanitizers"])
def program(request, tmp_path_factory):
    if request.param == "of the layer":
        return programs() / "lambdascope" / "proxy"
    path = tmp_path_factory.mktemp("sanitized") / "proxy"
    compile_sanitized(path, PROXY)
    return path


class Api:
    """An upstream that does to each connection what it is told to; by default it answers."""

    def __init__(self, listener: socket.socket) -> None:
        self.behave: Callable[[socket.socket], None] = answer
        self.accepted: list[socket.socket] = []
        self._listener = listener

    def serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            peer.settimeout(WAIT_S)
            self.accepted.append(peer)
            threading.Thread(target=self._talk, args=(peer, self.behave), daemon=True).start()

    @staticmethod
    def _talk(peer: socket.socket, behave: Callable[[socket.socket], None]) -> None:
        with suppress(OSError):
            behave(peer)
        peer.close()


def answer(peer: socket.socket) -> None:
    while peer.recv(65536):
        peer.sendall(ANSWER)


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


@contextmanager
def proxied(program: Path) -> Iterator[tuple[RunningProxy, Api]]:
    with closing(socket.create_server(("127.0.0.1", 0), backlog=4096)) as listener:
        api = Api(listener)
        thread = threading.Thread(target=api.serve)
        thread.start()
        try:
            with running_proxy(listener.getsockname(), program) as proxy:
                yield proxy, api
                assert_serves(proxy, api)
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(WAIT_S)
            for peer in api.accepted:
                peer.close()


def assert_serves(proxy: RunningProxy, api: Api) -> None:
    """A connection that behaves, through a proxy that is still the same process."""
    api.behave = answer
    with socket.create_connection(proxy.address, timeout=WAIT_S) as connection:
        connection.sendall(NEXT)
        assert read(connection, len(ANSWER)) == ANSWER
    assert proxy.process.poll() is None


def accepted(api: Api, count: int) -> None:
    """Wait until the API has that many connections, which do what it was told until then."""
    gate = threading.Event()
    for _ in range(int(WAIT_S * 200)):
        if len(api.accepted) >= count:
            return
        gate.wait(0.005)
    raise AssertionError(f"{len(api.accepted)} connections of {count}")


def read(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (piece := connection.recv(min(size - len(data), 1 << 20))):
        data += piece
    return bytes(data)


def memory_kib(proxy: RunningProxy) -> int:
    status = Path(f"/proc/{proxy.process.pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def is_sanitized(program: Path) -> bool:
    return program != programs() / "lambdascope" / "proxy"


def end_of(connection: socket.socket) -> bytes:
    """All that still comes."""
    data = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            data += piece
    return data


def in_the_middle(peer: socket.socket) -> None:
    peer.recv(65536)
    peer.sendall(ANSWER[: len(ANSWER) // 2])
    reset(peer)


def half_closed(peer: socket.socket) -> None:
    peer.recv(65536)
    peer.sendall(ANSWER)
    peer.shutdown(socket.SHUT_WR)
    while peer.recv(65536):
        pass


def garbage(peer: socket.socket) -> None:
    rng = random.Random(peer.getpeername()[1])
    while peer.recv(65536):
        peer.sendall(rng.randbytes(rng.randrange(1, 5000)))
        peer.sendall(rng.choice([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n", ANSWER * 3]))
        peer.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("behave", [reset, in_the_middle, half_closed, garbage])
def test_an_upstream_that_misbehaves(program, behave):
    with proxied(program) as (proxy, api):
        for _ in range(20):
            api.behave = behave
            with suppress(OSError), socket.create_connection(proxy.address, timeout=WAIT_S) as connection:
                connection.sendall(NEXT)
                end_of(connection)
            assert_serves(proxy, api)


def test_an_upstream_that_goes_away_and_comes_back(program):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        address = listener.getsockname()
    with running_proxy(address, program) as proxy:
        with suppress(OSError), socket.create_connection(proxy.address, timeout=WAIT_S) as connection:
            connection.sendall(NEXT)
            assert end_of(connection) == b""
        with closing(socket.create_server(address)) as listener:
            api = Api(listener)
            thread = threading.Thread(target=api.serve)
            thread.start()
            assert_serves(proxy, api)
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(WAIT_S)
            for peer in api.accepted:
                peer.close()


def test_runtimes_that_vanish_at_any_moment(program):
    rng = random.Random(20261121)
    with proxied(program) as (proxy, api):
        for _ in range(100):
            connection = socket.create_connection(proxy.address, timeout=WAIT_S)
            connection.sendall((NEXT * 3)[: rng.randrange(len(NEXT) * 3)])
            if rng.random() < 0.5:
                reset(connection)
            connection.close()
        assert_serves(proxy, api)


def test_readers_that_do_not_read(program):
    """Forty of them, for each of whom megabytes wait: their memory is the peers' business, not the proxy's."""

    def flood(peer: socket.socket) -> None:
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n" + b"x" * 8_000_000)

    with proxied(program) as (proxy, api), ExitStack() as stack:
        api.behave = flood
        connections = [stack.enter_context(socket.create_connection(proxy.address, timeout=WAIT_S)) for _ in range(40)]
        for connection in connections:
            connection.sendall(NEXT)
        accepted(api, 40)
        assert_serves(proxy, api)
        total = len(b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n") + 8_000_000
        assert [len(read(connection, total)) for connection in connections[:3]] == [total] * 3
        if not is_sanitized(program):
            assert memory_kib(proxy) < MOST_MEMORY_KIB


def test_a_thousand_connections_at_once(program):
    """More long polls than any sandbox has: each gets its own answer, through as many descriptors as it takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip(f"this machine allows {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    release = threading.Event()

    def wait(peer: socket.socket) -> None:
        number = peer.recv(65536).partition(b"number=")[2].split()[0]
        release.wait(WAIT_S)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(number), number))

    try:
        with proxied(program) as (proxy, api), ExitStack() as stack:
            api.behave = wait
            connections = [
                stack.enter_context(socket.create_connection(proxy.address, timeout=WAIT_S)) for _ in range(1000)
            ]
            for number, connection in enumerate(connections):
                connection.sendall(NEXT.replace(b"/next ", b"/next?number=%d " % number))
            release.set()
            for number, connection in enumerate(connections):
                text = b"%d" % number
                expected = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)
                assert read(connection, len(expected)) == expected
            if not is_sanitized(program):
                assert memory_kib(proxy) < MOST_MEMORY_KIB
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_descriptors_connections_wait_and_are_served_one_after_the_other(program):
    """None of them is refused or reset for it."""
    with proxied(program) as (proxy, api):
        api.behave = answer
        resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (32, 32))
        with ExitStack() as stack:
            connections = [
                stack.enter_context(socket.create_connection(proxy.address, timeout=WAIT_S)) for _ in range(60)
            ]
            for connection in connections:
                connection.sendall(NEXT)
            for connection in connections:
                assert read(connection, len(ANSWER)) == ANSWER
                connection.close()


def test_one_proxy_behind_another(program):
    """As with another vendor's: in front of ours, or behind it."""
    with proxied(program) as (inner, api), running_proxy(inner.address, program) as outer:
        for _ in range(3):
            assert_serves(outer, api)
        assert {outer.event().split(b" ")[1], inner.event().split(b" ")[1]} == {b"r"}
