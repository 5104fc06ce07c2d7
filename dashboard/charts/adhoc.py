"""A first chart of any result: no settings, and none where nothing sensible can be drawn."""

from __future__ import annotations

import pandas as pd

from dashboard.charts import base, colours
from dashboard.charts.spec import Chart, Layer, category, figure, line, quantity

MOST_BARS = 40


def simple_chart(frame: pd.DataFrame) -> Chart | None:
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


def _lines(frame: pd.DataFrame, time: str, numbers: list[str]) -> Chart:
    long = frame.melt(id_vars=[time], value_vars=numbers, var_name="Name", value_name="Value")
    long = long.rename(columns={time: "Time"})
    encoding = {
        "x": base.time_x("Time"),
        "y": quantity("Value"),
        "color": base.colour(colours.series_colours(numbers), "Name"),
        "tooltip": [
            line("Time", "Time", "temporal", "%Y-%m-%d %H:%M:%S"),
            line("Name", "Name"),
            figure("Value", "Value"),
        ],
    }
    return Chart([Layer({"type": "line", "point": {"size": 14}}, encoding, long)], height=320)


def _bars(frame: pd.DataFrame, text: str, column: str) -> Chart:
    data = pd.DataFrame({"Name": frame[text].astype(str), "Value": frame[column]})
    encoding = {
        "y": category("Name", sort="-x", axis={"labelLimit": 260}),
        "x": {**quantity("Value"), "title": column},
        "tooltip": [line("Name", "Name"), figure("Value", "Value")],
    }
    return Chart([Layer({"type": "bar", "color": colours.SERIES[0]}, encoding, data)], height=22 * len(data) + 40)
