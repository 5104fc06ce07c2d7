"""Figures over time: counts that add up, levels that do not, percentiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import altair as alt
import pandas as pd

from dashboard.charts import base, colours
from dashboard.timeaxis import Window

PERCENTILE_COLUMNS: Final = {"P50Ms": "p50", "P95Ms": "p95", "P99Ms": "p99"}


def stacked_counts(
    frame: pd.DataFrame,
    window: Window,
    value: str,
    unit: str,
    by_colour: Mapping[str, str],
    series: str = "FunctionName",
) -> alt.LayerChart:
    """Counts per bucket, one colour per series. The height of the stack is the total."""
    bars = (
        alt.Chart(frame)
        .mark_bar(binSpacing=0.5)
        .encode(
            x=base.time_axis(window),
            x2="BucketEnd:T",
            y=base.value_axis(unit, value).stack("zero"),
            color=base.colour(by_colour, series),
            tooltip=[*base.when(), alt.Tooltip(f"{series}:N", title=" "), alt.Tooltip(f"{value}:Q", title=unit)],
        )
    )
    return base.layered(window, [bars])


def concurrency(
    averages: pd.DataFrame, account: pd.DataFrame, window: Window, by_colour: Mapping[str, str]
) -> alt.LayerChart:
    """Average concurrency per function, stacked: it adds up exactly. The line is the account's exact peak."""
    select = alt.selection_point(name="bucket", fields=["Bucket"], on="click", nearest=False)
    area = (
        alt.Chart(averages)
        .mark_area(interpolate="step-after", opacity=0.85)
        .encode(
            x=base.time_axis(window),
            y=base.value_axis("sandboxes busy", "Avg").stack("zero"),
            color=base.colour(by_colour, "FunctionName"),
            tooltip=[
                *base.when(),
                alt.Tooltip("FunctionName:N", title="function"),
                alt.Tooltip("Avg:Q", title="average", format=".2f"),
            ],
        )
    )
    tooltip = [
        *base.when(),
        alt.Tooltip("Peak:Q", title="peak, account"),
        alt.Tooltip("Avg:Q", title="average, account", format=".2f"),
    ]
    line = (
        alt.Chart(account)
        .mark_line(interpolate="step-after", strokeWidth=1.6, color=colours.ACCOUNT, clip=True)
        .encode(x=base.time_axis(window), y=alt.Y("Peak:Q"), detail="Scope:N", tooltip=tooltip)
    )
    targets = (
        alt.Chart(account)
        .mark_rect(opacity=0.001, cursor="pointer")
        .encode(x=base.time_axis(window), x2="BucketEnd:T", tooltip=tooltip)
        .add_params(select)
    )
    return base.layered(window, [area, line, targets], height=280)


def steps(frame: pd.DataFrame, window: Window, value: str, unit: str, by_colour: Mapping[str, str]) -> alt.LayerChart:
    """A level per function, as steps: each holds for its whole bucket."""
    line = (
        alt.Chart(frame)
        .mark_line(interpolate="step-after", strokeWidth=1.8, clip=True)
        .encode(
            x=base.time_axis(window),
            y=base.value_axis(unit, value),
            color=base.colour(by_colour, "FunctionName"),
            tooltip=[
                *base.when(),
                alt.Tooltip("FunctionName:N", title="function"),
                alt.Tooltip(f"{value}:Q", title=unit),
            ],
        )
    )
    return base.layered(window, [line])


def percentiles(frame: pd.DataFrame, window: Window) -> alt.LayerChart:
    """p50, p95 and p99 of the duration per bucket; a bucket without invocations is a gap."""
    long = frame.melt(
        id_vars=["Bucket", "Utc"], value_vars=list(PERCENTILE_COLUMNS), var_name="Name", value_name="Value"
    )
    long["Name"] = long["Name"].map(PERCENTILE_COLUMNS)
    line = (
        alt.Chart(long)
        .mark_line(strokeWidth=1.8, point=alt.OverlayMarkDef(size=14), clip=True)
        .encode(
            x=base.time_axis(window),
            y=base.value_axis("ms").scale(type="symlog", constant=10),
            color=base.colour(colours.PERCENTILES, "Name"),
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
    return (
        alt.Chart(data)
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X(
                "Low:Q",
                title="duration, ms",
                scale=alt.Scale(type="log", nice=False),
                axis=alt.Axis(tickCount=6, format="~s", grid=False, labelOverlap="greedy"),
            ),
            x2="High:Q",
            y=base.value_axis("invocations", "Invocations").stack("zero"),
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
