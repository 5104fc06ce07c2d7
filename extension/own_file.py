"""Files of ours in /tmp, which belongs to the function: whoever opens one there first finds out what it is."""

from __future__ import annotations

import posix

_CAREFULLY = posix.O_CLOEXEC | posix.O_NOFOLLOW | posix.O_NONBLOCK
_NEW = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_EXCL | _CAREFULLY
_TYPE_MASK, _REGULAR = 0o170000, 0o100000
_ONLY_OURS = 0o600


def create(path: str) -> int:
    """A descriptor of a new file, which only its owner can read.

    Raises:
        OSError: there is something of that name, or a file cannot be made.
    """
    return posix.open(path, _NEW, _ONLY_OURS)


def write(path: str, data: bytes) -> None:
    """Make a new file that holds this, or none at all.

    Raises:
        OSError: as :func:`create`, or there is no room for it.
    """
    fd = create(path)
    try:
        written = posix.write(fd, data)
    except OSError:
        remove(path)
        raise
    finally:
        posix.close(fd)
    if written != len(data):
        remove(path)
        raise OSError("no room for all of it")


def read(path: str, most_bytes: int) -> bytes:
    """All of a file, once it is certain that it is one of ours, and no larger than they are.

    Raises:
        OSError: there is none, or it is something else.
    """
    fd = posix.open(path, posix.O_RDONLY | _CAREFULLY)
    try:
        about = posix.fstat(fd)
        if about.st_mode & _TYPE_MASK != _REGULAR or about.st_uid != posix.geteuid() or about.st_nlink != 1:
            raise OSError("not a file of this extension")
        if about.st_size > most_bytes:
            raise OSError("larger than any of this extension")
        return posix.read(fd, about.st_size)
    finally:
        posix.close(fd)


def remove(path: str) -> None:
    """Remove a file, if there is one and it can be."""
    try:
        posix.unlink(path)
    except OSError:
        return  # not there, or not ours
