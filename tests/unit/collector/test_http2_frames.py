"""Frames of HTTP/2 as bytes and back."""

from __future__ import annotations

import pytest
from hpack import Decoder
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import Http2Error
from collector.receiver import frames
from collector.receiver.frames import Frame
from collector.receiver.relay import Screen

some_frames = st.lists(
    st.builds(Frame, st.integers(0, 12), st.integers(0, 255), st.integers(0, (1 << 31) - 1), st.binary(max_size=40)),
    max_size=8,
)


def written(given_frames: list[Frame]) -> bytes:
    return b"".join(frames.write(*frame) for frame in given_frames)


@given(some_frames, st.binary(max_size=8))
def test_what_was_written_is_read(sent: list[Frame], rest: bytes) -> None:
    data, at, found = written(sent) + rest, 0, []
    while (frame := frames.read(data, at)) is not None:
        found.append(frame)
        at += frames.HEAD_BYTES + len(frame.payload)
    assert found == sent
    assert data[at:] == rest


@given(some_frames.filter(bool), st.data())
def test_a_frame_that_is_cut_off_is_none(sent: list[Frame], data: st.DataObject) -> None:
    one = written(sent[:1])
    assert frames.read(one[: data.draw(st.integers(0, len(one) - 1))], 0) is None


def test_the_reserved_bit_is_ignored() -> None:
    """Section 4.1."""
    assert frames.read(bytes((0, 0, 0, 6, 0, 0x80, 0, 0, 5)), 0) == Frame(6, 0, 5, b"")


def test_a_frame_may_be_as_large_as_we_say() -> None:
    largest = frames.write(frames.DATA, 0, 1, bytes(1 << 14))
    assert frames.read(largest, 0) is not None
    with pytest.raises(Http2Error) as refused:
        frames.read(frames.write(frames.DATA, 0, 1, bytes((1 << 14) + 1))[:9], 0)
    assert refused.value.code == frames.FRAME_SIZE_ERROR


@given(st.binary(max_size=50), st.integers(0, 255))
def test_padding(body: bytes, padding: int) -> None:
    padded = bytes((padding,)) + body + bytes(padding)
    assert frames.content(Frame(frames.DATA, frames.PADDED, 1, padded)) == body
    flags = frames.PADDED | frames.WITH_PRIORITY
    with_priority = bytes((padding,)) + bytes(5) + body + bytes(padding)
    assert frames.content(Frame(frames.HEADERS, flags, 1, with_priority)) == body


@pytest.mark.parametrize(
    ("kind", "flags", "payload"),
    [
        (frames.DATA, frames.PADDED, b""),
        (frames.DATA, frames.PADDED, b"\x01"),
        (frames.DATA, frames.PADDED, b"\x05abcd"),
        (frames.HEADERS, frames.PADDED, b"\x03ab"),
        (frames.HEADERS, frames.WITH_PRIORITY, b"abcd"),
    ],
)
def test_more_padding_than_frame(kind: int, flags: int, payload: bytes) -> None:
    with pytest.raises(Http2Error):
        frames.content(Frame(kind, flags, 1, payload))


@given(st.dictionaries(st.sampled_from([1, 3, 6, 99]), st.integers(0, (1 << 32) - 1)))
def test_settings(values: dict[int, int]) -> None:
    frame = frames.read(frames.settings(values), 0)
    assert frame is not None
    assert frames.read_settings(frame) == values


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        (frames.ENABLE_PUSH, 2, frames.PROTOCOL_ERROR),
        (frames.INITIAL_WINDOW_SIZE, 1 << 31, frames.FLOW_CONTROL_ERROR),
        (frames.MAX_FRAME_SIZE, 16383, frames.PROTOCOL_ERROR),
        (frames.MAX_FRAME_SIZE, 1 << 24, frames.PROTOCOL_ERROR),
    ],
)
def test_settings_that_cannot_be(key: int, value: int, code: int) -> None:
    """Section 6.5.2."""
    frame = frames.read(frames.settings({key: value}), 0)
    assert frame is not None
    with pytest.raises(Http2Error) as refused:
        frames.read_settings(frame)
    assert refused.value.code == code


@given(st.binary(min_size=1, max_size=40), st.binary(max_size=20_000))
def test_field_lines_are_read_by_hpack(name: bytes, value: bytes) -> None:
    assert Decoder().decode(frames.field_line(name, value), raw=True) == [(name, value)]


def headers(stream: int, *pieces: bytes) -> list[Frame]:
    kinds = [frames.HEADERS, *[frames.CONTINUATION] * (len(pieces) - 1)]
    ends = [*[0] * (len(pieces) - 1), frames.END_HEADERS]
    return [Frame(kind, end, stream, piece) for kind, end, piece in zip(kinds, ends, pieces, strict=True)]


relayed = st.lists(
    st.one_of(
        some_frames.map(lambda found: [frame for frame in found if frame.kind not in {1, 4, 9}]),
        st.lists(st.sampled_from([b"\x82", b"", b"\x00\x01a\x01b"]), min_size=1).map(lambda found: headers(1, *found)),
    )
).map(lambda found: [frame for some in found for frame in some])


def screened(sent: bytes, sizes: list[int]) -> bytes:
    screen, out, at = Screen(), b"", 0
    for size in (*sizes, len(sent)):
        out += screen.take(sent[at : at + size])
        at += size
    return out


@given(relayed, relayed, st.lists(st.integers(1, 40), min_size=1))
def test_what_is_relayed(before: list[Frame], after: list[Frame], sizes: list[int]) -> None:
    """All but one acknowledgement, however the bytes come."""
    acknowledgement, settings = Frame(frames.SETTINGS, frames.ACK, 0, b""), Frame(frames.SETTINGS, 0, 0, bytes(6))
    sent = frames.PREFACE + written([settings, *before, acknowledgement, *after, acknowledgement])
    kept = frames.PREFACE + written([settings, *before, *after, acknowledgement])
    assert screened(sent, sizes) == kept


def test_headers_are_relayed_once_they_are_whole() -> None:
    screen = Screen()
    first, second = (frames.write(*frame) for frame in headers(1, b"\x00\x01a", b"\x01b"))
    before = frames.PREFACE + frames.settings({})
    assert screen.take(before + first) == before
    assert screen.take(second[:-1]) == b""
    assert screen.take(second[-1:] + frames.write(0, 0, 1, b"xyz")[:10]) == first + second + b"\0\0\3\0\0\0\0\0\1x"


@pytest.mark.parametrize(
    "sent",
    [
        headers(1, frames.field_line(b":path", b"/\xec")),
        headers(1, frames.field_line(b":path", b"/"), frames.field_line(b"\xffname", b"")),
        headers(1, frames.field_line(b"name", b"\xc3\xa9")),
        headers(1, b"\xff\xff\xff\xff\xff\xff"),
        [Frame(frames.CONTINUATION, frames.END_HEADERS, 1, b"")],
        [Frame(frames.HEADERS, 0, 1, b""), Frame(frames.DATA, 0, 1, b"")],
        [Frame(frames.HEADERS, 0, 1, bytes(40_000)), Frame(frames.CONTINUATION, 0, 1, bytes(40_000))],
    ],
    ids=["path", "name", "value", "no HPACK", "out of place", "within", "too large"],
)
def test_what_is_not_relayed(sent: list[Frame]) -> None:
    with pytest.raises(Http2Error):
        Screen().take(frames.PREFACE + written(sent))


def test_binary_headers_are_relayed() -> None:
    """As clients send them to whoever says that it takes them."""
    sent = frames.PREFACE + written(headers(1, frames.field_line(b"name-bin", b"\0\xff")))
    assert Screen().take(sent) == sent
