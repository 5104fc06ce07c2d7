"""What the spool's files hold: records, and how they are written and read. Pure.

A segment is ``MAGIC`` and then records, each::

    length   uint32   of what follows the checksum
    crc32    uint32   of what follows it
    signal   uint8
    tenant   uint8    size of the tenant's name
    id_size  uint16
    items    uint32   spans, log records or points
    received uint64   nanoseconds since the epoch
    name     ASCII, of the tenant; empty for the store's own database
    id       UTF-8, id_size bytes: the export's id, empty where the client gave none
    body     the rest: the OTLP request as protobuf

Integers are little-endian. The numbers of signals never change their meaning.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
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

    A sender that gives each request an id of its own, as Firehose does, has no numbers; see :meth:`of_request`.

    Attributes:
        instance: the sandbox, or the id of the one request.
        sequence: from 1; 0 where ``instance`` is the id of one request.
        total: items that the sandbox has exported or dropped in this signal, this export included; None if not said.
        dropped: items of those that it has dropped.
    """

    instance: str
    sequence: int
    total: int | None = field(default=None, compare=False)
    dropped: int | None = field(default=None, compare=False)

    def __str__(self) -> str:
        totals = "" if self.total is None else f",{self.total},{self.dropped or 0}"
        return f"{self.sequence}{totals} {self.instance}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The reverse of ``str``; None for an empty text."""
        if not text:
            return None
        numbers, _, instance = text.partition(" ")
        sequence, *totals = (int(number) for number in numbers.split(","))
        return cls(instance, sequence, *totals)

    @classmethod
    def of_request(cls, request_id: str) -> Self:
        """Of a request that is the only one with its id: there is no sandbox, and nothing to be missing between two."""
        return cls(request_id, 0)

    @property
    def numbered(self) -> bool:
        """Whether it is one of a sandbox's exports."""
        return self.sequence > 0

    @classmethod
    def from_headers(
        cls, instance: str | None, sequence: str | None, total: str | None = None, dropped: str | None = None
    ) -> Self | None:
        """From the values of the layer's headers; None where one of the first two is not what it should be."""
        if not instance or len(instance) > 256 or not instance.isprintable():
            return None
        number = _number(sequence)
        return cls(instance, number, _number(total), _number(dropped)) if number else None


def _number(text: str | None) -> int | None:
    if not text or len(text) > 19 or not (text.isascii() and text.isdigit()):
        return None
    number = int(text)
    return number if number < _MAX_SEQUENCE else None


@dataclass(frozen=True, slots=True)
class Record:
    """One acknowledged request.

    Attributes:
        tenant: the database that it goes to, by the credential that it came with; empty for the store's own.
    """

    signal: Signal
    items: int
    received_unix_nano: int
    export_id: ExportId | None
    body: bytes
    tenant: str = ""

    def encode(self) -> bytes:
        """Its bytes in a segment."""
        tenant = self.tenant.encode()
        export_id = str(self.export_id).encode() if self.export_id else b""
        head = _HEAD.pack(self.signal, len(tenant), len(export_id), self.items, self.received_unix_nano)
        head += tenant + export_id
        crc = zlib.crc32(self.body, zlib.crc32(head))
        return b"".join((_FRAME.pack(len(head) + len(self.body), crc), head, self.body))


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
    signal, tenant_size, id_size, items, received = _HEAD.unpack_from(data, start)
    id_start = start + _HEAD.size + tenant_size
    body_start = id_start + id_size
    if body_start > end or signal not in _SIGNALS:
        return None
    try:
        tenant = data[start + _HEAD.size : id_start].decode("ascii")
        export_id = ExportId.parse(data[id_start:body_start].decode())
    except (ValueError, TypeError):
        return None
    return Record(Signal(signal), items, received, export_id, data[body_start:end], tenant)


def _is_torn(data: bytes, offset: int) -> bool:
    """Whether the rest is the beginning of one record: cut short, or at its full length with bytes never written."""
    if offset + _FRAME.size > len(data):
        return True
    length, _ = _FRAME.unpack_from(data, offset)
    return bool(offset + _FRAME.size + length >= len(data))
