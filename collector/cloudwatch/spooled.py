"""Points in the spool, and as rows of lambda_metrics. Pure.

A delivery is read once, before its answer. What the spool holds is what was read, so that the same bytes give the same
rows whatever version of the collector stores them: a JSON array of the time of receipt in milliseconds and of the
points, each an array in the order of :class:`~collector.cloudwatch.point.Point`. Its floats are exact both ways.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from collector.cloudwatch.point import Point
from collector.otlp.batch import MAP, Rows, TableLayout

METRICS: Final = TableLayout(
    "lambda_metrics",
    (
        ("Namespace", "LowCardinality(String)"),
        ("MetricName", "LowCardinality(String)"),
        ("Dimensions", MAP),
        ("DimensionSet", "LowCardinality(String)"),
        ("Time", "DateTime"),
        ("PeriodS", "UInt32"),
        ("Sum", "Nullable(Float64)"),
        ("Min", "Nullable(Float64)"),
        ("Max", "Nullable(Float64)"),
        ("SampleCount", "Nullable(Float64)"),
        ("Quantiles", "Map(LowCardinality(String), Float64)"),
        ("Unit", "LowCardinality(String)"),
        ("AccountId", "LowCardinality(String)"),
        ("Region", "LowCardinality(String)"),
        ("IngestedAt", "DateTime64(3)"),
    ),
)
"""The columns of :class:`Point`, and when the collector got it."""


def encode(points: Sequence[Point], received_unix_nano: int) -> bytes:
    """A spool record's body."""
    return json.dumps([received_unix_nano // 1_000_000, points], separators=(",", ":")).encode()


def rows(bodies: Sequence[bytes]) -> Rows:
    """The rows of several bodies, in their order."""
    result = Rows(METRICS)
    for body in bodies:
        received_ms, points = json.loads(body)
        for column, values in zip(result.columns, zip(*points, strict=True), strict=False):
            column.extend(values)
        result.columns[-1].extend([received_ms] * len(points))
    return result
