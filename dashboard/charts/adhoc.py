"""A first chart of any result: no settings, and none where nothing sensible can be drawn."""

from __future__ import annotations

import math
from typing import Final

import pandas as pd

from dashboard.charts import colours, frames
from dashboard.charts.plot import Plot, Trace
from dashboard.charts.rows import ROOM_AFTER, Block, Row, Rows

MOST_BARS: Final = 40
MOST_LINES: Final = 9
HEIGHT: Final = 320


def simple_chart(frame: pd.DataFrame) -> Plot | Rows | None:
    """Numbers over time as lines, else the first number by the first text column as bars, else None.

    Where instants come several times, the lines are of the first number, one for each text beside it.
    """
    numbers = [str(name) for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])]
    times = [str(name) for name in frame.columns if pd.api.types.is_datetime64_any_dtype(frame[name])]
    texts = [str(name) for name in frame.columns if str(name) not in {*numbers, *times}]
    if not numbers:
        return None
    if times:
        return _lines(frame.dropna(subset=[times[0]]), times[0], texts, numbers)
    if texts:
        return _bars(frame.head(MOST_BARS), texts[0], numbers[0])
    return None


def _lines(frame: pd.DataFrame, time: str, texts: list[str], numbers: list[str]) -> Plot | None:
    at = frame[time].dt.as_unit("ms").astype("int64")
    instants = sorted({int(one) for one in at})
    if not instants:
        return None
    if texts and at.duplicated().any():
        largest = frames.highest(frame, numbers[0], MOST_LINES, texts[0])
        parts = {name: frame[frame[texts[0]].astype(str) == name][numbers[0]] for name in largest}
    else:
        parts = {name: frame[name] for name in numbers[:MOST_LINES]}
    by_colour = colours.series_colours(parts)
    lines = tuple(Trace(name, by_colour[name], _values(at, part, instants)) for name, part in parts.items())
    width = (instants[-1] - instants[0]) / (len(instants) - 1) if len(instants) > 1 else 1000
    return Plot("lines", (*instants, instants[-1] + width), lines, height=HEIGHT)


def _values(at: pd.Series, part: pd.Series, instants: list[int]) -> tuple[float | None, ...]:
    figures = zip(at.loc[part.index], part.astype(float), strict=True)
    known = {instant: value for instant, value in figures if math.isfinite(value)}
    return tuple(known.get(one) for one in instants)


def _bars(frame: pd.DataFrame, text: str, column: str) -> Rows:
    values = [float(value) if math.isfinite(value) else 0.0 for value in frame[column].fillna(0)]
    names = ["NULL" if pd.isna(name) else str(name) for name in frame[text].astype(object)]
    rows = tuple(
        Row(name, (Block(min(0.0, value), max(0.0, value), column, ((text, name),)),), f"{value:,.6g}")
        for name, value in sorted(zip(names, values, strict=True), key=lambda one: -one[1])
    )
    highest = max(*values, 0.0) * ROOM_AFTER or 1.0
    return Rows(rows, {column: colours.SERIES[0]}, "count", min(*values, 0.0), highest)
