"""The protobuf wire format, as far as OTLP needs it: https://protobuf.dev/programming-guides/encoding/."""

from __future__ import annotations

_VARINT, _FIXED64, _BYTES = 0, 1, 2
_U64 = (1 << 64) - 1


_SMALL = tuple(bytes((value,)) for value in range(128))
"""Varints of one byte: nearly all tags and lengths. Looking them up is what makes this fast enough."""


def varint(value: int) -> bytes:
    """An unsigned integer; a negative one as int64 and int32 have it, in two's complement of 64 bits."""
    value &= _U64
    if value < 128:
        return _SMALL[value]
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(field: int, value: int) -> bytes:
    """A field of type int32, int64, uint32, uint64, bool or an enum."""
    return varint(field << 3 | _VARINT) + varint(value)


def fixed64(field: int, value: int) -> bytes:
    """A field of type fixed64."""
    return varint(field << 3 | _FIXED64) + (value & _U64).to_bytes(8, "little")


def double(field: int, value: float) -> bytes:
    """A field of type double."""
    from _struct import pack  # noqa: PLC0415 - for numbers with a fraction only, which come after the first GET /next

    return varint(field << 3 | _FIXED64) + pack("<d", value)


def nested(field: int, data: bytes) -> bytes:
    """A field of type bytes, string or message; its number is below 16."""
    size = len(data)
    return _SMALL[field << 3 | _BYTES] + (_SMALL[size] if size < 128 else varint(size)) + data


def string(field: int, text: str) -> bytes:
    """A field of type string. What UTF-8 cannot say (a lone surrogate) becomes a question mark."""
    return nested(field, text.encode("utf-8", "replace"))


class Fields:
    """The fields of a message, one after the other, for the few answers that we read."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __iter__(self) -> Fields:
        return self

    def __next__(self) -> tuple[int, int | bytes]:
        """Field number and value: an integer for varints, bytes for the rest.

        Raises:
            ValueError: the data is not protobuf.
        """
        if self._at >= len(self._data):
            raise StopIteration
        tag = self._varint()
        if tag & 7 == _VARINT:
            return tag >> 3, self._varint()
        size = {_FIXED64: 8, 5: 4}.get(tag & 7) or (self._varint() if tag & 7 == _BYTES else -1)
        value = self._data[self._at : self._at + size]
        if size < 0 or len(value) != size:
            raise ValueError("not protobuf")
        self._at += size
        return tag >> 3, value

    def _varint(self) -> int:
        value = shift = 0
        while self._at < len(self._data) and shift < 70:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise ValueError("not protobuf")
