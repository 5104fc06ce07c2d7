"""Samples into minutes: what CloudWatch makes of the platform's events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from emulator.clock import NS_PER_S
from emulator.metrics.catalogue import METRICS, Metric
from emulator.metrics.points import PERIOD_NS, Dimensions, MetricPoint


@dataclass(frozen=True, slots=True)
class Target:
    """What a request addressed."""

    function: str
    alias: str | None = None
    """Alias or version of the ARN that was invoked; None for the bare function."""
    executed_version: str | None = None
    """The version that an alias led to."""

    @property
    def resource(self) -> str:
        """The dimension Resource."""
        return self.function if self.alias is None else f"{self.function}:{self.alias}"

    def dimensions(self, metric: Metric) -> Iterator[Dimensions]:
        """The dimensions under which a sample of this metric is published."""
        function, resource, sets = ("FunctionName", self.function), ("Resource", self.resource), metric.sets
        if "R" in sets and metric.adds_up:
            yield ()
        if "F" in sets:
            yield (function,)
        if "FR" in sets:
            yield (function, resource)
        if "FRE" in sets and self.executed_version is not None:
            yield (function, resource, ("ExecutedVersion", self.executed_version))


@dataclass(frozen=True, slots=True)
class Mapping:
    """An event source mapping, whose metrics have its UUID as their only dimension."""

    uuid: str

    def dimensions(self, metric: Metric) -> Iterator[Dimensions]:
        """As for a target."""
        if "E" in metric.sets:
            yield (("EventSourceMappingUUID", self.uuid),)


@dataclass(frozen=True, slots=True)
class Account:
    """The region as a whole: no dimensions."""

    def dimensions(self, metric: Metric) -> Iterator[Dimensions]:
        """As for a target."""
        if "R" in metric.sets:
            yield ()


ACCOUNT: Final = Account()
Source = Target | Mapping | Account


class _Statistics:
    __slots__ = ("count", "maximum", "minimum", "total")

    def __init__(self, value: float) -> None:
        self.count = 1
        self.total = self.minimum = self.maximum = value

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        if value > self.maximum:
            self.maximum = value
        elif value < self.minimum:
            self.minimum = value

    def merge(self, other: _Statistics) -> None:
        self.count += other.count
        self.total += other.total
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)

    def copy(self) -> _Statistics:
        copy = _Statistics(self.total)
        copy.count, copy.minimum, copy.maximum = self.count, self.minimum, self.maximum
        return copy


class _Minute:
    """Samples of a minute, as they were told; dimension sets are made of them when the minute is published."""

    __slots__ = ("cells", "changed")

    def __init__(self) -> None:
        self.cells: dict[tuple[str, Source], _Statistics] = {}
        self.changed: dict[tuple[str, Source], None] = {}
        """Since the minute was last published. A dictionary, whose order does not depend on the process as a set's."""


class _Level:
    """A quantity that lasts until it changes, such as concurrency."""

    __slots__ = ("minute", "value")

    def __init__(self, minute: int) -> None:
        self.minute = minute
        self.value = 0.0


class MetricAggregator:
    """Gathers samples and gives out the points of minutes that are over.

    Points of an invocation are stamped with its start, as AWS does, so a long one changes a minute that was published
    long ago; those of its points are then published again, whole.

    Args:
        delay_s: how long after a minute's end it is published. AWS needs two to three minutes.
        keep_s: how long a minute can still change; 15 minutes is the longest invocation.
    """

    def __init__(self, delay_s: float = 120.0, keep_s: float = 1800.0) -> None:
        self.too_late = 0
        """Samples of minutes that are no longer kept."""
        self._delay_ns = round(delay_s * NS_PER_S)
        self._keep_ns = round(keep_s * NS_PER_S)
        self._minutes: dict[int, _Minute] = {}
        self._oldest = 0
        self._levels: dict[tuple[str, Source], _Level] = {}

    def sample(self, metric: str, source: Source, at_ns: int, value: float) -> None:
        """Add a sample to the minute of ``at_ns``. Raises KeyError for a metric that the catalogue does not have."""
        number = at_ns // PERIOD_NS
        minute = self._minutes.get(number)
        if minute is None:
            if number < self._oldest:
                self.too_late += 1
                return
            minute = self._minutes[number] = _Minute()
        key = (metric, source)
        minute.changed[key] = None
        statistics = minute.cells.get(key)
        if statistics is None:
            METRICS[metric]  # an unknown name is an error here, not when the minute is published
            minute.cells[key] = _Statistics(value)
        else:
            statistics.add(value)

    def invocation(
        self, target: Target, start_ns: int, *, duration_ms: float, post_runtime_ms: float | None, failed: bool
    ) -> None:
        """A request that ran. Errors and Throttles get a sample of every request, so that their averages are rates."""
        self.sample("Invocations", target, start_ns, 1)
        self.sample("Errors", target, start_ns, 1 if failed else 0)
        self.sample("Throttles", target, start_ns, 0)
        self.sample("Duration", target, start_ns, duration_ms)
        if post_runtime_ms is not None:
            self.sample("PostRuntimeExtensionsDuration", target, start_ns, post_runtime_ms)

    def throttle(self, target: Target, at_ns: int) -> None:
        """A request that was answered with 429. It is neither an invocation nor an error."""
        self.sample("Throttles", target, at_ns, 1)

    def level(self, metric: str, source: Source, at_ns: int, value: float, *, sampled: bool) -> None:
        """Say that a quantity has a new value.

        A value that lasts into a minute counts there too; a minute through which it was 0 gets no point.

        Args:
            metric: its name.
            source: whose.
            at_ns: when; never before the last time that was told for it.
            value: the new one.
            sampled: whether it makes a sample. CloudWatch samples concurrency when an invocation begins.
        """
        level = self._levels.get((metric, source))
        if level is None:
            level = self._levels[metric, source] = _Level(at_ns // PERIOD_NS)
        self._carry(metric, source, level, at_ns // PERIOD_NS)
        level.value = value
        if sampled:
            self.sample(metric, source, at_ns, value)

    def flush(self, now_ns: int, *, unfinished: bool = False) -> list[MetricPoint]:
        """The points to publish now: of minutes that ended ``delay_s`` ago or earlier and changed since.

        Args:
            now_ns: the time.
            unfinished: publish the others too. They are published again when they have changed.
        """
        for (metric, source), level in self._levels.items():
            self._carry(metric, source, level, now_ns // PERIOD_NS)
        points = []
        for number in sorted(self._minutes):
            minute = self._minutes[number]
            end_ns = (number + 1) * PERIOD_NS
            if end_ns + self._delay_ns > now_ns and not unfinished:
                break
            if minute.changed:
                points += _points(number * PERIOD_NS, minute)
                minute.changed.clear()
            if end_ns + self._keep_ns <= now_ns:
                del self._minutes[number]
                self._oldest = number + 1
        return points

    def _carry(self, metric: str, source: Source, level: _Level, minute: int) -> None:
        while level.minute < minute:
            level.minute += 1
            if level.value == 0:
                level.minute = minute
            else:
                self.sample(metric, source, level.minute * PERIOD_NS, level.value)


def _points(start_ns: int, minute: _Minute) -> list[MetricPoint]:
    """The points that changed, each made of all the samples that belong to it."""
    merged: dict[tuple[str, Dimensions], _Statistics | None] = {
        (metric, dimensions): None for metric, source in minute.changed for dimensions in _dimensions(metric, source)
    }
    for (metric, source), statistics in minute.cells.items():
        for dimensions in _dimensions(metric, source):
            key = (metric, dimensions)
            known = merged.get(key, statistics)
            if known is None:
                merged[key] = statistics.copy()
            elif known is not statistics:
                known.merge(statistics)
    return [
        MetricPoint(metric, dimensions, start_ns, one.count, one.total, one.minimum, one.maximum)
        for (metric, dimensions), one in merged.items()
        if one is not None
    ]


@lru_cache(maxsize=262_144)
def _dimensions(metric: str, source: Source) -> tuple[Dimensions, ...]:
    return tuple(source.dimensions(METRICS[metric]))
