"""The server's side of an HTTP/2 connection (RFC 9113), as much of it as calls with one message each way need.

No sockets and no clock: bytes come in by :meth:`Http2.receive` and go out by :meth:`Http2.sent`. What is in a request
is its :class:`Requests`' matter. Nothing is pushed and no priorities are kept. A header block goes out without an
index, so that no table has to be kept for the client.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, Self, TypeVar

from collector.errors import Http2Error
from collector.receiver import frames
from collector.receiver.frames import Frame

MOST_STREAMS: Final = 100
"""At once; of those whose client has gone, as long as they are worked on (a reset does not make room by itself)."""
STREAM_WINDOW: Final = 1 << 18
CONNECTION_WINDOW: Final = 1 << 20
"""Bytes that are given back as they are read: what is kept of them is held against the intake's limit."""
MOST_IDLE_FRAMES: Final = 1000
"""Frames that bring no request further, between two calls of :meth:`Http2.calm`."""
_WORTH_OF_A_REQUEST: Final = 8
"""Frames of that kind that an answered request may have brought with it."""
_MOST_CUT: Final = 1000
"""Streams of which the rest is still awaited, after we have cut them off."""
_TABLE_BYTES: Final = 4096
_EMPTY_TABLE: Final = b"\x20"
"""A dynamic table of size 0 from here on (RFC 7541, 6.3)."""

Headers = TypeVar("Headers")
Headers_contra = TypeVar("Headers_contra", contravariant=True)


class Requests(Protocol[Headers_contra]):
    """What is told of each stream, in this order; ``reset`` may come at any time, and is then the last."""

    def begin(self, stream: int, headers: Headers_contra) -> None:
        """A request's headers are here."""

    def add(self, stream: int, piece: bytes) -> None:
        """A piece of its body."""

    def end(self, stream: int) -> None:
        """Its end."""

    def reset(self, stream: int) -> bool:
        """The client wants no answer any more. Returns whether it is over; else an answer still has to be given."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The frames of an answer, but for their stream.

    Attributes:
        frames: kind, flags and payload of each; the first is HEADERS.
        between: their bytes, cut where the stream's number goes.
        data_bytes: what they take of the client's windows.
    """

    frames: tuple[tuple[int, int, bytes], ...]
    between: tuple[bytes, ...]
    data_bytes: int

    @classmethod
    def of(cls, headers: bytes, message: bytes = b"", trailers: bytes = b"") -> Self:
        """Without trailers, the headers are the end of the stream, and there is no message."""
        if not trailers:
            return cls._of((frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, headers))
        return cls._of(
            (frames.HEADERS, frames.END_HEADERS, headers),
            (frames.DATA, 0, message),
            (frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, trailers),
        )

    @classmethod
    def _of(cls, *parts: tuple[int, int, bytes]) -> Self:
        between = [b""]
        for part in parts:
            kind, flags, payload = part
            between[-1] += frames.write(kind, flags, 0, payload)[: frames.HEAD_BYTES - 4]
            between.append(payload)
        return cls(parts, tuple(between), sum(len(payload) for kind, _, payload in parts if kind == frames.DATA))

    def on(self, stream: int) -> bytes:
        """As bytes."""
        return stream.to_bytes(4, "big").join(self.between)

    def with_empty_table(self) -> Answer:
        """The same, having told first that no table is kept."""
        (kind, flags, payload), *rest = self.frames
        return self._of((kind, flags, _EMPTY_TABLE + payload), *rest)


@dataclass(slots=True)
class _Stream:
    """One that is not over.

    Attributes:
        window: bytes that the client has allowed beyond what its settings allow each stream.
        unread: bytes that came since it was last told to go on.
        ended: whether the request is here as a whole.
        gone: whether the client has reset it.
    """

    window: int = 0
    unread: int = 0
    ended: bool = False
    gone: bool = False


@dataclass(slots=True)
class _Block:
    """A header block that goes on in CONTINUATION."""

    stream: int
    ended: bool
    pieces: bytes


class Http2(Generic[Headers]):
    """One connection.

    Attributes:
        halted: set to leave the rest of what came alone.
        last: the highest stream of the client.
        leaving: whether it was told that no further stream is served.
        left: whether the client has said that it goes.
    """

    def __init__(
        self, requests: Requests[Headers], read_block: Callable[[bytes], Headers], most_block_bytes: int
    ) -> None:
        """``read_block`` gets every header block, in their order."""
        self._requests = requests
        self._read_block = read_block
        self._most_block_bytes = most_block_bytes
        self._rest = b""
        self._greeted = self._settled = False
        self._streams: dict[int, _Stream] = {}
        self._cut: dict[int, int] = {}
        self._waiting: dict[int, Answer] = {}
        self._block: _Block | None = None
        self._window = self._first_window = frames.DEFAULT_WINDOW
        self._unread = 0
        self._idle_frames = 0
        self._empty_table = False
        greeting = {frames.MAX_CONCURRENT_STREAMS: MOST_STREAMS, frames.MAX_HEADER_LIST_SIZE: most_block_bytes}
        self._out = [frames.settings(greeting)]
        self.halted = self.leaving = self.left = False
        self.last = 0
        self._last_served = frames.MOST_STREAM

    # What its owner calls --------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Bytes of the client.

        Raises:
            Http2Error: they are not what they should be; nothing is to be received any more.
        """
        if self._rest:
            data, self._rest = self._rest + data, b""
        at = 0
        if not self._greeted:
            if not data.startswith(frames.PREFACE[: len(data)]):
                raise Http2Error(frames.PROTOCOL_ERROR, "no preface of HTTP/2")
            if len(data) < len(frames.PREFACE):
                self._rest = data
                return
            self._greeted, at = True, len(frames.PREFACE)
        while not self.halted and (frame := frames.read(data, at)) is not None:
            at += frames.HEAD_BYTES + len(frame.payload)
            self._on(frame)
        self._rest = data[at:]

    def sent(self) -> bytes:
        """What is to be sent, which is then taken to be."""
        out, self._out = b"".join(self._out), []
        return out

    @property
    def amid(self) -> bool:
        """Whether the client is in the middle of a frame or of headers."""
        return bool(self._rest) or self._block is not None

    @property
    def streams(self) -> int:
        """Those that are not over."""
        return len(self._streams)

    @property
    def blocked(self) -> bool:
        """Whether answers wait for the client to take them."""
        return bool(self._waiting)

    def welcome(self) -> None:
        """Let the client send more at a time than a connection begins with."""
        self._out.append(frames.settings({frames.INITIAL_WINDOW_SIZE: STREAM_WINDOW}))
        self._out.append(frames.with_number(frames.WINDOW_UPDATE, 0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW))

    def answer(self, stream: int, answer: Answer) -> None:
        """Answer a request, as soon as the client's windows allow it, and cut off what is left of it."""
        found = self._streams[stream]
        if found.gone:
            del self._streams[stream]
        elif answer.data_bytes <= min(self._window, self._first_window + found.window):
            self._put(stream, found, answer)
        else:
            self._waiting[stream] = answer

    def cut(self, stream: int, code: int) -> None:
        """End a stream without an answer. One that is over already may be named."""
        self._waiting.pop(stream, None)
        found = self._streams.pop(stream, None)
        if found is not None and not found.gone:
            self._cut_off(stream, code, rest_comes=not found.ended)

    def leave(self, last: int, code: int = frames.NO_ERROR) -> None:
        """Tell the client that no stream above this one is served: it may send the same again elsewhere."""
        self.leaving = True
        self._last_served = min(last, self._last_served)  # it must not rise (section 6.8): some are elsewhere already
        for number in [number for number in self._streams if number > self._last_served]:
            del self._streams[number]
            self._await_rest(number)
        self._out.append(frames.goaway(self._last_served, code))

    def calm(self) -> None:
        """Some seconds are over: forgive frames that brought nothing."""
        self._idle_frames = 0

    # Answering -------------------------------------------------------------------------------------------------------

    def _put(self, number: int, stream: _Stream, answer: Answer) -> None:
        if self._empty_table:
            self._empty_table = False
            answer = answer.with_empty_table()
        self._out.append(answer.on(number))
        self._window -= answer.data_bytes
        self._idle_frames = max(0, self._idle_frames - _WORTH_OF_A_REQUEST)
        del self._streams[number]
        if not stream.ended:
            self._cut_off(number, frames.NO_ERROR, rest_comes=True)  # section 8.1: it need not send the rest

    def _cut_off(self, stream: int, code: int, *, rest_comes: bool) -> None:
        self._out.append(frames.with_number(frames.RST_STREAM, stream, code))
        if rest_comes:
            self._await_rest(stream)

    def _await_rest(self, stream: int) -> None:
        self._cut[stream] = STREAM_WINDOW
        if len(self._cut) > _MOST_CUT:
            del self._cut[next(iter(self._cut))]

    def _put_waiting(self) -> None:
        for number, answer in list(self._waiting.items()):
            stream = self._streams[number]
            if answer.data_bytes <= min(self._window, self._first_window + stream.window):
                del self._waiting[number]
                self._put(number, stream, answer)

    # Receiving -------------------------------------------------------------------------------------------------------

    def _on(self, frame: Frame) -> None:
        if self._block is not None and (frame.kind != frames.CONTINUATION or frame.stream != self._block.stream):
            raise Http2Error(frames.PROTOCOL_ERROR, "a frame within a header block")
        if not self._settled and (frame.kind != frames.SETTINGS or frame.flags & frames.ACK):
            raise Http2Error(frames.PROTOCOL_ERROR, "the first frame is not SETTINGS")
        if frame.kind == frames.HEADERS:
            self._on_headers(frame)
        elif frame.kind == frames.DATA:
            self._on_data(frame)
        else:
            self._spend()
            self._on_other(frame)

    def _on_other(self, frame: Frame) -> None:
        match frame.kind:  # one of a kind that is not known is ignored: section 4.1
            case frames.WINDOW_UPDATE:
                self._on_window_update(frame)
            case frames.CONTINUATION:
                self._on_continuation(frame)
            case frames.RST_STREAM:
                self._on_reset(frame)
            case frames.SETTINGS:
                self._on_settings(frame)
            case frames.PING:
                self._on_ping(frame)
            case frames.GOAWAY:
                self._on_goaway(frame)
            case frames.PRIORITY:
                self._on_priority(frame)
            case frames.PUSH_PROMISE:
                raise Http2Error(frames.PROTOCOL_ERROR, "a push by a client")

    def _spend(self) -> None:
        self._idle_frames += 1
        if self._idle_frames > MOST_IDLE_FRAMES:
            raise Http2Error(frames.ENHANCE_YOUR_CALM, "too many frames that bring nothing")

    def _on_headers(self, frame: Frame) -> None:
        number = frame.stream
        if number > self.last:
            if not number & 1:
                raise Http2Error(frames.PROTOCOL_ERROR, f"stream {number} is not a client's")
        elif number not in self._cut:
            stream = self._streams.get(number)
            if not number or stream is None or stream.ended:
                raise Http2Error(frames.STREAM_CLOSED if number else frames.PROTOCOL_ERROR, "HEADERS out of place")
            if not frame.flags & frames.END_STREAM:
                raise Http2Error(frames.PROTOCOL_ERROR, "trailers that are not the end")
        block, ended = frames.content(frame), bool(frame.flags & frames.END_STREAM)
        if frame.flags & frames.END_HEADERS:
            self._on_block(number, block, ended=ended)
        else:
            self._block = _Block(number, ended, block)

    def _on_continuation(self, frame: Frame) -> None:
        block = self._block
        if block is None:
            raise Http2Error(frames.PROTOCOL_ERROR, "a CONTINUATION of nothing")
        block.pieces += frame.payload
        if len(block.pieces) > self._most_block_bytes:
            raise Http2Error(frames.ENHANCE_YOUR_CALM, f"headers of more than {self._most_block_bytes} bytes")
        if frame.flags & frames.END_HEADERS:
            self._block = None
            self._on_block(block.stream, block.pieces, ended=block.ended)

    def _on_block(self, number: int, block: bytes, *, ended: bool) -> None:
        headers = self._read_block(block)
        if number <= self.last:  # trailers: gRPC's clients have none
            self._spend()
            if ended:
                self._ended(number)
            return
        self.last = number
        if self.leaving:
            self._spend()
            self._await_rest(number)
        elif len(self._streams) >= MOST_STREAMS:
            self._spend()
            self._cut_off(number, frames.REFUSED_STREAM, rest_comes=not ended)
        else:
            self._streams[number] = _Stream(ended=ended)
            self._requests.begin(number, headers)
        if ended and not self.halted:
            self._ended(number)

    def _ended(self, number: int) -> None:
        self._cut.pop(number, None)
        if (stream := self._streams.get(number)) is not None:
            stream.ended = True
            self._requests.end(number)

    def _on_data(self, frame: Frame) -> None:
        number, size = frame.stream, len(frame.payload)
        self._unread += size  # with its padding: section 6.9.1
        if self._unread >= CONNECTION_WINDOW // 2:
            self._out.append(frames.with_number(frames.WINDOW_UPDATE, 0, self._unread))
            self._unread = 0
        piece, ended = frames.content(frame), bool(frame.flags & frames.END_STREAM)
        if not piece and not ended:
            self._spend()
        stream = self._streams.get(number)
        if stream is None or stream.ended:
            self._on_data_of_none(number, size, ended=ended)
            return
        stream.ended = ended
        if piece:
            self._requests.add(number, piece)
        if ended:
            self._ended(number)
            return
        stream.unread += size
        if stream.unread >= STREAM_WINDOW // 2 and number in self._streams:
            self._out.append(frames.with_number(frames.WINDOW_UPDATE, number, stream.unread))
            stream.unread = 0

    def _on_data_of_none(self, number: int, size: int, *, ended: bool) -> None:
        """Of a stream that we have cut off, and nobody else's."""
        if number not in self._cut:
            closed = number and number <= self.last
            raise Http2Error(frames.STREAM_CLOSED if closed else frames.PROTOCOL_ERROR, "DATA out of place")
        self._cut[number] -= size  # what was on its way when we told it; no window is given back
        if self._cut[number] < 0:
            raise Http2Error(frames.FLOW_CONTROL_ERROR, "DATA beyond its window")
        if ended:
            self._cut.pop(number)

    def _on_reset(self, frame: Frame) -> None:
        frames.read_number(frame)
        self._check_begun(frame)
        number = frame.stream
        self._cut.pop(number, None)
        stream = self._streams.get(number)
        if stream is None or stream.gone:
            return
        stream.gone = stream.ended = True
        if self._waiting.pop(number, None) is not None or self._requests.reset(number):
            del self._streams[number]

    def _check_begun(self, frame: Frame) -> None:
        if not 0 < frame.stream <= self.last:
            raise Http2Error(frames.PROTOCOL_ERROR, f"a frame of kind {frame.kind} for a stream that never began")

    def _on_settings(self, frame: Frame) -> None:
        _check_connection(frame)
        if frame.flags & frames.ACK:
            if frame.payload:
                raise Http2Error(frames.FRAME_SIZE_ERROR, "an acknowledgement that says something")
            return
        given = frames.read_settings(frame)
        self._settled = True
        self._first_window = given.get(frames.INITIAL_WINDOW_SIZE, self._first_window)
        if any(stream.window + self._first_window > frames.MOST_WINDOW for stream in self._streams.values()):
            raise Http2Error(frames.FLOW_CONTROL_ERROR, "a window beyond 2^31 - 1")
        if given.get(frames.HEADER_TABLE_SIZE, _TABLE_BYTES) < _TABLE_BYTES:
            self._empty_table = True  # section 4.3.1: the next header block says so
        self._out.append(frames.write(frames.SETTINGS, frames.ACK, 0))
        self._put_waiting()

    def _on_ping(self, frame: Frame) -> None:
        _check_connection(frame)
        if len(frame.payload) != 8:
            raise Http2Error(frames.FRAME_SIZE_ERROR, "a PING of another size")
        if not frame.flags & frames.ACK:
            self._out.append(frames.write(frames.PING, frames.ACK, 0, frame.payload))

    def _on_goaway(self, frame: Frame) -> None:
        _check_connection(frame)
        if len(frame.payload) < 8:
            raise Http2Error(frames.FRAME_SIZE_ERROR, "GOAWAY cut off")
        self.left = True

    def _on_window_update(self, frame: Frame) -> None:
        more = frames.read_number(frame)
        number = frame.stream
        if not more and (not number or number in self._streams):
            raise Http2Error(frames.PROTOCOL_ERROR, "a window update of nothing")
        if not number:
            self._window += more
            if self._window > frames.MOST_WINDOW:
                raise Http2Error(frames.FLOW_CONTROL_ERROR, "a window beyond 2^31 - 1")
        else:
            self._check_begun(frame)
            if (stream := self._streams.get(number)) is not None:
                stream.window += more
                if stream.window + self._first_window > frames.MOST_WINDOW:
                    raise Http2Error(frames.FLOW_CONTROL_ERROR, "a window beyond 2^31 - 1")
        self._put_waiting()

    def _on_priority(self, frame: Frame) -> None:
        if not frame.stream or len(frame.payload) != 5:
            raise Http2Error(frames.FRAME_SIZE_ERROR if frame.stream else frames.PROTOCOL_ERROR, "PRIORITY of nothing")


def _check_connection(frame: Frame) -> None:
    if frame.stream:
        raise Http2Error(frames.PROTOCOL_ERROR, f"a frame of kind {frame.kind} on a stream")
