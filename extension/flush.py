"""When to flush, and how long to let an invocation wait for it. Pure: the time is an argument.

The choice is by traffic. Where invocations are rare, what is not sent at the end of one is late by minutes, or lost
with the sandbox: flush then, and wait for it. Where they are frequent, flush at the start of the next, beside its own
work, which prolongs nothing.

The wait is rationed. A collector that answers gets the patience it needs; one that failed gets none, and earns back a
few milliseconds with each invocation, so that an outage costs the customer next to nothing however long it lasts.
"""

from __future__ import annotations

from extension.setting_kinds import FLUSH_ADAPTIVE, FLUSH_END, FLUSH_PERIODIC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Health(Protocol):
        """What the plan needs to know of past exports."""

        failures: int
        last_failure_s: float
        not_before_s: float


_RING = 20
_DENSE_GAP_S = 60.0
_OVERLAPPED_PERIOD_S = 10.0
_URGENT_BYTES = 1 << 18
_FULL_PATIENCE_S = 2.0
_LEAST_PATIENCE_S = 0.1
_EARNED_PER_INVOCATION_S = 0.004
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 60.0
_MOST_SKIPPED = 32


class Plan:
    """What to do about one invocation.

    Attributes:
        now: flush at its start, beside its own work.
        at_end: flush at its end, and wait for that for `patience_s` at most.
    """

    __slots__ = ("at_end", "now", "patience_s")

    def __init__(self, *, now: bool, at_end: bool, patience_s: float) -> None:
        self.now = now
        self.at_end = at_end
        self.patience_s = patience_s


class FlushPlanner:
    """Plans the flushes of one sandbox."""

    __slots__ = (
        "_failures_seen",
        "_health",
        "_last_flush_s",
        "_mode",
        "_patience_s",
        "_period_s",
        "_since_failure",
        "_starts",
    )

    def __init__(self, mode: str, period_s: float, health: Health) -> None:
        """`mode`: FLUSH_ADAPTIVE, FLUSH_END or FLUSH_PERIODIC, the latter with `period_s`."""
        self._mode = mode
        self._period_s = period_s
        self._health = health
        self._starts: list[float] = []
        self._last_flush_s = 0.0
        self._patience_s = _FULL_PATIENCE_S
        self._failures_seen = 0
        self._since_failure = 0

    def on_invoke(self, now_s: float, queued_bytes: int) -> Plan:
        """Plan for an invocation that begins now (wall clock: the sandbox may have been frozen until now)."""
        self._starts = [*self._starts[-_RING + 1 :], now_s]
        self._count_since_failure()
        self._patience_s = min(self._patience_s + _EARNED_PER_INVOCATION_S, _FULL_PATIENCE_S)
        allowed = self._allowed(now_s)
        failing = self._health.failures > 0
        at_end = allowed and self._flushes_at_end() and self._patience_s >= _LEAST_PATIENCE_S
        due = queued_bytes > 0 and (failing or queued_bytes >= _URGENT_BYTES or self._period_passed(now_s))
        now = allowed and due and not at_end
        if now:
            self._last_flush_s = now_s
        return Plan(now=now, at_end=at_end, patience_s=self._patience_s)

    def waited(self, seconds: float, *, delivered: bool) -> None:
        """An invocation was prolonged by this much for a flush that `delivered` everything or did not."""
        self._patience_s = _FULL_PATIENCE_S if delivered else max(0.0, min(self._patience_s - seconds, 0.0))

    def _flushes_at_end(self) -> bool:
        if self._mode != FLUSH_ADAPTIVE:
            return self._mode == FLUSH_END
        if len(self._starts) < _RING:
            return True
        return (self._starts[-1] - self._starts[0]) / (_RING - 1) >= _DENSE_GAP_S

    def _period_passed(self, now_s: float) -> bool:
        period_s = self._period_s if self._mode == FLUSH_PERIODIC else _OVERLAPPED_PERIOD_S
        return not self._last_flush_s <= now_s < self._last_flush_s + period_s  # a clock set back counts as passed

    def _count_since_failure(self) -> None:
        if self._health.failures != self._failures_seen:
            self._failures_seen = self._health.failures
            self._since_failure = 0
        self._since_failure += 1

    def _allowed(self, now_s: float) -> bool:
        """Whether the back-off is over: by time and by invocations, or after the longest delay in any case."""
        failures = self._health.failures
        if failures == 0:
            return True
        if now_s < self._health.not_before_s:
            return False
        elapsed_s = now_s - self._health.last_failure_s
        delay_s = min(_FIRST_DELAY_S * 2 ** min(failures - 1, 16), _LONGEST_DELAY_S)
        skipped = min(2 ** min(failures - 1, 16), _MOST_SKIPPED)
        return (
            elapsed_s < 0 or elapsed_s >= _LONGEST_DELAY_S or (elapsed_s >= delay_s and self._since_failure >= skipped)
        )
