"""Where the platform delivers telemetry: a small HTTP server on a reactor.

Every delivery is answered before anything is done with it. All connections are read as their bytes come, so that a
slow or broken sender keeps nobody waiting; what they may hold is bounded, in number and in bytes.
"""

from __future__ import annotations

from time import monotonic

from extension.errors import MalformedMessage
from extension.http_message import MessageReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

    from extension.http_message import Message
    from extension.reactor import Reactor

MAX_DELIVERY_BYTES = 4 << 20
"""Twice the subscription's maxBytes and some metadata is what the platform sends at most; this leaves room."""
_MAX_CONNECTIONS = 32
_IDLE_S = 60.0
_RECEIVE_BYTES = 16384
"""Most deliveries are smaller. A buffer of 128 KiB and more is mapped anew for each call, which costs 60 µs."""
_MORE_BYTES = 262144
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_NOT_ALLOWED = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class _Peer:
    """One connection to the listener."""

    __slots__ = ("continued", "last_heard", "reader", "sock")

    def __init__(self, sock: _socket.socket) -> None:
        self.sock = sock
        self.reader = MessageReader(MAX_DELIVERY_BYTES, answers=False)
        self.last_heard = monotonic()
        self.continued = False


class Listener:
    """Serves deliveries on a listening socket and hands their messages on."""

    __slots__ = ("_on_delivery", "_peers", "_reactor", "_sock", "refused")

    def __init__(self, reactor: Reactor, sock: _socket.socket, on_delivery: Callable[[bytes], None]) -> None:
        """`on_delivery` is called with each body, in the order of arrival, after it has been answered."""
        self._sock = sock
        self._on_delivery = on_delivery
        self._peers: dict[int, _Peer] = {}
        self._reactor = reactor
        self.refused = 0
        sock.settimeout(0.0)
        reactor.add(sock.fileno(), self._accept)

    def adopt(self, fd: int, data: bytes) -> None:
        """Go on with a connection that somebody else accepted and read `data` from, without an answer."""
        try:
            sock = type(self._sock)(fileno=fd)
        except OSError:
            return  # it is no socket
        sock.settimeout(0.0)
        peer = self._peers[fd] = _Peer(sock)
        self._reactor.add(fd, self._read)
        self._take(peer, data)

    def _answer_to(self, _message: Message) -> bytes:
        """The answer that a message gets, before anything is done with it."""
        return _OK

    def _deliver(self, message: Message) -> None:
        self._on_delivery(message.body)

    def close(self) -> None:
        """Close every connection and the listening socket. Not while another thread serves."""
        for peer in list(self._peers.values()):
            self._close(peer)
        self._reactor.remove(self._sock.fileno())
        self._sock.close()

    def _accept(self, _fd: int) -> None:
        self.close_idle()
        try:
            # accept() itself is added by the socket module, which costs 10 ms to import.
            fd, _ = self._sock._accept()  # type: ignore[attr-defined]  # noqa: SLF001
        except OSError:
            return
        if len(self._peers) >= _MAX_CONNECTIONS:
            self._close(min(self._peers.values(), key=_last_heard))
        sock = type(self._sock)(fileno=fd)
        sock.settimeout(0.0)
        self._peers[fd] = _Peer(sock)
        self._reactor.add(fd, self._read)

    def _read(self, fd: int) -> None:
        peer = self._peers[fd]
        try:
            data = peer.sock.recv(_RECEIVE_BYTES if peer.reader.idle else _MORE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(peer)
            return
        self._take(peer, data)

    def _take(self, peer: _Peer, data: bytes) -> None:
        peer.last_heard = monotonic()
        peer.reader.feed(data)
        messages: list[Message] = []
        try:
            self._take_messages(peer, messages)
        except MalformedMessage:
            self.refused += 1
            _answer(peer, _BAD_REQUEST)
            self._close(peer)
        for message in messages:
            self._deliver(message)

    def _take_messages(self, peer: _Peer, messages: list[Message]) -> None:
        while (message := peer.reader.message()) is not None:
            peer.continued = False
            if not message.start_line.startswith(("POST ", "PUT ")):
                self.refused += 1
                _answer(peer, _NOT_ALLOWED)
                self._close(peer)
                return
            answered = _answer(peer, self._answer_to(message))
            messages.append(message)
            if not answered or not message.keep_alive:
                self._close(peer)
                return
        if peer.reader.expects_continue and not peer.continued:
            peer.continued = _answer(peer, _CONTINUE)

    def close_idle(self) -> None:
        """Close what has been silent in the middle of a message: its sender is gone, and its bytes are held here."""
        oldest = monotonic() - _IDLE_S
        for peer in list(self._peers.values()):
            if peer.last_heard < oldest and not peer.reader.idle:
                self._close(peer)

    def _close(self, peer: _Peer) -> None:
        fd = peer.sock.fileno()
        if self._peers.pop(fd, None) is not None:
            self._reactor.remove(fd)
            peer.sock.close()


def _last_heard(peer: _Peer) -> float:
    return peer.last_heard


def _answer(peer: _Peer, answer: bytes) -> bool:
    """Whether the answer went out: it is so short that it does, unless the sender is gone."""
    try:
        return peer.sock.send(answer) == len(answer)
    except OSError:
        return False
