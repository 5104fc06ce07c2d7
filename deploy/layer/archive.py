"""A zip file that is the same to the byte whenever its contents are the same."""

from __future__ import annotations

import os
import time
import zipfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_EARLIEST: Final = 315532800
"""1980-01-01, the first moment that a zip file can name, in seconds since the epoch."""

_UNIX, _REGULAR_FILE = 3, 0o100000


def moment(environ: Mapping[str, str] = os.environ) -> time.struct_time:
    """The time of everything in the archive: 1980-01-01, or SOURCE_DATE_EPOCH if that is later."""
    return time.gmtime(max(_EARLIEST, int(environ.get("SOURCE_DATE_EPOCH") or _EARLIEST)))


def write_zip(target: Path, files: Mapping[str, Path], environ: Mapping[str, str] = os.environ) -> None:
    """Write `files` (name in the archive to file) in the order of their names.

    Modes are 0755 for what is executable and 0644 for the rest. The time of all is 1980-01-01, or SOURCE_DATE_EPOCH
    (https://reproducible-builds.org/specs/source-date-epoch/). `target` appears whole or not at all.
    """
    partial = target.with_name(target.name + ".partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(partial, "w") as archive:
        for name, file in sorted(files.items()):
            entry = zipfile.ZipInfo(name, moment(environ)[:6])
            entry.create_system = _UNIX
            entry.external_attr = (_REGULAR_FILE | (0o755 if os.access(file, os.X_OK) else 0o644)) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes(), compresslevel=9)
    partial.replace(target)
