"""Asks in the background what somebody is likely to ask next, while nobody waits for anything. No Streamlit here.

One question at a time. It begins when all has been quiet for a moment, stops between two questions as soon
as somebody asks for something in earnest, and takes no more than a share of the time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from dashboard.errors import QueryError

LOG: Final = logging.getLogger(__name__)

QUIET_S: Final = 0.4
"""What comes in one go, such as the parts of a page, has pauses shorter than this."""
LOADS_S: Final = 5.0
"""So long a browser may take from when it asks for a page until it asks what is on it, and is waited for."""
DRAWS_S: Final = 5.0
"""So long a browser may take to draw what it was sent, until it says that it has."""
WORTH_S: Final = 60.0
"""A guess that was not asked in so long is forgotten: whoever it was for looks elsewhere by now."""
SAVED_S: Final = 120.0
"""Time that was not used is saved up to so much: enough for all that is guessed about a week of 300 functions."""
MOST_VIEWERS: Final = 64

Question = Callable[[], object]
Guess = Callable[[], Iterable[Question]]
"""What a guess consists of. It is worked out when its turn comes, and one question after the other."""


class Traffic:
    """Who is waiting for something right now, and since when nobody is."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Args:
        clock: seconds that only grow.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting = 0
        self._since = clock()
        self._draws_until = self._since

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Somebody waits, for as long as this lasts."""
        with self._lock:
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1
                self._since = self._clock()

    def seen(self) -> None:
        """Somebody has come, whose browser is busy: until it waits for something, or for :data:`LOADS_S`."""
        with self._lock:
            self._since = self._clock() + LOADS_S

    def draws(self) -> None:
        """Somebody has what they came for, and their browser draws it: until it says so, or for :data:`DRAWS_S`."""
        with self._lock:
            self._draws_until = self._clock() + DRAWS_S

    def drawn(self) -> None:
        """A browser has drawn. Whose is not told: where two draw at once, the first to be done speaks for both."""
        with self._lock:
            self._draws_until = min(self._draws_until, self._clock())

    def quiet_s(self) -> float:
        """For how many seconds nobody has waited for anything; 0 while somebody does, or a browser draws."""
        with self._lock:
            now = self._clock()
            return 0.0 if self._waiting or now < self._draws_until else max(now - self._since, 0.0)


class Budget:
    """A share of the time, which is saved up to a limit."""

    def __init__(self, share: float, saved_s: float = SAVED_S, clock: Callable[[], float] = time.monotonic) -> None:
        """Args:
        share: of the time, from 0 to 1.
        saved_s: at most so much is saved; so much is there at the beginning.
        clock: seconds that only grow.
        """
        self._share = share
        self._most_s = saved_s if share else 0.0
        self._clock = clock
        self._left_s = self._most_s
        self._at = clock()

    def left_s(self) -> float:
        """How many seconds may be spent now."""
        now = self._clock()
        self._left_s = min(self._most_s, self._left_s + (now - self._at) * self._share)
        self._at = now
        return self._left_s

    def spend(self, seconds: float) -> None:
        """Take so much from what is saved, and from what is yet to come where that is not enough."""
        self.left_s()
        self._left_s -= seconds


@dataclass(slots=True)
class _Viewer:
    guesses: deque[Guess]
    until: float
    present: Callable[[], bool]
    begun: Iterator[Question] | None = field(default=None)


class Lookahead:
    """The guesses of all viewers, each viewer's most likely one first, and what asks them."""

    def __init__(
        self,
        traffic: Traffic,
        budget: Budget,
        quiet_s: float = QUIET_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        traffic: tells when nobody waits.
        budget: for how long it may ask.
        quiet_s: for so long nobody must have waited.
        clock: seconds that only grow.
        """
        self.spent_s = 0.0
        """For how long it has asked."""
        self._traffic = traffic
        self._budget = budget
        self._quiet_s = quiet_s
        self._clock = clock
        self._viewers: OrderedDict[Hashable, _Viewer] = OrderedDict()
        self._changed = threading.Condition()

    def expect(self, viewer: Hashable, guesses: Iterable[Guess], present: Callable[[], bool] = lambda: True) -> None:
        """Replace what this viewer is expected to look at next.

        Args:
            viewer: tells one from another.
            guesses: the most likely first.
            present: whether the viewer is still there: for others nothing is asked.
        """
        with self._changed:
            self._forget(viewer)
            self._viewers[viewer] = _Viewer(deque(guesses), self._clock() + WORTH_S, present)
            self._viewers.move_to_end(viewer, last=False)
            while len(self._viewers) > MOST_VIEWERS:
                self._forget(next(reversed(self._viewers)))
            self._changed.notify()

    def dismiss(self, viewer: Hashable) -> None:
        """Ask nothing more for this viewer, who asks in earnest."""
        with self._changed:
            self._forget(viewer)

    def wake(self) -> None:
        """Look at once whether this is the time for the next question."""
        with self._changed:
            self._changed.notify()

    def step(self) -> float:
        """Ask one question if this is the time for it; in how many seconds it makes sense to come again."""
        question = None
        with self._changed:
            self._age()
            if not self._viewers:
                return WORTH_S
            wait_s = max(self._quiet_s - self._traffic.quiet_s(), 0.0)
            if self._budget.left_s() <= 0:
                wait_s = max(wait_s, 1.0)
            if wait_s > 0:
                return max(wait_s, 0.01)
            viewer, one = next(iter(self._viewers.items()))
        question = self._next(viewer, one)
        if question is not None:
            self._ask(viewer, question)
        return 0.0

    def _next(self, viewer: Hashable, one: _Viewer) -> Question | None:
        """The next question of the viewer whose turn it is; after the last one of a guess it is another's turn."""
        if one.begun is None:
            if not one.guesses:
                with self._changed:
                    self._drop(viewer, one)
                return None
            one.begun = iter(one.guesses.popleft()())
        question = next(one.begun, None)
        if question is None:
            one.begun = None
            with self._changed:
                if self._viewers.get(viewer) is one:
                    self._viewers.move_to_end(viewer)
        return question

    def _ask(self, viewer: Hashable, question: Question) -> None:
        began = self._clock()
        try:
            question()
        except QueryError as error:
            LOG.debug("what was asked ahead has no answer: %s", error)
            self.dismiss(viewer)  # who asks in earnest is told why
        finally:
            took_s = self._clock() - began
            self._budget.spend(took_s)
            self.spent_s += took_s

    def work(self) -> None:
        """Ask whatever is worth asking, for as long as the process lives."""
        while True:
            try:
                wait_s = self.step()
            except Exception:
                LOG.exception("asking ahead failed")
                with self._changed:
                    self._viewers.clear()
                continue
            if wait_s > 0:
                with self._changed:
                    self._changed.wait(wait_s)

    def _age(self) -> None:
        now = self._clock()
        for viewer in [viewer for viewer, one in self._viewers.items() if one.until <= now or not one.present()]:
            self._forget(viewer)

    def _forget(self, viewer: Hashable) -> None:
        self._viewers.pop(viewer, None)

    def _drop(self, viewer: Hashable, one: _Viewer) -> None:
        if self._viewers.get(viewer) is one:
            del self._viewers[viewer]
