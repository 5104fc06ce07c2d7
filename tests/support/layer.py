"""For the tests of the layer: the built zip, an Extensions API that can misbehave, the launcher as a process."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import tempfile
import threading
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")

REPOSITORY: Final = Path(__file__).resolve().parents[2]
LAYER_ZIP: Final = REPOSITORY / "dist" / "layer.zip"
LAUNCHER_SOURCES: Final = REPOSITORY / "extension" / "launcher"
ENTRY: Final = "extensions/lambdascope"

WAIT_S: Final = 20.0
"""How long a test waits for what must happen; far more than it takes."""


def layer_zip() -> Path:
    """The built layer, which `make test` builds first."""
    if not LAYER_ZIP.is_file():
        raise AssertionError(f"{LAYER_ZIP} is missing: run `make layer`")
    return LAYER_ZIP


def unpack(target: Path) -> Path:
    """Unpack the built layer into `target`, as Lambda does: with its modes, read-only to everyone."""
    with zipfile.ZipFile(layer_zip()) as archive:
        for entry in archive.infolist():
            archive.extract(entry, target)
            (target / entry.filename).chmod(entry.external_attr >> 16 & 0o777)
    return target


def wait_until(probe: Callable[[], T | None], what: str) -> T:
    """Poll until `probe` gives something true."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if found := probe():
            return found
        time.sleep(0.005)
    raise AssertionError(f"{what} did not happen within {WAIT_S} s")


@dataclass(frozen=True)
class Request:
    """A request as it came.

    Attributes:
        connection: a number for the connection, in the order in which they were opened.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> dict[str, object]:
        """The body as a JSON object."""
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


IDENTIFIER: Final = "5d2a7c1e-0000-4000-8000-lambdascope"


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    """An HTTP answer with a length."""
    head = "".join(f"{header}\r\n" for header in (f"Content-Length: {len(body)}", *headers))
    return f"HTTP/1.1 {status} Reason\r\n{head}\r\n".encode() + body


def chunked(body: bytes, *headers: str, size: int = 3) -> bytes:
    """An HTTP answer in chunks of `size` bytes."""
    head = "".join(f"{header}\r\n" for header in ("Transfer-Encoding: chunked", *headers))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + chunks + b"0\r\n\r\n"


REGISTERED_BODY: Final = b'{"functionName":"f","functionVersion":"$LATEST","handler":"h","accountId":"123456789012"}'
REGISTERED: Final = answer(200, REGISTERED_BODY, f"Lambda-Extension-Identifier: {IDENTIFIER}")
SUBSCRIBED: Final = answer(200, b'"OK"')
INVOKE: Final = answer(200, b'{"eventType":"INVOKE","deadlineMs":1,"requestId":"r","invokedFunctionArn":"a"}')
SHUTDOWN: Final = answer(200, b'{"eventType":"SHUTDOWN","shutdownReason":"spindown","deadlineMs":1}')


@dataclass(frozen=True)
class Reply:
    """How to answer one request.

    Attributes:
        pieces: what to send, piece by piece.
        pause_s: before each piece.
        close: close the connection afterwards.
        hold: answer nothing and leave the connection open.
    """

    pieces: tuple[bytes, ...] = ()
    pause_s: float = 0.0
    close: bool = False
    hold: bool = False


def whole(data: bytes) -> Reply:
    """Answer with `data` at once."""
    return Reply((data,))


@dataclass
class Script:
    """What the API answers, by path: the replies in their order, the last one again and again."""

    register: list[Reply] = field(default_factory=lambda: [whole(REGISTERED)])
    telemetry: list[Reply] = field(default_factory=lambda: [whole(SUBSCRIBED)])
    next: list[Reply] = field(default_factory=lambda: [Reply(hold=True)])

    def replies_to(self, path: str) -> list[Reply]:
        """The list that answers `path`."""
        return {"register": self.register, "telemetry": self.telemetry, "next": self.next}[path.rpartition("/")[2]]


class ExtensionsApi:
    """Lambda's Extensions API on a real socket, which answers as its script says and remembers what was asked."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._lock = threading.Lock()
        self._held: list[socket.socket] = []
        self._connections = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.requests: queue.Queue[Request] = queue.Queue()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def expect(self, path_end: str) -> Request:
        """The next request, which must be for a path with this end."""
        try:
            request = self.requests.get(timeout=WAIT_S)
        except queue.Empty:
            raise AssertionError(f"no request for …{path_end} within {WAIT_S} s") from None
        assert request.path.endswith(path_end), request
        return request

    def expect_nothing_more(self) -> None:
        """No request came that was not expected."""
        assert self.requests.empty(), self.requests.get()

    def answer_held(self, data: bytes) -> None:
        """Answer the request that is held back longest, of those whose sender still waits."""
        wait_until(self._take_held, "a request that waits for its answer").sendall(data)

    def _take_held(self) -> socket.socket | None:
        with self._lock:
            while self._held:
                connection = self._held.pop(0)
                if not _is_closed_by_peer(connection):
                    return connection
        return None

    def close(self) -> None:
        """End every connection and thread."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            still_open = list(self._open)
        for connection in still_open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with self._lock:
                    self._connections += 1
                    self._open.append(connection)
                    number = self._connections
                thread = threading.Thread(target=self._serve, args=(connection, number))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as stream:
            while request := _read_request(stream.readline, stream.read, number):
                with self._lock:
                    replies = self._script.replies_to(request.path)
                    reply = replies.pop(0) if len(replies) > 1 else replies[0]
                    if reply.hold:
                        self._held.append(connection)
                self.requests.put(request)
                for piece in reply.pieces:
                    time.sleep(reply.pause_s)
                    connection.sendall(piece)
                if reply.close:
                    break


def _is_closed_by_peer(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _read_request(readline: Callable[[], bytes], read: Callable[[int], bytes], number: int) -> Request | None:
    first = readline()
    if not first:
        return None
    method, path, _ = first.decode().split()
    headers: dict[str, str] = {}
    while line := readline().strip():
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    body = read(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body, number)


@dataclass
class Launched:
    """A running launcher."""

    process: subprocess.Popen[str]
    stderr_file: Path

    def python_pid(self) -> int:
        """The process of the bundled Python, once it is one (and not a copy of the launcher any more)."""
        return wait_until(self._python, "the start of the bundled Python")

    def python_in_charge(self) -> int:
        """The same, once it has taken over all that the launcher gave it."""
        python = self.python_pid()
        wait_until(lambda: not self._has_sockets(), "the take-over by the bundled Python")
        return python

    def _has_sockets(self) -> bool:
        links = Path(f"/proc/{self.process.pid}/fd").iterdir()
        return any(str(link.readlink()).startswith(("socket:", "pipe:")) for link in links)

    def has_no_python(self) -> bool:
        """Whether it has no child at all."""
        return not Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()

    def _python(self) -> int | None:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in map(int, children):
            with contextlib.suppress(OSError):
                if b"--library-path" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    return child
        return None

    def exit_code(self) -> int:
        """Its exit code; it must end."""
        return self.process.wait(WAIT_S)

    def stderr(self) -> str:
        """What it and its Python have written to standard error."""
        return self.stderr_file.read_text()


@contextlib.contextmanager
def launched(root: Path, environment: Mapping[str, str], *, command: Sequence[str | Path] = ()) -> Iterator[Launched]:
    """Run the launcher of the layer unpacked at `root`, or `command` that ends in it, with this environment only."""
    with tempfile.NamedTemporaryFile("w", suffix=".stderr") as stderr:
        process = subprocess.Popen(
            list(command) or [root / ENTRY],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            text=True,
            process_group=0,
        )
        try:
            yield Launched(process, Path(stderr.name))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
