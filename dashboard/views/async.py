"""Async and queues: events that wait, events that are lost, and what became of the records of each mapping."""

import pandas as pd
import streamlit as st

from dashboard.charts import frames, over_time
from dashboard.text import count, milliseconds
from dashboard.ui import news, panels, tables
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import Run, nothing, show

NO_ASYNC = (
    "No asynchronous invocation in this time, or no CloudWatch data: deliver a metric stream to the collector's "
    "/firehose, or run its poller (docs/cloudwatch.md)."
)
LOST = ["Dropped", "DeadLetterErrors", "DestinationFailures", "RecursiveDropped"]


def _body(run: Run) -> None:
    functions = run.query("async_functions")
    if functions.empty:
        nothing(NO_ASYNC)
    else:
        _asynchronous(run, functions)
    with run.panel(
        "Event source mappings: from polled to done",
        "Handed over may exceed polled, as retries count again. Failed is counted at the end of an invocation, the "
        "others at its start.",
    ):
        _funnel(run)


def _asynchronous(run: Run, functions: pd.DataFrame) -> None:
    lost = float(functions[LOST].astype(float).sum().sum())
    row(
        [
            Figure("Events queued", count(functions["Received"].astype(float).sum())),
            Figure("Oldest", milliseconds(functions["MaxAgeMs"].astype(float).max()), about="When it was invoked"),
            Figure("Lost", count(lost), about="Dropped, or not delivered where failed events go: gone for good"),
            Figure("Functions", count(len(functions))),
        ]
    )
    news.consequences(run, "async", "events_lost")
    rows = run.query("async_over_time")
    left, right = st.columns(2)
    with left, run.panel(f"Events queued per {panels.width(run)}", "Each function is a colour."):
        covered = frames.coverage(run.query("metrics_coverage"))
        panels.stacked(run, rows, covered, "Received", "events")
    with right, run.panel("Age of the events", "From queueing to invocation; rises with retries and throttles."):
        shown, chart, aged = run.made(over_time.ages, rows, run.window)
        run.chart(chart, f"Age of asynchronous events of {aged} functions.", shown, "age")
    with run.panel("By function, those that lose events first", "Click a row to see the function alone."):
        _functions(run, functions)


def _functions(run: Run, functions: pd.DataFrame) -> None:
    number = st.column_config.NumberColumn
    tables.linked(
        run,
        functions.assign(Oldest=[milliseconds(one) for one in functions["MaxAgeMs"].astype(float)]),
        "async-functions",
        lambda clicked: ("function", {**run.filters.query(), "function": [str(clicked["FunctionName"])]}),
        {
            "FunctionName": st.column_config.TextColumn("Function", width="medium"),
            "Received": number("Queued", format="localized"),
            "Oldest": st.column_config.TextColumn("Oldest"),
            "Dropped": number("Dropped", help="Too old, out of attempts, or reserved concurrency 0"),
            "DeadLetterErrors": number("Dead-letter errors", help="Not written to the dead-letter queue: lost"),
            "DestinationFailures": number("Destination failures", help="Not written to the destination: lost"),
            "RecursiveDropped": number("Loops stopped", help="Dropped by Lambda's detection of recursive loops"),
        },
        alt=f"{len(functions)} functions that are invoked asynchronously.",
    )
    run.download(functions, "functions")


def _funnel(run: Run) -> None:
    rows = run.query("mapping_funnel")
    if rows.empty:
        nothing(panels.NO_COUNTS)
        return
    named = rows["FunctionName"] != rows["Uuid"]
    if not named.all():
        st.caption("Whose mapping it is only AWS knows: where the inventory does not run, its id stands here.")
    number = st.column_config.NumberColumn
    st.dataframe(
        rows.assign(Source=[str(arn).rpartition(":")[2] for arn in rows["EventSourceArn"]]),
        hide_index=True,
        key="mapping-funnel",
        column_order=[
            "FunctionName",
            "Source",
            "Polled",
            "FilteredOut",
            "Invoked",
            "Failed",
            "Dropped",
            "ToDestination",
            "Done",
        ],
        column_config={
            "FunctionName": st.column_config.TextColumn("Function, or the mapping's id", width=290),
            "Polled": number("Polled", format="localized"),
            "FilteredOut": number("Filtered out", format="localized"),
            "Invoked": number("Handed over", format="localized"),
            "Failed": number("Failed", format="localized"),
            "Dropped": number("Dropped", format="localized"),
            "ToDestination": number("To destination", format="localized"),
            "Done": number("Deleted or committed", format="localized"),
        },
        placeholder="",
        alt=f"What became of the records of {len(rows)} mappings.",
    )
    run.download(rows, "mappings")


show("async", _body)
