"""Function: all about one of them."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from dashboard.filters import InvocationFilters
from dashboard.plans import LATEST_OF_FUNCTION, fleet_of
from dashboard.sql import invocation_params, names
from dashboard.text import count, milliseconds, share
from dashboard.ui import bar, choices, news, panels
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import Run, nothing, show


def _body(run: Run) -> None:
    if len(run.filters.functions) != 1:
        _pick(run)
        return
    name = run.filters.functions[0]
    st.markdown(f"## {name}")
    summary = _summary(run)
    if summary.empty or not summary["Invocations"].iloc[0]:
        with run.contained():
            news.incidents(run)  # it may not have run because of one
        nothing(f"No invocations of {name} in this time. Choose a longer range above.")
        return
    busy = run.query("concurrency_over_time")
    peak = 0 if busy.empty else busy["Peak"].where(busy["FunctionName"] == name, 0).max()
    only = summary.iloc[0]
    row(
        [
            Figure("Invocations", count(only["Invocations"])),
            Figure("Failed", share(only["Failed"], only["Invocations"]), about=f"{count(only['Failed'])} of them"),
            Figure("Cold starts", share(only["ColdStarts"], only["Invocations"]), about=count(only["ColdStarts"])),
            Figure("Duration p50", milliseconds(only["P50Ms"])),
            Figure("Duration p95", milliseconds(only["P95Ms"])),
            Figure("Duration p99", milliseconds(only["P99Ms"])),
            Figure("Peak busy", count(peak), about="Most sandboxes at once, exact"),
        ]
    )
    news.consequences(run, "function", "mappings_stopped", "invocations_stopped")
    news.incidents(run)
    panels.invocations_over_time(run)
    left, right = st.columns(2)
    with left:
        every = invocation_params(InvocationFilters())
        panels.duration_percentiles(run, lambda: run.query("invocations_percentiles", **every))
    with right, run.panel("Sandboxes busy: average and peak", "Click a moment to see what ran then."):
        panels.concurrency_over_time(run, by_function=False)
    panels.phases(run)
    failed = replace(InvocationFilters(), status="failed")
    with run.panel("Latest failures", "Click a row to see every phase of it."):
        _latest(run, failed, "function-failed", f"No invocation of {name} failed in this time.")
    with run.panel("Latest invocations", "Click a row to see every phase of it."):
        _latest(run, InvocationFilters(), "function-latest", "")


def _summary(run: Run) -> pd.DataFrame:
    """The figures of the function: who comes from Fleet has seen them there, and does not wait for them again."""
    known = run.known(fleet_of(run.window))
    if known is not None and len(known) <= 1:  # else it is there in several accounts or regions
        return known
    return run.query("invocations_summary", **invocation_params(InvocationFilters()))


def _latest(run: Run, chosen: InvocationFilters, key: str, otherwise: str) -> None:
    rows = run.query("invocations_latest", limit=LATEST_OF_FUNCTION, **invocation_params(chosen))
    if rows.empty:
        nothing(otherwise)
        return
    panels.invocations_table(run, rows, key)


def _pick(run: Run) -> None:
    options = sorted(set(names(bar.known_functions(), "FunctionName")))
    if not options:
        nothing()
        return
    nothing("This page is about one function. Choose it here.")

    def chosen() -> None:
        choices.write_global(replace(run.filters, functions=(st.session_state["pick"],)).query())

    st.selectbox("Function", options, index=None, key="pick", placeholder="Choose a function", on_change=chosen)


show("function", _body)
