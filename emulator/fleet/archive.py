"""A generated fleet in a folder, to be sent as often as wanted: making it takes longer than storing it.

``traces.otlp.gz`` has trace requests, each after its length as a varint; ``deliveries.jsonl.gz`` Firehose's
bodies, a line each; ``truth.json`` the summary.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Final, Self, cast

from emulator.fleet.errors import ArchiveError
from emulator.metrics import Delivery
from emulator.metrics.protobuf import varint

_TRACES: Final = "traces.otlp.gz"
_DELIVERIES: Final = "deliveries.jsonl.gz"
_TRUTH: Final = "truth.json"
_FAST: Final = 1
"""gzip's level: most of the gain for a tenth of the time."""
_BROKEN: Final = (EOFError, OSError, zlib.error)


class ArchiveWriter:
    """Writes the streams as they are made. A context; the truth comes last, so that half an archive has none.

    Raises OSError where the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = ExitStack()

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / _TRUTH).unlink(missing_ok=True)
        self._traces = self._open(_TRACES)
        self._deliveries = self._open(_DELIVERIES)
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def traces(self, body: bytes) -> None:
        """A trace request."""
        self._traces.write(varint(len(body)) + body)

    def delivery(self, delivery: Delivery) -> None:
        """A Firehose delivery."""
        self._deliveries.write(delivery.body + b"\n")

    def finish(self, truth: dict[str, Any]) -> None:
        """The summary: the archive is whole."""
        self._files.close()
        (self._folder / _TRUTH).write_text(json.dumps(truth) + "\n", encoding="utf-8")

    def _open(self, name: str) -> BinaryIO:
        # Without a time in its header: the same fleet makes the same file.
        file = self._files.enter_context((self._folder / name).open("wb"))
        zipped = self._files.enter_context(gzip.GzipFile("", "wb", _FAST, file, mtime=0))
        return cast("BinaryIO", zipped)


class Archive:
    """Reads an archive. Raises ArchiveError where it is not there, not whole or broken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self.truth: dict[str, Any] = json.loads((folder / _TRUTH).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ArchiveError(f"--load {folder}: no whole archive ({error})") from error

    def traces(self) -> Iterator[bytes]:
        """The trace requests."""
        with self._open(_TRACES) as file:
            try:
                while (length := _varint_of(file)) is not None:
                    body = file.read(length)
                    if len(body) < length:
                        raise EOFError(f"a request of {length} bytes ends after {len(body)}")
                    yield body
            except _BROKEN as error:
                raise ArchiveError(f"{self._folder / _TRACES}: {error}") from error

    def deliveries(self) -> Iterator[Delivery]:
        """The Firehose deliveries, under the ids that they were made with."""
        with self._open(_DELIVERIES) as file:
            try:
                for line in file:
                    body = line.rstrip(b"\n")
                    yield Delivery(_request_id(body), body)
            except (*_BROKEN, ValueError) as error:
                raise ArchiveError(f"{self._folder / _DELIVERIES}: {error}") from error

    def _open(self, name: str) -> BinaryIO:
        try:
            return cast("BinaryIO", gzip.open(self._folder / name, "rb"))
        except OSError as error:
            raise ArchiveError(f"{self._folder / name}: {error.strerror}") from error


def _varint_of(file: BinaryIO) -> int | None:
    """The next length; None at the end."""
    value = shift = 0
    while byte := file.read(1):
        value |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            return value
    if shift:
        raise EOFError("ends amid a length")
    return None


def _request_id(body: bytes) -> str:
    """Out of the beginning, which :mod:`emulator.metrics.firehose` writes: a body may have many megabytes."""
    head = body[: body.index(b', "records"')] + b"}"
    return str(json.loads(head)["requestId"])
