"""Figures over time: counts that add up, levels that do not, percentiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import altair as alt
import pandas as pd

from dashboard.charts import base, colours, frames
from dashboard.timeaxis import Window

Colours = Mapping[str, str]

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
        alt.Chart(frames.closed(whole, "Scope"))
        .mark_line(interpolate="step-after", strokeWidth=1.8, color=colours.ACCOUNT)
        .encode(x=base.time_x(), y=base.count_y("Peak"), detail="Scope:N")
    )
    targets = (
        alt.Chart(whole)
        .mark_rect(opacity=0.001, cursor="pointer")
        .encode(x=base.time_x(), x2="BucketEnd:T", tooltip=tooltip)
        .add_params(alt.selection_point(name=CLICKED, fields=["Bucket"], on="click"))
    )
    blocks = _blocks(averages, "Avg", "average", by_colour)
    room = base.headroom(window, float(whole["Peak"].max()))
    return base.layered(window, [room, blocks, line, targets], height=280), CLICKED


def steps(frame: pd.DataFrame, window: Window, value: str, unit: str, by_colour: Colours) -> alt.LayerChart:
    """A level per function, as steps: each holds for its whole bucket."""
    return levels(frames.closed(frame, "FunctionName"), window, value, unit, by_colour)


def levels(
    frame: pd.DataFrame, window: Window, value: str, unit: str, by_colour: Colours, limits: Sequence[float] = ()
) -> alt.LayerChart:
    """Levels per series as steps that break where nothing is known, with lines where the limits are."""
    line = (
        alt.Chart(frame)
        .mark_line(interpolate="step-after", strokeWidth=1.8)
        .encode(
            x=base.time_x(),
            y=base.count_y(value),
            color=base.colour(by_colour, "FunctionName", "stroke"),
            tooltip=[
                *base.when(),
                alt.Tooltip("FunctionName:N", title="series"),
                alt.Tooltip(f"{value}:Q", title=unit),
            ],
        )
    )
    highest = max([*limits, float(frame[value].astype(float).max()) if not frame.empty else 0.0])
    layers = [base.headroom(window, highest), line]
    if limits:
        data = pd.DataFrame({"Limit": list(limits)})
        rule = alt.Chart(data).mark_rule(color=colours.FAILED, strokeDash=[6, 4], strokeWidth=1.5)
        layers.append(rule.encode(y=base.count_y("Limit"), tooltip=[alt.Tooltip("Limit:Q", title="limit")]))
    return base.layered(window, layers)


def _blocks(frame: pd.DataFrame, value: str, unit: str, by_colour: Colours) -> alt.Chart:
    figure = alt.Tooltip(f"{value}:Q", title=unit, format=",.4~f")
    chart: alt.Chart = (
        alt.Chart(frames.stack(frame, value))
        .mark_rect()
        .encode(
            x=base.time_x(),
            x2="BucketEnd:T",
            y=base.count_y("Low"),
            y2="High:Q",
            color=base.colour(by_colour, "FunctionName"),
            tooltip=[*base.when(), alt.Tooltip("FunctionName:N", title="function"), figure],
        )
    )
    return chart


def ages(frame: pd.DataFrame, window: Window, by_colour: Colours) -> alt.LayerChart:
    """Ages per series, in ms, on a logarithmic scale from a second up; a bucket without one is a gap."""
    shown = frame.assign(AgeMs=frame["AgeMs"].astype(float).clip(lower=1000))
    line = (
        alt.Chart(shown)
        .mark_line(strokeWidth=1.8, point=alt.OverlayMarkDef(size=14))
        .encode(
            x=base.time_x(),
            y=alt.Y(
                "AgeMs:Q",
                title=None,
                scale=alt.Scale(type="log", nice=False),
                axis=base.age_axis(shown["AgeMs"]),
            ),
            color=base.colour(by_colour, "FunctionName", "stroke"),
            tooltip=[
                *base.when(),
                alt.Tooltip("FunctionName:N", title="function"),
                alt.Tooltip("AgeMs:Q", title="age, ms", format=",.0f"),
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
    axis = base.duration_axis(long["Value"], grid=True)
    line = (
        alt.Chart(long)
        .mark_line(strokeWidth=1.8, point=alt.OverlayMarkDef(size=14))
        .encode(
            x=base.time_x(),
            y=alt.Y(
                "Value:Q",
                title=None,
                scale=alt.Scale(type="log", nice=False),
                axis=axis,
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


def histogram(bins: pd.DataFrame) -> alt.LayerChart:
    """How many took how long; bins grow by a constant factor."""
    sized = bins.assign(From=10 ** (bins["Bin"] / 8), Below=10 ** ((bins["Bin"] + 1) / 8))
    axis = base.duration_axis(sized["From"], grid=False)
    outcome = {"succeeded": colours.SUCCEEDED, "failed": colours.FAILED}
    bars = (
        alt.Chart(frames.stack(sized, "Invocations", "Bin", "Outcome"))
        .mark_rect()
        .encode(
            x=alt.X(
                "From:Q",
                title=None,
                scale=alt.Scale(type="log", nice=False),
                axis=axis,
            ),
            x2="Below:Q",
            y=base.count_y("Low"),
            y2="High:Q",
            color=base.colour(outcome, "Outcome"),
            tooltip=[
                alt.Tooltip("From:Q", title="from, ms", format=",.1f"),
                alt.Tooltip("Below:Q", title="below, ms", format=",.1f"),
                alt.Tooltip("Outcome:N", title="outcome"),
                alt.Tooltip("Invocations:Q", title="invocations"),
            ],
        )
    )
    return base.finished(alt.LayerChart(layer=[bars], height=base.HEIGHT))
