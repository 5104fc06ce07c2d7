"""Layers as Lambda lays them out: merged in order into one folder that becomes /opt."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from emulator import wire
from emulator.errors import StartupError


def merge(layers: tuple[Path, ...], target: Path) -> None:
    """Copy or unpack layers, folders or zip archives, over one another. Modes and symbolic links are kept.

    Raises StartupError that names the layer.
    """
    target.mkdir(parents=True)
    for layer in layers:
        if layer.is_dir():
            shutil.copytree(layer, target, symlinks=True, dirs_exist_ok=True)
        elif layer.is_file():
            _unpack(layer, target)
        else:
            raise StartupError(f"layer {layer} does not exist")


def _unpack(archive: Path, target: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                _unpack_entry(opened, entry, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise StartupError(f"layer {archive}: {error or 'is cut off'}") from error


def _unpack_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    mode = entry.external_attr >> 16
    if not stat.S_ISLNK(mode):
        path = Path(archive.extract(entry, target))
        if mode and not entry.is_dir():
            path.chmod(stat.S_IMODE(mode))
        return
    place = target / entry.filename
    if not place.resolve().is_relative_to(target.resolve()):
        raise OSError(f"{entry.filename} lies outside the layer")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(archive.read(entry).decode())


def external_extensions(layer: Path) -> tuple[str, ...]:
    """The names of the external extensions: executable regular files of ``extensions``, in the order of their names."""
    folder = layer / "extensions"
    if (layer / wire.DISABLE_EXTENSIONS_FILE).exists() or not folder.is_dir():
        return ()
    files = (entry for entry in folder.iterdir() if entry.is_file() and os.access(entry, os.X_OK))
    return tuple(sorted(entry.name for entry in files))
