"""HTTP/1.1 messages out of a byte stream: the one reader for both the client's answers and the listener's requests."""

from __future__ import annotations

from extension.errors import MalformedMessage

_MAX_HEAD_BYTES = 65536
_MAX_CHUNK_LINE_BYTES = 1024
_HEAD, _LENGTH, _CHUNK_SIZE, _CHUNK_DATA, _TRAILER, _UNTIL_CLOSE = range(6)


class Message:
    """A whole HTTP message.

    Attributes:
        start_line: request line or status line.
        headers: names in lower case; of a repeated header the last value.
        body: with transfer encodings undone.
    """

    __slots__ = ("body", "headers", "start_line")

    def __init__(self, start_line: str, headers: dict[str, str], body: bytes) -> None:
        self.start_line = start_line
        self.headers = headers
        self.body = body

    @property
    def keep_alive(self) -> bool:
        """Whether the sender will keep the connection open after this message."""
        connection = self.headers.get("connection", "").lower()
        return "close" not in connection and ("HTTP/1.0" not in self.start_line or "keep-alive" in connection)

    @property
    def status(self) -> int:
        """The status code of an answer.

        Raises:
            MalformedMessage: the start line is not a status line.
        """
        parts = self.start_line.split(None, 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/") or not _is_number(parts[1], 3):
            raise MalformedMessage(f"not a status line: {self.start_line[:80]!r}")
        return int(parts[1])


class MessageReader:
    """Cuts messages out of a byte stream that arrives in pieces of any size."""

    __slots__ = ("_answers", "_body", "_buffer", "_headers", "_left", "_max_body_bytes", "_start_line", "_state")

    def __init__(self, max_body_bytes: int, *, answers: bool) -> None:
        """`answers`: whether the messages are answers, whose body may end with the connection, or requests."""
        self._max_body_bytes = max_body_bytes
        self._answers = answers
        self._buffer = bytearray()
        self._begin()

    def _begin(self) -> None:
        self._state = _HEAD
        self._start_line = ""
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._left = 0

    @property
    def idle(self) -> bool:
        """Whether nothing of a next message has come."""
        return self._state == _HEAD and not self._buffer

    @property
    def expects_continue(self) -> bool:
        """Whether the sender waits for ``100 Continue`` before it sends the body."""
        return self._state != _HEAD and not self._body and self._headers.get("expect", "").lower() == "100-continue"

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._buffer += data

    def message(self) -> Message | None:
        """The next whole message; None where more bytes are needed.

        Raises:
            MalformedMessage: what came is not HTTP/1.1, or is larger than accepted. The stream cannot be used further.
        """
        while True:
            state = self._state
            if state == _HEAD:
                progress = self._read_head()
            elif state == _LENGTH:
                progress = self._read_exactly()
            elif state == _UNTIL_CLOSE:
                self._take(len(self._buffer))
                return None
            else:
                progress = self._read_chunked(state)
            if not progress:
                return None
            if self._state == _HEAD and self._start_line:
                return self._finish()

    def end_of_stream(self) -> Message | None:
        """The message that ended because its sender closed the connection, if that is how it had to end."""
        return self._finish() if self._state == _UNTIL_CLOSE else None

    def _finish(self) -> Message:
        message = Message(self._start_line, self._headers, bytes(self._body))
        self._begin()
        return message

    def _read_head(self) -> bool:
        while self._buffer[:2] == b"\r\n":  # RFC 9112 §2.2: an empty line before a message is ignored
            del self._buffer[:2]
        end = self._buffer.find(b"\r\n\r\n")
        if end > _MAX_HEAD_BYTES or (end < 0 and len(self._buffer) > _MAX_HEAD_BYTES):
            raise MalformedMessage(f"a head of more than {_MAX_HEAD_BYTES} bytes")
        if end < 0:
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        if " " not in lines[0] or "HTTP/" not in lines[0]:
            raise MalformedMessage(f"not HTTP: {lines[0][:80]!r}")
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise MalformedMessage(f"not a header: {line[:80]!r}")
            headers[name.strip().lower()] = value.strip()
        if self._answers and lines[0].split(" ", 2)[1][:1] == "1":
            return True  # 1xx: an answer before the answer
        self._start_line, self._headers = lines[0], headers
        self._state = self._body_state()
        if self._state == _LENGTH and self._left == 0:
            self._state = _HEAD
        return True

    def _body_state(self) -> int:
        if "chunked" in self._headers.get("transfer-encoding", "").lower():
            return _CHUNK_SIZE
        length = self._headers.get("content-length")
        if length is not None:
            if not _is_number(length, 12):
                raise MalformedMessage(f"not a Content-Length: {length[:40]!r}")
            self._left = int(length)
            self._check_size(self._left)
            return _LENGTH
        if not self._answers or self._start_line.split(" ", 2)[1] in {"204", "304"}:
            return _LENGTH
        return _UNTIL_CLOSE

    def _check_size(self, more: int) -> None:
        if len(self._body) + more > self._max_body_bytes:
            raise MalformedMessage(f"a body of more than {self._max_body_bytes} bytes")

    def _take(self, count: int) -> None:
        self._check_size(count)
        self._body += self._buffer[:count]
        del self._buffer[:count]

    def _read_exactly(self) -> bool:
        count = min(self._left, len(self._buffer))
        self._take(count)
        self._left -= count
        if self._left:
            return False
        self._state = _HEAD
        return True

    def _read_chunked(self, state: int) -> bool:
        if state == _CHUNK_DATA:
            if not self._read_exactly():
                return False
            self._state = _CHUNK_SIZE
            return True
        line = self._line()
        if line is None:
            return False
        if state == _TRAILER:
            self._state = _TRAILER if line else _HEAD
        elif line:  # else: the end of the chunk before
            size = line.split(b";", 1)[0].strip()
            if not size or len(size) > 8 or size.translate(None, b"0123456789abcdefABCDEF"):
                raise MalformedMessage(f"not the size of a chunk: {bytes(line[:40])!r}")
            self._left = int(size, 16)
            self._check_size(self._left)
            self._state = _CHUNK_DATA if self._left else _TRAILER
        return True

    def _line(self) -> bytearray | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_CHUNK_LINE_BYTES:
                raise MalformedMessage("a line of a chunked body without an end")
            return None
        line = self._buffer[:end]
        del self._buffer[: end + 2]
        return line


def _is_number(text: str, most_digits: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= most_digits
