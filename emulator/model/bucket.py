"""A quota that refills all the time and never holds more than one period's worth."""

from __future__ import annotations


class TokenBucket:
    """``capacity`` tokens per ``period_ns``, refilled continuously, never accrued beyond ``capacity``.

    "Lambda makes a best attempt to refill your concurrency scaling rate continuously over time" and "doesn't accrue
    unused portions" (Lambda's guide, "Lambda scaling behavior"). Whole numbers throughout: a level is counted in
    token-nanoseconds, so that no rounding can ever admit one request too many.
    """

    __slots__ = ("_at_ns", "_capacity", "_full", "_level", "_period_ns")

    def __init__(self, capacity: int, period_ns: int) -> None:
        self._capacity = capacity
        self._period_ns = period_ns
        self._full = capacity * period_ns
        self._level = self._full
        self._at_ns = 0

    def has_token(self, now_ns: int) -> bool:
        """Whether a token is there now. A clock that steps back refills nothing."""
        elapsed_ns = now_ns - self._at_ns
        if elapsed_ns > 0:
            self._at_ns = now_ns
            self._level = min(self._full, self._level + elapsed_ns * self._capacity)
        return self._level >= self._period_ns

    def take(self) -> None:
        """Use the token that :meth:`has_token` has just seen."""
        self._level -= self._period_ns
