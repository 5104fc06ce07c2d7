"""Exact concurrency from busy intervals, and the limits that requests meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from emulator.errors import InvokeError

ACCOUNT_LIMIT_REASON: Final = "ConcurrentInvocationLimitExceeded"
RESERVED_LIMIT_REASON: Final = "ReservedFunctionConcurrentInvocationLimitExceeded"


def peak(intervals: Iterable[tuple[int, int]]) -> int:
    """How many half-open intervals [start, end) overlap at most. Those that only touch, or are empty, do not."""
    steps: dict[int, int] = {}
    for start, end in intervals:
        if start < end:
            steps[start] = steps.get(start, 0) + 1
            steps[end] = steps.get(end, 0) - 1
    level = highest = 0
    for at in sorted(steps):
        level += steps[at]
        highest = max(highest, level)
    return highest


@dataclass(slots=True)
class Limiter:
    """Counts what is under way and refuses what goes over a limit."""

    account_limit: int
    reserved: Mapping[str, int]
    """Function to reserved concurrency, which is that function's limit and taken from all others."""
    _running: dict[str, int] = field(default_factory=dict)

    def acquire(self, function: str) -> None:
        """Count a request in. Raises InvokeError (429 TooManyRequestsException) with Lambda's reason."""
        running = self._running.get(function, 0)
        if function in self.reserved:
            if running >= self.reserved[function]:
                raise too_many_requests(RESERVED_LIMIT_REASON)
        elif self._unreserved_running() >= self.account_limit - sum(self.reserved.values()):
            raise too_many_requests(ACCOUNT_LIMIT_REASON)
        self._running[function] = running + 1

    def release(self, function: str) -> None:
        """Count a request out."""
        self._running[function] -= 1

    def _unreserved_running(self) -> int:
        return sum(count for function, count in self._running.items() if function not in self.reserved)


def too_many_requests(reason: str) -> InvokeError:
    """Lambda's answer to a throttled request."""
    return InvokeError(
        429, "TooManyRequestsException", "Rate Exceeded.", message_key="message", Reason=reason, Type="User"
    )
