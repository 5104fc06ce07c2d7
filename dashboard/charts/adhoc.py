"""A first chart of any result: no settings, and none where nothing sensible can be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import pandas as pd

MOST_BARS: Final = 40


@dataclass(frozen=True, slots=True)
class Simple:
    """What of a result is drawn. Its columns have names of ours: dots and brackets mean something to who draws them."""

    form: Literal["lines", "bars"]
    rows: pd.DataFrame
    x: str
    y: list[str]
    x_title: str
    y_title: str = ""


def simple_chart(frame: pd.DataFrame) -> Simple | None:
    """Numbers over time as lines, else the first number by the first text column as bars, else None."""
    numbers = [str(name) for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])]
    times = [str(name) for name in frame.columns if pd.api.types.is_datetime64_any_dtype(frame[name])]
    texts = [str(name) for name in frame.columns if str(name) not in {*numbers, *times}]
    if not numbers:
        return None
    if times:
        plain = {name: _plain(name) for name in numbers}
        rows = frame[[times[0], *numbers]].rename(columns={times[0]: "Time", **plain})
        return Simple("lines", rows, "Time", list(plain.values()), times[0])
    if texts:
        bars = frame.head(MOST_BARS)
        rows = pd.DataFrame({"Name": bars[texts[0]].astype(str), "Value": bars[numbers[0]]})
        return Simple("bars", rows, "Name", ["Value"], texts[0], numbers[0])
    return None


def _plain(name: str) -> str:
    return name.translate(str.maketrans(".[]:\\", "·()··"))
