"""Concurrency: how many sandboxes are busy, of which function, against which limits, and what ran at the peaks."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import frames, over_time
from dashboard.text import UNKNOWN, count, known, share
from dashboard.ui import panels, tables
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import Run, nothing, show

NO_METRICS = (
    "No CloudWatch data in this time: what is claimed only AWS knows. "
    "Deliver a metric stream to the collector's /firehose, or run its poller (docs/cloudwatch.md)."
)
NO_LIMITS = "No function has reserved or provisioned concurrency, or the inventory does not run (docs/cloudwatch.md)."

REQUESTS_PER_S_PER_CONCURRENCY = 10
"""Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html, "Understanding and visualizing"."""
SANDBOXES_PER_10_S = 1000
"""Of one function. Source: https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html."""


def _body(run: Run) -> None:
    peaks = run.query("concurrency_peaks")
    accounts = run.query("account_concurrency")
    if peaks.empty and accounts.empty:
        nothing()
        return
    _figures(peaks, accounts)
    with run.panel(
        "Sandboxes busy: average by function, and the account's peak",
        "A sandbox is busy from the init that an invocation waits for until its extensions are done. "
        "Peaks of functions do not add up, averages do.",
    ):
        panels.concurrency_over_time(run, by_function=True)
    with run.panel(
        "Sandboxes alive: busy and idle",
        "Averages. One is alive from its init until its shutdown. One whose shutdown nobody told counts as perhaps "
        "gone in the quarter of an hour after its last sign of life.",
    ):
        _alive(run)
    left, right = st.columns(2)
    with (
        left,
        run.panel(
            "Claimed by the account",
            "As CloudWatch has it: reserved and provisioned concurrency, and what is used beside. At the limit, "
            "everybody without a reservation is throttled.",
        ),
    ):
        _claimed(run, accounts)
    with right, run.panel("Functions with a limit of their own", "Click a row to see the function alone."):
        _limits(run)
    if not peaks.empty:
        with run.panel("Highest peaks", "Exact. Click a row to see what ran at that instant."):
            panels.peaks_table(run, peaks)
        _over_time(run)
        with run.panel(
            "Sandboxes added",
            f"Most inits within ten seconds. Lambda adds up to {SANDBOXES_PER_10_S:,} per function in that.",
        ):
            _ramp(run)


def _figures(peaks: pd.DataFrame, accounts: pd.DataFrame) -> None:
    figures = []
    whole = peaks[peaks["FunctionName"] == frames.ACCOUNT] if not peaks.empty else peaks
    if not whole.empty:
        top = whole.iloc[0]
        figures += [
            Figure("Peak, account", count(top["Peak"]), about="Most sandboxes busy at once, exact, by the spans"),
            Figure("Average, account", f"{top['Avg']:.2f}", about="Busy time divided by the time chosen"),
            Figure("Sandboxes", count(top["Sandboxes"]), about="Different ones that worked in this time"),
        ]
    if not accounts.empty:
        worst = accounts.iloc[0]
        limit, claimed, rate = (_number(worst[name]) for name in ("AccountLimit", "Claimed", "RequestsPerS"))
        quota = limit * REQUESTS_PER_S_PER_CONCURRENCY if known(limit) else limit
        about = (
            f"of {count(limit)}; AWS throttles at 100 %" if known(limit) else "The inventory does not know the limit"
        )
        figures += [
            Figure(
                "Claimed", share(claimed, limit) if known(limit) else count(claimed), about=f"{count(claimed)} {about}"
            ),
            Figure(
                "Request rate",
                f"{rate:.1f}/s" if known(rate) else UNKNOWN,
                about=f"Of the busiest minute; the quota is {count(quota)}, ten times the limit of concurrency",
            ),
        ]
    row(figures)


def _alive(run: Run) -> None:
    rows = run.query("sandboxes_over_time")
    if rows.empty:
        nothing("No sandbox was alive in this time.")
        return
    shown, chart = run.made(over_time.alive, rows, run.window, run.coverage())
    busy, alive = float(rows["Working"].mean()), float(rows[list(over_time.ALIVE)].sum(axis=1).mean())
    run.chart(chart, f"Sandboxes alive over time, {alive:.1f} on the average, {busy:.1f} of them busy.", shown, "alive")


def _number(value: Any) -> float:
    return float("nan") if pd.isna(value) else float(value)


def _claimed(run: Run, accounts: pd.DataFrame) -> None:
    rows = run.query("account_concurrency_over_time")
    if rows.empty:
        nothing(NO_METRICS)
        return
    limits = tuple(float(one) for one in accounts["AccountLimit"].dropna().unique())
    shown, chart = run.made(over_time.claimed, rows, run.window, limits)
    run.chart(chart, "Claimed and busy concurrency of each account over time.", shown, "claimed")


def _limits(run: Run) -> None:
    rows = run.query("function_limits")
    if rows.empty:
        nothing(NO_LIMITS)
        return
    number = st.column_config.NumberColumn
    shown = rows.assign(
        UsePercent=100 * rows["Busy"].astype(float) / rows["ReservedConcurrency"].astype(float),
        RatePercent=100 * rows["RequestsPerS"].astype(float)
        / (REQUESTS_PER_S_PER_CONCURRENCY * rows["ReservedConcurrency"].astype(float)),
        ProvisionedPercent=100 * rows["ProvisionedUse"].astype(float),
    )  # fmt: skip
    tables.linked(
        run,
        shown,
        "function-limits",
        lambda clicked: ("function", {**run.filters.query(), "function": [str(clicked["FunctionName"])]}),
        {
            "FunctionName": st.column_config.TextColumn("Function", width=140),
            "ReservedConcurrency": number("Reserved", width=75),
            "Busy": number("Busy", help="Most sandboxes, as CloudWatch has it", width=55),
            "UsePercent": number("used", format="%.0f %%", width=60),
            "RatePercent": number(
                "Rate", format="%.0f %%", width=60, help="Requests per second, of ten per reserved one"
            ),
            "ProvisionedConcurrency": number("Provisioned", width=90),
            "ProvisionedPercent": number("used", format="%.0f %%", width=60, help="Below 60 %: more than is needed"),
            "Spillover": number("Spilled over", help="Invocations beyond what is provisioned", width=90),
            "Throttled": number("Throttled", width=80),
        },
        alt=f"{len(rows)} functions with reserved or provisioned concurrency.",
    )
    run.download(rows, "limits")


def _over_time(run: Run) -> None:
    with run.panel(f"Peak per function and {panels.width(run)}", "The nine functions with the highest."):
        rows = run.query("concurrency_over_time")
        shown, chart, functions = run.made(over_time.peaks, rows, run.window, run.coverage())
        run.chart(chart, f"Peak concurrency of {functions} functions over time.", shown, "peaks")


def _ramp(run: Run) -> None:
    rows = run.query("scaling_ramp")
    if rows.empty:
        nothing("No sandbox was started in this time.")
        return
    number = st.column_config.NumberColumn
    tables.linked(
        run,
        rows.assign(OfLimit=100 * rows["MostIn10s"] / SANDBOXES_PER_10_S),
        "scaling-ramp",
        lambda clicked: panels.function_at(run, clicked, "At", "At"),
        {
            "FunctionName": st.column_config.TextColumn("Function", width="medium"),
            "MostIn10s": number("Most in 10 s", format="localized"),
            "OfLimit": number("of what Lambda adds", format="%.1f %%"),
            "At": tables.instants(run.viewer, "At"),
            "Added": number("In all", format="localized"),
        },
        alt=f"How fast {len(rows)} functions added sandboxes.",
        height=tables.height(len(rows), 5),
    )
    run.download(rows, "ramp")


show("concurrency", _body)
