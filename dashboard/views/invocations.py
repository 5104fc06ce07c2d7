"""Invocations: which ran, how long they took, how they ended."""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import streamlit as st

from dashboard.charts import frames, series
from dashboard.filters import STATUSES, InvocationFilters, parse_invocation_filters
from dashboard.plans import LATEST_INVOCATIONS, reads_once
from dashboard.sql import invocation_params
from dashboard.text import count, milliseconds, share
from dashboard.ui import choices, panels
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import NO_DATA, Run, nothing, show

NAMES = ("status", "cold", "min_ms", "request_like", "at", "until")
STATUS_TITLES = {"": "Any outcome", "success": "Succeeded", "failed": "Failed (any)", "error": "Error"} | {
    "failure": "Failure",
    "timeout": "Timeout",
}


def _body(run: Run) -> None:
    chosen = parse_invocation_filters(run.choices.query)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _narrow(chosen)
    if chosen.at is not None:
        until = f" to {chosen.until.astimezone(run.viewer):%H:%M:%S}" if chosen.until else ""
        st.info(f"Only what was busy at {run.shown(chosen.at)}{until}, init included.", icon=":material/my_location:")
        st.button("Show all of the time", on_click=_changed, args=("at",), type="tertiary", icon=":material/close:")
    params = invocation_params(chosen)
    once = reads_once(run.window, params)

    def asked(name: str, of: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
        return run.made(of, run.query("invocations_figures", **params)) if once else run.query(name, **params)

    summary = asked("invocations_summary", frames.of_all)
    if summary.empty or not summary["Invocations"].iloc[0]:
        narrowed = bool(chosen.query() or run.filters.functions)
        nothing("No invocation matches. Choose a longer time or fewer filters above." if narrowed else NO_DATA)
        return
    run.since(summary)
    only = summary.iloc[0]
    row(
        [
            Figure("Invocations", count(only["Invocations"])),
            Figure("Failed", share(only["Failed"], only["Invocations"]), about=f"{count(only['Failed'])} of them"),
            Figure("Cold starts", share(only["ColdStarts"], only["Invocations"]), about=count(only["ColdStarts"])),
            Figure("p50", milliseconds(only["P50Ms"])),
            Figure("p95", milliseconds(only["P95Ms"])),
            Figure("p99", milliseconds(only["P99Ms"])),
            Figure("Longest", milliseconds(only["MaxMs"])),
            Figure("Billed, GB-s", count(only["BilledGBs"]), about="Billed duration times configured memory"),
        ]
    )
    left, right = st.columns(2)
    with left:
        panels.duration_percentiles(run, lambda: asked("invocations_percentiles", frames.of_buckets))
    with right, run.panel("How many took how long", "Eight bins for each factor of ten."):
        bins = asked("invocations_histogram", frames.of_bins)
        if bins.empty:
            nothing("The duration of no invocation is known yet.")
        else:
            run.since(bins)
            alt = f"Histogram of duration, p50 {milliseconds(only['P50Ms'])}."
            run.chart(series.histogram(bins), alt, bins, "histogram")
    rows = run.query("invocations_latest", limit=LATEST_INVOCATIONS, **params)
    title = f"The latest {len(rows)}" if len(rows) == LATEST_INVOCATIONS else f"All {len(rows)}"
    with run.panel(
        f"{title} of {count(only['Invocations'])}", "Click a row to see every phase of it on one time axis."
    ):
        panels.invocations_table(run, rows, "invocations-table")


def _narrow(chosen: InvocationFilters) -> None:
    state = st.session_state
    state["inv-status"], state["inv-cold"] = chosen.status, chosen.cold_only
    state["inv-min"], state["inv-request"] = chosen.min_ms, chosen.request
    st.selectbox(
        "Outcome",
        ("", *STATUSES),
        key="inv-status",
        format_func=STATUS_TITLES.__getitem__,
        on_change=_changed,
        width=160,
    )
    st.number_input(
        "At least, ms", min_value=0.0, step=100.0, format="%.0f", key="inv-min", on_change=_changed, width=150
    )
    st.text_input("Request id", key="inv-request", placeholder="its first characters", on_change=_changed, width=300)
    st.toggle("Cold starts only", key="inv-cold", on_change=_changed)


def _changed(drop: str = "") -> None:
    state = st.session_state
    before = parse_invocation_filters(choices.read().query)
    chosen = replace(
        before,
        status=state["inv-status"],
        cold_only=state["inv-cold"],
        min_ms=state["inv-min"] or 0.0,
        request=(state["inv-request"] or "").strip(),
    )
    choices.write_own(NAMES, (replace(chosen, at=None, until=None) if drop == "at" else chosen).query())


show("invocations", _body)
