"""One HTTP/2 connection (RFC 9113) with one request at a time: what a unary call of gRPC needs, and no more.

The peer may do all that the protocol allows it: change its settings in the middle of a request, keep the window closed,
send PINGs, answer before it has the whole request, end a stream or the connection. It may not push.
"""

from __future__ import annotations

from time import monotonic

from extension import hpack
from extension.errors import ConnectionLost, DeadlineExceeded, MalformedMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from extension.http_client import StreamSocket

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PUSH_PROMISE, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = (
    0, 1, 3, 4, 5, 6, 7, 8, 9,
)  # fmt: skip
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _HAS_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE = 1, 2, 4, 5
_NO_ERROR, _PROTOCOL_ERROR, _FLOW_CONTROL_ERROR, _REFUSED_STREAM, _CANCEL, _COMPRESSION_ERROR = 0, 1, 3, 7, 8, 9
_OF_A_STREAM = frozenset({_DATA, _HEADERS, _CONTINUATION, _RST_STREAM})
_DEFAULT_WINDOW = 65535
_MOST_WINDOW = (1 << 31) - 1
_OUR_MAX_FRAME = 16384
_MAX_HEADER_BLOCK = 65536
_MAX_ANSWER_BYTES = 1 << 20
_MOST_STREAMS = 1 << 30
_RECEIVE_BYTES = 16384
_FRAME_HEAD = 9


class Answer:
    """What a stream brought.

    Attributes:
        headers: of the answer and its trailers together; of a repeated name the last value.
        body: what came as DATA.
    """

    __slots__ = ("body", "headers")

    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        self.headers = headers
        self.body = body


class Http2Connection:
    """A connection to one server. Not for use by two threads at once.

    Attributes:
        reusable: whether another request may follow.
    """

    __slots__ = (
        "_body",
        "_buffer",
        "_deadline",
        "_ended",
        "_goaway_reason",
        "_headers",
        "_in_headers",
        "_initial_window",
        "_last_allowed",
        "_max_frame",
        "_next_stream",
        "_out",
        "_sock",
        "_stream",
        "_stream_window",
        "_to_headers_end",
        "_window",
        "reusable",
    )

    def __init__(self, sock: StreamSocket) -> None:
        self._sock = sock
        self._buffer = bytearray()
        settings = _setting(_HEADER_TABLE_SIZE, 0) + _setting(_ENABLE_PUSH, 0)
        self._out = bytearray(_PREFACE + _frame(_SETTINGS, 0, 0, settings))
        self._max_frame = _OUR_MAX_FRAME
        self._initial_window = self._window = self._stream_window = _DEFAULT_WINDOW
        self._next_stream = 1
        self._last_allowed = _MOST_STREAMS
        self._goaway_reason = ""
        self.reusable = True
        self._begin(0, None)

    def _begin(self, stream: int, deadline: float | None) -> None:
        self._stream = stream
        self._deadline = deadline
        self._stream_window = self._initial_window
        self._headers: dict[str, str] = {}
        self._in_headers: bytearray | None = None
        self._to_headers_end = False
        self._body = bytearray()
        self._ended = False

    def exchange(self, headers: list[tuple[str, str]], body: bytes, deadline: float | None) -> Answer:
        """Send a request, and return its answer.

        Args:
            headers: with the pseudo-headers first; names in lower case.
            body: not empty.
            deadline: on the monotonic clock, in seconds; None waits for ever.

        Raises:
            ConnectionLost, DeadlineExceeded, MalformedMessage: there is none; the connection is of no further use.
        """
        self._begin(self._next_stream, deadline)
        self._next_stream += 2
        try:
            self._put_headers(hpack.encode(headers))
            self._send_body(body)
            while not self._ended:
                self._read_frame()
        except hpack.HpackError as error:
            self._fail(_COMPRESSION_ERROR, f"HPACK: {error}")
        except BaseException:
            self.reusable = False
            raise
        if self._next_stream > min(self._last_allowed, _MOST_STREAMS):
            self.reusable = False
        self._flush()
        return Answer(self._headers, bytes(self._body))

    def close(self) -> None:
        """Close the connection; may be called again."""
        self.reusable = False
        try:
            self._sock.close()
        except OSError:
            return

    # Sending ---------------------------------------------------------------------------------------------------------

    def _put_headers(self, block: bytes) -> None:
        kind, flags = _HEADERS, 0
        while True:
            piece, block = block[: self._max_frame], block[self._max_frame :]
            self._out += _frame(kind, flags if block else flags | _END_HEADERS, self._stream, piece)
            kind = _CONTINUATION
            if not block:
                return

    def _send_body(self, body: bytes) -> None:
        """Send as the peer's windows allow it, reading what it says meanwhile; stop where it has answered already."""
        at = 0
        while at < len(body):
            room = min(self._window, self._stream_window, self._max_frame)
            if room <= 0:
                self._read_frame()
                if self._ended:  # RFC 9113, section 8.1: it need not have read it all
                    self._out += _frame(_RST_STREAM, 0, self._stream, _CANCEL.to_bytes(4, "big"))
                    return
                continue
            piece = body[at : at + room]
            at += len(piece)
            self._window -= len(piece)
            self._stream_window -= len(piece)
            self._out += _frame(_DATA, _END_STREAM if at == len(body) else 0, self._stream, piece)
        self._flush()

    def _flush(self) -> None:
        if not self._out:
            return
        data, self._out = bytes(self._out), bytearray()
        self._limit()
        try:
            self._sock.sendall(data)
        except TimeoutError as error:
            raise DeadlineExceeded("sending took too long") from error
        except OSError as error:
            raise ConnectionLost(f"while sending: {error}", answered=bool(self._headers)) from error

    def _limit(self) -> None:
        if self._deadline is None:
            self._sock.settimeout(None)
            return
        left = self._deadline - monotonic()
        if left <= 0:
            raise DeadlineExceeded("no time left")
        self._sock.settimeout(left)

    # Receiving -------------------------------------------------------------------------------------------------------

    def _receive(self, count: int) -> bytes:
        """The next `count` bytes; what is to be sent goes out before we wait for them."""
        while len(self._buffer) < count:
            self._flush()
            self._limit()
            try:
                data = self._sock.recv(_RECEIVE_BYTES)
            except TimeoutError as error:
                raise DeadlineExceeded("no answer in time") from error
            except OSError as error:
                raise self._lost(f"while waiting for the answer: {error}") from error
            if not data:
                raise self._lost("closed without an answer")
            self._buffer += data
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _lost(self, what: str) -> ConnectionLost:
        return ConnectionLost(self._goaway_reason or what, answered=bool(self._headers))

    def _read_frame(self) -> None:
        head = self._receive(_FRAME_HEAD)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
        if length > _OUR_MAX_FRAME:
            if head.startswith(b"HTTP/"):
                self._fail(_PROTOCOL_ERROR, "answered by HTTP/1; is it the address for http/protobuf?")
            self._fail(_PROTOCOL_ERROR, f"not HTTP/2, or a frame of {length} bytes")
        payload = self._receive(length)
        if self._in_headers is not None and (kind != _CONTINUATION or stream != self._stream):
            self._fail(_PROTOCOL_ERROR, "a frame within a header block")
        if kind in _OF_A_STREAM and not 0 < stream < self._next_stream:
            self._fail(_PROTOCOL_ERROR, f"stream {stream}, which we did not open")
        if kind in {_HEADERS, _CONTINUATION}:
            self._on_headers(kind, flags, stream, payload)
        else:
            handler = _HANDLERS.get(kind)  # a frame of a kind that is not known is ignored: section 4.1
            if handler is not None:
                handler(self, flags, stream, payload)

    def _on_push(self, _flags: int, _stream: int, _payload: bytes) -> None:
        self._fail(_PROTOCOL_ERROR, "a push, which we forbade")

    def _on_ping(self, flags: int, _stream: int, payload: bytes) -> None:
        if not flags & _ACK:
            self._out += _frame(_PING, _ACK, 0, payload)

    def _on_data(self, flags: int, stream: int, payload: bytes) -> None:
        if payload:  # the padding counts against the windows too: section 6.1
            self._out += _frame(_WINDOW_UPDATE, 0, 0, len(payload).to_bytes(4, "big"))
        if stream != self._stream or self._ended:
            return  # of an earlier request, which was given up
        if payload and not flags & _END_STREAM:
            self._out += _frame(_WINDOW_UPDATE, 0, stream, len(payload).to_bytes(4, "big"))
        self._body += self._unpadded(flags, payload)
        if len(self._body) > _MAX_ANSWER_BYTES:
            self._fail(_CANCEL, f"an answer of more than {_MAX_ANSWER_BYTES} bytes")
        self._ended = bool(flags & _END_STREAM)

    def _on_headers(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _HEADERS:
            payload = self._unpadded(flags, payload)
            self._in_headers = bytearray(payload[5:] if flags & _HAS_PRIORITY else payload)
            self._to_headers_end = bool(flags & _END_STREAM)
        elif self._in_headers is None:
            self._fail(_PROTOCOL_ERROR, "a CONTINUATION of nothing")
        else:
            self._in_headers += payload
        if len(self._in_headers) > _MAX_HEADER_BLOCK:
            self._fail(_PROTOCOL_ERROR, f"headers of more than {_MAX_HEADER_BLOCK} bytes")
        if not flags & _END_HEADERS:
            return
        headers, self._in_headers = hpack.decode(bytes(self._in_headers)), None
        if stream != self._stream or self._ended:
            return
        status = dict(headers).get(":status", "")
        if status.startswith("1"):
            return  # an answer before the answer
        self._headers.update(headers)
        self._ended = self._to_headers_end

    def _on_reset(self, _flags: int, stream: int, payload: bytes) -> None:
        if stream != self._stream or self._ended:
            return  # after its answer, a server tells so that it wants no more of the request
        code = int.from_bytes(payload, "big")
        unseen = code == _REFUSED_STREAM  # section 8.7: certainly not processed
        raise ConnectionLost(f"the stream was reset with code {code}", answered=not unseen and bool(self._headers))

    def _on_settings(self, flags: int, _stream: int, payload: bytes) -> None:
        if flags & _ACK:
            return
        for at in range(0, len(payload) - 5, 6):
            key, value = int.from_bytes(payload[at : at + 2], "big"), int.from_bytes(payload[at + 2 : at + 6], "big")
            if key == _INITIAL_WINDOW_SIZE:
                if value > _MOST_WINDOW:
                    self._fail(_FLOW_CONTROL_ERROR, "a window beyond 2^31 - 1")
                self._stream_window += value - self._initial_window  # section 6.9.2: it may become negative
                self._initial_window = value
            elif key == _MAX_FRAME_SIZE and _OUR_MAX_FRAME <= value < 1 << 24:
                self._max_frame = value
        self._out += _frame(_SETTINGS, _ACK, 0, b"")

    def _on_goaway(self, _flags: int, _stream: int, payload: bytes) -> None:
        last, code = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF, int.from_bytes(payload[4:8], "big")
        self.reusable = False
        self._last_allowed = last
        self._goaway_reason = f"the server says goodbye with code {code}"
        if last < self._stream and not self._ended:
            raise ConnectionLost(self._goaway_reason, answered=False)

    def _on_window(self, _flags: int, stream: int, payload: bytes) -> None:
        more = int.from_bytes(payload, "big") & 0x7FFFFFFF
        if stream == 0:
            self._window += more
        elif stream == self._stream:
            self._stream_window += more
        if max(self._window, self._stream_window) > _MOST_WINDOW:
            self._fail(_FLOW_CONTROL_ERROR, "a window beyond 2^31 - 1")

    def _unpadded(self, flags: int, payload: bytes) -> bytes:
        if not flags & _PADDED:
            return payload
        if not payload or payload[0] >= len(payload):
            self._fail(_PROTOCOL_ERROR, "more padding than frame")
        return payload[1 : len(payload) - payload[0]]

    def _fail(self, code: int, what: str) -> NoReturn:
        """Tell the peer what was wrong, as far as that goes, and give the connection up."""
        self.reusable = False
        try:
            self._sock.sendall(_frame(_GOAWAY, 0, 0, (0).to_bytes(4, "big") + code.to_bytes(4, "big")))
        except OSError:
            pass  # it is gone, or in the middle of something; what is raised says what was wrong
        raise MalformedMessage(what)


_HANDLERS = {
    _DATA: Http2Connection._on_data,  # noqa: SLF001 - the table is a part of the class
    _RST_STREAM: Http2Connection._on_reset,  # noqa: SLF001
    _SETTINGS: Http2Connection._on_settings,  # noqa: SLF001
    _PUSH_PROMISE: Http2Connection._on_push,  # noqa: SLF001
    _PING: Http2Connection._on_ping,  # noqa: SLF001
    _GOAWAY: Http2Connection._on_goaway,  # noqa: SLF001
    _WINDOW_UPDATE: Http2Connection._on_window,  # noqa: SLF001
}


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _setting(key: int, value: int) -> bytes:
    return key.to_bytes(2, "big") + value.to_bytes(4, "big")
