"""What changed in a fleet: what was done to it, and which figures moved against the same span before."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pandas as pd

from dashboard.charts.fleet import ENOUGH, comparable, whole
from dashboard.text import UNKNOWN, milliseconds, share
from dashboard.timeaxis import Window

COLUMNS: Final = ["At", "FunctionName", "What", "Before", "Now", "Page", "Weight"]

MOVED: Final = 1.5
"""A duration that is so many times as long or as short is pointed out,"""
MOVED_MS: Final = 10
"""if it is also by so many milliseconds."""
SIGMAS: Final = 4.0
"""A share is pointed out that moved by so many standard errors (chance moves one of hundreds of functions by three),"""
MOVED_SHARE: Final = 0.01
"""and by so much of all invocations."""

RATES: Final = {"Failed": "failed", "ColdStarts": "cold starts"}
DURATIONS: Final = {"P50Ms": "duration p50", "P95Ms": "duration p95"}


def changes(rows: pd.DataFrame, releases: pd.DataFrame, configured: pd.DataFrame, window: Window) -> pd.DataFrame:
    """One row for each thing that changed: releases and settings with their time, the newest first, then new functions,
    then figures, the largest change first.

    Args:
        rows: of fleet_functions.sql.
        releases: of :func:`dashboard.charts.cold_starts.releases`.
        configured: of configuration_changes.sql.
        window: the time asked for. Figures are compared where the store holds the one before it.

    Returns:
        At (of what has one), FunctionName, What, Before, Now, Page (that shows more), Weight.
    """
    done = [*_released(releases), *_configured(configured)]
    total = whole(rows)
    compared = total is not None and comparable(total, window)
    moved = [one for row in _functions(rows) for one in _moved(row)] if compared else []
    done.sort(key=lambda one: one["At"], reverse=True)
    moved.sort(key=lambda one: -one["Weight"])
    frame = pd.DataFrame([*done, *moved], columns=COLUMNS)
    return frame.assign(At=pd.to_datetime(frame["At"], utc=True))


def _functions(rows: pd.DataFrame) -> list[dict[Any, Any]]:
    return rows[rows["IsTotal"] == 0].to_dict("records")


def _row(
    name: object, what: str, before: str, now: str, page: str, weight: float = 0.0, at: Any = None
) -> dict[str, Any]:
    return dict(zip(COLUMNS, (at, str(name), what, before, now, page, weight), strict=True))


def _released(releases: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for one in releases.to_dict("records"):
        versions = str(one["BeforeVersion"]), str(one["FunctionVersion"])
        if versions[0] != versions[1]:
            yield _row(one["FunctionName"], "version", *versions, "cold_starts", at=one["FirstSeen"])
        else:
            runtimes = str(one["BeforeRuntime"]), str(one["RuntimeVersion"])
            yield _row(one["FunctionName"], "runtime version", *runtimes, "runtimes", at=one["FirstSeen"])


def _configured(configured: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for one in configured.to_dict("records"):
        before, now = (str(one[name]) or UNKNOWN for name in ("Before", "Now"))
        yield _row(one["FunctionName"], str(one["What"]), before, now, "function", at=one["At"])


def _moved(row: Mapping[Any, Any]) -> Iterator[dict[str, Any]]:
    """The figures of one function that moved by more than chance."""
    name, now, before = row["FunctionName"], row["Invocations"], row["PreviousInvocations"]
    if now < ENOUGH:
        return
    if before == 0:
        yield _row(name, "new function", UNKNOWN, f"{now:,} invocations", "function", math.inf)
        return
    if before < ENOUGH:
        return
    for column, what in RATES.items():
        part, part_before = row[column], row[f"Previous{column}"]
        moved = part / now - part_before / before
        mean = (part + part_before) / (now + before)
        error = math.sqrt(mean * (1 - mean) * (1 / now + 1 / before))
        if abs(moved) >= max(MOVED_SHARE, SIGMAS * error):
            yield _row(name, what, share(part_before, before), share(part, now), "function", 100 * abs(moved))
    for column, what in DURATIONS.items():
        ms, ms_before = _number(row[column]), _number(row[f"Previous{column}"])
        if not ms > 0 or not ms_before > 0 or abs(ms - ms_before) < MOVED_MS:
            continue
        factor = max(ms / ms_before, ms_before / ms)
        if factor >= MOVED:
            yield _row(name, what, milliseconds(ms_before), milliseconds(ms), "function", factor)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
