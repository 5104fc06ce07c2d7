"""A Runtime API that is a script: it answers with given bytes, and keeps every byte that a runtime sends it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.support.depth import WAIT_S, running_proxy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

ACCEPTED: Final = (
    b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status": "OK"}'
)
RESTORED: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
KILL: Final = "kill"
"""Instead of an answer: the runtime is killed, as at a timeout."""
RESET: Final = "reset"
CLOSE: Final = "close"
HALF: Final = "half"
"""How a connection ends behind an answer; HALF closes what the API sends, and still reads."""
EVENT_HEADERS: Final = (
    "Content-Type: application/json",
    "Lambda-Runtime-Deadline-Ms: 4102444800000",
    "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:f:live",
    "Lambda-Runtime-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
    'Lambda-Runtime-Client-Context: {"custom":{"a":"' + "c" * 3000 + '"},"client":{},"env":{}}',
    'Lambda-Runtime-Cognito-Identity: {"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}',
    "Lambda-Runtime-Aws-Tenant-Id: blue",
)


def event_head(request_id: str, length: int | None) -> bytes:
    """The head of an answer to ``/next``; in chunks, with a trailer, where `length` is None."""
    framing = [f"Content-Length: {length}"] if length is not None else ["Transfer-Encoding: chunked", "Trailer: X-T"]
    lines = ["HTTP/1.1 200 OK", f"Lambda-Runtime-Aws-Request-Id: {request_id}", *EVENT_HEADERS, *framing, "", ""]
    return "\r\n".join(lines).encode()


@dataclass(frozen=True)
class Answer:
    """Bytes, sent in these pieces, and what happens to the connection then; "" for nothing."""

    pieces: tuple[bytes, ...]
    then: str = ""


@dataclass
class Script:
    """What the API answers: each ``/next`` by the next event, each POST by the next of its answers, then by ACCEPTED.

    A runtime is killed when so many of its `workers` wait for an event that there is not. `kill_behind`: as soon as so
    many bytes of a request body are there.
    """

    events: Sequence[Answer]
    posts: Sequence[Answer | str] = ()
    kill_behind: int | None = None
    workers: int = 1


@dataclass
class Connection:
    """What came over one connection, and how it ended: "end", "reset", or "" where the API itself ended it."""

    data: bytearray = field(default_factory=bytearray)
    end: str = ""


@dataclass
class Outcome:
    """All that can be seen of a runtime from outside."""

    connections: list[Connection]
    stdout: bytes
    stderr: bytes
    returncode: int | None


class ScriptedApi:
    """Listens, and plays the script to one runtime."""

    def __init__(self, script: Script, listener: socket.socket) -> None:
        self.connections: list[Connection] = []
        self.over = threading.Event()
        self._script = script
        self._events, self._posts = iter(script.events), iter(script.posts)
        self._listener = listener
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._killed = 0

    def serve(self) -> None:
        """Until the listener is closed."""
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            peer.settimeout(WAIT_S)
            connection = Connection()
            self.connections.append(connection)
            self._open.append(peer)
            self._threads.append(threading.Thread(target=self._talk, args=(peer, connection)))
            self._threads[-1].start()

    def close(self) -> None:
        """End what is still open."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT_S)
        for peer in self._open:
            peer.close()

    def _talk(self, peer: socket.socket, connection: Connection) -> None:
        try:
            while (request := self._request(peer, connection)) is not None:
                answer = self._answer_to(request)
                if answer == KILL:
                    with self._lock:
                        self._killed += 1
                    if self._killed >= self._script.workers:
                        self.over.set()
                    continue  # and see how the connection ends
                assert isinstance(answer, Answer)
                for piece in answer.pieces:
                    peer.sendall(piece)
                if answer.then and not self._end(peer, answer.then):
                    return
            connection.end = "end"
        except (ConnectionResetError, BrokenPipeError):
            connection.end = "reset"

    @staticmethod
    def _end(peer: socket.socket, how: str) -> bool:
        """Whether there is more to read."""
        if how == HALF:
            peer.shutdown(socket.SHUT_WR)
            return True
        if how == RESET:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        return False

    def _answer_to(self, line: bytes) -> Answer | str:
        path = line.split(b" ")[1].partition(b"?")[0]
        with self._lock:
            if path.endswith(b"/invocation/next"):
                return next(self._events, KILL)
            if path.endswith(b"/restore/next"):
                return Answer((RESTORED,))
            return next(self._posts, Answer((ACCEPTED,)))

    def _request(self, peer: socket.socket, connection: Connection) -> bytes | None:
        """The first line of a request that has come to its end; None where the connection has."""
        begin = len(connection.data)
        while (head := connection.data.find(b"\r\n\r\n", begin)) < 0:
            if not self._more(peer, connection):
                return None
        lines = bytes(connection.data[begin:head]).split(b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
        if headers.get(b"expect", b"").lower() == b"100-continue":
            peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = head + 4
        chunked = headers.get(b"transfer-encoding") == b"chunked"
        length = int(headers.get(b"content-length", b"0"))
        while not self._is_whole(connection.data, body, length, chunked=chunked):
            if not self._more(peer, connection):
                return None
            if self._script.kill_behind is not None and len(connection.data) - body >= self._script.kill_behind:
                self.over.set()
        return lines[0]

    @staticmethod
    def _is_whole(data: bytearray, body: int, length: int, *, chunked: bool) -> bool:
        if not chunked:
            return len(data) - body >= length
        return re.search(rb"(?:^|\r\n)0(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n\Z", data[body:][-65536:]) is not None

    @staticmethod
    def _more(peer: socket.socket, connection: Connection) -> bool:
        got = peer.recv(1 << 20)
        connection.data += got
        return bool(got)


@contextlib.contextmanager
def _listening(address: tuple[str, int]) -> Iterator[socket.socket]:
    with socket.create_server(address) as listener:
        yield listener


def run(
    command: Sequence[str],
    script: Script,
    environment: Mapping[str, str],
    folder: Path,
    address: tuple[str, int],
    told: str,
) -> Outcome:
    """The runtime on the API at `address`, which it is told to be at `told`."""
    with _listening(address) as listener:
        api = ScriptedApi(script, listener)
        serving = threading.Thread(target=api.serve)
        serving.start()
        with subprocess.Popen(
            command,
            env={**environment, "AWS_LAMBDA_RUNTIME_API": told},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            threading.Thread(target=_kill_when_over, args=(api.over, process), daemon=True).start()
            stdout, stderr = process.communicate(timeout=4 * WAIT_S)
        killed = api.over.is_set()
        api.over.set()
        api.close()
        serving.join(WAIT_S)
        assert not serving.is_alive()
    return Outcome(api.connections, stdout, stderr, None if killed else process.returncode)


def _kill_when_over(over: threading.Event, process: subprocess.Popen[bytes]) -> None:
    over.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def with_and_without_proxy(
    command: Sequence[str], script: Script, environment: Mapping[str, str], folder: Path
) -> tuple[Outcome, Outcome]:
    """Through the proxy, and without it. The runtime is told the same address each time, so that it sends the same."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        upstream = free.getsockname()
    with running_proxy(upstream) as proxy:
        address = proxy.address
        told = "{}:{}".format(*address)
        through = run(command, script, environment, folder, upstream, told)
    return through, run(command, script, environment, folder, address, told)
