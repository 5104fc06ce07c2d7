"""Giving memory back to the system.

Requests, segments and batches are blocks of some hundred kilobytes to some megabytes, made in one thread and released
in another. By its defaults, glibc serves such blocks, after the first of their size, from a heap for each thread, which
keeps what is released; the collector then grows for as long as the load lasts. Blocks of requests stay with the heaps,
of which there are two: as a mapping, each page of each request would be a page fault, a tenth of all processor time.
"""

from __future__ import annotations

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_BLOCK_BYTES: Final = 4 << 20
_KEPT_BYTES: Final = 32 << 20
_HEAPS: Final = 2


def give_back() -> None:
    """From now on large blocks are mappings of their own, which end with them. Once, before threads are started.

    Does nothing where the C library has no ``mallopt`` (mallopt(3); it is glibc's).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for parameter, value in (
        (_M_MMAP_THRESHOLD, _BLOCK_BYTES),  # set, it no longer follows the sizes that are released
        (_M_TRIM_THRESHOLD, _KEPT_BYTES),
        (_M_ARENA_MAX, _HEAPS),
    ):
        mallopt(parameter, value)
