"""Pieces of deliveries that cannot be stored, kept for people. Blocking.

One file per delivery, named by its request id, so that a repeat writes the same again. Each line is JSON: the request
id, the record's number, the reason, and the piece in base64.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from collector.cloudwatch.point import Fault
from collector.spool.segment import sync_folder

MAX_BYTES: Final = 64 << 20
"""All files together. A stream of something else altogether must not fill the disk that the spool needs."""


class Quarantine:
    """The files ``firehose-….ndjson`` in the quarantine folder."""

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._held_bytes = sum(path.stat().st_size for path in folder.glob("firehose-*.ndjson"))

    def keep(self, request_id: str, faults: Sequence[tuple[int, Fault]]) -> bool:
        """Write them and sync; False where they have no more room and are dropped.

        Raises:
            OSError: not written.
        """
        name = hashlib.sha256(request_id.encode(errors="surrogateescape")).hexdigest()[:32]
        path = self._folder / f"firehose-{name}.ndjson"
        content = b"".join(_line(request_id, index, fault) for index, fault in faults)
        with self._lock:
            before = path.stat().st_size if path.exists() else 0
            if self._held_bytes - before + len(content) > self._max_bytes:
                return False
            self._write(path, content)
            self._held_bytes += len(content) - before
        return True

    def _write(self, path: Path, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(self._folder)


def _line(request_id: str, index: int, fault: Fault) -> bytes:
    line = {
        "requestId": request_id,
        "record": index,
        "reason": fault.reason.value,
        "detail": fault.detail,
        "data": base64.b64encode(fault.data).decode(),
    }
    return json.dumps(line).encode() + b"\n"
