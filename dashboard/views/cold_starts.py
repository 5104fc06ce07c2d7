"""Cold starts: how often somebody waited for an init, how long, and for what."""

from collections.abc import Iterator

import pandas as pd
import streamlit as st

from dashboard import causes
from dashboard.charts import cold_starts as shaping
from dashboard.plans import COLD, LATEST_COLD
from dashboard.sql import invocation_params
from dashboard.text import count, seconds, share
from dashboard.ui import panels, tables
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import Run, nothing, show


def _body(run: Run) -> None:
    over_time = run.query("invocations_over_time")
    functions = run.query("cold_start_functions")
    if over_time.empty:
        nothing()
        return
    _figures(over_time, functions)
    if functions.empty:
        nothing("No invocation waited for an init in this time: every one found a sandbox ready.")
        return
    versions = run.made(shaping.releases, run.query("init_by_version"), run.window)
    panels.findings(run, _findings(versions))
    left, right = st.columns(2)
    with left, run.panel(f"Cold starts per {panels.width(run)}", "Invocations that waited for an init."):
        covered = run.coverage()
        panels.stacked(run, over_time, covered, "ColdStarts", "cold starts")
    with right:
        panels.phases(run)
    if not versions.empty:
        with run.panel(
            "After releases and runtime updates, the newest first",
            "Median init of what came against that of what it followed. Marked: half as long again and 50 ms more.",
        ):
            _releases(run, versions)
    with run.panel("By function", "Init duration as the platform reports it. Click a row to see the function alone."):
        _by_function(run, functions)
    with run.panel("Latest cold starts", "Click a row to see its phases on one time axis."):
        panels.invocations_table(run, _latest(run), "cold-latest")


def _latest(run: Run) -> pd.DataFrame:
    rows = run.query("invocations_latest", limit=LATEST_COLD, **invocation_params(COLD))
    return run.made(_of_cold, rows)


def _of_cold(rows: pd.DataFrame) -> pd.DataFrame:
    """Without saying of each that it was one."""
    return rows.drop(columns="ColdStart", errors="ignore")


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


def _findings(versions: pd.DataFrame) -> Iterator[panels.Finding]:
    """Releases that made init slower, the newest first."""
    for one in versions[versions["Slower"]].to_dict("records") if not versions.empty else ():
        released = one["FunctionVersion"] != one["BeforeVersion"]
        yield panels.Finding(
            "Init is slower since a release" if released else "Init is slower since a runtime update",
            causes.CONFIDENCE[one["Sure"]],
            str(one["FunctionName"]),
            one["FirstSeen"],
            None,
            f"{one['What']}: {one['Why']}",
            "Compare what the versions load at start, or go back to the one before.",
        )


def _releases(run: Run, versions: pd.DataFrame) -> None:
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    tables.linked(
        run,
        versions.assign(Mark=["slower" if slower else "" for slower in versions["Slower"]]),
        "cold-releases",
        lambda clicked: panels.function_at(run, clicked, "FirstSeen", "LastSeen"),
        {
            "FirstSeen": tables.instants(run.viewer, "First seen", "MMM D, HH:mm", 95),
            "FunctionName": text("Function", width=150),
            "What": text("What changed", width=240),
            "Mark": text("Marked", width=70),
            "BeforeP50Ms": number("Before, ms", format="%.0f"),
            "P50Ms": number("Since, ms", format="%.0f"),
            "ChangePercent": number("Change", format="%+.0f %%"),
            "ColdStarts": number("Cold starts since", format="localized"),
        },
        alt=f"{len(versions)} releases and runtime updates with the init before and since.",
        height=tables.height(len(versions), 7),
    )
    run.download(versions, "releases")


def _by_function(run: Run, functions: pd.DataFrame) -> None:
    shown = functions.assign(Share=100 * functions["ColdStarts"] / functions["Invocations"])
    tables.linked(
        run,
        shown,
        "cold-functions",
        lambda clicked: ("function", {**run.filters.query(), "function": [str(clicked["FunctionName"])]}),
        {
            "FunctionName": st.column_config.TextColumn("Function", width="medium"),
            **(
                {"InitType": st.column_config.TextColumn("Type of init")}
                if (shown["InitType"].fillna("") != "").any()
                else {}
            ),
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
    run.download(functions, "functions")


show("cold_starts", _body)
