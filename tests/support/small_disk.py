"""A disk of its own for a test: ext4 in a file, that can be filled, be read-only, and be cut off like a power cable."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
from pathlib import Path
from typing import Self

_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32): include/uapi/linux/ext4.h
_WITHOUT_FLUSHING_THE_LOG = 2


class SmallDisk:
    """Needs root. ``with SmallDisk(folder, 64 << 20) as disk:`` has it mounted at ``disk.path``."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.path = folder / "disk"
        self._image = folder / "disk.img"
        self._size_bytes = size_bytes

    def __enter__(self) -> Self:
        self.path.mkdir()
        with self._image.open("wb") as file:
            file.truncate(self._size_bytes)
        subprocess.run(["mkfs.ext4", "-q", str(self._image)], check=True)
        self.mount()
        return self

    def __exit__(self, *_: object) -> None:
        self.unmount()

    def mount(self) -> None:
        """Mount it. On a device of its own: `mount -o loop` would take up one that was cut off and is still in use,
        by a namespace that somebody else made meanwhile.
        """
        found = ["losetup", "--find", "--show", str(self._image)]
        self._device = subprocess.run(found, check=True, capture_output=True, text=True).stdout.strip()
        subprocess.run(["mount", self._device, str(self.path)], check=True)

    def unmount(self) -> None:
        """Unmount it. Nobody may have a file open on it."""
        subprocess.run(["umount", str(self.path)], check=True)
        subprocess.run(["losetup", "--detach", self._device], check=True)

    def read_only(self, *, on: bool) -> None:
        """Make it read-only, or writable again. Nobody may have a file open for writing."""
        subprocess.run(["mount", "-o", f"remount,{'ro' if on else 'rw'}", str(self.path)], check=True)

    def fill(self) -> None:
        """Leave no block free."""
        with (self.path / "ballast").open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 4096)

    def empty(self) -> None:
        """Take away what :meth:`fill` put there."""
        (self.path / "ballast").unlink()

    def cut_off(self) -> None:
        """From now on nothing can be written or read, and what was not synced is gone at the next mount."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _WITHOUT_FLUSHING_THE_LOG))
        finally:
            os.close(descriptor)
