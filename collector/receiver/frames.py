"""HTTP/2 frames (RFC 9113, sections 4 and 6) and field lines without an index (RFC 7541, 6.2.2). Pure."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from collector.errors import Http2Error

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client begins with (section 3.4)."""

DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
WITH_PRIORITY: Final = 0x20

HEADER_TABLE_SIZE: Final = 1
ENABLE_PUSH: Final = 2
MAX_CONCURRENT_STREAMS: Final = 3
INITIAL_WINDOW_SIZE: Final = 4
MAX_FRAME_SIZE: Final = 5
MAX_HEADER_LIST_SIZE: Final = 6

NO_ERROR: Final = 0
PROTOCOL_ERROR: Final = 1
FLOW_CONTROL_ERROR: Final = 3
STREAM_CLOSED: Final = 5
FRAME_SIZE_ERROR: Final = 6
REFUSED_STREAM: Final = 7
CANCEL: Final = 8
COMPRESSION_ERROR: Final = 9
ENHANCE_YOUR_CALM: Final = 11

HEAD_BYTES: Final = 9
MOST_FRAME_BYTES: Final = 1 << 14
"""Of a payload: what every endpoint takes, and all that we take (SETTINGS_MAX_FRAME_SIZE)."""
DEFAULT_WINDOW: Final = 65535
MOST_WINDOW: Final = (1 << 31) - 1
MOST_STREAM: Final = (1 << 31) - 1

_HEAD: Final = struct.Struct(">HBBBL")
_SETTING: Final = struct.Struct(">HL")
_LITERAL: Final = b"\x00"
_PREFIX_7_BITS: Final = 127


class Frame(NamedTuple):
    """One frame."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def read(data: bytes, at: int, most_bytes: int = MOST_FRAME_BYTES) -> Frame | None:
    """The frame that begins there; None where the rest of it has not come.

    Raises:
        Http2Error: its payload is larger than is allowed.
    """
    if len(data) - at < HEAD_BYTES:
        return None
    high, low, kind, flags, stream = _HEAD.unpack_from(data, at)
    end = at + HEAD_BYTES + (high << 8 | low)
    if end - at > HEAD_BYTES + most_bytes:
        raise Http2Error(FRAME_SIZE_ERROR, f"a frame of more than {most_bytes} bytes")
    if end > len(data):
        return None
    return Frame(kind, flags, stream & MOST_STREAM, data[at + HEAD_BYTES : end])


def write(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame as bytes."""
    return _HEAD.pack(len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def content(frame: Frame) -> bytes:
    """What DATA or HEADERS carry, without padding and priority (sections 6.1, 6.2).

    Raises:
        Http2Error: there is more padding than frame.
    """
    payload = frame.payload
    if frame.flags & PADDED:
        if not payload or payload[0] >= len(payload):
            raise Http2Error(PROTOCOL_ERROR, "more padding than frame")
        payload = payload[1 : len(payload) - payload[0]]
    if frame.kind == HEADERS and frame.flags & WITH_PRIORITY:
        if len(payload) < 5:
            raise Http2Error(FRAME_SIZE_ERROR, "HEADERS without their priority")
        payload = payload[5:]
    return payload


def read_settings(frame: Frame) -> dict[int, int]:
    """The settings of a frame that is no acknowledgement (section 6.5.2); of a repeated one the last value.

    Raises:
        Http2Error: its size or a value is none that may be.
    """
    if len(frame.payload) % _SETTING.size:
        raise Http2Error(FRAME_SIZE_ERROR, "SETTINGS cut off")
    settings: dict[int, int] = {}
    for key, value in _SETTING.iter_unpack(frame.payload):
        if key == INITIAL_WINDOW_SIZE and value > MOST_WINDOW:
            raise Http2Error(FLOW_CONTROL_ERROR, "a window beyond 2^31 - 1")
        if (key == ENABLE_PUSH and value > 1) or (key == MAX_FRAME_SIZE and not MOST_FRAME_BYTES <= value < 1 << 24):
            raise Http2Error(PROTOCOL_ERROR, f"setting {key} cannot be {value}")
        settings[key] = value
    return settings


def settings(values: dict[int, int]) -> bytes:
    """SETTINGS as bytes."""
    return write(SETTINGS, 0, 0, b"".join(_SETTING.pack(key, value) for key, value in values.items()))


def goaway(last: int, code: int) -> bytes:
    """GOAWAY as bytes: ``last`` is the highest stream that is, or may be, worked on."""
    return write(GOAWAY, 0, 0, struct.pack(">LL", last, code))


def with_number(kind: int, stream: int, number: int) -> bytes:
    """RST_STREAM with its code, or WINDOW_UPDATE with its bytes."""
    return write(kind, 0, stream, number.to_bytes(4, "big"))


def read_number(frame: Frame) -> int:
    """The 31 bits that RST_STREAM and WINDOW_UPDATE carry (a code's highest bit is of no use to us).

    Raises:
        Http2Error: it is of another size.
    """
    if len(frame.payload) != 4:
        raise Http2Error(FRAME_SIZE_ERROR, f"a frame of kind {frame.kind} with {len(frame.payload)} bytes")
    return int.from_bytes(frame.payload, "big") & MOST_STREAM


def field_line(name: bytes, value: bytes) -> bytes:
    """A header that touches no table, as any peer can read it."""
    return b"".join((_LITERAL, _length(name), name, _length(value), value))


def _length(text: bytes) -> bytes:
    """Section 5.1 of RFC 7541, with a prefix of 7 bits that says "no Huffman code"."""
    value = len(text)
    if value < _PREFIX_7_BITS:
        return bytes((value,))
    out = bytearray((_PREFIX_7_BITS,))
    value -= _PREFIX_7_BITS
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
