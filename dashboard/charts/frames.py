"""Shaping of frames between SQL and a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import pandas as pd

from dashboard.timeaxis import Window, floor_to

ACCOUNT: Final = "*"
"""The FunctionName under which lambda_concurrency gives the whole account and region."""
OTHERS: Final = "all others"
"""The FunctionName under which a statement gives the sum of those that are too many for a chart."""
LONGEST: Final = timedelta(seconds=900)
"""The highest timeout that a function can have (``Timeout`` of CreateFunction)."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """From when until when there is data. Outside of it a figure is unknown, not zero."""

    first: datetime
    last: datetime


def coverage(frame: pd.DataFrame) -> Coverage | None:
    """What coverage.sql says; None where the window holds nothing."""
    if frame.empty or int(frame["Invocations"].iloc[0]) == 0:
        return None
    return Coverage(moment(frame["FirstStart"].iloc[0]), moment(frame["LastEnd"].iloc[0]))


_QUANTILES: Final = ("P50Ms", "P95Ms", "P99Ms", "Since")


def of_all(figures: pd.DataFrame) -> pd.DataFrame:
    """Of rows of invocations_figures.sql, those like invocations_summary.sql's."""
    return figures[figures["Of"] == "all"].drop(columns=["Of", "Bucket", "Bin", "Outcome", "Took"])


def of_buckets(figures: pd.DataFrame) -> pd.DataFrame:
    """Likewise invocations_percentiles.sql's."""
    return _that_took(figures, "bucket", ("Bucket", "Invocations", *_QUANTILES))


def of_bins(figures: pd.DataFrame) -> pd.DataFrame:
    """Likewise invocations_histogram.sql's."""
    return _that_took(figures, "bin", ("Bin", "Outcome", "Invocations", "Since"))


def _that_took(figures: pd.DataFrame, of: str, columns: Sequence[str]) -> pd.DataFrame:
    rows = figures[(figures["Of"] == of) & (figures["Took"] > 0)]
    return rows.assign(Invocations=rows["Took"])[list(columns)].reset_index(drop=True)


def moment(at: pd.Timestamp) -> datetime:
    """An instant of a frame, to the microsecond."""
    return at.to_pydatetime(warn=False)


def ended(invocation: pd.Series) -> datetime:
    """When an invocation ended; of one whose end has not come, when it must have: Lambda lets none run any longer."""
    end = invocation["End"]
    return moment(invocation["Start"]) + LONGEST if pd.isna(end) else moment(end)


def fill(
    frame: pd.DataFrame, window: Window, covered: Coverage | None, values: Sequence[str], series: str = "FunctionName"
) -> pd.DataFrame:
    """Give every series every bucket: zero where the store has data of that time and none of this series.

    Buckets outside the coverage are left out, so that a chart breaks there instead of falling to zero.
    """
    if frame.empty or covered is None:
        return pd.DataFrame(columns=["Bucket", "BucketEnd", series, *values])
    first = max(floor_to(covered.first, window.bucket_s), floor_to(window.begin, window.bucket_s))
    buckets = pd.DatetimeIndex([at for at in window.buckets() if first <= at <= covered.last], name="Bucket")
    dated = frame.assign(Bucket=frame["Bucket"].dt.as_unit("ms"))
    grid = pd.MultiIndex.from_product([buckets.as_unit("ms"), sorted(dated[series].unique())], names=["Bucket", series])
    full = dated.groupby(["Bucket", series])[list(values)].sum().reindex(grid, fill_value=0).reset_index()
    return with_ends(full, window)


def with_ends(frame: pd.DataFrame, window: Window) -> pd.DataFrame:
    """Add the end of each bucket, and cut the first and last one at the window."""
    ends = not_after(frame["Bucket"] + pd.Timedelta(seconds=window.bucket_s), window.end)
    begins = not_before(frame["Bucket"], window.begin)
    return frame.assign(Bucket=begins, BucketEnd=ends)


def not_before(instants: pd.Series, begin: datetime) -> pd.Series:
    """The same instants, the earlier ones moved to a begin."""
    return instants.where(instants >= pd.Timestamp(begin), pd.Timestamp(begin))


def not_after(instants: pd.Series, end: datetime) -> pd.Series:
    """The same instants, the later ones moved to an end."""
    return instants.where(instants <= pd.Timestamp(end), pd.Timestamp(end))


def top(frame: pd.DataFrame, value: str, keep: int, series: str = "FunctionName") -> list[str]:
    """The names of the largest series, largest first; what is put together already is none of them."""
    if frame.empty:
        return []
    named = frame[frame[series] != OTHERS]
    totals = named.groupby(series)[value].sum().sort_values(ascending=False)
    return [str(name) for name in totals.index[:keep]]


def merge_small(frame: pd.DataFrame, values: Sequence[str], keep: int, series: str = "FunctionName") -> pd.DataFrame:
    """Add all but the largest series into one. Only for figures that add up."""
    large = top(frame, values[0], keep, series)
    if frame.empty or frame[series].nunique() <= keep + 1:
        return frame
    named = frame.assign(**{series: frame[series].where(frame[series].isin(large), OTHERS)})
    return named.groupby(["Bucket", series], as_index=False)[list(values)].sum()


def highest(frame: pd.DataFrame, value: str, keep: int, series: str = "FunctionName") -> list[str]:
    """The names of the series that reach highest, highest first. For figures that do not add up."""
    if frame.empty:
        return []
    return [str(name) for name in frame.groupby(series)[value].max().sort_values(ascending=False).index[:keep]]


def gaps_by(frame: pd.DataFrame, window: Window, values: Sequence[str], series: str) -> pd.DataFrame:
    """Likewise for each series, one beneath the other."""
    parts = [gaps(part, window, values).assign(**{series: name}) for name, part in frame.groupby(series)]
    return pd.concat(parts, ignore_index=True) if parts else gaps(frame, window, values).assign(**{series: []})


def gaps(frame: pd.DataFrame, window: Window, values: Sequence[str]) -> pd.DataFrame:
    """One row per bucket of the window, with the values missing where there was nothing: a line breaks there."""
    if frame.empty:
        return pd.DataFrame(columns=["Bucket", "BucketEnd", *values])
    buckets = pd.DatetimeIndex(window.buckets(), name="Bucket").as_unit("ms")
    indexed = frame.assign(Bucket=frame["Bucket"].dt.as_unit("ms")).set_index("Bucket")[list(values)]
    return with_ends(indexed.reindex(buckets).reset_index(), window)
