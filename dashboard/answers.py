"""Results of queries, kept for as long as they may be shown. No Streamlit here."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass

import pandas as pd

Ask = Callable[[], pd.DataFrame]


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: Future[pd.DataFrame]
    until: float


class Answers:
    """What any viewer asked, for all of them. Who asks for what is being asked already waits for that answer.

    An answer is handed out as a shallow copy, which pandas copies in earnest where somebody writes to it: a week of
    hundreds of functions is some megabytes, which to unpack at every change of a filter took longer than to draw them.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep at most so many, those that were used last."""
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    def get(self, key: Hashable, keep_s: float, ask: Ask) -> pd.DataFrame:
        """The answer of this key that is kept, or else a new one.

        Args:
            key: tells one question from another.
            keep_s: seconds for which a new one is kept.
            ask: finds it. What it raises goes to all who wait, and nothing is kept.
        """
        with self._lock:
            found = self._kept.get(key)
            mine = found is None or found.until <= self._clock()
            if found is None or mine:
                found = self._kept[key] = _Kept(Future(), self._clock() + keep_s)
                self._drop()
            self._kept.move_to_end(key)
        if mine:
            self._find(key, found, ask)
        return found.answer.result().copy(deep=False)

    def _drop(self) -> None:
        now = self._clock()
        for key in [key for key, one in self._kept.items() if one.until <= now]:
            del self._kept[key]
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def _find(self, key: Hashable, mine: _Kept, ask: Ask) -> None:
        try:
            mine.answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            with self._lock:
                if self._kept.get(key) is mine:
                    del self._kept[key]
            mine.answer.set_exception(error)
