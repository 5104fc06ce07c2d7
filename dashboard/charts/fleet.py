"""The table of functions: figures, what stands out, what changed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import pandas as pd

from dashboard.text import seconds
from dashboard.timeaxis import Window

KEY: Final = ["AccountId", "Region", "FunctionName"]
SPARK_PARTS: Final = 30

SIGNALS: Final = {
    "timeouts": "#7f63b8",
    "errors >10%": "#d1450b",
    "errors >1%": "#e08a00",
    "cold >1%": "#3fa0dc",
    "memory >95%": "#c2679a",
    "slower": "#9c8b00",
    "busier": "#2374b8",
}
"""What is pointed out, with its colour. ``slower`` and ``busier`` compare with the window before; the other thresholds
are those of Datadog's Lambda warnings."""

ENOUGH: Final = 30
"""With fewer invocations on either side no change is pointed out: it would be chance."""


def table(rows: pd.DataFrame, peaks: pd.DataFrame, window: Window) -> pd.DataFrame:
    """One row per function, those with the most serious signals first.

    Args:
        rows: of fleet_functions.sql.
        peaks: rows of concurrency_highest.sql.
        window: the time that they are about.
    """
    functions = rows[rows["IsTotal"] == 0]
    if functions.empty:
        return functions
    out = functions.assign(Peak=None) if peaks.empty else functions.merge(peaks[[*KEY, "Peak"]], on=KEY, how="left")
    out["FailedPercent"] = 100 * out["Failed"] / out["Invocations"]
    out["ColdPercent"] = 100 * out["ColdStarts"] / out["Invocations"]
    out["MemoryPercent"] = 100 * out["MemoryShare"].astype(float)
    total = whole(rows)
    compared = total is not None and comparable(total, window)
    out["Signals"] = [signals(row, compared=compared) for row in out.to_dict("records")]
    out["Counts"] = [sparkline(parts, counts) for parts, counts in zip(out["Parts"], out["Counts"], strict=True)]
    out["Severity"] = [_severity(found) for found in out["Signals"]]
    return out.sort_values(["Severity", "Invocations"], ascending=[True, False]).reset_index(drop=True)


SHARED_CAUSES: Final = frozenset({"account_concurrency", "account_request_rate"})
"""Causes that hit many functions at once: one incident, named after the function that was hit most."""


def incidents(parts: Sequence[pd.DataFrame], begin: datetime, releases: pd.DataFrame) -> pd.DataFrame:
    """What went wrong, one row each, the newest first.

    Args:
        parts: rows of the statements of dashboard/ui/news.py's INCIDENTS, of each part of the window: what
            lasts from one into the next is in both.
        begin: of the time in question: what was over before it is left out.
        releases: of :func:`dashboard.charts.cold_starts.releases`; those that made init slower count.

    Returns:
        Page, FunctionName, Cause, Began, Ended, Lasted, Sure, Why, Others.
    """
    columns = ["Page", "FunctionName", "Cause", "Began", "Ended", "Lasted", "Sure", "Why", "Others"]
    rows: list[dict[str, Any]] = []
    found = pd.concat([one[one["Ended"] > pd.Timestamp(begin)] for one in parts if not one.empty] or [pd.DataFrame()])
    for (name, cause), part in found.groupby(["Page", "Cause"]) if not found.empty else ():
        apart = [part] if cause in SHARED_CAUSES else (one for _, one in part.groupby("FunctionName"))
        for group in itertools.chain.from_iterable(_together(one) for one in apart):
            worst = group.sort_values("Weight").iloc[-1]
            if name == "streams" and _is_ripple(group):
                continue
            others = group["FunctionName"].nunique() - 1
            rows.append(
                {**worst[["FunctionName", "Sure", "Why"]], "Page": name, "Cause": cause, "Began": group["Began"].min(),
                 "Ended": group["Ended"].max(), "Others": f"{others} more" if others else ""}
            )  # fmt: skip
    slower = releases[releases["Slower"]] if not releases.empty else releases
    rows += [
        {"Page": "cold_starts", "FunctionName": one["FunctionName"], "Cause": one["What"], "Began": one["FirstSeen"],
         "Ended": one["LastSeen"], "Sure": one["Sure"], "Why": one["Why"], "Others": ""}
        for one in slower.to_dict("records")
    ]  # fmt: skip
    if not rows:
        return pd.DataFrame(columns=columns)
    frame = pd.DataFrame(_unexplained(_continued(rows)))
    frame["Lasted"] = [
        seconds((end - begin).total_seconds()) for begin, end in zip(frame["Began"], frame["Ended"], strict=True)
    ]
    return frame.sort_values("Began", ascending=False)[columns].reset_index(drop=True)


TOGETHER: Final = pd.Timedelta(minutes=10)
"""What a cause did so long after it did so before is the same incident: to one function, or to several where it is
theirs together. So is what lasts from one part of a window into the next.
"""


RIPPLE_S: Final = 300
"""Lag that was over so soon, with records no older than that, is what retries and bursts do: no incident."""


def _is_ripple(group: pd.DataFrame) -> bool:
    lasted_s = (group["Ended"].max() - group["Began"].min()).total_seconds()
    return bool(lasted_s < RIPPLE_S and group["Weight"].max() < RIPPLE_S)


UNKNOWN_CAUSE: Final = "unknown"


def _continued(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The incidents, with a stretch of unknown cause as the rest of the known one of that function that it follows.

    A burst that met the scaling rate is still throttled in minutes in which concurrency no longer rises.
    """
    by_known = sorted(rows, key=lambda one: one["Cause"] == UNKNOWN_CAUSE)
    out: list[dict[str, Any]] = []
    for row in by_known:
        before = next((one for one in out if row["Cause"] == UNKNOWN_CAUSE and _follows(row, one)), None)
        if before is None:
            out.append(row)
        else:
            before["Ended"] = max(before["Ended"], row["Ended"])
    return out


CONSEQUENCES: Final = {"async": 1, "function": 2}
"""Pages of what other incidents bring about too: that events were lost, and that nothing was invoked, in this order."""


def _unexplained(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The incidents without those that another one at the same time explains: of the function, or of the account."""
    return [one for one in rows if one["Page"] not in CONSEQUENCES or not any(_explains(two, one) for two in rows)]


def _explains(cause: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    whose = cause["FunctionName"] == row["FunctionName"] or cause["Cause"] in SHARED_CAUSES
    earlier = CONSEQUENCES.get(cause["Page"], 0) < CONSEQUENCES[row["Page"]] and cause["Page"] != "cold_starts"
    earlier |= (cause["Page"], cause["Cause"], row["Cause"]) == (row["Page"], "paused_mapping", "stopped")
    return bool(earlier and whose and cause["Began"] < row["Ended"] and row["Began"] < cause["Ended"])


def _follows(row: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    same = (row["Page"], row["FunctionName"]) == (before["Page"], before["FunctionName"])
    return bool(same and before["Began"] <= row["Began"] <= before["Ended"] + TOGETHER)


def _together(part: pd.DataFrame) -> Iterator[pd.DataFrame]:
    ordered = part.sort_values("Began")
    until = ordered["Ended"].cummax().shift() + TOGETHER
    yield from (group for _, group in ordered.groupby((ordered["Began"] > until).cumsum()))


def sparkline(parts: Iterable[int], counts: Iterable[int]) -> list[float]:
    """A count for each of the 30 parts of the window; 0 where the store names none."""
    known = {int(part): float(count) for part, count in zip(parts, counts, strict=True)}
    return [known.get(part, 0.0) for part in range(SPARK_PARTS)]


def signals(row: Mapping[Any, Any], *, compared: bool) -> list[str]:
    """What stands out about a function, the most serious first.

    Args:
        row: of fleet_functions.sql.
        compared: whether the store holds the window before, so that a change is one.
    """
    invocations = row["Invocations"]
    errors = row["Failed"] / invocations
    found = {
        "timeouts": row["TimedOut"] > 0,
        "errors >10%": errors > 0.10,
        "errors >1%": 0.01 < errors <= 0.10,
        "cold >1%": row["ColdStarts"] / invocations > 0.01,
        "memory >95%": _number(row["MemoryShare"]) > 0.95,
        "slower": compared and _enough(row) and _number(row["P95Ms"]) > 1.5 * _number(row["PreviousP95Ms"]),
        "busier": compared and _enough(row) and invocations > 2 * row["PreviousInvocations"],
    }
    return [name for name in SIGNALS if found[name]]


def _enough(row: Mapping[Any, Any]) -> bool:
    return bool(min(row["Invocations"], row["PreviousInvocations"]) >= ENOUGH)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _severity(found: list[str]) -> int:
    """The place of the most serious signal; cold starts and load alone are no alarm."""
    serious = [name for name in ("timeouts", "errors >10%", "errors >1%", "memory >95%", "slower") if name in found]
    order = {"errors >10%": 0, "timeouts": 1, "errors >1%": 2, "memory >95%": 3, "slower": 4}
    return min((order[name] for name in serious), default=len(order))


def whole(rows: pd.DataFrame) -> pd.Series | None:
    """The row of all functions together, which of one function is its own; None where nothing was invoked."""
    found = rows[rows["IsTotal"] == 1] if len(rows) > 1 else rows
    return None if found.empty else found.iloc[0]


def comparable(row: pd.Series, window: Window) -> bool:
    """Whether the store holds the window before from near its start on.

    Without this a fleet that began an hour ago would seem to have doubled.
    """
    late_s = (row["FirstStart"] - pd.Timestamp(window.previous.begin)).total_seconds()
    return bool(late_s <= 0.1 * window.span_s)


def change(row: pd.Series, column: str) -> str | None:
    """By how many percent a figure moved against the window before, or None where that says nothing."""
    now, before = _number(row[column]), _number(row[f"Previous{column}"])
    if not now > 0 or not before > 0 or abs(now / before - 1) < 0.005:
        return None
    return f"{100 * (now / before - 1):+.0f} %"


def share_change(row: pd.Series, column: str) -> str | None:
    """By how many percentage points a share of the invocations moved, or None where that says nothing."""
    if not row["PreviousInvocations"] > 0:
        return None
    points = 100 * (row[column] / row["Invocations"] - row[f"Previous{column}"] / row["PreviousInvocations"])
    return None if abs(points) < 0.05 else f"{points:+.1f} pts"
