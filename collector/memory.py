"""What memory is given back to the system, and what is kept.

Requests, segments and batches are blocks of some hundred kilobytes to some megabytes, made in one thread and released
in another. By its defaults, glibc serves such blocks, after the first of their size, from a heap for each thread, which
keeps what is released; the collector then grows for as long as the load lasts. Blocks of requests stay with the heaps,
of which there are two: as a mapping, each page of each request would be a page fault, a tenth of all processor time.

The embedded engine has an allocator of its own, jemalloc, which by ClickHouse's defaults gives back at once what is
larger than 64 MiB, and all else after five seconds. A large insert has such columns, and under load comes every few
seconds: it would be given its memory anew each time, page by page, which is dear on a virtual machine whose host takes
free memory back.
"""

from __future__ import annotations

import ctypes
from collections.abc import MutableMapping
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_BLOCK_BYTES: Final = 4 << 20
_KEPT_BYTES: Final = 32 << 20
_HEAPS: Final = 2

ENGINE_VARIABLE: Final = "JE_MALLOC_CONF"
"""Where the embedded engine's allocator reads its options when it is loaded (jemalloc(3), "TUNING")."""
_ENGINE_OPTIONS: Final = "oversize_threshold:0,dirty_decay_ms:10000"


def tune(environ: MutableMapping[str, str]) -> None:
    """Set both allocators up. Once, before threads are started and the engine is loaded.

    Args:
        environ: of this process. What a person says in it of the engine's allocator stays.
    """
    environ.setdefault(ENGINE_VARIABLE, _ENGINE_OPTIONS)
    _give_back()


def _give_back() -> None:
    """From now on large blocks are mappings of their own, which end with them.

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
