"""Figures over time: counts that add up, levels that do not, percentiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import altair as alt
import pandas as pd

from dashboard.charts import base, colours
from dashboard.timeaxis import Window

Colours = Mapping[str, str]

DURATION_LABEL: Final = (
    "datum.value >= 60000 ? format(datum.value / 60000, '~g') + ' min'"
    " : datum.value >= 1000 ? format(datum.value / 1000, '~g') + ' s' : format(datum.value, '~g') + ' ms'"
)
"""Vega expression that writes milliseconds with the unit that fits."""

CLICKED: Final = "clicked"
"""Name of the parameter of a chart that holds the bucket that was clicked."""

PERCENTILE_COLUMNS: Final = {"P50Ms": "p50", "P95Ms": "p95", "P99Ms": "p99"}


def stacked_counts(frame: pd.DataFrame, window: Window, value: str, unit: str, by_colour: Colours) -> alt.LayerChart:
    """Counts per bucket, one colour per function. The height of the stack is the total."""
    return base.layered(window, [_blocks(frame, value, unit, by_colour)])


def concurrency(
    averages: pd.DataFrame, whole: pd.DataFrame, window: Window, by_colour: Colours
) -> tuple[alt.LayerChart, str]:
    """Average concurrency per function, stacked: it adds up exactly. The line is the exact peak of the whole.

    Returns:
        The chart, and the name of its parameter that holds the bucket that was clicked.
    """
    tooltip = [
        *base.when(),
        alt.Tooltip("Peak:Q", title="peak"),
        alt.Tooltip("Avg:Q", title="average", format=".2f"),
    ]
    line = (
        alt.Chart(closed(whole, "Scope"))
        .mark_line(interpolate="step-after", strokeWidth=1.8, color=colours.ACCOUNT)
        .encode(x=base.time_x(), y=base.value_y("Peak"), detail="Scope:N")
    )
    targets = (
        alt.Chart(whole)
        .mark_rect(opacity=0.001, cursor="pointer")
        .encode(x=base.time_x(), x2="BucketEnd:T", tooltip=tooltip)
        .add_params(alt.selection_point(name=CLICKED, fields=["Bucket"], on="click"))
    )
    blocks = _blocks(averages, "Avg", "average", by_colour)
    return base.layered(window, [blocks, line, targets], height=280), CLICKED


def steps(frame: pd.DataFrame, window: Window, value: str, unit: str, by_colour: Colours) -> alt.LayerChart:
    """A level per function, as steps: each holds for its whole bucket."""
    line = (
        alt.Chart(closed(frame, "FunctionName"))
        .mark_line(interpolate="step-after", strokeWidth=1.8)
        .encode(
            x=base.time_x(),
            y=base.value_y(value),
            color=base.colour(by_colour, "FunctionName", "stroke"),
            tooltip=[
                *base.when(),
                alt.Tooltip("FunctionName:N", title="function"),
                alt.Tooltip(f"{value}:Q", title=unit),
            ],
        )
    )
    return base.layered(window, [line])


def _blocks(frame: pd.DataFrame, value: str, unit: str, by_colour: Colours) -> alt.Chart:
    figure = alt.Tooltip(f"{value}:Q", title=unit, format=",.4~f")
    chart: alt.Chart = (
        alt.Chart(stack(frame, value))
        .mark_rect()
        .encode(
            x=base.time_x(),
            x2="BucketEnd:T",
            y=base.value_y("Low"),
            y2="High:Q",
            color=base.colour(by_colour, "FunctionName"),
            tooltip=[*base.when(), alt.Tooltip("FunctionName:N", title="function"), figure],
        )
    )
    return chart


def stack(frame: pd.DataFrame, value: str) -> pd.DataFrame:
    """Put the series of each bucket on top of one another: Low and High of each, empty ones left out.

    Vega stacks bars of one width only; these have the width of their bucket, the last of which may be cut.
    """
    ordered = frame.sort_values(["Bucket", "FunctionName"])
    high = ordered.groupby("Bucket")[value].cumsum()
    return ordered.assign(Low=high - ordered[value], High=high)[ordered[value] > 0]


def closed(frame: pd.DataFrame, series: str) -> pd.DataFrame:
    """Add to each series a last point at the end of its last bucket, so that its last step has a width."""
    if frame.empty:
        return frame
    last = frame.loc[frame.groupby(series)["Bucket"].idxmax()]
    return pd.concat([frame, last.assign(Bucket=last["BucketEnd"])], ignore_index=True)


def percentiles(frame: pd.DataFrame, window: Window) -> alt.LayerChart:
    """p50, p95 and p99 of the duration per bucket; a bucket without invocations is a gap."""
    long = frame.melt(
        id_vars=["Bucket", "Utc"], value_vars=list(PERCENTILE_COLUMNS), var_name="Name", value_name="Value"
    )
    long["Name"] = long["Name"].map(PERCENTILE_COLUMNS)
    line = (
        alt.Chart(long)
        .mark_line(strokeWidth=1.8, point=alt.OverlayMarkDef(size=14))
        .encode(
            x=base.time_x(),
            y=alt.Y(
                "Value:Q", title=None, scale=alt.Scale(type="log"), axis=alt.Axis(tickCount=5, labelExpr=DURATION_LABEL)
            ),
            color=base.colour(colours.PERCENTILES, "Name", "stroke"),
            tooltip=[
                *base.when(),
                alt.Tooltip("Name:N", title="percentile"),
                alt.Tooltip("Value:Q", title="ms", format=",.1f"),
            ],
        )
    )
    return base.layered(window, [line])


def histogram(frame: pd.DataFrame) -> alt.Chart:
    """How many took how long; bins grow by a constant factor."""
    data = frame.assign(
        Low=10 ** (frame["Bin"] / 8),
        High=10 ** ((frame["Bin"] + 1) / 8),
    )
    outcome = {"succeeded": colours.SUCCEEDED, "failed": colours.FAILED}
    chart: alt.Chart = (
        alt.Chart(data)
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X(
                "Low:Q",
                title=None,
                scale=alt.Scale(type="log", nice=False),
                axis=alt.Axis(tickCount=6, grid=False, labelOverlap="greedy", labelExpr=DURATION_LABEL),
            ),
            x2="High:Q",
            y=base.value_y("Invocations").stack("zero"),
            color=base.colour(outcome, "Outcome"),
            tooltip=[
                alt.Tooltip("Low:Q", title="from, ms", format=",.1f"),
                alt.Tooltip("High:Q", title="below, ms", format=",.1f"),
                alt.Tooltip("Outcome:N", title="outcome"),
                alt.Tooltip("Invocations:Q", title="invocations"),
            ],
        )
        .properties(height=base.HEIGHT)
    )
    return chart
