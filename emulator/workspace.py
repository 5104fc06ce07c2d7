"""The folders of one run of the emulator, and those that a killed run has left behind."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

from emulator import layers

_PREFIX: Final = "lambdascope-emulator-"
_NAME: Final = re.compile(_PREFIX + r"(?P<pid>[0-9]+)-.+")


class Workspace:
    """A temporary folder with the merged layers and the sandboxes' own folders."""

    def __init__(self) -> None:
        remove_abandoned(Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self.mount_point = self.folder / "root"
        self.sandboxes = self.folder / "sandboxes"
        self.mount_point.mkdir()
        self.sandboxes.mkdir()
        self.folder.chmod(0o755)
        self._merged: dict[tuple[Path, ...], Path] = {}

    def merged_layer(self, paths: tuple[Path, ...]) -> Path:
        """The folder that a function with these layers sees at /opt. Raises StartupError."""
        if paths not in self._merged:
            target = self.folder / "layers" / str(len(self._merged))
            layers.merge(paths, target)
            self._merged[paths] = target
        return self._merged[paths]

    def remove(self) -> None:
        """Remove everything. May be called twice."""
        shutil.rmtree(self.folder, ignore_errors=True)


def remove_abandoned(folder: Path) -> None:
    """Remove the folders of runs whose process is no more: they were killed."""
    for entry in folder.iterdir():
        match = _NAME.fullmatch(entry.name)
        if match is not None and not Path(f"/proc/{match['pid']}").exists():
            with contextlib.suppress(OSError):
                shutil.rmtree(entry)
