"""What was found about the parts of a window (:meth:`dashboard.timeaxis.Window.parts`), put together again."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import pandas as pd

from dashboard.timeaxis import Window

WHO: Final = ["AccountId", "Region", "FunctionName"]
AGE_POINTS: Final = 48
QUIET: Final = ("", "catching_up")
"""Causes of lag that are none."""


def joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All rows; the columns of an empty part where no part has any."""
    filled = [part for part in parts if not part.empty]
    return pd.concat(filled, ignore_index=True) if filled else parts[0]


def episodes(parts: Sequence[pd.DataFrame], begin: datetime) -> pd.DataFrame:
    """Rows of throttle_episodes.sql: a stretch that lasts from one part into the next is one."""
    rows = joined(parts)
    if rows.empty:
        return rows
    rows = rows[rows["LastMinute"] > pd.Timestamp(begin)]
    rows = rows.assign(Asked=rows["Throttled"] / rows["Share"].astype(float)).sort_values("Throttled")
    worst_last = dict.fromkeys(("Confidence", "Evidence", "Trigger", "Effect"), "last")
    ends = {"FirstMinute": "min", "LastMinute": "max", "Throttled": "sum", "Asked": "sum"}
    out = rows.groupby([*WHO, "Cause", "Since"], as_index=False).agg({**ends, **worst_last})
    return out.assign(Share=out["Throttled"] / out["Asked"]).sort_values(
        "Throttled", ascending=False, ignore_index=True
    )


def holders(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Of rows of throttle_holders.sql, one for each function that held concurrency, whoever was throttled then."""
    rows = joined(parts)
    if rows.empty:
        return rows
    out: list[dict[str, Any]] = []
    for (account, region, holder), held in rows.groupby(["AccountId", "Region", "Holder"]):
        most = held.sort_values("Held").iloc[-1]
        minutes = set().union(*held["AllMinutes"])
        out.append(
            {"AccountId": account, "Region": region, "FunctionName": holder, "Held": most["Held"],
             "Rose": held["Rose"].max(), "At": most["At"], "Minutes": len(minutes)}
        )  # fmt: skip
    return pd.DataFrame(out).sort_values("Held", ascending=False, ignore_index=True).head(50)


def summed(parts: Sequence[pd.DataFrame], by: str, begin: datetime) -> pd.DataFrame:
    """Figures that add up, of all functions, from a begin on."""
    rows = joined(parts)
    if rows.empty:
        return rows
    rows = rows.drop(columns="FunctionName")
    return rows[rows[by] >= pd.Timestamp(begin)].groupby(by, as_index=False).sum(min_count=1)


def consumers(parts: Sequence[pd.DataFrame], window: Window) -> pd.DataFrame:
    """Rows of stream_consumers.sql: the highest of each figure, the latest state, the worst cause."""
    rows = joined(parts)
    out: list[dict[str, Any]] = []
    for records in _by_consumer(rows):
        worst = max(records, key=lambda one: (one["WorstCause"] not in QUIET, one["MaxAgeMs"] or 0))
        out.append(
            max(records, key=lambda one: one["LastMinute"])
            | {name: worst[name] for name in ("WorstCause", "WorstConfidence", "WorstSince", "WorstEvidence")}
            | {name: _highest(one[name] for one in records) for name in ("MaxAgeMs", "WorstShare")}
            | {"Ages": sparkline(records, window)}
        )
    if not out:
        return rows
    ranked = sorted(out, key=lambda one: (one["WorstCause"] in QUIET, -(one["WorstShare"] or 0)))
    return pd.DataFrame(ranked)


def _by_consumer(rows: pd.DataFrame) -> Iterable[list[dict[str, Any]]]:
    found: dict[Hashable, list[dict[str, Any]]] = {}
    for one in rows.to_dict("records"):
        record = {str(name): value for name, value in one.items()}
        found.setdefault(tuple(record[name] for name in (*WHO, "EventSourceArn")), []).append(record)
    return found.values()


def _highest(values: Iterable[Any]) -> float:
    return max((value for value in values if pd.notna(value)), default=float("nan"))


def sparkline(records: Sequence[Mapping[str, Any]], window: Window) -> list[float]:
    """The highest age in each of 48 parts of the window, from those of its parts."""
    ages = [0.0] * AGE_POINTS
    for one in records:
        begin_s = (one["AgeBegin"] - pd.Timestamp(window.begin)).total_seconds()
        for number, age in enumerate(one["Ages"]):
            at = int((begin_s + (number + 0.5) * one["AgeStep_s"]) * AGE_POINTS // window.span_s)
            if 0 <= at < AGE_POINTS:
                ages[at] = max(ages[at], float(age))
    return ages
