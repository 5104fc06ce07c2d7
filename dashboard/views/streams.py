"""Streams: how old records get before they are read, how long their stream keeps them, and what holds them up."""

from collections.abc import Iterator

import pandas as pd
import streamlit as st

from dashboard import causes
from dashboard.charts import fleet, over_time, parts
from dashboard.text import count, known, milliseconds, seconds
from dashboard.ui import news, panels, tables
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import Run, nothing, show

NO_STREAMS = (
    "No iterator age in this time. It comes from CloudWatch, for functions that read Kinesis, DynamoDB or DocumentDB: "
    "deliver a metric stream to the collector's /firehose, or run its poller (docs/cloudwatch.md). A mapping that does "
    "not invoke publishes none, however far behind it is."
)
NO_SHARDS = (
    "CloudWatch has one age for all shards of a stream. The opt-in proxy sees each batch: set LAMBDASCOPE_PROXY=1 and "
    "the wrapper on the function (docs/depth.md)."
)


def _body(run: Run) -> None:
    consumers = run.made(parts.consumers, run.parts("stream_consumers"), run.window)
    if consumers.empty:
        nothing(NO_STREAMS)
        return
    run.causes_waiting()
    _figures(consumers)
    panels.findings(run, _findings(consumers, chosen=bool(run.filters.functions)))
    paused = consumers[consumers["WorstCause"] == "paused_mapping"]
    news.consequences(run, "streams", "mappings_stopped", besides=set(paused["FunctionName"]))
    with run.panel(
        "Consumers, those in trouble first",
        "Age is that of the oldest record of a minute. Where the inventory does not know how long the stream keeps "
        "records, a day is assumed. Click a row to see the function at that time.",
    ):
        _consumers(run, consumers)
    with run.panel(
        "Age of the records", "Highest of each point. A gap: the mapping did not invoke. Logarithmic scale."
    ):
        _ages(run)
    left, right = st.columns(2)
    with (
        left,
        run.panel("Records polled, handed over, failed and dropped", "Where the mapping publishes event counts."),
    ):
        _ingest(run)
    with right, run.panel("By shard", "As the invocations saw it: age of the last record of a batch at its receipt."):
        _shards(run)


def _figures(consumers: pd.DataFrame) -> None:
    troubled = consumers[~consumers["WorstCause"].isin(["", "catching_up"])]
    losing = consumers["TimeToLoss_s"].astype(float).min()
    row(
        [
            Figure("Oldest record", milliseconds(consumers["MaxAgeMs"].astype(float).max()), about="When it was read"),
            Figure(
                "Of its retention",
                f"{100 * consumers['WorstShare'].astype(float).max():.1f} %",
                about="At 100 % records are lost. Look into it at 25 %, get up at 50 %.",
            ),
            Figure(
                "Until records are lost",
                seconds(losing) if known(losing) else "no lag grows",
                about="If the age goes on to grow as in the last quarter of an hour",
            ),
            Figure(
                "Held up", f"{len(troubled)} of {count(len(consumers))}", about="Consumers with a likely cause of lag"
            ),
        ]
    )


def _findings(consumers: pd.DataFrame, *, chosen: bool) -> Iterator[panels.Finding]:
    """Consumers with a likely cause of lag, the worst first. Of the whole fleet only those whose records got as old as
    the Fleet page's incidents; a mapping that does not invoke reads nothing, however old.
    """
    held_up = consumers[~consumers["WorstCause"].isin(["", "catching_up"])]
    old = held_up["MaxAgeMs"].astype(float) >= 1000 * fleet.RIPPLE_S
    shown = held_up if chosen else held_up[old | (held_up["WorstCause"] == "paused_mapping")]
    for one in shown.to_dict("records"):
        cause = causes.lag(str(one["WorstCause"]))
        yield panels.Finding(
            cause.title,
            causes.CONFIDENCE.get(str(one["WorstConfidence"]), ""),
            str(one["FunctionName"]),
            one["WorstSince"],
            None,
            f"records up to {milliseconds(float(one['MaxAgeMs']))} old; {one['WorstEvidence']}",
            cause.advice,
        )


def _consumers(run: Run, consumers: pd.DataFrame) -> None:
    worded = [causes.lag(str(name)) if name else causes.Cause("", "") for name in consumers["WorstCause"]]
    shown = consumers.assign(
        Title=[cause.title for cause in worded],
        Advice=[cause.advice for cause in worded],
        Sure=[causes.CONFIDENCE.get(str(name), "") for name in consumers["WorstConfidence"]],
        Oldest=[milliseconds(one) for one in consumers["MaxAgeMs"].astype(float)],
        Latest=[milliseconds(one) for one in consumers["LastAgeMs"].astype(float)],
        SharePercent=100 * consumers["WorstShare"].astype(float),
        Kept=[
            seconds(kept) + ("" if sure else " (assumed)")
            for kept, sure in zip(consumers["Retention_s"], consumers["IsRetentionKnown"], strict=True)
        ],
        ToLoss=[seconds(one) if known(one) else "" for one in consumers["TimeToLoss_s"].astype(float)],
        Stream=[str(arn).rpartition(":")[2] for arn in consumers["EventSourceArn"]],
    )
    text = st.column_config.TextColumn
    tables.linked(
        run,
        shown,
        "stream-consumers",
        lambda clicked: panels.function_at(run, clicked, "WorstSince", "LastMinute"),
        {
            "FunctionName": text("Function", width=150),
            "Title": text("Likely cause", width=170),
            "Sure": text("Sure", width=65, help="Inferred, unless AWS says so"),
            "WorstSince": tables.instants(run.viewer, "Since", "MMM D, HH:mm", 95),
            "Oldest": text("Oldest", width=80),
            "Latest": text("Now", width=80),
            "SharePercent": st.column_config.ProgressColumn(
                "of retention", format="%.1f %%", min_value=0, max_value=100, width=100
            ),
            "Kept": text("Kept for", width=100),
            "ToLoss": text("Lost in", width=80, help="If the age goes on to grow"),
            "Ages": st.column_config.AreaChartColumn("over time", y_min=0, width=90),
            "WorstEvidence": text("It rests on", width=330),
            "Advice": text("What to do", width=330),
            "LastState": text("Mapping", width=80),
            "Stream": text("Stream", width=160),
        },
        alt=f"{len(shown)} consumers of streams with the age of their records and what likely holds them up.",
    )
    run.download(consumers.drop(columns=["Ages", "AgeBegin", "AgeStep_s"]), "consumers")


def _ages(run: Run) -> None:
    rows = run.query("stream_age_over_time")
    if rows.empty:
        nothing("Nothing was read in this time.")
        return
    shown, chart, consumers = run.made(over_time.ages, rows, run.window)
    run.chart(chart, f"Age of the records of {consumers} consumers over time.", shown, "age")


def _ingest(run: Run) -> None:
    shown, chart = run.made(over_time.flows, run.parts("stream_ingest_over_time"), run.window)
    if chart is None:
        nothing(panels.NO_COUNTS)
        return
    run.chart(chart, "Records polled, handed over, failed and dropped over time.", shown, "ingest")


def _shards(run: Run) -> None:
    rows = run.query("stream_shards")
    if rows.empty:
        nothing(NO_SHARDS)
        return
    st.dataframe(
        rows,
        hide_index=True,
        key="stream-shards",
        column_order=["FunctionName", "Shard", "MaxAgeMs", "LastAgeMs", "Invocations", "Failed"],
        column_config={
            "FunctionName": "Function",
            "MaxAgeMs": st.column_config.NumberColumn("Oldest, ms", format="localized"),
            "LastAgeMs": st.column_config.NumberColumn("Latest, ms", format="localized"),
        },
        placeholder="",
        alt=f"{len(rows)} shards.",
    )
    run.download(rows, "shards")


show("streams", _body)
