"""What was found for a viewer, kept for as long as others may be shown it. No Streamlit here."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

GUESSES: Final = 0.5
"""The part of the room that guesses may take which nobody has asked for."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """One answer."""

    value: T
    number: int
    """No other answer of these has it: whoever makes something of the answer may keep that under its number."""


@dataclass(slots=True)
class _Kept(Generic[T]):
    number: int
    until: float
    guessed: bool
    """Nobody has asked for it in earnest yet."""
    answer: Future[T] = field(default_factory=Future)
    nbytes: int = 0


class Answers(Generic[T]):
    """What any viewer asked, for all of them. Who asks for what is being asked already waits for that answer.

    All get the same object: whoever writes to it writes to a copy.
    """

    def __init__(
        self,
        most: int,
        most_bytes: int,
        size: Callable[[T], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep those that were used last.

        Args:
            most: keep at most so many.
            most_bytes: and no more than are so large together; the one that was found last is kept in any case.
            size: how many bytes one takes.
            clock: seconds that only grow.
        """
        self._most = most
        self._most_bytes = most_bytes
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept[T]] = OrderedDict()
        self._numbers = itertools.count()
        self.guesses = 0
        """How many were asked ahead."""
        self.guessed_right = 0
        """How many of them were then asked for in earnest."""
        self.asked = 0
        """How many were not there when they were asked for in earnest."""

    def get(self, key: Hashable, keep_s: float, ask: Callable[[], T], *, guess: bool = False) -> Answer[T]:
        """The answer of this key that is kept, or else a new one.

        Args:
            key: tells one question from another.
            keep_s: seconds for which a new one is kept.
            ask: finds it. What it raises goes to all who wait, and nothing is kept.
            guess: nobody waits for it yet. Guesses that nobody has asked for take a part of the room at most
                (:data:`GUESSES`), and are dropped before what somebody looked at.
        """
        with self._lock:
            found = self._kept.get(key)
            mine = found is None or found.until <= self._clock()
            if found is None or mine:
                found = self._kept[key] = _Kept(next(self._numbers), self._clock() + keep_s, guess)
                self.asked += not guess
                self.guesses += guess
                self._drop()
            elif found.guessed and not guess:
                found.guessed = False
                self.guessed_right += 1
            if mine or not guess:
                self._kept.move_to_end(key)
        if mine:
            self._find(key, found, ask)
        return Answer(found.answer.result(), found.number)

    def known(self, key: Hashable, *, guess: bool = False) -> Answer[T] | None:
        """The answer of this key, for somebody who would not wait for it; None where none is kept.

        Args:
            key: tells one question from another.
            guess: nobody looks at it yet.
        """
        with self._lock:
            found = self._kept.get(key)
            if found is None or found.until <= self._clock() or not found.answer.done():
                return None
            if not guess:
                self.guessed_right += found.guessed
                found.guessed = False
                self._kept.move_to_end(key)
            return Answer(found.answer.result(), found.number)

    @property
    def nbytes(self) -> int:
        """How large all that are kept are together."""
        with self._lock:
            return self._nbytes()

    def _nbytes(self) -> int:
        return sum(one.nbytes for one in self._kept.values())

    def _drop(self) -> None:
        now = self._clock()
        for key in [key for key, one in self._kept.items() if one.until <= now]:
            del self._kept[key]
        guesses = [key for key, one in self._kept.items() if one.guessed]
        guessed_bytes = sum(self._kept[key].nbytes for key in guesses)
        for at, key in enumerate(guesses):
            guessed_most = len(guesses) - at > self._most * GUESSES or guessed_bytes > self._most_bytes * GUESSES
            if not guessed_most and not self._too_many():
                break
            guessed_bytes -= self._kept.pop(key).nbytes
        while self._too_many():
            self._kept.popitem(last=False)

    def _too_many(self) -> bool:
        return len(self._kept) > self._most or (len(self._kept) > 1 and self._nbytes() > self._most_bytes)

    def _find(self, key: Hashable, mine: _Kept[T], ask: Callable[[], T]) -> None:
        try:
            value = ask()
            with self._lock:
                mine.nbytes = self._size(value)
                self._drop()
            mine.answer.set_result(value)
        except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            with self._lock:
                if self._kept.get(key) is mine:
                    del self._kept[key]
            mine.answer.set_exception(error)


def nbytes(value: Any) -> int:
    """About how many bytes something takes: frames, texts and numbers, and what consists of them."""
    if hasattr(value, "memory_usage"):
        return int(value.memory_usage(deep=True).sum())
    parts: Iterable[Any] = ()
    if isinstance(value, Mapping):
        parts = itertools.chain(value.keys(), value.values())
    elif isinstance(value, tuple | list | set | frozenset):
        parts = value
    else:
        parts = (getattr(value, name) for name in getattr(value, "__slots__", ()) if hasattr(value, name))
    return sys.getsizeof(value) + sum(nbytes(part) for part in parts)
