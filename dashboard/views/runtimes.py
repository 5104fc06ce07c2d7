"""Runtimes: which ones end when, what still runs on them, and what changed with an update of the runtime."""

import pandas as pd
import streamlit as st

from dashboard.charts import cold_starts as shaping
from dashboard.text import count
from dashboard.ui import panels, tables
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import Run, nothing, show

SOON_DAYS = 90
NO_INVENTORY = (
    "Which runtime a function has only AWS knows: run the collector's inventory (docs/cloudwatch.md). "
    "What ran is below."
)


def _body(run: Run) -> None:
    functions = run.query("runtime_functions")
    versions = run.query("runtime_versions")
    if not functions.empty:
        _figures(functions)
    with run.panel(
        "Functions by the end of their runtime",
        "Those that are used and end soonest first. From the deprecation on there are no security patches; later "
        "functions can be neither created nor updated. Dates: lambda_runtimes. Click a row to see the function alone.",
    ):
        if functions.empty:
            nothing(NO_INVENTORY)
        else:
            _functions(run, functions)
    with run.panel(
        "Versions of the runtime that ran",
        "AWS updates runtimes by itself. Where a function has two, the second came in this time: compare them.",
    ):
        if versions.empty:
            nothing()
        else:
            run.since(versions)
            _versions(run, versions)


def _figures(functions: pd.DataFrame) -> None:
    left = functions["DaysLeft"].astype(float)
    used = functions["Invocations"].astype(float) > 0
    row(
        [
            Figure(
                "Deprecated and used", count(int(((left < 0) & used).sum())), about="Functions invoked within 30 days"
            ),
            Figure(f"Within {SOON_DAYS} days", count(int(((left >= 0) & (left <= SOON_DAYS) & used).sum()))),
            Figure("Deprecated and unused", count(int(((left < 0) & ~used).sum())), about="Candidates for removal"),
            Figure("Runtimes", count(functions["Runtime"].nunique())),
        ]
    )


def _functions(run: Run, functions: pd.DataFrame) -> None:
    text, number, day = st.column_config.TextColumn, st.column_config.NumberColumn, st.column_config.DateColumn
    tables.linked(
        run,
        functions,
        "runtime-functions",
        lambda clicked: ("function", {**run.filters.query(), "function": [str(clicked["FunctionName"])]}),
        {
            "FunctionName": text("Function", width="medium"),
            "Runtime": text("Runtime"),
            "DaysLeft": number("Days left", help="Until it is deprecated; negative: since"),
            "DeprecationDate": day("Deprecated"),
            "BlockCreateDate": day("No new ones"),
            "BlockUpdateDate": day("No updates"),
            "Successor": text("Newest"),
            "Invocations": number("Invocations, 30 d", format="localized"),
        },
        alt=f"{len(functions)} functions with the dates on which their runtimes end.",
    )
    run.download(functions, "functions")


def _versions(run: Run, versions: pd.DataFrame) -> None:
    several = versions.groupby("FunctionName")["Version"].transform("nunique") > 1
    ordered = versions.assign(Updated=several.map({True: "updated", False: ""})).sort_values(
        ["Updated", "FunctionName", "FirstSeen"], ascending=[False, True, True]
    )
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    tables.linked(
        run,
        ordered.assign(FailedPercent=100 * ordered["FailedShare"].astype(float)),
        "runtime-versions",
        lambda clicked: panels.function_at(run, clicked, "FirstSeen", "LastSeen"),
        {
            "FunctionName": text("Function", width="medium"),
            "Version": text("Version of the runtime"),
            "Updated": text("In this time"),
            "FirstSeen": tables.instants(run.viewer, "First seen", "MMM D, HH:mm"),
            "Invocations": number("Invocations", format="localized"),
            "P50Ms": number("p50, ms", format="%.1f"),
            "P90Ms": number("p90, ms", format="%.1f"),
            "InitP50Ms": number("Init p50, ms", format="%.0f"),
            "FailedPercent": number("Failed", format="%.2f %%"),
        },
        alt=f"{len(versions)} versions of runtimes by function.",
    )
    run.download(versions, "versions")
    slower = shaping.releases(run.one_by_one("init_by_version"), run.window)
    updated = slower[slower["FunctionVersion"] == slower["BeforeVersion"]] if not slower.empty else slower
    for one in updated[updated["Slower"]].to_dict("records") if not updated.empty else ():
        st.warning(f"**{one['FunctionName']}**: {one['What']}: {one['Why']}.", icon=":material/troubleshoot:")


show("runtimes", _body)
