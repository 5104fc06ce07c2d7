"""Sums of a fleet's facts: what queries over the stored streams must find."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from typing import Any

from emulator.clock import NS_PER_S, rfc3339
from emulator.fleet.config import Fleet
from emulator.fleet.facts import Fact, Invocation, Shutdown, Throttle, UnwaitedInit

_US_PER_MS = 1000
_NS_PER_US = 1000
_NS_PER_MIN = 60 * NS_PER_S


class Peak:
    """The highest number of intervals at once, exactly, of intervals that come by their start.

    Intervals are half-open and in whole milliseconds, as docs/span-model.md counts concurrency: one that ends in the
    millisecond in which another begins does not overlap it, and one of no length counts nowhere.
    """

    __slots__ = ("_ends", "highest")

    def __init__(self) -> None:
        self.highest = 0
        self._ends: list[int] = []

    def add(self, start_ms: int, end_ms: int) -> None:
        """An interval, which must not start before the one before it."""
        ends = self._ends
        while ends and ends[0] <= start_ms:
            heapq.heappop(ends)
        if end_ms > start_ms:
            heapq.heappush(ends, end_ms)
            self.highest = max(self.highest, len(ends))


class FunctionTruth:
    """Sums of one function."""

    __slots__ = ("billed_ms", "cold_starts", "errors", "invocations", "iterator_age_ms_max", "peak", "throttles")

    def __init__(self) -> None:
        self.invocations = 0
        self.cold_starts = 0
        self.billed_ms = 0
        self.throttles = 0
        self.errors: Counter[str] = Counter()
        self.iterator_age_ms_max: int | None = None
        self.peak = Peak()

    def as_json(self) -> dict[str, Any]:
        """For the summary."""
        return {
            "invocations": self.invocations,
            "cold_starts": self.cold_starts,
            "billed_ms": self.billed_ms,
            "errors": dict(sorted(self.errors.items())),
            "throttles": self.throttles,
            "peak_concurrency": self.peak.highest,
            "iterator_age_ms_max": self.iterator_age_ms_max,
        }


class Truth:
    """Gathers sums while the fleet runs."""

    def __init__(self) -> None:
        self.functions: dict[str, FunctionTruth] = {}
        self.sandboxes = 0
        self.unwaited_inits = 0
        self.shutdowns: Counter[str] = Counter()
        self.throttles: Counter[str] = Counter()
        self._peak = Peak()

    def add(self, facts: Iterable[Fact]) -> None:
        """Count facts, in the order in which the simulation gives them."""
        for fact in facts:
            match fact:
                case Invocation():
                    self._invocation(fact)
                case Throttle():
                    self.throttles[fact.cause] += 1
                    self._function(fact.profile.name).throttles += 1
                case UnwaitedInit():
                    self.sandboxes += 1
                    self.unwaited_inits += 1
                case Shutdown():
                    self.shutdowns[fact.reason] += 1

    def summary(self, fleet: Fleet, start_us: int, end_us: int) -> dict[str, Any]:
        """Everything, as one JSON object."""
        functions = {name: self.functions[name].as_json() for name in sorted(self.functions)}
        return {
            "from": rfc3339(start_us * _NS_PER_US),
            "to": rfc3339(end_us * _NS_PER_US),
            "seed": fleet.seed,
            "invocations": sum(one["invocations"] for one in functions.values()),
            "cold_starts": sum(one["cold_starts"] for one in functions.values()),
            "sandboxes": self.sandboxes,
            "unwaited_inits": self.unwaited_inits,
            "shutdowns": dict(sorted(self.shutdowns.items())),
            "throttles": sum(self.throttles.values()),
            "throttles_by_cause": dict(sorted(self.throttles.items())),
            "peak_concurrency": self._peak.highest,
            "incidents": [_incident(one, start_us) for one in fleet.incidents],
            "functions": functions,
        }

    def _function(self, name: str) -> FunctionTruth:
        known = self.functions.get(name)
        if known is None:
            known = self.functions[name] = FunctionTruth()
        return known

    def _invocation(self, fact: Invocation) -> None:
        function = self._function(fact.sandbox.profile.name)
        function.invocations += 1
        function.billed_ms += fact.billed_ms
        if fact.init is not None:
            function.cold_starts += 1
            self.sandboxes += 1
        if fact.error_type is not None:
            function.errors[fact.error_type] += 1
        if fact.iterator_age_ms is not None:
            function.iterator_age_ms_max = max(function.iterator_age_ms_max or 0, fact.iterator_age_ms)
        start_ms, end_ms = fact.busy_start_us // _US_PER_MS, fact.end_us // _US_PER_MS
        function.peak.add(start_ms, end_ms)
        self._peak.add(start_ms, end_ms)


def _incident(incident: Any, start_us: int) -> dict[str, Any]:
    start_ns = start_us * _NS_PER_US + round(incident.start_h * 60) * _NS_PER_MIN
    end_ns = start_ns + round(incident.for_min) * _NS_PER_MIN
    return {
        "kind": incident.kind,
        "cause": incident.cause,
        "function": incident.function,
        "from": rfc3339(start_ns),
        "to": rfc3339(end_ns),
    }
