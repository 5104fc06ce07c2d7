"""The server's side of HTTP/2, frame by frame: what a client may do, and what each thing that it may not do brings."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import Http2Error
from collector.receiver import frames
from collector.receiver.call import ACCEPTED, MAX_BYTES
from collector.receiver.frames import Frame
from collector.receiver.http2 import (
    CONNECTION_WINDOW,
    MOST_IDLE_FRAMES,
    MOST_STREAMS,
    STREAM_WINDOW,
    Http2,
)

END = frames.END_STREAM
WHOLE = frames.END_HEADERS
CALM = frames.ENHANCE_YOUR_CALM
SETTINGS = frames.settings({})
HELLO = frames.PREFACE + SETTINGS
BLOCK = b"\x82"


@dataclass
class Recorded:
    """Requests that are written down; those that have ended are worked on until somebody answers."""

    events: list[tuple[Any, ...]] = field(default_factory=list)
    working: set[int] = field(default_factory=set)

    def begin(self, stream: int, headers: bytes) -> None:
        self.events.append(("begin", stream, headers))

    def add(self, stream: int, piece: bytes) -> None:
        self.events.append(("add", stream, piece))

    def end(self, stream: int) -> None:
        self.events.append(("end", stream))
        self.working.add(stream)

    def reset(self, stream: int) -> bool:
        self.events.append(("reset", stream))
        return stream not in self.working


def server() -> tuple[Http2[bytes], Recorded]:
    recorded = Recorded()
    http2 = Http2[bytes](recorded, lambda block: block, MAX_BYTES)
    http2.sent()
    return http2, recorded


def greeted() -> tuple[Http2[bytes], Recorded]:
    http2, recorded = server()
    http2.receive(HELLO)
    http2.sent()
    return http2, recorded


def out(http2: Http2[bytes]) -> list[Frame]:
    data, at, found = http2.sent(), 0, []
    while (frame := frames.read(data, at)) is not None:
        found.append(frame)
        at += frames.HEAD_BYTES + len(frame.payload)
    assert at == len(data)
    return found


def headers(stream: int, flags: int = WHOLE, block: bytes = BLOCK) -> bytes:
    return frames.write(frames.HEADERS, flags, stream, block)


def data(stream: int, piece: bytes, flags: int = 0) -> bytes:
    return frames.write(frames.DATA, flags, stream, piece)


def number(kind: int, stream: int, value: int) -> bytes:
    return frames.with_number(kind, stream, value)


def test_a_call() -> None:
    http2, recorded = greeted()
    http2.receive(headers(1) + data(1, b"abc") + data(1, b"d", END))
    assert recorded.events == [("begin", 1, BLOCK), ("add", 1, b"abc"), ("add", 1, b"d"), ("end", 1)]
    http2.answer(1, ACCEPTED)
    kinds = [(frame.kind, frame.flags, frame.stream) for frame in out(http2)]
    assert kinds == [(frames.HEADERS, WHOLE, 1), (frames.DATA, 0, 1), (frames.HEADERS, WHOLE | END, 1)]
    assert http2.streams == 0


@given(st.lists(st.integers(1, 30), min_size=1))
def test_bytes_may_come_in_any_pieces(sizes: list[int]) -> None:
    http2, recorded = server()
    padded = frames.write(frames.DATA, frames.PADDED | END, 3, b"\x02xyz\x00\x00")
    rest = frames.write(frames.CONTINUATION, WHOLE, 3, b"\x84")
    sent = HELLO + headers(1) + data(1, b"abc", END) + headers(3, 0, b"\x83") + rest + padded
    at = 0
    for size in (*sizes, len(sent)):
        http2.receive(sent[at : at + size])
        at += size
    whole = [("begin", 1, BLOCK), ("add", 1, b"abc"), ("end", 1)]
    assert recorded.events == [*whole, ("begin", 3, b"\x83\x84"), ("add", 3, b"xyz"), ("end", 3)]


def test_trailers_end_a_request() -> None:
    http2, recorded = greeted()
    http2.receive(headers(1) + data(1, b"abc") + headers(1, WHOLE | END))
    assert recorded.events[-1] == ("end", 1)


def test_settings_and_pings_are_answered() -> None:
    http2, _ = server()
    http2.receive(
        HELLO + frames.write(frames.PING, 0, 0, b"12345678") + frames.write(frames.PING, frames.ACK, 0, bytes(8))
    )
    assert out(http2) == [
        Frame(frames.SETTINGS, frames.ACK, 0, b""),
        Frame(frames.PING, frames.ACK, 0, b"12345678"),
    ]


def test_what_is_not_known_is_ignored() -> None:
    """Sections 4.1 and 5.5: kinds of frames, flags and settings that came after us."""
    http2, recorded = greeted()
    unknown = frames.settings({99: 1}) + frames.write(77, 0xFF, 5, b"x")
    http2.receive(unknown + headers(1, WHOLE | END | 0x40) + frames.write(frames.PRIORITY, 0, 9, bytes(5)))
    assert recorded.events[-1] == ("end", 1)


HOSTILE = {
    "no HTTP/2": (b"GET / HTTP/1.1\r\n", frames.PROTOCOL_ERROR),
    "no SETTINGS": (frames.PREFACE + headers(1), frames.PROTOCOL_ERROR),
    "an acknowledgement first": (frames.PREFACE + frames.write(4, frames.ACK, 0), frames.PROTOCOL_ERROR),
    "a large frame": (HELLO + b"\x01\x00\x00\x00\x00\x00\x00\x00\x01", frames.FRAME_SIZE_ERROR),
    "SETTINGS on a stream": (HELLO + frames.write(4, 0, 1), frames.PROTOCOL_ERROR),
    "SETTINGS cut off": (HELLO + frames.write(4, 0, 0, b"12345"), frames.FRAME_SIZE_ERROR),
    "an acknowledgement that says something": (HELLO + frames.write(4, 1, 0, bytes(6)), frames.FRAME_SIZE_ERROR),
    "a window of 2^31": (HELLO + frames.settings({4: 1 << 31}), frames.FLOW_CONTROL_ERROR),
    "PING on a stream": (HELLO + frames.write(6, 0, 1, bytes(8)), frames.PROTOCOL_ERROR),
    "PING of 7 bytes": (HELLO + frames.write(6, 0, 0, bytes(7)), frames.FRAME_SIZE_ERROR),
    "GOAWAY on a stream": (HELLO + frames.write(7, 0, 1, bytes(8)), frames.PROTOCOL_ERROR),
    "GOAWAY cut off": (HELLO + frames.write(7, 0, 0, bytes(7)), frames.FRAME_SIZE_ERROR),
    "a push": (HELLO + frames.write(5, 4, 1, bytes(5)), frames.PROTOCOL_ERROR),
    "PRIORITY on no stream": (HELLO + frames.write(2, 0, 0, bytes(5)), frames.PROTOCOL_ERROR),
    "PRIORITY of 4 bytes": (HELLO + frames.write(2, 0, 1, bytes(4)), frames.FRAME_SIZE_ERROR),
    "HEADERS on no stream": (HELLO + headers(0), frames.PROTOCOL_ERROR),
    "HEADERS on a server's stream": (HELLO + headers(2), frames.PROTOCOL_ERROR),
    "HEADERS of an earlier stream": (HELLO + headers(3) + headers(1), frames.STREAM_CLOSED),
    "HEADERS after the end": (HELLO + headers(1, WHOLE | END) + headers(1, WHOLE | END), frames.STREAM_CLOSED),
    "trailers without the end": (HELLO + headers(1) + headers(1), frames.PROTOCOL_ERROR),
    "padding beyond the frame": (HELLO + headers(1, WHOLE | frames.PADDED, b"\x09\x82"), frames.PROTOCOL_ERROR),
    "a frame within headers": (HELLO + headers(1, 0) + data(1, b"x"), frames.PROTOCOL_ERROR),
    "CONTINUATION of another stream": (HELLO + headers(1, 0) + frames.write(9, 4, 3, b""), frames.PROTOCOL_ERROR),
    "CONTINUATION of nothing": (HELLO + frames.write(9, 4, 1, b""), frames.PROTOCOL_ERROR),
    "CONTINUATION without end": (HELLO + headers(1, 0) + frames.write(9, 0, 1, bytes(9000)) * 2, CALM),
    "CONTINUATION of nothing, again and again": (HELLO + headers(1, 0) + frames.write(9, 0, 1) * 1001, CALM),
    "DATA on no stream": (HELLO + data(0, b"x"), frames.PROTOCOL_ERROR),
    "DATA of a stream that never began": (HELLO + data(1, b"x"), frames.PROTOCOL_ERROR),
    "DATA after the end": (HELLO + headers(1, WHOLE | END) + data(1, b"x"), frames.STREAM_CLOSED),
    "DATA after a reset": (HELLO + headers(1) + number(3, 1, 8) + data(1, b"x"), frames.STREAM_CLOSED),
    "RST_STREAM on no stream": (HELLO + number(3, 0, 8), frames.PROTOCOL_ERROR),
    "RST_STREAM of a stream that never began": (HELLO + number(3, 1, 8), frames.PROTOCOL_ERROR),
    "RST_STREAM of 3 bytes": (HELLO + headers(1) + frames.write(3, 0, 1, bytes(3)), frames.FRAME_SIZE_ERROR),
    "a window update of nothing": (HELLO + number(8, 0, 0), frames.PROTOCOL_ERROR),
    "a stream's window update of nothing": (HELLO + headers(1) + number(8, 1, 0), frames.PROTOCOL_ERROR),
    "a window update of 5 bytes": (HELLO + frames.write(8, 0, 0, bytes(5)), frames.FRAME_SIZE_ERROR),
    "a window update for a stream that never began": (HELLO + number(8, 1, 1), frames.PROTOCOL_ERROR),
    "a window beyond all": (HELLO + number(8, 0, (1 << 31) - 1), frames.FLOW_CONTROL_ERROR),
    "a stream's window beyond all": (HELLO + headers(1) + number(8, 1, (1 << 31) - 1), frames.FLOW_CONTROL_ERROR),
    "a stream's window beyond all by SETTINGS": (
        HELLO + headers(1) + number(8, 1, 65536) + frames.settings({4: (1 << 31) - 1}), frames.FLOW_CONTROL_ERROR
    ),
    "a flood of PING": (HELLO + frames.write(6, 0, 0, bytes(8)) * 1001, CALM),
    "a flood of SETTINGS": (HELLO + SETTINGS * 1001, CALM),
    "a flood of empty DATA": (HELLO + headers(1) + data(1, b"") * 1001, CALM),
    "a flood of padding": (HELLO + headers(1) + data(1, b"\x01\x00", frames.PADDED) * 1001, CALM),
    "a flood of what nobody knows": (HELLO + frames.write(77, 0, 1) * 1001, CALM),
    "a flood of PRIORITY": (HELLO + frames.write(2, 0, 1, bytes(5)) * 1001, CALM),
    "rapid reset": (HELLO + b"".join(headers(n) + number(3, n, 8) for n in range(1, 2100, 2)), CALM),
    "more streams than are refused": (HELLO + b"".join(headers(n) for n in range(1, 2300, 2)), CALM),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_each_fault_has_its_code(name: str) -> None:
    sent, code = HOSTILE[name]
    http2, _ = server()
    with pytest.raises(Http2Error) as refused:
        http2.receive(sent)
    assert refused.value.code == code


def test_floods_are_forgiven_in_time() -> None:
    http2, _ = greeted()
    ping = frames.write(frames.PING, 0, 0, bytes(8))
    for _ in range(5):
        http2.receive(ping * (MOST_IDLE_FRAMES - 1))
        http2.calm()


def test_requests_that_are_answered_may_bring_such_frames_with_them() -> None:
    http2, _ = greeted()
    for stream in range(1, 4 * MOST_IDLE_FRAMES, 2):
        http2.receive(headers(stream) + data(stream, b"x", END) + number(frames.WINDOW_UPDATE, 0, 5))
        http2.answer(stream, ACCEPTED)


def test_a_reset_makes_no_room_while_the_request_is_worked_on() -> None:
    http2, recorded = greeted()
    for stream in range(1, 2 * MOST_STREAMS, 2):
        http2.receive(headers(stream, WHOLE | END) + number(frames.RST_STREAM, stream, frames.CANCEL))
    one_more = 2 * MOST_STREAMS + 1
    http2.receive(headers(one_more, WHOLE | END))
    assert out(http2) == [Frame(frames.RST_STREAM, 0, one_more, frames.REFUSED_STREAM.to_bytes(4, "big"))]
    assert ("begin", one_more, BLOCK) not in recorded.events
    http2.answer(1, ACCEPTED)
    assert out(http2) == []  # nobody is there to be answered
    http2.receive(headers(one_more + 2, WHOLE | END))
    assert recorded.events[-1] == ("end", one_more + 2)


def test_a_reset_of_what_is_coming_in() -> None:
    http2, recorded = greeted()
    http2.receive(headers(1) + data(1, b"x") + number(frames.RST_STREAM, 1, frames.CANCEL))
    assert recorded.events[-1] == ("reset", 1)
    assert http2.streams == 0


def test_windows_of_the_client() -> None:
    """An answer waits for its stream's window, and for a change of the settings (section 6.9.2)."""
    http2, _ = server()
    http2.receive(frames.PREFACE + frames.settings({frames.INITIAL_WINDOW_SIZE: 0}) + headers(1, WHOLE | END))
    http2.receive(headers(3, WHOLE | END))
    out(http2)
    for stream in (1, 3):
        http2.answer(stream, ACCEPTED)
    assert out(http2) == []
    assert http2.blocked
    http2.receive(number(frames.WINDOW_UPDATE, 1, 4))
    assert out(http2) == []
    http2.receive(number(frames.WINDOW_UPDATE, 1, 1))
    assert {frame.stream for frame in out(http2)} == {1}
    http2.receive(frames.settings({frames.INITIAL_WINDOW_SIZE: 5}))
    assert {frame.stream for frame in out(http2) if frame.stream} == {3}
    assert not http2.blocked


def test_the_clients_connection_window() -> None:
    http2, _ = greeted()
    answered = 0
    for stream in range(1, 2 * (frames.DEFAULT_WINDOW // 5) + 3, 2):
        http2.receive(headers(stream, WHOLE | END))
        http2.answer(stream, ACCEPTED)
        answered += bool(http2.sent())
    assert answered == frames.DEFAULT_WINDOW // 5
    assert http2.blocked
    http2.receive(number(frames.WINDOW_UPDATE, 0, 5))
    assert len(out(http2)) == 3


def test_windows_for_the_client() -> None:
    """What it may send is given back as it comes, padding included, so that a large request is never held up."""
    http2, _ = greeted()
    http2.welcome()
    welcome = out(http2)
    assert frames.read_settings(welcome[0]) == {frames.INITIAL_WINDOW_SIZE: STREAM_WINDOW}
    windows = {0: frames.DEFAULT_WINDOW + frames.read_number(welcome[1]), 1: STREAM_WINDOW}
    assert windows[0] == CONNECTION_WINDOW
    http2.receive(headers(1))
    for _ in range(400):
        payload = b"\x64" + bytes(16000) + bytes(100)
        http2.receive(frames.write(frames.DATA, frames.PADDED, 1, payload))
        for which in windows:
            windows[which] -= len(payload)
        for frame in out(http2):
            windows[frame.stream] += frames.read_number(frame)
        assert min(windows.values()) >= 1 << 14


def test_an_answer_before_the_end() -> None:
    """Section 8.1: the rest is not wanted, and is not held against the client when it comes."""
    http2, recorded = greeted()
    http2.receive(headers(1) + data(1, b"x"))
    http2.answer(1, ACCEPTED)
    last = out(http2)[-1]
    assert last == Frame(frames.RST_STREAM, 0, 1, frames.NO_ERROR.to_bytes(4, "big"))
    http2.receive(data(1, b"y") + data(1, b"z", END))
    assert recorded.events == [("begin", 1, BLOCK), ("add", 1, b"x")]


def test_the_rest_of_large_requests_is_no_flood() -> None:
    """It was on its way when they were refused, as far as their windows reached; beyond is a fault."""
    http2, _ = greeted()
    whole = bytes(frames.MOST_FRAME_BYTES)
    for stream in range(1, 400, 2):
        http2.receive(headers(stream))
        http2.answer(stream, ACCEPTED)
        http2.receive(b"".join(data(stream, whole) for _ in range(STREAM_WINDOW // len(whole))))
    with pytest.raises(Http2Error) as refused:
        http2.receive(data(stream, b"x"))
    assert refused.value.code == frames.FLOW_CONTROL_ERROR


def test_what_was_said_not_to_be_served_is_not_said_to_be_later() -> None:
    """Section 6.8: the client may have sent it elsewhere."""
    http2, _ = greeted()
    http2.receive(headers(1, WHOLE | END))
    http2.leave(1)
    http2.receive(headers(3, WHOLE | END))
    http2.leave(http2.last, frames.PROTOCOL_ERROR)
    assert [frame.payload[:4] for frame in out(http2)] == [(1).to_bytes(4, "big")] * 2


def test_after_goaway_nothing_begins() -> None:
    http2, recorded = greeted()
    http2.receive(headers(1, WHOLE | END))
    http2.leave(1)
    assert out(http2) == [Frame(frames.GOAWAY, 0, 0, (1).to_bytes(4, "big") + bytes(4))]
    http2.receive(headers(3) + data(3, b"x", END) + headers(5, WHOLE | END))
    assert [event[1] for event in recorded.events] == [1, 1]
    assert out(http2) == []
    http2.answer(1, ACCEPTED)
    assert len(out(http2)) == 3


def test_a_client_without_a_table_is_told_that_none_is_kept() -> None:
    """Section 4.3.1: once, at the start of the next header block."""
    http2, _ = server()
    http2.receive(
        frames.PREFACE
        + frames.settings({frames.HEADER_TABLE_SIZE: 0})
        + headers(1, WHOLE | END)
        + headers(3, WHOLE | END)
    )
    out(http2)
    http2.answer(1, ACCEPTED)
    http2.answer(3, ACCEPTED)
    first, second = (frame for frame in out(http2) if frame.kind == frames.HEADERS and not frame.flags & END)
    assert first.payload == b"\x20" + second.payload


@given(st.integers(), st.integers(1, 6))
def test_mutated_bytes_are_read_or_are_a_fault(seed: int, changes: int) -> None:
    """Nothing but Http2Error is ever raised, and what is told of streams stays in its order."""
    rng = random.Random(seed)
    sent = bytearray(HELLO)
    for stream in (1, 3, 5):
        sent += headers(stream, rng.choice([WHOLE, WHOLE | END, 0])) + data(stream, b"abcde", rng.choice([0, END]))
        sent += number(frames.WINDOW_UPDATE, rng.choice([0, stream]), 9) + number(frames.RST_STREAM, 1, 8)
    for _ in range(changes):
        sent[rng.randrange(len(sent))] = rng.randrange(256)
    http2, recorded = server()
    try:
        for at in range(0, len(sent), 7):
            http2.receive(bytes(sent[at : at + 7]))
            for stream in recorded.working & {stream for stream in recorded.working if rng.random() < 0.2}:
                recorded.working.discard(stream)
                http2.answer(stream, ACCEPTED)
    except Http2Error:
        pass
    begun = [event[1] for event in recorded.events if event[0] == "begin"]
    assert begun == sorted(set(begun))
    assert {event[1] for event in recorded.events} <= set(begun)
