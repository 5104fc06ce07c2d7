"""Segment files: made, appended to, synced, closed, found again after a crash. Blocking; runs in the spool's thread."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from collector.otlp.signals import Signal
from collector.spool.record import MAGIC, read, scan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from collector.spool.record import Scan

_NAME: Final = re.compile(r"([0-9]{20})-[0-9a-f]{16}")
SUFFIX: Final = ".segment"
_PARTS_AT_ONCE: Final = 1024
"""As many as Linux takes in one call (UIO_MAXIOV, writev(2))."""


def _no_items() -> dict[Signal, int]:
    return dict.fromkeys(Signal, 0)


@dataclass(slots=True)
class Segment:
    """A closed file of the spool. Nothing is added to it any more.

    Attributes:
        path: the file.
        size_bytes: its size.
        items: what it holds, per signal.
        since_unix_nano: when the first of its requests came.
    """

    path: Path
    size_bytes: int
    items: dict[Signal, int] = field(default_factory=_no_items)
    since_unix_nano: int = 0

    @property
    def record_bytes(self) -> int:
        """Size of its records."""
        return self.size_bytes - len(MAGIC)

    @property
    def name(self) -> str:
        """Unique for good: an ordinal that grows, and randomness, so that a spool made anew repeats no name."""
        return self.path.name.removesuffix(SUFFIX)

    def read(self) -> Scan:
        """Its records. Not what a failed write left behind them: that was not acknowledged, and may come again."""
        with self.path.open("rb") as file:
            return read(file, self.size_bytes)


def sync_folder(folder: Path) -> None:
    """Make creations and removals in the folder last through a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class SegmentWriter:
    """The one open segment. What :meth:`append` returned from is on disk."""

    def __init__(self, folder: Path, ordinal: int) -> None:
        self._folder = folder
        self.segment = Segment(folder / f"{ordinal:020d}-{secrets.token_hex(8)}{SUFFIX}", 0)
        self._descriptor = os.open(self.segment.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            self._write([MAGIC])
            sync_folder(folder)
        except OSError:
            self.discard()
            raise
        self.segment.size_bytes = len(MAGIC)

    def append(self, parts: Sequence[bytes], items: Mapping[Signal, int]) -> None:
        """Write and sync encoded records; after an error none of them is in the file.

        Args:
            parts: the records, in parts of any size.
            items: what they hold, per signal.

        Raises:
            OSError: not written. The segment must be closed: after a failed sync the page cache proves nothing.
        """
        try:
            written = self._write(parts)
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.segment.size_bytes)
            raise
        self.segment.size_bytes += written
        for signal, count in items.items():
            self.segment.items[signal] += count

    def _write(self, parts: Sequence[bytes]) -> int:
        """Write all of them where they are; returns their size."""
        size = 0
        for at in range(0, len(parts), _PARTS_AT_ONCE):
            some = parts[at : at + _PARTS_AT_ONCE]
            due = sum(map(len, some))
            written = os.writev(self._descriptor, some)
            if written < due:  # a disk that is about to be full, or more than two gigabytes
                rest = memoryview(b"".join(some))[written:]
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            size += due
        return size

    @property
    def empty(self) -> bool:
        """Whether it holds no record."""
        return self.segment.size_bytes <= len(MAGIC)

    def close(self) -> Segment | None:
        """The finished segment; None, and no file, where it holds nothing."""
        os.close(self._descriptor)
        if self.empty:
            self.segment.path.unlink(missing_ok=True)
            return None
        return self.segment

    def discard(self) -> None:
        """Close and remove it."""
        os.close(self._descriptor)
        self.segment.path.unlink(missing_ok=True)


@dataclass(slots=True)
class Recovery:
    """What a start found in the spool.

    Attributes:
        segments: closed segments with records, oldest first.
        torn_bytes: cut off from segments that a crash left unfinished; never acknowledged.
        damaged_bytes: cut off elsewhere and kept in ``damaged/``; may have been acknowledged.
        next_ordinal: for the next segment.
    """

    segments: list[Segment] = field(default_factory=list)
    torn_bytes: int = 0
    damaged_bytes: int = 0
    next_ordinal: int = 1


def ordinal(name: str) -> int | None:
    """The ordinal in a segment's file name; None for any other file."""
    match = _NAME.fullmatch(name.removesuffix(SUFFIX)) if name.endswith(SUFFIX) else None
    return int(match[1]) if match else None


def recover_one(path: Path, found: Recovery) -> Scan:
    """Cut off what is not intact, so that from now on the segment stays as it is."""
    result = scan(path.read_bytes())
    if result.bad_bytes:
        _cut(path, result, found)
    if result.records:
        segment = Segment(path, result.good_bytes, since_unix_nano=result.records[0].received_unix_nano)
        for record in result.records:
            segment.items[record.signal] += record.items
        found.segments.append(segment)
    else:
        path.unlink()
    return result


def _cut(path: Path, result: Scan, found: Recovery) -> None:
    if result.torn:
        found.torn_bytes += result.bad_bytes
    else:
        found.damaged_bytes += result.bad_bytes
        damaged = path.parent / "damaged"
        damaged.mkdir(exist_ok=True)
        (damaged / path.name).write_bytes(path.read_bytes()[result.good_bytes :])
    with path.open("rb+") as file:
        file.truncate(result.good_bytes)
        os.fsync(file.fileno())
