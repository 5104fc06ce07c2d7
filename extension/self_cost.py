"""What this extension costs its sandbox, as attributes of the spans that it sends anyway. Zeros are left out."""

from __future__ import annotations

import posix
from time import process_time_ns

from semconv import attributes as a
from semconv import phases

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from extension.spans import Attributes

_NS_PER_MS = 1_000_000
_PAGES_RESIDENT = 1


class SelfCost:
    """Measures this process when a span asks for it.

    Attributes:
        counts: says what was lost and what could not be understood so far, by attribute name.
        flush_ms: says how long the last flush took; 0 before there was one.
    """

    __slots__ = ("_page_bytes", "_ready_ms", "counts", "flush_ms")

    def __init__(self, ready_ns: int) -> None:
        """`ready_ns`: from the start of the process until the answer to its registration; 0 where it is not known."""
        self._ready_ms = round(ready_ns / _NS_PER_MS, 3)
        self._page_bytes = posix.sysconf("SC_PAGE_SIZE")
        self.counts: Callable[[], Mapping[str, int]] = dict
        self.flush_ms: Callable[[], float] = float

    def of_phase(self, phase: str) -> Attributes:
        """The attributes of a span of `phase`."""
        values: Attributes = {a.EXTENSION_CPU_MS: round(process_time_ns() / _NS_PER_MS, 1)}
        resident = self._resident_bytes()
        if resident:
            values[a.EXTENSION_RSS_BYTES] = resident
        if phase in {phases.INIT, phases.RESTORE}:
            if self._ready_ms > 0:
                values[a.EXTENSION_READY_MS] = self._ready_ms
            return values
        flush_ms = self.flush_ms()
        if flush_ms > 0:
            values[a.EXTENSION_FLUSH_MS] = round(flush_ms, 1)
        for name, count in self.counts().items():
            if count > 0:
                values[name] = count
        return values

    def _resident_bytes(self) -> int:
        try:
            fd = posix.open("/proc/self/statm", posix.O_RDONLY | posix.O_CLOEXEC)
        except OSError:
            return 0
        try:
            return int(posix.read(fd, 128).split()[_PAGES_RESIDENT]) * self._page_bytes
        except (OSError, ValueError, IndexError):
            return 0
        finally:
            posix.close(fd)
