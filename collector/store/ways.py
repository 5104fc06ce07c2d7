"""Which way a batch becomes rows, so that one in doubt goes the way it went before.

ClickHouse knows an insert again by its token, its table, and by whether it came in one block or in several. Rows that
the library made and rows that Python made are one and the same to it, as both are inserted in one; requests that it
decodes itself go to another table. So what was tried one way before a stop must not be tried another way after it,
though the library has come or gone meanwhile, or the collector was updated.
"""

from __future__ import annotations

import enum
import logging
import os
from typing import TYPE_CHECKING, Final

from collector.errors import SetupError, UndecodedError
from collector.native.library import load
from collector.spool.segment import ordinal, sync_folder
from collector.store.encoded import ENTRIES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from collector.native.library import Block, Decoder
    from collector.otlp.signals import Signal
    from collector.spool.plan import Batch
    from collector.spool.segment import Segment

log = logging.getLogger(__name__)

MIN_ENCODED_ITEMS: Final = 1_500
"""Items from which on ClickHouse decodes a batch, where it does. To set up the views takes it some 40 ms of processor
time for each insert, in which Python decodes as many. A change moves batches to the other way; one in doubt is then
stored twice."""


class Way(enum.Enum):
    """How a segment is stored. The value is written to the data folder."""

    ROWS = "rows"
    """Decoded here, by the library or in Python."""
    REQUESTS = "requests"
    """Decoded by ClickHouse where the batch is large enough, else here."""
    UNNOTED = ""
    """As before there was a note: by ClickHouse where the batch is large enough, else in Python, inserted in pieces."""


class Ways:
    """The way of each segment. What it reads and writes is small; for one thread."""

    def __init__(self, note: Path, now: Way, decoders: Mapping[Signal, Decoder], first_ordinal: int) -> None:
        """Read which way the last run went.

        Args:
            note: the file that says it; missing after a run of before there was one.
            now: the way of this run.
            decoders: of the library; empty where it is not there.
            first_ordinal: of the first segment that this run makes.

        Raises:
            OSError: the note cannot be read.
        """
        self._note = note
        self._decoders = decoders
        self._first_ordinal = first_ordinal
        self._now = now
        self._noted = Way(note.read_text(encoding="ascii").strip()) if note.exists() else Way.UNNOTED

    def of(self, segment: Segment) -> Way:
        """The way of a segment. Those of an earlier run, which come first, go its way; then the note is changed.

        Raises:
            OSError: the note cannot be written.
        """
        number = ordinal(segment.path.name)
        if self._noted is not self._now and number is not None and number >= self._first_ordinal:
            self._write()
            self._noted = self._now
        return self._noted

    def _write(self) -> None:
        written = self._note.with_suffix(".new")
        with written.open("w", encoding="ascii") as file:
            file.write(f"{self._now.value}\n")
            file.flush()
            os.fsync(file.fileno())
        written.replace(self._note)
        sync_folder(self._note.parent)

    def block(self, batch: Batch, way: Way) -> Block | None:
        """The rows of a batch, until the next are asked for; None where the library makes none of such.

        Raises:
            UndecodedError: the library does not make them of these.
        """
        decoder = self._decoders.get(batch.signal)
        if decoder is None or way is Way.UNNOTED:
            return None
        block = decoder.block(batch.bodies)
        if block is None:
            raise UndecodedError("an attribute is none that the library makes text of")
        return block

    def rest(self) -> None:
        """Give back what a large batch took."""
        for decoder in self._decoders.values():
            decoder.shrink()


def open_ways(note: Path, *, embedded: bool, first_ordinal: int) -> Ways:
    """The ways of this run, with the library where it is there.

    A server is sent large batches as the requests that came, which have a third of the size of their rows.

    Args:
        note: see :class:`Ways`, as with what it raises.
        embedded: whether the store is in this process.
        first_ordinal: see :class:`Ways`.
    """
    try:
        decoders = load()
    except SetupError as error:
        log.warning("decoding: %s; until then ClickHouse and Python decode, at twice the processor time", error)
        decoders = {}
    return Ways(note, Way.ROWS if embedded and decoders else Way.REQUESTS, decoders, first_ordinal)


def is_encoded(batch: Batch, way: Way) -> bool:
    """Whether ClickHouse is to decode a batch."""
    return way is not Way.ROWS and batch.signal in ENTRIES and batch.items >= MIN_ENCODED_ITEMS
