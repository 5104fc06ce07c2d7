"""Where the time of cold starts goes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from dashboard.charts import colours
from dashboard.charts.colours import REST_OF_INIT
from dashboard.charts.rows import ROOM_AFTER, Row, Rows, Said, in_line
from dashboard.text import count, milliseconds, plural
from dashboard.timeaxis import Window
from semconv import phases

PARTS: Final = (
    phases.EXTENSION_INIT,
    phases.RUNTIME_INIT,
    phases.FUNCTION_INIT,
    phases.RUNTIME_AND_FUNCTION_INIT,
    REST_OF_INIT,
    phases.RESTORE,
)
"""The parts of a cold start, in the order in which they happen."""

PHASE_TITLES: Final = {
    phases.EXTENSION_INIT: "extension init",
    phases.RUNTIME_INIT: "runtime init",
    phases.FUNCTION_INIT: "function init",
    phases.RUNTIME_AND_FUNCTION_INIT: "runtime + function init",
    phases.RESTORE: "restore",
    phases.INIT: "init",
    phases.INVOKE: "invoke",
    phases.RESPONSE_LATENCY: "response latency",
    phases.RESPONSE_DURATION: "response duration",
    phases.RUNTIME_OVERHEAD: "runtime overhead",
    phases.POST_RUNTIME: "post-runtime (extensions)",
    phases.SHUTDOWN: "shutdown",
    REST_OF_INIT: REST_OF_INIT,
}


SLOWER: Final = 1.5
"""A release whose median init is so many times that of the one before is pointed out,"""
SLOWER_BY_MS: Final = 50
"""if it is also so many milliseconds longer,"""
ERRORS: Final = 4.5
"""and its typical init (the geometric mean) is so many standard errors longer: of the hundreds of releases of a week
some have few cold starts, which differ by half by chance."""
SPREAD: Final = 0.25
"""How much the inits of one version differ: the standard deviation of their logarithm."""
ENOUGH: Final = 3
"""Both have so many cold starts, to be sure of that spread;"""
FEW: Final = {1: 2.0, 2: 1.5}
"""where either has fewer, each init is so many times as long as all before,"""
ENOUGH_BESIDE: Final = 5
"""and the other has so many. That may be a pool or a cache that was cold once: it is said to be possible."""


def releases(rows: pd.DataFrame, window: Window) -> pd.DataFrame:
    """Versions and runtime updates first seen in the window, with the init of what was there before, newest first.

    Args:
        rows: of init_by_version.sql.
        window: the time asked for.

    Returns:
        The rows with What (``Init of version 7, after 6``), ChangePercent, Slower, Sure and Why.
    """
    if rows.empty:
        return rows.assign(What=[], ChangePercent=[], Slower=[], Sure=[], Why=[])
    new = rows[(rows["FirstSeen"] >= pd.Timestamp(window.begin)) & (rows["BeforeColdStarts"] > 0)]
    now, before = new["P50Ms"].astype(float), new["BeforeP50Ms"].astype(float)
    counts, counts_before = new["ColdStarts"].astype(float), new["BeforeColdStarts"].astype(float)
    # The logarithm of a geometric mean of n has a standard error of the spread over the root of n.
    times = new["TypicalMs"].astype(float) / new["BeforeTypicalMs"].astype(float)
    by_chance = (ERRORS * SPREAD * (1 / counts + 1 / counts_before) ** 0.5).map(math.exp)
    fewer, more = counts.clip(upper=counts_before), counts.clip(lower=counts_before)
    few = fewer < ENOUGH
    each = new["LeastMs"].astype(float) >= fewer.map(FEW) * new["BeforeMostMs"].astype(float)
    enough = ~few | each & (more >= ENOUGH_BESIDE)
    out = new.assign(
        What=[_what(row) for row in new.to_dict("records")],
        ChangePercent=100 * (now / before - 1),
        Slower=enough & (times >= by_chance) & (now >= SLOWER * before) & (now - before >= SLOWER_BY_MS),
        Sure=few.map({True: "possible", False: "likely"}),
        Why=[
            f"median init {milliseconds(after)} over {plural(cold, 'cold start')}, {milliseconds(earlier)} before"
            for after, earlier, cold in zip(now, before, new["ColdStarts"], strict=True)
        ],
    )
    return out.sort_values("FirstSeen", ascending=False)


def _what(row: Mapping[Any, Any]) -> str:
    if row["FunctionVersion"] != row["BeforeVersion"]:
        return f"Init of version {row['FunctionVersion']}, after {row['BeforeVersion']}"
    return f"Init on runtime {row['RuntimeVersion']}, after {row['BeforeRuntime']}"


SHOWN_FUNCTIONS: Final = 12


def most_waited(parts: pd.DataFrame) -> pd.DataFrame:
    """The rows of :func:`mean_parts` of the functions whose cold starts took most time in all."""
    if parts.empty:
        return parts
    waited = (parts["MeanMs"] * parts["Count"]).groupby(parts["FunctionName"]).sum().sort_values(ascending=False)
    return parts[parts["FunctionName"].isin(waited.index[:SHOWN_FUNCTIONS])]


def mean_parts(phase_rows: pd.DataFrame) -> pd.DataFrame:
    """The mean cold start of each function, cut into parts that add up to it.

    Args:
        phase_rows: rows of cold_start_phases.sql.

    Returns:
        FunctionName, Phase, MeanMs (per cold start, so that parts add up), P50Ms, P95Ms, Count, Order. What the known
        parts leave of init is a part of its own, unless it is below half a millisecond.
    """
    out: list[dict[str, object]] = []
    if phase_rows.empty:
        return pd.DataFrame(columns=["FunctionName", "Phase", "MeanMs", "P50Ms", "P95Ms", "Count", "Order", "Title"])
    by_function: dict[str, dict[str, dict[Any, Any]]] = {}
    for row in phase_rows.to_dict("records"):
        by_function.setdefault(str(row["FunctionName"]), {})[str(row["Phase"])] = row
    for function, by_phase in sorted(by_function.items()):
        whole = by_phase.get(phases.INIT)
        starts = int(whole["Count"]) if whole is not None else max(int(row["Count"]) for row in by_phase.values())
        parts = {name: row for name, row in by_phase.items() if name in PARTS}
        for name, row in parts.items():
            figures = {"MeanMs": row["TotalMs"] / starts, "P50Ms": row["P50Ms"], "P95Ms": row["P95Ms"]}
            out.append({"FunctionName": function, "Phase": name, **figures, "Count": int(row["Count"])})
        if whole is None:
            continue
        known_ms = sum(row["TotalMs"] for name, row in parts.items() if name != phases.RESTORE)
        rest_ms = (whole["TotalMs"] - known_ms) / starts
        if rest_ms >= 0.5:
            figures = {"MeanMs": rest_ms, "P50Ms": None, "P95Ms": None, "Count": starts}
            out.append({"FunctionName": function, "Phase": REST_OF_INIT, **figures})
    frame = pd.DataFrame(out)
    return frame.assign(Order=frame["Phase"].map(PARTS.index), Title=frame["Phase"].map(PHASE_TITLES))


def stacked_phases(parts: pd.DataFrame) -> Rows:
    """One row per function, the slowest on top: its mean cold start, cut into phases.

    Args:
        parts: of :func:`mean_parts`.
    """
    present = [one for one in PARTS if one in set(parts["Phase"])]
    totals = parts.groupby("FunctionName")["MeanMs"].sum().sort_values(ascending=False, kind="stable")
    by_function = {str(name): part for name, part in parts.sort_values("Order").groupby("FunctionName")}
    slowest = ((str(name), float(total)) for name, total in totals.items())
    rows = tuple(
        Row(name, tuple(in_line(map(_part, by_function[name].to_dict("records")))), milliseconds(total))
        for name, total in slowest
    )
    palette = {PHASE_TITLES[one]: colours.PHASES[one] for one in present}
    return Rows(rows, palette, "ms", 0, float(totals.max()) * ROOM_AFTER)


def _part(one: Mapping[Any, Any]) -> tuple[str, float, Said]:
    figures = {"mean": one["MeanMs"], "p50": one["P50Ms"], "p95": one["P95Ms"]}
    said = [(name, milliseconds(value)) for name, value in figures.items() if not pd.isna(value)]
    return str(one["Title"]), float(one["MeanMs"]), (*said, ("times", count(one["Count"])))
