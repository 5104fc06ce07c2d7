"""Fleet: the health of every function at a glance."""

import pandas as pd
import streamlit as st

from dashboard.charts import fleet as shaping
from dashboard.text import count, milliseconds, plural, seconds, share
from dashboard.ui import panels, tables
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import Run, nothing, show

COLUMNS = {
    "FunctionName": st.column_config.TextColumn("Function", width="medium", pinned=True),
    "Signals": st.column_config.MultiselectColumn(
        "Stands out", options=list(shaping.SIGNALS), color=list(shaping.SIGNALS.values()), width="medium"
    ),
    "Invocations": st.column_config.NumberColumn("Invocations", format="localized"),
    "Counts": st.column_config.AreaChartColumn("over time", y_min=0, width="small"),
    "FailedShare": st.column_config.NumberColumn("Failed", format="percent"),
    "ColdShare": st.column_config.NumberColumn("Cold", format="percent"),
    "P50Ms": st.column_config.NumberColumn("p50, ms", format="%.0f"),
    "P95Ms": st.column_config.NumberColumn("p95, ms", format="%.0f"),
    "P99Ms": st.column_config.NumberColumn("p99, ms", format="%.0f"),
    "Peak": st.column_config.NumberColumn("Peak", help="Most sandboxes busy at once, exact"),
    "MemoryShare": st.column_config.ProgressColumn(
        "Memory",
        format="percent",
        min_value=0,
        max_value=1,
        help="Highest use, of what is configured",
    ),
    "LastStart": st.column_config.DatetimeColumn("Last invocation", format="distance"),
}


def _body(run: Run) -> None:
    span_s = int(run.window.span_s)
    totals = run.query("fleet_totals", span_s=span_s)
    peaks = run.query("concurrency_peaks")
    functions = run.query("fleet_functions", span_s=span_s)
    if functions.empty:
        nothing()
        return
    row(_figures(run, totals, peaks))
    if shaping.comparable(totals, run.window) is not None:
        st.caption(f"Arrows: against the {seconds(span_s)} before.")
    with run.panel(
        f"{plural(len(functions), 'function')}, what stands out first",
        "Click a function to see it alone. The columns sort by a click on their heads.",
    ):
        frame = shaping.table(functions, run.query("fleet_sparklines", span_s=span_s), peaks)
        tables.linked(
            frame,
            "fleet-table",
            lambda clicked: ("function", {**run.filters.query(), "function": [str(clicked["FunctionName"])]}),
            COLUMNS,
            alt="Functions with invocations, failures, cold starts, duration percentiles and peak concurrency.",
        )
    panels.invocations_over_time(run)


def _figures(run: Run, totals: pd.DataFrame, peaks: pd.DataFrame) -> list[Figure]:
    now = totals[totals["Current"] == 1]
    current = now.iloc[0] if not now.empty else None
    before = shaping.comparable(totals, run.window)
    account = peaks[peaks["FunctionName"] == "*"]
    if current is None:
        return []
    out = [
        Figure("Invocations", count(current["Invocations"]), shaping.change(current, before, "Invocations")),
        Figure(
            "Failed",
            share(current["Failed"], current["Invocations"]),
            shaping.share_change(current, before, "Failed"),
            "down",
            f"{count(current['Failed'])} invocations ended in an error or a timeout",
        ),
        Figure(
            "Cold starts",
            share(current["ColdStarts"], current["Invocations"]),
            shaping.share_change(current, before, "ColdStarts"),
            "down",
            f"{count(current['ColdStarts'])} invocations waited for an init",
        ),
    ]
    out += [
        Figure(f"Duration {name}", milliseconds(current[column]), shaping.change(current, before, column), "down")
        for name, column in (("p50", "P50Ms"), ("p95", "P95Ms"), ("p99", "P99Ms"))
    ]
    if not account.empty and not run.filters.functions:
        top = account.iloc[0]
        about = f"Most sandboxes busy at once, exact; first at {run.shown(top['At'])}"
        out.append(Figure("Peak concurrency", count(top["Peak"]), about=about))
    return out


show("fleet", _body)
