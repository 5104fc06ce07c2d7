"""The edge to the C code: bodies in, pieces of a block out. The interpreter is free for others meanwhile."""

from __future__ import annotations

import ctypes
import hashlib
import secrets
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from collector.errors import SetupError
from collector.otlp.logs import LOGS
from collector.otlp.signals import Signal
from collector.otlp.traces import TRACES
from collector.varint import varint

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator, Sequence

    from collector.otlp.batch import TableLayout

PATH: Final = Path(__file__).with_name("otlp.so")
"""The library, as ``python -m collector.native`` leaves it."""

MAX_BYTES: Final = 512 << 20
"""Memory that a decoder may take; a batch that needs more is left to Python. 50,000 spans take some 50 MiB."""

KEPT_BYTES: Final = 64 << 20
"""Memory that a decoder keeps from one batch to the next."""

LAYOUTS: Final = {Signal.TRACES: TRACES, Signal.LOGS: LOGS}
"""What is decoded here, and the columns that come of it. Points of metrics are decoded in Python."""


class _Piece(ctypes.Structure):
    _fields_ = (("at", ctypes.c_void_p), ("length", ctypes.c_uint64), ("column", ctypes.c_uint64))


class _Block(ctypes.Structure):
    _fields_ = (("rows", ctypes.c_uint64), ("piece_count", ctypes.c_uint64), ("pieces", ctypes.POINTER(_Piece)))


class _Batch(ctypes.Structure):
    _fields_ = (
        ("bodies", ctypes.POINTER(ctypes.c_char_p)),
        ("lengths", ctypes.POINTER(ctypes.c_size_t)),
        ("count", ctypes.c_size_t),
        ("seed", ctypes.c_uint64),
    )


class Block:
    """Rows of one table in ClickHouse's Native format (clickhouse.com/docs/interfaces/formats/Native).

    Attributes:
        rows: how many.
        layout: their table and its columns.
    """

    def __init__(self, block: _Block, layout: TableLayout) -> None:
        self.rows: int = block.rows
        self.layout = layout
        self._pieces = block.pieces[: block.piece_count]

    def write_to(self, memory: mmap.mmap) -> None:
        """Copy the block to the beginning of memory that is at least as large as :meth:`size`."""
        to = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for part in self._parts():
            if isinstance(part, bytes):
                ctypes.memmove(to, part, len(part))
                to += len(part)
            else:
                ctypes.memmove(to, part.at, part.length)
                to += part.length

    def size(self) -> int:
        """Of the block, in bytes."""
        return sum(len(part) if isinstance(part, bytes) else part.length for part in self._parts())

    def to_bytes(self) -> bytes:
        """The block."""
        return b"".join(
            part if isinstance(part, bytes) else ctypes.string_at(part.at, part.length) for part in self._parts()
        )

    def _parts(self) -> Iterator[bytes | _Piece]:
        """What is before and between the columns' data, and where that data is."""
        columns = iter(enumerate(self.layout.columns))
        yield varint(len(self.layout.columns)) + varint(self.rows)
        begun = -1
        for piece in self._pieces:
            while begun < piece.column:
                begun, (name, kind) = next(columns)
                yield _string(name) + _string(kind)
            yield piece


class Decoder:
    """Decodes requests of one signal, again and again in the same memory. For one thread at a time."""

    def __init__(self, library: ctypes.CDLL, signal: Signal) -> None:
        self._library = library
        self._signal = signal
        self._new = {Signal.TRACES: library.lambdascope_traces, Signal.LOGS: library.lambdascope_logs}[signal]
        self._decoder: int | None = None

    def block(self, bodies: Sequence[bytes]) -> Block | None:
        """The rows of the requests in the table's order, until the next are asked for; None: left to Python."""
        return self.block_at(bodies, [len(body) for body in bodies])

    def block_at(self, bodies: Sequence[Any], lengths: Sequence[int]) -> Block | None:
        """Likewise, of requests or, as numbers, of where they are in memory."""
        count = len(bodies)
        if self._decoder is None:
            self._decoder = self._new(MAX_BYTES)
        batch = _Batch(
            (ctypes.c_char_p * count)(*bodies),
            (ctypes.c_size_t * count)(*lengths),
            count,
            secrets.randbits(64),
        )
        block = self._library.lambdascope_read(self._decoder, ctypes.byref(batch)) if self._decoder else None
        if block:
            return Block(block.contents, LAYOUTS[self._signal])
        self.shrink()  # what the next batch may take must not depend on this one
        return None

    def shrink(self) -> None:
        """Give the memory back where it is more than is kept; it is taken anew when it is needed."""
        if self._decoder and self._library.lambdascope_bytes(self._decoder) > KEPT_BYTES:
            self._library.lambdascope_free(self._decoder)
            self._decoder = None


def sources() -> list[Path]:
    """What the library is built of."""
    return sorted(PATH.parent.glob("*.[ch]"))


@cache
def sources_digest() -> str:
    """Tells whether a library is of these sources."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def library(path: Path = PATH, kind: type[ctypes.CDLL] = ctypes.CDLL) -> ctypes.CDLL:
    """The library, by ctypes' way to call it.

    Raises:
        SetupError: it is not there, not of this machine's kind, or of another version.
    """
    try:
        found = kind(str(path))
        found.lambdascope_sources.restype = ctypes.c_char_p
        built_of = found.lambdascope_sources().decode("ascii")
    except (OSError, AttributeError) as error:
        raise SetupError(f"{path}: {error}; `python -m collector.native` builds it") from None
    if built_of != sources_digest():
        raise SetupError(f"{path}: it was built of other sources; `python -m collector.native` builds it")
    return found


def load(path: Path = PATH) -> dict[Signal, Decoder]:
    """A decoder for each signal of :data:`LAYOUTS`.

    Raises:
        SetupError: as :func:`library`.
    """
    found = library(path)
    for new in (found.lambdascope_traces, found.lambdascope_logs):
        new.argtypes = (ctypes.c_size_t,)
        new.restype = ctypes.c_void_p
    found.lambdascope_read.argtypes = (ctypes.c_void_p, ctypes.POINTER(_Batch))
    found.lambdascope_read.restype = ctypes.POINTER(_Block)
    found.lambdascope_bytes.argtypes = (ctypes.c_void_p,)
    found.lambdascope_bytes.restype = ctypes.c_size_t
    found.lambdascope_free.argtypes = (ctypes.c_void_p,)
    found.lambdascope_free.restype = None
    return {signal: Decoder(found, signal) for signal in LAYOUTS}


def _string(text: str) -> bytes:
    encoded = text.encode()
    return varint(len(encoded)) + encoded
