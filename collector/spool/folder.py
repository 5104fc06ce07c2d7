"""The data folder, which one collector at a time may have."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Final

from collector.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

LOCK: Final = "lock"


class DataFolder:
    """A data folder that is ours until :meth:`release` or the end of the process, however it ends."""

    def __init__(self, path: Path) -> None:
        """Make the folder where it is missing, and lock it.

        Raises:
            SetupError: it cannot be written, or another collector has it.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SetupError(f"data folder {path}: {(error.strerror or str(error)).lower()}") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise SetupError(f"data folder {path}: another collector uses it") from None

    def release(self) -> None:
        """Give it back."""
        os.close(self._descriptor)
