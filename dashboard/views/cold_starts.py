"""Cold starts: how often somebody waited for an init, how long, and for what."""

import pandas as pd
import streamlit as st

from dashboard.text import count, seconds, share
from dashboard.ui import panels, tables
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import Run, nothing, show

LATEST = 50


def _body(run: Run) -> None:
    run.ahead("cold_start_functions", "cold_start_phases", "coverage")
    run.ahead("cold_starts_latest", limit=LATEST)
    over_time = run.query("invocations_over_time")
    functions = run.query("cold_start_functions")
    if over_time.empty:
        nothing()
        return
    _figures(over_time, functions)
    if functions.empty:
        nothing("No invocation waited for an init in this time: every one found a sandbox ready.")
        return
    left, right = st.columns(2)
    with left, run.panel(f"Cold starts per {panels.width(run)}", "Invocations that waited for an init."):
        covered = run.coverage()
        panels.stacked(run, over_time[over_time["ColdStarts"] > 0], covered, "ColdStarts", "cold starts")
    with right:
        panels.phases(run)
    with run.panel("By function", "Init duration as the platform reports it. Click a row to see the function alone."):
        _by_function(run, functions)
    with run.panel("Latest cold starts", "Click a row to see its phases on one time axis."):
        panels.invocations_table(run, run.query("cold_starts_latest", limit=LATEST), "cold-latest")


def _figures(over_time: pd.DataFrame, functions: pd.DataFrame) -> None:
    cold, invocations = float(over_time["ColdStarts"].sum()), float(over_time["Invocations"].sum())
    waited = float(functions["WaitedS"].sum()) if not functions.empty else 0.0
    row(
        [
            Figure("Cold starts", count(cold), about="Invocations that waited for an init"),
            Figure("Share", share(cold, invocations), about="Of all invocations. AWS says below 1 % is typical."),
            Figure("Waited in all", seconds(waited), about="Init time that invocations waited for"),
            Figure("Functions", count(functions["FunctionName"].nunique() if not functions.empty else 0)),
        ]
    )


def _by_function(run: Run, functions: pd.DataFrame) -> None:
    shown = functions.assign(Share=100 * functions["ColdStarts"] / functions["Invocations"])
    tables.linked(
        shown,
        "cold-functions",
        lambda clicked: ("function", {**run.filters.query(), "function": [str(clicked["FunctionName"])]}),
        {
            "FunctionName": st.column_config.TextColumn("Function", width="medium"),
            "InitType": st.column_config.TextColumn("Type of init"),
            "ColdStarts": st.column_config.NumberColumn("Cold starts", format="localized"),
            "Share": st.column_config.NumberColumn("of invocations", format="%.1f %%"),
            "P50Ms": st.column_config.NumberColumn("p50, ms", format="%.0f"),
            "P95Ms": st.column_config.NumberColumn("p95, ms", format="%.0f"),
            "P99Ms": st.column_config.NumberColumn("p99, ms", format="%.0f"),
            "WaitedS": st.column_config.NumberColumn("Waited in all, s", format="%.1f"),
            "ProactiveInits": st.column_config.NumberColumn("Nobody waited", help="Sandboxes ready ahead of time"),
        },
        alt="Cold starts of each function: number, share, percentiles of the init.",
    )


show("cold_starts", _body)
