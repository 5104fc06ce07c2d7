"""Where the function's own SDK may send its telemetry: OTLP/HTTP on the loopback address, passed on as it is.

The SDK gets its answer at once, so that the function does not wait for the collector. What it sent goes out in the next
flush, with the same bytes, content type and encoding, and the layer's own headers; and is dropped, oldest first and
counted, where more waits than the queue holds. Loaded only where it is switched on.
"""

from __future__ import annotations

import _socket

from extension.batches import Batch
from extension.listener import Listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from extension.batches import BatchQueue
    from extension.diagnostics import Diagnostics
    from extension.http_message import Message
    from extension.reactor import Reactor

_LOOPBACK = "127.0.0.1"
_BACKLOG = 64
_PASSED_ON = (("content-type", "Content-Type"), ("content-encoding", "Content-Encoding"))
_TRACES = "/v1/traces"
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_ANSWER = {
    _PROTOBUF: b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n",
    _JSON: b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
}
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_UNSUPPORTED = b"HTTP/1.1 415 Unsupported Media Type\r\nContent-Length: 0\r\n\r\n"


class OtlpReceiver(Listener):
    """Takes what the function's SDK sends."""

    __slots__ = ("_look", "_protobuf_only", "_queues")

    def __init__(
        self,
        reactor: Reactor,
        sock: _socket.socket,
        queues: Mapping[str, BatchQueue],
        protobuf_only: frozenset[str] = frozenset(),
        look: Callable[[bytes, str, str], None] | None = None,
    ) -> None:
        """Serve `sock`.

        `look` is shown the body, content type and encoding of each export of spans.
        `queues` are by path; a path without one is answered with 404. `protobuf_only` are the paths of what goes on by
        gRPC, where JSON has no place.
        """
        super().__init__(reactor, sock, _nothing)
        self._queues = queues
        self._protobuf_only = protobuf_only
        self._look = look

    def _answer_to(self, message: Message) -> bytes:
        if _path(message) not in self._queues:
            return _NOT_FOUND
        if not self._is_accepted(message):
            return _UNSUPPORTED
        return _ANSWER[_content_type(message)]

    def _is_accepted(self, message: Message) -> bool:
        kind = _content_type(message)
        return kind == _PROTOBUF or (kind == _JSON and _path(message) not in self._protobuf_only)

    def _deliver(self, message: Message) -> None:
        queue = self._queues.get(_path(message))
        if queue is None or not self._is_accepted(message):
            return
        given = ((name, message.headers.get(key, "")) for key, name in _PASSED_ON)
        headers = tuple((name, value) for name, value in given if value)
        queue.add_batch(Batch(message.body, headers, 1))
        if self._look is not None and _path(message) == _TRACES:
            self._look(message.body, _content_type(message), message.headers.get("content-encoding", "").lower())


def listen(port: int, diagnostics: Diagnostics) -> _socket.socket | None:
    """A socket at `port` of the loopback address; None, and one line, where it is taken."""
    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        sock.bind((_LOOPBACK, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        diagnostics.say("receiver", f"no OTLP receiver for the function at port {port}: {error}")
        return None
    return sock


def _path(message: Message) -> str:
    return message.start_line.split(" ", 2)[1].partition("?")[0]


def _content_type(message: Message) -> str:
    return message.headers.get("content-type", "").partition(";")[0].strip().lower()


def _nothing(_body: bytes) -> None:
    """Everything is dealt with message by message."""
