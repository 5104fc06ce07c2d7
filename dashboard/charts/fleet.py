"""The table of functions: figures, what stands out, what changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from dashboard.timeaxis import Window

KEY: Final = ["AccountId", "Region", "FunctionName"]
SPARK_PARTS: Final = 30

SIGNALS: Final = {
    "timeouts": "#7f63b8",
    "errors > 10 %": "#d1450b",
    "errors > 1 %": "#e08a00",
    "cold > 1 %": "#3fa0dc",
    "memory > 95 %": "#c2679a",
    "slower": "#9c8b00",
    "busier": "#2374b8",
}
"""What is pointed out, with its colour. ``slower`` and ``busier`` compare with the window before; the other thresholds
are those of Datadog's Lambda warnings."""

ENOUGH: Final = 30
"""With fewer invocations on either side no change is pointed out: it would be chance."""


def table(functions: pd.DataFrame, sparklines: pd.DataFrame, peaks: pd.DataFrame) -> pd.DataFrame:
    """One row per function, those with the most serious signals first.

    Args:
        functions: rows of fleet_functions.sql.
        sparklines: rows of fleet_sparklines.sql.
        peaks: rows of concurrency_peaks.sql.
    """
    if functions.empty:
        return functions
    out = functions.merge(sparklines, on=KEY, how="left") if not sparklines.empty else functions.assign(Counts=None)
    out = out.assign(Peak=None) if peaks.empty else out.merge(peaks[[*KEY, "Peak"]], on=KEY, how="left")
    out["FailedShare"] = out["Failed"] / out["Invocations"]
    out["ColdShare"] = out["ColdStarts"] / out["Invocations"]
    out["Signals"] = [signals(row) for row in out.to_dict("records")]
    out["Counts"] = [_padded(counts) for counts in out["Counts"]]
    out["Severity"] = [_severity(found) for found in out["Signals"]]
    return out.sort_values(["Severity", "Invocations"], ascending=[True, False]).reset_index(drop=True)


def signals(row: Mapping[Any, Any]) -> list[str]:
    """What stands out about a function, the most serious first."""
    invocations = row["Invocations"]
    errors = row["Failed"] / invocations
    found = {
        "timeouts": row["TimedOut"] > 0,
        "errors > 10 %": errors > 0.10,
        "errors > 1 %": 0.01 < errors <= 0.10,
        "cold > 1 %": row["ColdStarts"] / invocations > 0.01,
        "memory > 95 %": _number(row["MemoryShare"]) > 0.95,
        "slower": _enough(row) and _number(row["P95Ms"]) > 1.5 * _number(row["PreviousP95Ms"]),
        "busier": _enough(row) and invocations > 2 * row["PreviousInvocations"],
    }
    return [name for name in SIGNALS if found[name]]


def _enough(row: Mapping[Any, Any]) -> bool:
    return bool(min(row["Invocations"], row["PreviousInvocations"]) >= ENOUGH)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _padded(counts: object) -> list[float]:
    given = [] if counts is None or isinstance(counts, float) else [float(one) for one in counts]  # type: ignore[attr-defined]  # an array column
    return (given + [0.0] * SPARK_PARTS)[:SPARK_PARTS]


def _severity(found: list[str]) -> int:
    """The place of the most serious signal; cold starts and load alone are no alarm."""
    serious = [
        name for name in ("timeouts", "errors > 10 %", "errors > 1 %", "memory > 95 %", "slower") if name in found
    ]
    order = {"errors > 10 %": 0, "timeouts": 1, "errors > 1 %": 2, "memory > 95 %": 3, "slower": 4}
    return min((order[name] for name in serious), default=len(order))


def comparable(totals: pd.DataFrame, window: Window) -> pd.Series | None:
    """The figures of the window before, if the store holds that window from near its start; else None.

    Without this a fleet that began an hour ago would seem to have doubled.
    """
    before = totals[totals["Current"] == 0]
    if before.empty:
        return None
    only = before.iloc[0]
    late_s = (only["FirstStart"] - pd.Timestamp(window.previous.begin)).total_seconds()
    return only if late_s <= 0.1 * window.span_s else None


def change(current: pd.Series, before: pd.Series | None, column: str) -> str | None:
    """By how many percent a figure moved, or None where nothing can be said."""
    if before is None or not before[column] > 0 or not current[column] > 0:
        return None
    percent = 100 * (float(current[column]) / float(before[column]) - 1)
    return f"{percent:+.0f} %"


def share_change(current: pd.Series, before: pd.Series | None, column: str) -> str | None:
    """By how many percentage points a share of the invocations moved, or None where nothing can be said."""
    if before is None or not before["Invocations"] > 0:
        return None
    points = 100 * (current[column] / current["Invocations"] - before[column] / before["Invocations"])
    return f"{points:+.1f} pts"
