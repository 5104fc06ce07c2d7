"""Numbers as protocol buffers and the Native format of ClickHouse write them, and fields of the former."""

from __future__ import annotations


def varint(number: int) -> bytes:
    """A number of at least 0, seven bits a byte, the lowest first.

    Source: protobuf.dev/programming-guides/encoding, "Base 128 Varints".
    """
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


def field(number: int, content: bytes) -> bytes:
    """A field that has a length: a text, bytes or a message (likewise, "Length-Delimited Records")."""
    return varint(number << 3 | 2) + varint(len(content)) + content
