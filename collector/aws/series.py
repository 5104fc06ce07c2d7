"""What CloudWatch is asked for, and what its answers mean. Pure.

A series is a metric under one set of dimensions. Each of its statistics is a query of its own and is billed as one, so
only those are asked for that the registry says have a meaning.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from collector.aws.config import MetricsConfig
from collector.cloudwatch.point import Point, dimension_set
from collector.cloudwatch.registry import METRICS, MetricInfo

NAMESPACE: Final = "AWS/Lambda"
MAX_QUERIES: Final = 500
"""Of one GetMetricData request."""
MAX_POINTS: Final = 100_800
"""Of one answer; more would come in pages."""
MINUTE_S: Final = 60
_DAY_S: Final = 86_400
_KEPT: Final = ((15 * _DAY_S, 60), (63 * _DAY_S, 300), (455 * _DAY_S, 3600))
"""CloudWatch keeps points of a minute for 15 days, of five minutes for 63 days, of an hour for 455 days."""
_CORE: Final = ("Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions")
_INFO: Final = {metric.metric_name: metric for metric in METRICS if metric.namespace == NAMESPACE}
_STATISTICS: Final = {"Sum": ("Sum",), "Maximum": ("Maximum",), "Average": ("Sum", "SampleCount")}
_MORE: Final = ("Minimum", "Maximum")
_FIELDS: Final = {"Sum": "sum", "Minimum": "min", "Maximum": "max", "SampleCount": "sample_count"}
_WITH_PERCENTILES: Final = frozenset({"Milliseconds"})

Dimensions = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """A metric under one set of dimensions, sorted by name."""

    metric_name: str
    dimensions: Dimensions


@dataclass(frozen=True, slots=True)
class Query:
    """One statistic of a series."""

    series: Series
    statistic: str


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time to ask for: whole periods, seconds since the epoch, the end not included."""

    start_s: int
    end_s: int
    period_s: int

    @property
    def points(self) -> int:
        """Of each query."""
        return (self.end_s - self.start_s) // self.period_s


def discovered(
    listed: Iterable[Mapping[str, Any]], new_functions: Iterable[str], config: MetricsConfig
) -> list[Series]:
    """The series to ask for.

    Args:
        listed: ``Metrics`` of ListMetrics.
        new_functions: those that are too new to be listed there; their basic series are asked for unseen.
        config: which sets of dimensions.
    """
    found: dict[str, dict[str, list[Series]]] = {}
    for metric in listed:
        name = str(metric["MetricName"])
        dimensions = tuple(sorted((str(one["Name"]), str(one["Value"])) for one in metric.get("Dimensions", [])))
        of_metric = found.setdefault(name, {})
        of_metric.setdefault(dimension_set(dict(dimensions)), []).append(Series(name, dimensions))
    chosen: set[Series] = set()
    for name, by_set in found.items():
        if name not in config.exclude:
            for wanted in _sets(name, by_set.keys(), config):
                chosen.update(by_set[wanted])
    for function in new_functions:
        chosen.update(Series(name, (("FunctionName", function),)) for name in _CORE if name not in config.exclude)
    return sorted(chosen)


def _sets(name: str, available: Iterable[str], config: MetricsConfig) -> list[str]:
    """Those that are configured; of a metric that has none of them the first that it has."""
    known = set(available)
    wanted = [one for one in config.dimension_sets if one in known]
    if wanted:
        return wanted
    info = _INFO.get(name)
    preferred = [one for one in info.dimension_sets if one in known] if info else []
    return preferred[:1] or sorted(known)[:1]


def queries(series: Iterable[Series], config: MetricsConfig) -> list[Query]:
    """Every statistic of them that is asked for."""
    return [Query(one, statistic) for one in series for statistic in statistics(_INFO.get(one.metric_name), config)]


def statistics(info: MetricInfo | None, config: MetricsConfig) -> tuple[str, ...]:
    """Of a metric; of one that the registry does not have, all basic ones."""
    if info is None:
        return ("Sum", "SampleCount", *_MORE)
    basic = [*_STATISTICS[info.statistic], *(one for one in _MORE if one in info.other_statistics)]
    percentiles = config.percentiles if info.unit in _WITH_PERCENTILES else ()
    return tuple(dict.fromkeys([*basic, *percentiles]))


def due(through_s: int, now_s: int, config: MetricsConfig) -> Window | None:
    """The minutes to ask for now: those that are finished, and those that may have changed since. None: nothing new."""
    end_s = (now_s - config.delay_s) // MINUTE_S * MINUTE_S
    if end_s <= through_s:
        return None
    start_s = min(through_s, end_s - (config.settle_s - config.delay_s) // MINUTE_S * MINUTE_S)
    return Window(max(start_s, end_s - _DAY_S), end_s, MINUTE_S)


def backfill(from_s: int, to_s: int, now_s: int) -> list[Window]:
    """Windows of a day each, the newest first, with the shortest period that CloudWatch still keeps for their time."""
    windows = []
    end_s = to_s // MINUTE_S * MINUTE_S
    while end_s > from_s:
        start_s = max(from_s // MINUTE_S * MINUTE_S, end_s - _DAY_S)
        age_s = now_s - start_s
        period_s = next((period for kept_s, period in _KEPT if age_s < kept_s), None)
        if period_s is None:
            break
        start_s = start_s // period_s * period_s
        windows.append(Window(start_s, -(-end_s // period_s) * period_s, period_s))
        end_s = start_s
    return windows


def batches(wanted: Sequence[Query], window: Window) -> Iterator[Sequence[Query]]:
    """As many queries per request as fit, so that the answer rarely needs a second page."""
    size = max(1, min(MAX_QUERIES, MAX_POINTS // max(1, window.points)))
    for first in range(0, len(wanted), size):
        yield wanted[first : first + size]


def request(batch: Sequence[Query], window: Window) -> dict[str, Any]:
    """Parameters of GetMetricData. The id of a query is its place in the batch."""
    return {
        "MetricDataQueries": [
            {
                "Id": f"q{index}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": NAMESPACE,
                        "MetricName": query.series.metric_name,
                        "Dimensions": [{"Name": name, "Value": value} for name, value in query.series.dimensions],
                    },
                    "Period": window.period_s,
                    "Stat": query.statistic,
                },
            }
            for index, query in enumerate(batch)
        ],
        "StartTime": datetime.fromtimestamp(window.start_s, UTC),
        "EndTime": datetime.fromtimestamp(window.end_s, UTC),
        "ScanBy": "TimestampAscending",
    }


def points(
    batch: Sequence[Query], results: Iterable[Mapping[str, Any]], period_s: int, account_id: str, region: str
) -> list[Point]:
    """Rows of lambda_metrics: the statistics of a series in a period put together.

    Where CloudWatch has no value, there is no row: whether nothing ran or nothing was asked is what the poller's
    progress tells.

    Args:
        batch: what was asked for.
        results: ``MetricDataResults`` of all pages; a query may be in several.
        period_s: of the window.
        account_id: whose points they are.
        region: likewise.
    """
    rows: dict[tuple[Series, int], dict[str, float]] = {}
    for result in results:
        query = batch[int(str(result["Id"])[1:])]
        for timestamp, value in zip(result["Timestamps"], result["Values"], strict=True):
            if math.isfinite(value):
                key = (query.series, int(timestamp.timestamp()))
                rows.setdefault(key, {})[query.statistic] = float(value)
    return [_point(series, time_s, values, period_s, account_id, region) for (series, time_s), values in rows.items()]


def _point(
    series: Series, time_s: int, values: Mapping[str, float], period_s: int, account_id: str, region: str
) -> Point:
    info = _INFO.get(series.metric_name)
    dimensions = dict(series.dimensions)
    basic = {field: values.get(statistic) for statistic, field in _FIELDS.items()}
    return Point(
        NAMESPACE,
        series.metric_name,
        dimensions,
        dimension_set(dimensions),
        time_s,
        period_s,
        basic["sum"],
        basic["min"],
        basic["max"],
        basic["sample_count"],
        {statistic: value for statistic, value in values.items() if statistic not in _FIELDS},
        info.unit if info else "None",
        account_id,
        region,
    )


def cost_usd(metrics_requested: int, config: MetricsConfig) -> float:
    """What GetMetricData is billed for them."""
    return metrics_requested / 1000 * config.usd_per_1000
