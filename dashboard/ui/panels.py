"""Panels that more than one page shows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import cold_starts, frames, over_time
from dashboard.filters import InvocationFilters, InvocationKey
from dashboard.text import milliseconds, plural
from dashboard.timeaxis import DAY_S
from dashboard.ui import choices, plots, tables
from dashboard.ui.page import Run, nothing


@dataclass(frozen=True, slots=True)
class Finding:
    """A likely cause, and what it rests on."""

    title: str
    sure: str
    function: str
    since: datetime
    until: datetime | None
    evidence: str
    advice: str


MILLISECONDS = "YYYY-MM-DD HH:mm:ss.SSS"


def invocation_columns(run: Run) -> dict[str, Any]:
    """What a table of invocations shows."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "Start": tables.instants(run.viewer, "Start", MILLISECONDS),
        **tables.function_column(run, 140),
        "Outcome": text("Outcome", width=190),
        "DurationMs": number("Duration, ms", format="%.1f"),
        "InitMs": number("Init, ms", format="%.0f", help="Of a cold start; empty where nothing waited"),
        "BilledDurationMs": number("Billed, ms", format="localized"),
        "MaxMemoryUsedMB": number("Memory, MB", help="Highest use"),
        "MemorySizeMB": number("of MB", help="Configured"),
        "FunctionVersion": text("Version"),
        "RequestId": text("Request id", width="medium"),
    }


def function_at(run: Run, clicked: pd.Series, begin: str, end: str) -> tuple[str, dict[str, list[str]]]:
    """From a row that has a function and a time to the page of that function around it."""
    first, last = clicked[begin], clicked[end]
    first = last if pd.isna(first) else first
    around = run.filters.at(frames.moment(first) - timedelta(minutes=30), frames.moment(last) + timedelta(minutes=30))
    return "function", replace(around, functions=(str(clicked["FunctionName"]),)).query()


FINDINGS = 3

NO_COUNTS = (
    "No event source mapping publishes its event counts. Switch them on, for a few cents a month each: "
    "`aws lambda update-event-source-mapping --uuid UUID --metrics-config Metrics=EventCount`"
)


def findings(run: Run, rows: Iterable[Finding]) -> None:
    """The likely causes in words on top of a page, the worst first: what to read at three in the morning."""
    for one in itertools.islice(rows, FINDINGS):
        until = f" until {run.shown(one.until)}" if one.until else ""
        st.warning(
            f"**{one.title}** ({one.sure}): **{one.function}**, from {run.shown(one.since)}{until}. "
            f"{one.evidence[:1].upper()}{one.evidence[1:]}. {one.advice}",
            icon=":material/troubleshoot:",
        )


def invocations_over_time(run: Run) -> None:
    """How many, and how many failed: two charts beside each other."""
    rows = run.query("invocations_over_time")
    covered = run.coverage()
    left, right = st.columns(2)
    with left, run.panel(f"Invocations per {width(run)}", "Each function is a colour. The height is the total."):
        stacked(run, rows, covered, "Invocations", "invocations")
        among(rows)
    with right, run.panel(f"Failed invocations per {width(run)}", "Errors, crashes and timeouts."):
        if rows.empty or not rows["Failed"].sum():
            nothing("No invocation failed in this time.")
        else:
            stacked(run, rows, covered, "Failed", "failed invocations")


def stacked(run: Run, rows: pd.DataFrame, covered: frames.Coverage | None, value: str, unit: str) -> None:
    """Counts per bucket and function."""
    filled, chart = run.made(over_time.counts, rows, run.window, covered, value, unit)
    total = int(rows[value].sum())
    run.chart(chart, f"{unit.capitalize()} over time by function, {total:,} in all.", filled, value.lower())


def among(rows: pd.DataFrame) -> None:
    """Say of how many functions those with a colour are the largest, where there are others."""
    if (rows["FunctionName"] == frames.OTHERS).any():
        functions = int(rows["Functions"].max())
        st.caption(f"The {over_time.SHOWN_SERIES} largest of {functions:,} functions have a colour of their own.")


def width(run: Run) -> str:
    """The width of a bucket in words."""
    seconds = run.window.bucket_s
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0:
            return unit if seconds == size else plural(seconds // size, unit)
    return plural(seconds, "second")


def duration_percentiles(run: Run, ask: Callable[[], pd.DataFrame]) -> None:
    """p50, p95 and p99 over time.

    Args:
        run: of the page.
        ask: for rows like those of invocations_percentiles.sql.
    """
    with run.panel("Duration: p50, p95, p99", "As the platform reports it, init not included. Logarithmic scale."):
        rows = ask()
        if rows.empty:
            nothing("No invocation has reported its duration in this time.")
            return
        run.since(rows)
        shown, chart = run.made(over_time.percentiles, rows, run.window)
        last = milliseconds(float(rows["P95Ms"].iloc[-1]))
        run.chart(chart, f"Duration percentiles; latest p95 {last}.", shown, "duration")


def concurrency_over_time(run: Run, *, by_function: bool) -> None:
    """The stack of averages with the peak, in which a click on a moment leads to what ran then."""
    rows = run.query("concurrency_over_time")
    covered = run.coverage()
    if rows.empty:
        nothing("No sandbox was busy in this time.")
        return
    whole = frames.ACCOUNT if by_function else ""
    highest, chart = run.made(over_time.busy, rows, run.window, covered, whole)

    def clicked(bucket_ms: int) -> None:
        begin = datetime.fromtimestamp(bucket_ms / 1000, UTC)
        last = begin + timedelta(seconds=run.window.bucket_s, milliseconds=-1)
        busy = InvocationFilters(at=begin, until=last)
        choices.plan("invocations", {**run.filters.around(begin, last).query(), **busy.query()})

    alt = f"Concurrency over time. Highest peak {highest[0]} at {run.shown(highest[1])}."
    plots.plot(chart, alt, f"chart-{run.name}-concurrency", clicked)
    st.caption(
        "Colours: average per function, which adds up. Grey line: exact peak. Click a moment to see what ran then."
    )
    among(rows[rows["FunctionName"] != frames.ACCOUNT])
    run.download(rows.drop(columns="Functions"), "concurrency")


def peaks_table(run: Run, peaks: pd.DataFrame) -> None:
    """The highest concurrency of each, a click on which leads to what ran at that instant."""
    shown = peaks.assign(Who=peaks["FunctionName"].where(peaks["FunctionName"] != frames.ACCOUNT, "whole account"))

    def target(row: pd.Series) -> tuple[str, dict[str, list[str]]]:
        at = row["At"].to_pydatetime()
        only = [] if row["FunctionName"] == frames.ACCOUNT else [str(row["FunctionName"])]
        functions = tuple(only) or run.filters.functions
        busy = replace(run.filters.around(at, at), functions=functions).query()
        return "invocations", {**busy, **InvocationFilters(at=at).query()}

    tables.linked(
        run,
        shown,
        f"peaks-{run.name}",
        target,
        {
            "Who": st.column_config.TextColumn("Function", width="medium"),
            "Peak": st.column_config.NumberColumn("Peak", help="Most sandboxes busy at once, exact"),
            "At": tables.instants(run.viewer, "First reached", MILLISECONDS),
            "Avg": st.column_config.NumberColumn("Average", format="%.2f", help="Over the whole time chosen"),
            "Sandboxes": st.column_config.NumberColumn("Sandboxes", help="Different ones that worked in this time"),
        },
        alt="Highest concurrency of the account and of each function, and when.",
    )
    run.download(peaks, "highest")


def invocations_table(run: Run, rows: pd.DataFrame, key: str) -> None:
    """Invocations, a click on which leads to the waterfall."""
    shown = run.made(_with_outcomes, rows)
    tables.linked(
        run,
        shown,
        key,
        lambda row: ("invocation", {**run.filters.query(), **invocation_query(row)}),
        invocation_columns(run),
        alt=f"The latest {len(rows)} invocations.",
    )
    run.download(rows, key)


def _with_outcomes(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(Outcome=[outcome(row) for row in rows.to_dict("records")])


def invocation_query(row: pd.Series) -> dict[str, list[str]]:
    """The query string that names one attempt."""
    start = frames.moment(row["Start"])
    return InvocationKey(str(row["RequestId"]), str(row["InstanceId"]), int(row["Attempt"]), start).query()


def outcome(row: Mapping[Any, Any]) -> str:
    """How it ended, in a word or two."""
    status, error = said(row.get("Status")), said(row.get("ErrorType"))
    marks = []
    if status and status != "success":
        marks.append(f"✕ {error or status}")
    elif not status:
        marks.append("running, or its end never came")
    elif row.get("EndEstimated"):
        marks.append("ok, report awaited")
    if row.get("ColdStart") is True or row.get("ColdStart") == 1:
        marks.append("❄ cold")
    return " · ".join(marks) or "ok"


def said(value: object) -> str:
    """A text cell; '' where it is NULL."""
    return "" if value is None or value is pd.NA or value != value else str(value)  # noqa: PLR0124 - NaN is not itself


def _phases(rows: pd.DataFrame) -> pd.DataFrame:
    return cold_starts.most_waited(cold_starts.mean_parts(rows))


def phases(run: Run) -> None:
    """Where cold starts spend their time, one bar per function."""
    with run.panel(
        "Where cold starts spend their time",
        "Mean per cold start, so that the parts add up; the functions that waited most. Runtime and function init "
        "are apart only where the probe runs.",
    ):
        parts = run.made(_phases, run.query("cold_start_phases"))
        if parts.empty:
            nothing("No sandbox was started in this time.")
            return
        slowest = parts.groupby("FunctionName")["MeanMs"].sum().idxmax()
        if run.window.span_s > DAY_S:
            st.caption(f"Of the last day of this time, from {run.shown(run.window.end - timedelta(seconds=DAY_S))}.")
        chart = run.made(cold_starts.stacked_phases, parts)
        run.chart(chart, f"Phases of cold starts; slowest: {slowest}.", parts, "phases")
