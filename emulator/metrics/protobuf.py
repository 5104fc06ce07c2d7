"""Protobuf's wire format, as far as OTLP needs it.

Fleet mode makes millions of messages whose parts repeat. Writing them by hand lets those parts be encoded once, which
the generated classes do not; the tests take ``opentelemetry-proto`` as the judge of every message.
"""

from __future__ import annotations

from typing import Final

_SHORT: Final = tuple(bytes([number]) for number in range(128)) + tuple(
    bytes([number & 127 | 128, number >> 7]) for number in range(128, 16384)
)
"""Varints of one and two bytes, which nearly all lengths have."""


def varint(number: int) -> bytes:
    """An unsigned variable-length integer."""
    if number < 16384:
        return _SHORT[number]
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def nested(field: int, message: bytes) -> bytes:
    """A field that holds a message, or bytes."""
    return varint(field << 3 | 2) + varint(len(message)) + message


def string(field: int, text: str) -> bytes:
    """A field that holds text."""
    return nested(field, text.encode())


def integer(field: int, number: int) -> bytes:
    """A field that holds an int64, uint64, enum or bool. Negative ones take ten bytes."""
    return varint(field << 3) + varint(number & 0xFFFF_FFFF_FFFF_FFFF)


def key_value(field: int, key: str, any_value: bytes) -> bytes:
    """A field that holds a KeyValue of ``opentelemetry.proto.common.v1``; ``any_value`` is an encoded AnyValue."""
    return nested(field, string(1, key) + nested(2, any_value))


def text_value(text: str) -> bytes:
    """An AnyValue that is a text."""
    return string(1, text)
