"""Ingest health: whether what the other pages show is all there is."""

import pandas as pd
import streamlit as st

from dashboard.charts import frames
from dashboard.text import count, seconds, share
from dashboard.ui import foresight, panels, tables
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import Run, nothing, show


def _body(run: Run) -> None:
    functions = run.query("ingest_functions")
    _figures(run, functions)
    with run.panel("Sources", "Rows in the chosen time, and how old the newest is."):
        _sources(run)
    rows = run.query("ingest_over_time")
    with run.panel(
        f"Spans received per {panels.width(run)}", "By the time at which they began, not at which they came."
    ):
        if rows.empty:
            nothing("No span in this time. Check that the layer's OTEL_EXPORTER_OTLP_ENDPOINT names the collector.")
        else:
            first, last = rows["Bucket"].min(), rows["Bucket"].max()
            covered = frames.Coverage(first.to_pydatetime(), last.to_pydatetime())
            panels.stacked(run, rows, covered, "Rows", "spans")
            panels.among(rows)
    left, right = st.columns(2)
    with (
        left,
        run.panel(
            "Coverage: stored, of what CloudWatch counts",
            "By function, over closed minutes. Below 100 % something is not instrumented or sampled; "
            "then concurrency and rates by spans are too low.",
        ),
    ):
        _coverage(run)
    with (
        right,
        run.panel(
            "Sandboxes of which something is missing",
            "By the numbers that the layer puts on its exports: what never came, and what it dropped itself.",
        ),
    ):
        _missing(run)
    if not functions.empty:
        with run.panel("Functions, the one heard from last on top"):
            _by_function(run, functions)
    st.caption(foresight.said())


def _figures(run: Run, functions: pd.DataFrame) -> None:
    if functions.empty:
        nothing()
        return
    newest = functions["LastStart"].max()
    waiting = float(functions["WithoutReport"].sum())
    row(
        [
            Figure("Newest invocation", f"{seconds(_age_s(run, newest))} ago", about=run.shown(newest)),
            Figure("Functions", count(len(functions))),
            Figure("Sandboxes", count(functions["Sandboxes"].sum())),
            Figure(
                "Report awaited",
                share(waiting, float(functions["Invocations"].sum())),
                about=f"{count(waiting)} invocations whose end is an estimate: the platform's report comes with the "
                "sandbox's next invocation, or never.",
            ),
        ]
    )


def _age_s(run: Run, moment: pd.Timestamp) -> float:
    return max(0.0, (pd.Timestamp(run.window.now) - moment).total_seconds())


def _sources(run: Run) -> None:
    rows = run.query("ingest_tables")
    ages = [
        seconds(_age_s(run, row["Newest"])) + " ago" if row["Rows"] else "nothing in this time"
        for _, row in rows.iterrows()
    ]
    minutes = run.window.span_s / 60
    shown = rows.assign(Age=ages, PerMinute=rows["Rows"] / minutes, Newest=rows["Newest"].where(rows["Rows"] > 0))
    st.dataframe(
        shown,
        hide_index=True,
        key="ingest-sources",
        column_order=["Source", "Rows", "PerMinute", "Age", "Newest"],
        column_config={
            "Rows": st.column_config.NumberColumn("Rows", format="localized"),
            "PerMinute": st.column_config.NumberColumn("per minute", format="%.1f"),
            "Age": "Newest record",
            "Newest": tables.instants(run.viewer, "at"),
        },
        placeholder="",
        alt="Sources with their rows and the age of the newest.",
    )
    run.download(rows, "sources")


def _coverage(run: Run) -> None:
    rows = run.query("ingest_coverage")
    if rows.empty:
        nothing("No CloudWatch data to compare with in this time (docs/cloudwatch.md), or no minute is closed yet.")
        return
    number = st.column_config.NumberColumn
    tables.linked(
        run,
        rows.assign(SharePercent=100 * rows["Share"].astype(float)),
        "ingest-coverage",
        lambda clicked: ("function", {**run.filters.query(), "function": [str(clicked["FunctionName"])]}),
        {
            "FunctionName": st.column_config.TextColumn("Function", width=150),
            "SharePercent": st.column_config.ProgressColumn("Stored", format="%.0f %%", min_value=0, max_value=100),
            "Counted": number("by CloudWatch", format="localized"),
            "ByLayer": number("by the layer", format="localized"),
            "ByLogs": number("by logs alone", format="localized"),
        },
        alt=f"Coverage of {len(rows)} functions.",
    )
    run.download(rows, "coverage")


def _missing(run: Run) -> None:
    rows = run.query("ingest_missing")
    if rows.empty:
        st.success(
            "Everything that sandboxes sent has come, and none dropped anything.", icon=":material/check_circle:"
        )
        return
    st.dataframe(
        rows,
        hide_index=True,
        key="ingest-missing",
        column_config={
            "InstanceId": "Sandbox",
            "MissingExports": "Exports missing",
            "MissingItems": "Items missing",
            "DroppedItems": "Items dropped",
            "LastReceived": tables.instants(run.viewer, "Heard last"),
        },
        placeholder="",
        alt=f"{len(rows)} sandboxes of which something is missing.",
    )
    run.download(rows, "missing")


def _by_function(run: Run, functions: pd.DataFrame) -> None:
    shown = functions.assign(Age=[seconds(_age_s(run, at)) + " ago" for at in functions["LastStart"]])
    st.dataframe(
        shown,
        hide_index=True,
        key="ingest-functions",
        column_order=["FunctionName", "Age", "Invocations", "WithoutReport", "Sandboxes", "Region", "AccountId"],
        column_config={
            "FunctionName": "Function",
            "Age": "Newest invocation",
            "Invocations": st.column_config.NumberColumn("Invocations", format="localized"),
            "WithoutReport": st.column_config.NumberColumn("Report awaited", help="Their end is an estimate"),
            "AccountId": "Account",
        },
        alt="Functions with the age of their newest invocation.",
    )
    run.download(functions, "functions")


show("ingest", _body, use_functions=True)
