"""Figures over time: counts that add up, levels that do not, percentiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import pandas as pd

from dashboard.charts import base, colours, frames
from dashboard.charts.spec import ALL_VALID, Chart, Layer, Spec, figure, line
from dashboard.text import milliseconds
from dashboard.timeaxis import Window

Colours = Mapping[str, str]
Words = Callable[[float], str]

CLICKED: Final = "clicked"
"""Name of the parameter of a chart that holds the bucket that was clicked."""

PERCENTILE_COLUMNS: Final = {"P50Ms": "p50", "P95Ms": "p95", "P99Ms": "p99"}

LINE: Final = {"type": "line", "strokeWidth": 1.8}
STEPS: Final = {**LINE, "interpolate": "step-after"}
CLICK: Final = {"name": CLICKED, "select": {"type": "point", "fields": ["Bucket"], "on": "click"}}


def stacked_counts(frame: pd.DataFrame, window: Window, value: str, unit: str, by_colour: Colours) -> Chart:
    """Counts per bucket, one colour per function. The height of the stack is the total."""
    totals = frame.groupby("Bucket", as_index=False).agg(Total=(value, "sum"))
    targets = frames.said(frame, value, figures).merge(totals, on="Bucket", how="left")
    lines = [figure(unit, "Total", ",.4~f"), line("of which", "Said")]
    return base.layered(window, [_areas(frame, value, by_colour), _hover(targets, lines)])


def concurrency(averages: pd.DataFrame, whole: pd.DataFrame, window: Window, by_colour: Colours) -> tuple[Chart, str]:
    """Average concurrency per function, stacked: it adds up exactly. The line is the exact peak of the whole.

    Returns:
        The chart, and the name of its parameter that holds the bucket that was clicked.
    """
    peak = Layer(
        {**STEPS, "color": colours.ACCOUNT},
        {"x": base.time_x(), "y": base.count_y("Peak"), "detail": {"field": "Scope", "type": "nominal"}},
        frames.closed(whole, "Scope"),
    )
    peaks = whole.groupby("Bucket", as_index=False).agg(Peak=("Peak", "max"), Avg=("Avg", "sum"))
    targets = frames.said(averages, "Avg", figures).merge(peaks, on="Bucket", how="right")
    lines = [figure("peak", "Peak"), figure("average", "Avg", ".2f"), line("of which", "Said")]
    layers = [_areas(averages, "Avg", by_colour), peak, _hover(targets, lines, clickable=True)]
    return base.layered(window, layers, height=280, top=float(whole["Peak"].max())), CLICKED


def steps(frame: pd.DataFrame, window: Window, value: str, unit: str, by_colour: Colours) -> Chart:
    """A level per function, as steps: each holds for its whole bucket."""
    return levels(frames.closed(frame, "FunctionName"), window, value, unit, by_colour)


def levels(
    frame: pd.DataFrame, window: Window, value: str, unit: str, by_colour: Colours, limits: Sequence[float] = ()
) -> Chart:
    """Levels per series as steps that break where nothing is known, with lines where the limits are."""
    encoding = {
        "x": base.time_x(),
        "y": base.count_y(value),
        "color": base.colour(by_colour, "FunctionName", "stroke"),
    }
    layers = [Layer(STEPS, encoding, frame), *_alone(frame, value, encoding)]
    if limits:
        rule = {"type": "rule", "color": colours.FAILED, "strokeDash": [6, 4], "strokeWidth": 1.5}
        at = {"y": base.count_y("Limit"), "tooltip": [figure("limit", "Limit")]}
        layers.append(Layer(rule, at, pd.DataFrame({"Limit": list(limits)})))
    layers.append(_hover(frames.said(frame, value, figures), [line(unit, "Said")]))
    highest = max([*limits, float(frame[value].astype(float).max()) if not frame.empty else 0.0])
    return base.layered(window, layers, top=highest)


def figures(value: float) -> str:
    """A count or an average as it is said beside others."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def _areas(frame: pd.DataFrame, value: str, by_colour: Colours) -> Layer:
    """One area per function on top of the others, as steps. A tooltip for each bucket of each would be thousands."""
    mark = {"type": "area", "interpolate": "step-after", **ALL_VALID}
    y = {"y": base.count_y("Low"), "y2": {"field": "High"}}
    shown = frames.closed(frames.stack(frame, value), "FunctionName")
    return Layer(mark, {"x": base.time_x(), **y, "color": base.colour(by_colour, "FunctionName")}, shown)


def _hover(rows: pd.DataFrame, lines: Sequence[Spec], *, clickable: bool = False) -> Layer:
    """An unseen block for each bucket, over all its height, that says what is there."""
    mark = {"type": "rect", "opacity": 0.001, **ALL_VALID, **({"cursor": "pointer"} if clickable else {})}
    encoding = {"x": base.time_x(), "x2": {"field": "BucketEnd"}, "tooltip": [*base.when(), *lines]}
    return Layer(mark, encoding, rows, (CLICK,) if clickable else ())


def _alone(frame: pd.DataFrame, value: str, encoding: Mapping[str, Spec]) -> list[Layer]:
    """A point for each value between two gaps, of which a line shows nothing."""
    rows = frames.alone(frame, value, str(encoding["color"]["field"]))
    return [] if rows.empty else [Layer({"type": "point", "filled": True, "size": 24}, encoding, rows)]


def _lines(frame: pd.DataFrame, window: Window, value: str, name: str, axis: Spec, by: Colours) -> Chart:
    encoding = {"x": base.time_x(), "y": base.log(value, axis), "color": base.colour(by, name, "stroke")}
    said = frames.said(frame, value, milliseconds, name)
    layers = [Layer(LINE, encoding, frame), *_alone(frame, value, encoding)]
    return base.layered(window, [*layers, _hover(said, [line("of", "Said")])])


def ages(frame: pd.DataFrame, window: Window, by_colour: Colours) -> Chart:
    """Ages per series, in ms, on a logarithmic scale from a second up; a bucket without one is a gap."""
    shown = frame.assign(AgeMs=frame["AgeMs"].astype(float).clip(lower=1000))
    return _lines(shown, window, "AgeMs", "FunctionName", base.age_axis(shown["AgeMs"]), by_colour)


def percentiles(frame: pd.DataFrame, window: Window) -> Chart:
    """p50, p95 and p99 of the duration per bucket; a bucket without invocations is a gap."""
    long = frame.melt(
        id_vars=["Bucket", "BucketEnd"], value_vars=list(PERCENTILE_COLUMNS), var_name="Name", value_name="Value"
    )
    long["Name"] = long["Name"].map(PERCENTILE_COLUMNS)
    return _lines(long, window, "Value", "Name", base.duration_axis(long["Value"], grid=True), colours.PERCENTILES)


def histogram(bins: pd.DataFrame) -> Chart:
    """How many took how long; bins grow by a constant factor."""
    sized = bins.assign(From=10 ** (bins["Bin"] / 8), Below=10 ** ((bins["Bin"] + 1) / 8))
    outcome = {"succeeded": colours.SUCCEEDED, "failed": colours.FAILED}
    stacked = frames.stack(sized, "Invocations", "Bin", "Outcome")
    encoding = {
        "x": base.log("From", base.duration_axis(sized["From"], grid=False)),
        "x2": {"field": "Below"},
        "y": base.count_y("Low"),
        "y2": {"field": "High"},
        "color": base.colour(outcome, "Outcome"),
        "tooltip": [
            figure("from, ms", "From", ",.1f"),
            figure("below, ms", "Below", ",.1f"),
            line("outcome", "Outcome"),
            figure("invocations", "Invocations", ","),
        ],
    }
    return Chart([Layer({"type": "rect"}, encoding, stacked[stacked["Invocations"] > 0])], base.HEIGHT)
