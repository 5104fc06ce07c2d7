"""Memory that the embedded engine reads as a file, for blocks that the library has made.

A temporary file would be copied to pages that the system finds anew for each insert, which on a virtual machine
can take longer than the insert's own reading. These are the same pages each time.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collector.native.library import Block

KEPT_BYTES: Final = 96 << 20
"""Memory that is kept from one block to the next. 50,000 spans take some 60 MiB."""


class Handover:
    """One block at a time. For one thread."""

    def __init__(self) -> None:
        """Raises OSError: the system has no such memory (memfd_create(2))."""
        self._descriptor = os.memfd_create("lambdascope-block", os.MFD_CLOEXEC)
        self._memory: mmap.mmap | None = None

    @property
    def path(self) -> str:
        """Where this process finds it."""
        return f"/proc/self/fd/{self._descriptor}"

    def put(self, block: Block) -> None:
        """Make the block what the file holds, and all of it."""
        size = block.size()
        os.ftruncate(self._descriptor, size)
        if self._memory is None or len(self._memory) < size:
            self._forget()
            self._memory = mmap.mmap(self._descriptor, size)
        block.write_to(self._memory)

    def rest(self) -> None:
        """Give back what a large block took. The file's content is gone."""
        if self._memory is not None and len(self._memory) > KEPT_BYTES:
            self._forget()
            os.ftruncate(self._descriptor, 0)

    def _forget(self) -> None:
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def close(self) -> None:
        """Release it."""
        self._forget()
        os.close(self._descriptor)
