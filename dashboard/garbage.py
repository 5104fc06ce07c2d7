"""When this process looks for garbage: between what its viewers wait for. No Streamlit here."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from typing import Final

EVERY_S: Final = 5.0
"""It is looked for no more often than that, however many browsers draw."""


class Garbage:
    """Looks for garbage where Streamlit would at the end of every run, which takes 25 ms: what a run drew last is sent
    after that, and a click that leads to another page waits for it before that page is begun. Python looks for it by
    itself as well, more seldom. Safe to share between threads.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, collect: Callable[[], object] = gc.collect) -> None:
        """Args:
        clock: seconds that only grow.
        collect: looks for it.
        """
        self._clock = clock
        self._collect = collect
        self._lock = threading.Lock()
        self._next = clock()

    def idle(self) -> None:
        """Nobody waits now."""
        with self._lock:
            if self._clock() < self._next:
                return
            self._next = self._clock() + EVERY_S
        self._collect()
