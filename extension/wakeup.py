"""A wake-up call between two threads, out of a bare lock: ``threading`` costs 6 ms to import."""

from __future__ import annotations

from _thread import allocate_lock


class WakeUp:
    """Any thread may call; one thread waits. A call that comes before the wait is not lost; several count as one."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._lock.acquire()

    def call(self) -> None:
        """Wake the waiting thread, or the next one to wait."""
        try:
            self._lock.release()
        except RuntimeError:  # called before, and not yet heard
            return

    def wait(self, timeout_s: float | None) -> bool:
        """Wait for a call; False where the time was up before one came. None waits for ever."""
        if timeout_s is None:
            return self._lock.acquire()
        return self._lock.acquire(timeout=timeout_s) if timeout_s > 0 else self._lock.acquire(blocking=False)
