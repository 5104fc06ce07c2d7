"""The unprivileged user that functions and extensions run as, and whether it can read what it has to run."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SANDBOX_USER: Final = (993, 990)
"""User and group, the numbers of Lambda's own ``sbx_user1051``. They need no entry in /etc/passwd."""
_ENTER: Final = stat.S_IROTH | stat.S_IXOTH


def first_private(folder: Path, *, deep: bool) -> Path | None:
    """The first path that not everybody can read: the folder, or with ``deep`` something in it."""
    for path in _all_below(folder) if deep else (folder,):
        mode = path.stat().st_mode if path.exists() else _ENTER
        wanted = _ENTER if stat.S_ISDIR(mode) else stat.S_IROTH
        if mode & wanted != wanted:
            return path
    return None


def _all_below(folder: Path) -> Iterator[Path]:
    yield folder
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(parent, name)
