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

import io
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from isal.isal_zlib import crc32  # zlib's, in a tenth of its time

from collector.otlp.signals import Signal

if TYPE_CHECKING:
    from typing import BinaryIO

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
        return b"".join(self.parts())

    def parts(self) -> tuple[bytes, bytes]:
        """Its bytes in a segment: what is before the body, and the body, which is not copied."""
        tenant = self.tenant.encode()
        export_id = str(self.export_id).encode() if self.export_id else b""
        head = _HEAD.pack(self.signal, len(tenant), len(export_id), self.items, self.received_unix_nano)
        head += tenant + export_id
        crc = crc32(self.body, crc32(head))
        return _FRAME.pack(len(head) + len(self.body), crc) + head, self.body


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
    return read(io.BytesIO(data), len(data))


def read(file: BinaryIO, size: int) -> Scan:
    """Read so many bytes of a segment from its beginning, tolerating any damage. Of a body nothing is copied twice.

    Raises:
        OSError: the file cannot be read.
    """
    magic = file.read(min(len(MAGIC), size))
    if magic != MAGIC:
        return Scan((), 0, size, torn=len(magic) == size and MAGIC.startswith(magic))
    records = []
    left = size - len(magic)
    torn = False
    while left:
        frame = file.read(min(_FRAME.size, left))
        if len(frame) < _FRAME.size:
            torn = True
            break
        length, crc = _FRAME.unpack(frame)
        # The beginning of one record: cut short, or at its full length with bytes that were never written.
        torn = _FRAME.size + length >= left
        record = _record(file, length, crc) if _HEAD.size <= length <= left - _FRAME.size else None
        if record is None:
            break
        records.append(record)
        left -= _FRAME.size + length
    return Scan(tuple(records), size - left, left, torn=left > 0 and torn)


def _record(file: BinaryIO, length: int, crc: int) -> Record | None:
    """The record of this length behind the frame; None where it is damaged."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    signal, tenant_size, id_size, items, received = _HEAD.unpack(head)
    body_size = length - _HEAD.size - tenant_size - id_size
    if body_size < 0 or signal not in _SIGNALS:
        return None
    names = file.read(tenant_size + id_size)
    body = file.read(body_size)
    if len(body) < body_size or crc32(body, crc32(names, crc32(head))) != crc:
        return None
    try:
        tenant = names[:tenant_size].decode("ascii")
        export_id = ExportId.parse(names[tenant_size:].decode())
    except (ValueError, TypeError):
        return None
    return Record(Signal(signal), items, received, export_id, body, tenant)
