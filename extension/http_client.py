"""A small HTTP/1.1 client on plain sockets: one connection, kept alive, one exchange at a time.

``http.client`` costs 40 ms of processor time to import, which on a 128 MB function is half a second.
"""

from __future__ import annotations

import _socket
from time import monotonic

from extension.errors import ConnectError, ConnectionLost, DeadlineExceeded
from extension.http_message import MessageReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from extension.http_message import Message

    class StreamSocket(Protocol):
        """What a connection needs of a socket; both ``_socket.socket`` and TLS sockets have it."""

        def sendall(self, data: bytes, /) -> None: ...  # noqa: D102 - as in the socket module; so are the others
        def recv(self, size: int, /) -> bytes: ...  # noqa: D102
        def settimeout(self, seconds: float | None, /) -> None: ...  # noqa: D102
        def close(self) -> None: ...  # noqa: D102
        def fileno(self) -> int: ...  # noqa: D102


_RECEIVE_BYTES = 65536
_MAX_ANSWER_BYTES = 1 << 20


def request_bytes(method: str, target: str, host: str, headers: tuple[tuple[str, str], ...], body: bytes) -> bytes:
    """A whole HTTP/1.1 request."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body or method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


def connect(host: str, port: int, timeout_s: float) -> _socket.socket:
    """A TCP connection to the first address of `host` that accepts one, Nagle's delay off.

    Raises:
        ConnectError: none did, or the name is unknown.
    """
    try:
        # As bytes: for text the "idna" codec would be imported, and 8 ms of modules with it.
        addresses = _socket.getaddrinfo(host.encode("ascii"), port, 0, _socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConnectError(f"{host}: {error}") from error
    problem: Exception | None = None
    for family, kind, protocol, _name, address in addresses:
        sock = None
        try:
            sock = _socket.socket(family, kind, protocol)
            sock.settimeout(timeout_s)
            sock.connect(address)
            sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        except OSError as error:
            problem = error
            if sock is not None:
                sock.close()
        else:
            return sock
    raise ConnectError(f"{host}:{port}: {problem or 'no address'}") from problem


class Connection:
    """One kept-alive connection. Not for use by two threads at once."""

    __slots__ = ("_reader", "_sock")

    def __init__(self, sock: StreamSocket) -> None:
        self._sock = sock
        self._reader = MessageReader(_MAX_ANSWER_BYTES, answers=True)

    def send(self, request: bytes, deadline: float | None) -> None:
        """Send a request.

        Args:
            request: the whole of it.
            deadline: on the monotonic clock, in seconds; None waits for ever.

        Raises:
            ConnectionLost, DeadlineExceeded: it may have been sent in part.
        """
        self._limit(deadline)
        try:
            self._sock.sendall(request)
        except TimeoutError as error:
            raise DeadlineExceeded("sending took too long") from error
        except OSError as error:
            raise ConnectionLost(f"while sending: {error}", answered=False) from error

    def receive(self, deadline: float | None) -> Message:
        """The next answer.

        Raises:
            ConnectionLost, DeadlineExceeded, MalformedMessage: there is none; the connection is of no further use.
        """
        reader = self._reader
        while True:
            message = reader.message()
            if message is not None:
                return message
            self._limit(deadline)
            try:
                data = self._sock.recv(_RECEIVE_BYTES)
            except TimeoutError as error:
                raise DeadlineExceeded("no answer in time") from error
            except OSError as error:
                raise ConnectionLost(f"while waiting for the answer: {error}", answered=not reader.idle) from error
            if not data:
                message = reader.end_of_stream()
                if message is None:
                    raise ConnectionLost("closed without an answer", answered=not reader.idle)
                return message
            reader.feed(data)

    def exchange(self, request: bytes, deadline: float | None) -> Message:
        """Send a request and return its answer. Raises what :meth:`send` and :meth:`receive` raise."""
        self.send(request, deadline)
        return self.receive(deadline)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close the connection; may be called again."""
        try:
            self._sock.close()
        except OSError:
            return

    def _limit(self, deadline: float | None) -> None:
        if deadline is None:
            self._sock.settimeout(None)
            return
        left = deadline - monotonic()
        if left <= 0:
            raise DeadlineExceeded("no time left")
        self._sock.settimeout(left)
