"""Counts the items of a request that has come, where its bytes are one beyond doubt.

To answer a request it has to be known whether it is one, and how many items it holds; to parse it for that takes nearly
as long as to decode it. What is not the plainest encoding (groups, numbers in more bytes than they need, text that is
not UTF-8, a hundred levels) is left to Google's parser, which says what is wrong with it.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Final

from google.protobuf.descriptor import FieldDescriptor

from collector.native.library import LAYOUTS, PATH, library
from collector.otlp.signals import PROTOCOLS, Signal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from google.protobuf.descriptor import Descriptor

_FIELDS: Final = 32
_TEXT, _MESSAGE, _ITEM, _PARSED = 1, 2, 3, 4
_ITEMS: Final = {
    Signal.TRACES: "opentelemetry.proto.trace.v1.Span",
    Signal.LOGS: "opentelemetry.proto.logs.v1.LogRecord",
}


class _Type(ctypes.Structure):
    _fields_ = (("content", ctypes.c_uint8 * _FIELDS), ("type", ctypes.c_uint8 * _FIELDS))


class Counter:
    """Counts the items of one signal's requests."""

    __slots__ = ("_count", "_types")

    def __init__(self, count: Callable[[object, object, int], int], signal: Signal) -> None:
        self._count = count
        self._types = _types(PROTOCOLS[signal].request.DESCRIPTOR, _ITEMS[signal])

    def items(self, body: bytes) -> int | None:
        """How many; None for what is left to Google's parser, also because it is no request."""
        items = self._count(self._types, body, len(body))
        return None if items < 0 else items

    def items_at(self, address: int, length: int) -> int | None:
        """Likewise, of a request by where it is in memory."""
        items = self._count(self._types, ctypes.c_char_p(address), length)
        return None if items < 0 else items


def load_counters(path: Path = PATH) -> dict[Signal, Counter]:
    """A counter for each signal of :data:`~collector.native.library.LAYOUTS`.

    Raises:
        SetupError: as :func:`~collector.native.library.load`.
    """
    # Short, so the interpreter waits: to let it go and wait for it again can take a thousand times as long.
    count = library(path, ctypes.PyDLL).lambdascope_count
    count.argtypes = (ctypes.POINTER(_Type), ctypes.c_char_p, ctypes.c_size_t)
    count.restype = ctypes.c_int64
    return {signal: Counter(count, signal) for signal in LAYOUTS}


def _types(request: Descriptor, item: str) -> ctypes.Array[_Type]:
    """The types of a request's messages, itself the first."""
    found = [request]
    for message in found:  # which gets longer
        for field in message.fields:
            if field.message_type is not None and field.message_type not in found:
                found.append(field.message_type)
    types = (_Type * len(found))()
    for made, message in zip(types, found, strict=True):
        for field in message.fields:
            if field.number >= _FIELDS:
                continue  # such a number is left to the parser, whatever it is
            if field.type == FieldDescriptor.TYPE_STRING:
                made.content[field.number] = _TEXT
            elif field.message_type is not None:
                made.content[field.number] = _ITEM if field.message_type.full_name == item else _MESSAGE
                made.type[field.number] = found.index(field.message_type)
            elif field.is_packed:
                made.content[field.number] = _PARSED
    return types
