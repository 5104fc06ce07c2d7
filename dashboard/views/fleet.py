"""Fleet: the health of every function at a glance."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import fleet as shaping
from dashboard.charts.frames import ACCOUNT
from dashboard.text import count, milliseconds, plural, seconds, share
from dashboard.ui import news, panels, tables
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import Run, nothing, show


def _columns(run: Run) -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "FunctionName": st.column_config.TextColumn("Function", width=122, pinned=True),
        "Signals": st.column_config.MultiselectColumn(
            "Stands out", width=232, options=list(shaping.SIGNALS), color=list(shaping.SIGNALS.values())
        ),
        "Invocations": number("Invocations", format="localized", width=80),
        "Counts": st.column_config.AreaChartColumn("over time", y_min=0, width=85),
        "FailedPercent": number("Failed", format="%.1f %%", width=65),
        "ColdPercent": number("Cold", format="%.1f %%", width=65),
        "P50Ms": number("p50, ms", format="%.0f", width=60),
        "P95Ms": number("p95, ms", format="%.0f", width=60),
        "P99Ms": number("p99, ms", format="%.0f", width=60),
        "Peak": number("Peak", help="Most sandboxes busy at once, exact", width=50),
        "MemoryPercent": number("Memory", format="%.0f %%", width=65, help="Highest use, of what is configured"),
        "LastStart": tables.instants(run.viewer, "Last seen", "distance", 122),
    }


def _body(run: Run) -> None:
    span_s = int(run.window.span_s)
    rows = run.query("fleet_functions", span_s=span_s)
    if len(rows) > 1 and run.filters.functions:
        rows = run.together("fleet_functions", span_s=span_s)
    total = shaping.whole(rows)
    if total is None:
        with run.contained():
            news.incidents(run)  # nothing may have run because of one
        nothing()
        return
    peaks = run.query("concurrency_highest")
    row(_figures(run, total, peaks))
    place = st.container()  # what takes the longest the first time must not keep the rest from being read
    with place:
        waiting = st.empty()
    if not run.seen("incidents"):
        waiting.caption("Looking for incidents …")
    frame = run.made(shaping.table, rows, peaks, run.window)
    with run.panel(
        f"{plural(len(frame), 'function')}, what stands out first",
        "Click a function to see it alone. The columns sort by a click on their heads.",
    ):
        tables.linked(
            run,
            frame,
            "fleet-table",
            lambda clicked: ("function", {**run.filters.query(), "function": [str(clicked["FunctionName"])]}),
            _columns(run),
            alt="Functions with invocations, failures, cold starts, duration percentiles and peak concurrency.",
        )
        figures = frame.drop(columns=["Counts", "Parts", "Severity", "IsTotal"])
        run.download(figures.assign(Signals=figures["Signals"].map("; ".join)), "functions")
    with run.contained():
        news.changed(run, rows)
    panels.invocations_over_time(run)
    with place, run.contained():
        news.incidents(run)
    waiting.empty()


def _figures(run: Run, total: pd.Series, peaks: pd.DataFrame) -> list[Figure]:
    moved = shaping.comparable(total, run.window)
    against = f" The arrow compares with the {seconds(run.window.span_s)} before." if moved else ""

    def changed(column: str) -> str | None:
        return shaping.change(total, column) if moved else None

    def shifted(column: str) -> str | None:
        return shaping.share_change(total, column) if moved else None

    failed, cold, all_ = (float(total[name]) for name in ("Failed", "ColdStarts", "Invocations"))
    out = [
        Figure("Invocations", count(all_), changed("Invocations"), about=f"That began in this time.{against}"),
        Figure("Failed", share(failed, all_), shifted("Failed"), "down", f"{count(failed)} of them.{against}"),
        Figure("Cold starts", share(cold, all_), shifted("ColdStarts"), "down", f"{count(cold)} waited for an init."),
    ]
    out += [
        Figure(f"Duration {name}", milliseconds(total[column]), changed(column), "down")
        for name, column in (("p50", "P50Ms"), ("p95", "P95Ms"), ("p99", "P99Ms"))
    ]
    # What took no whole millisecond kept nothing busy, and an answer without rows has no columns.
    if not peaks.empty and not run.filters.functions:
        peak = peaks.loc[peaks["FunctionName"] == ACCOUNT, "Peak"].max()
        out.append(Figure("Peak busy", count(peak), about="Most sandboxes busy at once, exact"))
    return out


show("fleet", _body)
