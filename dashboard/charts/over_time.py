"""What panels show over time: of a statement's rows the largest series as a frame, and the chart of it.

Named functions of their arguments alone, so that what they make is kept for all who look at the same (``Run.made``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import pandas as pd

from dashboard.charts import colours, frames, parts, series
from dashboard.charts.plot import Plot
from dashboard.timeaxis import Window

SHOWN_SERIES: Final = 9
"""More colours cannot be told apart; the rest is added up as one."""

Shown = tuple[pd.DataFrame, Plot]


def palette(frame: pd.DataFrame) -> dict[str, str]:
    """Colours of the functions in a frame, the sum of the small ones in grey."""
    present = [str(name) for name in frame["FunctionName"].unique()]
    named = colours.series_colours(name for name in present if name != frames.OTHERS)
    return {**named, frames.OTHERS: colours.OTHERS} if frames.OTHERS in present else named


def counts(rows: pd.DataFrame, window: Window, covered: frames.Coverage | None, value: str, unit: str) -> Shown:
    """Counts per bucket and function, on top of one another."""
    shown = frames.merge_small(rows[rows[value] > 0], [value], SHOWN_SERIES)
    filled = frames.fill(shown, window, covered, [value])
    return filled, series.stacked_counts(filled, window, value, unit, palette(filled))


def busy(
    rows: pd.DataFrame, window: Window, covered: frames.Coverage | None, whole: str
) -> tuple[tuple[int, datetime], Plot]:
    """The highest peak and when it was, and the chart.

    Args:
        rows: of concurrency_over_time.sql.
        window: the time that they are about.
        covered: in which there is data.
        whole: whose peak is the line: the account's, or '' for the functions' own.
    """
    functions = rows[rows["FunctionName"] != frames.ACCOUNT]
    account = rows[rows["FunctionName"] == whole] if whole else functions
    account = account.assign(Scope=account["AccountId"] + "/" + account["Region"])
    shown = frames.fill(frames.merge_small(functions, ["Avg"], SHOWN_SERIES), window, covered, ["Avg"])
    line = frames.fill(account, window, covered, ["Peak", "Avg"], "Scope")
    highest = account.iloc[int(account["Peak"].to_numpy().argmax())]
    chart = series.concurrency(shown, line, window, palette(shown))
    return (int(highest["Peak"]), frames.moment(highest["Bucket"])), chart


ALIVE: Final = {"Working": "busy", "Waiting": "idle", "PerhapsGone": "idle, perhaps gone"}
"""Columns of sandboxes_over_time.sql, and what they say."""


def alive(rows: pd.DataFrame, window: Window, covered: frames.Coverage | None) -> Shown:
    """Sandboxes by what they do, of rows of sandboxes_over_time.sql."""
    long = rows.rename(columns=ALIVE).melt(id_vars=["Bucket"], var_name="FunctionName", value_name="Sandboxes")
    shown = frames.fill(long, window, covered, ["Sandboxes"])
    return shown, series.stacked_counts(shown, window, "Sandboxes", "sandboxes", colours.ALIVE)


def claimed(rows: pd.DataFrame, window: Window, limits: tuple[float, ...]) -> Shown:
    """What each account claimed against its limits, of rows of account_concurrency_over_time.sql."""
    shown = frames.gaps_by(rows, window, ["Highest"], "FunctionName")
    return shown, series.steps(shown, window, "Highest", palette(shown), limits)


def peaks(rows: pd.DataFrame, window: Window, covered: frames.Coverage | None) -> tuple[pd.DataFrame, Plot, int]:
    """The highest peaks of single functions, of rows of concurrency_over_time.sql; and of how many they are."""
    functions = rows[~rows["FunctionName"].isin([frames.ACCOUNT, frames.OTHERS])]
    largest = frames.top(functions, "Peak", SHOWN_SERIES)
    shown = frames.fill(functions[functions["FunctionName"].isin(largest)], window, covered, ["Peak", "Avg"])
    return shown, series.steps(shown, window, "Peak", palette(shown)), len(largest)


def ages(rows: pd.DataFrame, window: Window) -> tuple[pd.DataFrame, Plot, int]:
    """The highest AgeMs of each point; and of how many series they are."""
    known = rows.dropna(subset=["AgeMs"])
    largest = frames.highest(known, "AgeMs", SHOWN_SERIES)
    shown = frames.gaps_by(known[known["FunctionName"].isin(largest)], window, ["AgeMs"], "FunctionName")
    return shown, series.ages(shown, window, palette(shown)), len(largest)


def flows(of_parts: Sequence[pd.DataFrame], window: Window) -> tuple[pd.DataFrame, Plot | None]:
    """What became of records, of parts of stream_ingest_over_time.sql; no chart where nothing is known."""
    rows = parts.summed(of_parts, "Bucket", window.begin)
    if rows.empty:
        return rows, None
    long = rows.melt(id_vars=["Bucket"], var_name="FunctionName", value_name="Records").dropna()
    shown = frames.gaps_by(long, window, ["Records"], "FunctionName")
    return shown, series.steps(shown, window, "Records", palette(shown))


def percentiles(rows: pd.DataFrame, window: Window) -> Shown:
    """Percentiles of the duration, of rows of invocations_percentiles.sql."""
    shown = frames.gaps(rows, window, list(series.PERCENTILE_COLUMNS))
    return shown, series.percentiles(shown, window)
