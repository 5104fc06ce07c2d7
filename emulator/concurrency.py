"""Exact concurrency from busy intervals."""

from __future__ import annotations

from collections.abc import Iterable


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
