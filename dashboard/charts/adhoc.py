"""A first chart of any result: no settings, and none where nothing sensible can be drawn."""

from __future__ import annotations

import altair as alt
import pandas as pd

from dashboard.charts import base, colours

MOST_BARS = 40


def simple_chart(frame: pd.DataFrame) -> alt.Chart | None:
    """Numbers over time as lines, else the first number by the first text column as bars, else None."""
    numbers = [str(name) for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])]
    times = [str(name) for name in frame.columns if pd.api.types.is_datetime64_any_dtype(frame[name])]
    texts = [str(name) for name in frame.columns if str(name) not in {*numbers, *times}]
    if not numbers:
        return None
    if times:
        return _lines(frame, times[0], numbers)
    if texts:
        return _bars(frame.head(MOST_BARS), texts[0], numbers[0])
    return None


def _lines(frame: pd.DataFrame, time: str, numbers: list[str]) -> alt.Chart:
    long = frame.melt(id_vars=[time], value_vars=numbers, var_name="Name", value_name="Value")
    long = long.rename(columns={time: "Time"})
    chart: alt.Chart = (
        alt.Chart(long)
        .mark_line(point=alt.OverlayMarkDef(size=14))
        .encode(
            x=base.time_x("Time"),
            y=alt.Y("Value:Q", title=None),
            color=base.colour(colours.series_colours(numbers), "Name"),
            tooltip=[alt.Tooltip("Time:T", format="%Y-%m-%d %H:%M:%S"), "Name:N", "Value:Q"],
        )
        .properties(height=320)
    )
    return chart


def _bars(frame: pd.DataFrame, text: str, number: str) -> alt.Chart:
    data = pd.DataFrame({"Name": frame[text].astype(str), "Value": frame[number]})
    chart: alt.Chart = (
        alt.Chart(data)
        .mark_bar(color=colours.SERIES[0])
        .encode(
            y=alt.Y("Name:N", sort="-x", title=None, axis=alt.Axis(labelLimit=260)),
            x=alt.X("Value:Q", title=number),
            tooltip=["Name:N", "Value:Q"],
        )
        .properties(height=22 * len(data) + 40)
    )
    return chart
