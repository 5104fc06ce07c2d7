"""Figures over time: counts that add up, levels that do not, percentiles. And how many took how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import pandas as pd

from dashboard.charts import colours
from dashboard.charts.plot import Plot, Trace, duration_ticks, known, over, traces
from dashboard.timeaxis import Window

Colours = Mapping[str, str]

PERCENTILE_COLUMNS: Final = {"P50Ms": "p50", "P95Ms": "p95", "P99Ms": "p99"}
OUTCOMES: Final = {"succeeded": colours.SUCCEEDED, "failed": colours.FAILED}
AGE_TICKS_MS: Final = tuple(1000.0 * s for s in (1, 10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400))
LARGE_PX: Final = 280


def stacked_counts(frame: pd.DataFrame, window: Window, value: str, unit: str, by_colour: Colours) -> Plot:
    """Counts per bucket, one colour per function. The height of the stack is the total."""
    return replace(over(window, "stack", traces(frame, window, value, by_colour)), label=unit)


def concurrency(averages: pd.DataFrame, whole: pd.DataFrame, window: Window, by_colour: Colours) -> Plot:
    """Average concurrency per function, stacked: it adds up exactly. The lines are the exact peaks of the whole.

    A click on a bucket tells which.

    Args:
        averages: Bucket, FunctionName, Avg.
        whole: Bucket, Scope, Peak; one scope for each account and region.
        window: whose buckets they are.
        by_colour: the colour of each function.
    """
    scopes = [str(one) for one in whole["Scope"].unique()]
    names = {one: "peak" if len(scopes) == 1 else f"peak of {one}" for one in scopes}
    named = whole.assign(Scope=whole["Scope"].map(names))
    peaks = traces(named, window, "Peak", dict.fromkeys(names.values(), colours.ACCOUNT), "Scope")
    stack = traces(averages, window, "Avg", by_colour)
    return replace(over(window, "stack", stack), label="average", above=peaks, click=True, height=LARGE_PX)


def steps(frame: pd.DataFrame, window: Window, value: str, by_colour: Colours, limits: Sequence[float] = ()) -> Plot:
    """A level per series, as steps: each holds for its whole bucket, and they break where nothing is known."""
    return replace(over(window, "steps", traces(frame, window, value, by_colour)), limits=tuple(limits))


def ages(frame: pd.DataFrame, window: Window, by_colour: Colours) -> Plot:
    """Ages per series, in ms, on a logarithmic scale from a second up; a bucket without one is a gap."""
    shown = traces(frame.assign(AgeMs=frame["AgeMs"].astype(float).clip(lower=1000)), window, "AgeMs", by_colour)
    highest = max(known(shown), default=0.0)
    ticks = tuple(tick for tick in AGE_TICKS_MS if tick <= 2 * highest)
    return replace(over(window, "lines", shown), unit="ms", ticks=ticks)


def percentiles(frame: pd.DataFrame, window: Window) -> Plot:
    """p50, p95 and p99 of the duration per bucket; a bucket without invocations is a gap."""
    lines = tuple(
        line
        for column, name in PERCENTILE_COLUMNS.items()
        for line in traces(frame.assign(Name=name), window, column, {name: colours.PERCENTILES[name]}, "Name")
    )
    ticks = tuple(duration_ticks(min(known(lines)), max(known(lines))))
    return replace(over(window, "lines", lines), unit="ms", ticks=ticks)


def histogram(bins: pd.DataFrame) -> Plot:
    """How many took how long; bins grow by a constant factor.

    Args:
        bins: rows of invocations_histogram.sql.
    """
    first, last = int(bins["Bin"].min()), int(bins["Bin"].max())
    edges = tuple(10 ** (number / 8) for number in range(first, last + 2))
    counted = {
        (str(outcome), int(number)): float(invocations)
        for outcome, number, invocations in zip(bins["Outcome"], bins["Bin"], bins["Invocations"], strict=True)
    }
    stack = tuple(
        Trace(outcome, colour, tuple(counted.get((outcome, number), 0.0) for number in range(first, last + 1)))
        for outcome, colour in OUTCOMES.items()
    )
    ticks = tuple(duration_ticks(edges[0], edges[-1]))
    return Plot("stack", edges, stack, across="ms", across_ticks=ticks, label="invocations")
