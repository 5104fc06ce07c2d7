"""Requests that ClickHouse refused for good, one to a file: kept, listed, shown and stored again. Blocking."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from google.protobuf import json_format

from collector.errors import SetupError
from collector.otlp.decode import decode, parse
from collector.otlp.signals import PROTOCOLS
from collector.spool.record import MAGIC, scan
from collector.spool.segment import SUFFIX, sync_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from collector.spool.record import Record
    from collector.store.inserter import Store


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the quarantine.

    Attributes:
        token: that of the insert that was refused.
        table: what refused it; the request's rows in other tables are stored.
    """

    path: Path
    token: str
    table: str
    record: Record

    @property
    def name(self) -> str:
        """What people call it by."""
        return self.path.name.removesuffix(SUFFIX)

    @property
    def line(self) -> str:
        """For a list: name, signal, items, size, time of arrival, and the layer's number and sandbox where known."""
        record = self.record
        received = datetime.fromtimestamp(record.received_unix_nano // 10**9, UTC).isoformat()
        export_id = str(record.export_id or "-")
        return f"{self.name}\t{record.signal.label}\t{record.items}\t{len(record.body)}\t{received}\t{export_id}"

    @property
    def content(self) -> str:
        """The request as JSON, ids in base64."""
        if self.record.signal not in PROTOCOLS:
            return self.record.body.decode(errors="replace")
        return json_format.MessageToJson(parse(self.record.signal, self.record.body))


def keep(folder: Path, record: Record, token: str, table: str) -> None:
    """Write a refused request to the folder and sync it. Again, it changes nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{token}-{table}{SUFFIX}").open("wb") as file:
        file.write(MAGIC + record.encode())
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)


def read(folder: Path, names: Sequence[str] = ()) -> list[Kept]:
    """What is kept, in the order of its refusal, or the named ones of it.

    Raises:
        SetupError: one of the names is not there.
    """
    found = {kept.name: kept for path in sorted(folder.glob(f"*{SUFFIX}")) for kept in _read(path)}
    for name in names:
        if name not in found:
            raise SetupError(f"quarantine {folder}: there is no {name}")
    return [found[name] for name in names] if names else list(found.values())


def _read(path: Path) -> list[Kept]:
    """Of one file; none where it was not written to its end, which only a crash leaves: its batch is in the spool."""
    token, _, table = path.name.removesuffix(SUFFIX).rpartition("-")
    return [Kept(path, token, table, record) for record in scan(path.read_bytes()).records]


def replay(kept: Kept, store: Store) -> None:
    """Store its rows in the table that refused them, and remove the file. After a crash, a second one changes nothing.

    Raises:
        StoreError: not stored; the file stays.
    """
    for rows in decode(kept.record.signal, [kept.record.body]):
        if rows.layout.table == kept.table:
            store.insert(rows, kept.token, kept.record.tenant)
    kept.path.unlink()
    sync_folder(kept.path.parent)
