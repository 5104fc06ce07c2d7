"""Numbers as protocol buffers and the Native format of ClickHouse write them: seven bits a byte, the lowest first."""

from __future__ import annotations


def varint(number: int) -> bytes:
    """A number of at least 0 (protobuf.dev/programming-guides/encoding, "Base 128 Varints")."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
