"""What the spool's files hold: records, and how they are written and read. Pure.

A segment is ``MAGIC`` and then records, each::

    length   uint32   of what follows the checksum
    crc32    uint32   of what follows it
    signal   uint8
    spare    uint8    0
    id_size  uint16
    items    uint32   spans, log records or points
    received uint64   nanoseconds since the epoch
    id       UTF-8, id_size bytes: the export's id, empty where the client gave none
    body     the rest: the OTLP request as protobuf

Integers are little-endian. The numbers of signals never change their meaning.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from collector.otlp.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC: Final = b"LSSPOOL1"
_FRAME: Final = struct.Struct("<II")
_HEAD: Final = struct.Struct("<BBHIQ")
_SIGNALS: Final = frozenset(signal.value for signal in Signal)
_MAX_SEQUENCE: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class ExportId:
    """What tells a repeat from a new export: the layer numbers its exports per sandbox and signal.

    Attributes:
        instance: the sandbox.
        sequence: from 1.
    """

    instance: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.sequence} {self.instance}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The reverse of ``str``; None for an empty text."""
        if not text:
            return None
        sequence, _, instance = text.partition(" ")
        return cls(instance, int(sequence))

    @classmethod
    def from_headers(cls, instance: str | None, sequence: str | None) -> Self | None:
        """From the values of the layer's headers; None where one is missing or is not what it should be."""
        if not instance or len(instance) > 256 or not sequence or len(sequence) > 19:
            return None
        if not (sequence.isascii() and sequence.isdigit() and 0 < int(sequence) < _MAX_SEQUENCE):
            return None
        return cls(instance, int(sequence))


@dataclass(frozen=True, slots=True)
class Record:
    """One acknowledged request."""

    signal: Signal
    items: int
    received_unix_nano: int
    export_id: ExportId | None
    body: bytes

    @property
    def encoded_bytes(self) -> int:
        """Size of :meth:`encode`'s result."""
        id_size = len(str(self.export_id).encode()) if self.export_id else 0
        return _FRAME.size + _HEAD.size + id_size + len(self.body)

    def encode(self) -> bytes:
        """Its bytes in a segment."""
        export_id = str(self.export_id).encode() if self.export_id else b""
        head = _HEAD.pack(self.signal, 0, len(export_id), self.items, self.received_unix_nano)
        crc = zlib.crc32(self.body, zlib.crc32(export_id, zlib.crc32(head)))
        length = len(head) + len(export_id) + len(self.body)
        return b"".join((_FRAME.pack(length, crc), head, export_id, self.body))


@dataclass(frozen=True, slots=True)
class Scan:
    """What a segment holds.

    Attributes:
        records: the intact ones, up to the first that is not.
        good_bytes: size of what is intact.
        bad_bytes: size of what is not: a torn tail, or damage and all that follows it.
        torn: whether the bad part is merely a record that was not written to its end.
    """

    records: tuple[Record, ...]
    good_bytes: int
    bad_bytes: int
    torn: bool


def scan(data: bytes) -> Scan:
    """Read a whole segment, tolerating any damage."""
    if not data.startswith(MAGIC):
        return Scan((), 0, len(data), torn=MAGIC.startswith(data))
    records = []
    offset = len(MAGIC)
    for record, end in _intact(data, offset):
        records.append(record)
        offset = end
    bad = len(data) - offset
    return Scan(tuple(records), offset, bad, torn=bad > 0 and _is_torn(data, offset))


def _intact(data: bytes, offset: int) -> Iterator[tuple[Record, int]]:
    while offset + _FRAME.size + _HEAD.size <= len(data):
        length, crc = _FRAME.unpack_from(data, offset)
        start = offset + _FRAME.size
        end = start + length
        if length < _HEAD.size or end > len(data) or zlib.crc32(memoryview(data)[start:end]) != crc:
            return
        record = _record(data, start, end)
        if record is None:
            return
        yield record, end
        offset = end


def _record(data: bytes, start: int, end: int) -> Record | None:
    signal, _, id_size, items, received = _HEAD.unpack_from(data, start)
    body_start = start + _HEAD.size + id_size
    if body_start > end or signal not in _SIGNALS:
        return None
    try:
        export_id = ExportId.parse(data[start + _HEAD.size : body_start].decode())
    except ValueError:
        return None
    return Record(Signal(signal), items, received, export_id, data[body_start:end])


def _is_torn(data: bytes, offset: int) -> bool:
    """Whether the rest is the beginning of one record: cut short, or at its full length with bytes never written."""
    if offset + _FRAME.size > len(data):
        return True
    length, _ = _FRAME.unpack_from(data, offset)
    return bool(offset + _FRAME.size + length >= len(data))
