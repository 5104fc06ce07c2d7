"""Throttles: how many requests were refused, for which limit, who took the concurrency, and what it did to callers."""

from collections.abc import Iterator

import pandas as pd
import streamlit as st

from dashboard import causes
from dashboard.charts import frames, parts
from dashboard.text import count, share
from dashboard.ui import panels, tables
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import Run, nothing, show

NO_METRICS = (
    "No CloudWatch data in this time, so nobody knows of throttles: a throttled request never reaches a sandbox. "
    "Deliver a metric stream to the collector's /firehose, or run its poller (docs/cloudwatch.md)."
)


def _body(run: Run) -> None:
    episodes = run.made(parts.episodes, run.parts("throttle_episodes"), run.window.begin)
    covered = frames.coverage(run.query("metrics_coverage"))
    if covered is None:
        nothing(NO_METRICS)
        return
    run.causes_waiting()
    if episodes.empty:
        nothing("No request was throttled in this time.")
        return
    over_time = run.query("throttles_over_time")
    _figures(episodes, over_time)
    panels.findings(run, _findings(episodes))
    with run.panel(
        f"Throttled requests per {panels.width(run)}", "As CloudWatch counts them. Each function is a colour."
    ):
        panels.stacked(run, over_time, covered, "Throttles", "throttled requests")
    with run.panel(
        "What was throttled, and why",
        "Lambda tells the reason to the caller alone: the cause is inferred from the figures beside it, unless AWS "
        "says it. Click a row to see the function at that time.",
    ):
        _episodes(run, episodes)
    holders = run.made(parts.holders, run.parts("throttle_holders"))
    if not holders.empty:
        with run.panel(
            "Who took the account's concurrency",
            "The functions with the most sandboxes busy in the minutes in which others were throttled for it.",
        ):
            _holders(run, holders)


def _figures(episodes: pd.DataFrame, over_time: pd.DataFrame) -> None:
    throttled, ran = float(over_time["Throttles"].sum()), float(over_time["Invocations"].sum())
    by_cause = episodes.groupby("Cause")["Throttled"].sum().sort_values(ascending=False)
    row(
        [
            Figure("Throttled", count(throttled), about="Requests refused with status 429"),
            Figure(
                "Share",
                share(throttled, throttled + ran),
                about="Of all requests of these functions while they were throttled",
            ),
            Figure("Functions", count(episodes["FunctionName"].nunique())),
            Figure(
                "Causes",
                count(len(by_cause)),
                about=", ".join(causes.throttle(str(one)).title for one in by_cause.index),
            ),
        ]
    )


def _findings(episodes: pd.DataFrame) -> Iterator[panels.Finding]:
    """The worst stretch of each cause, the worst cause first."""
    for name in episodes.groupby("Cause")["Throttled"].sum().sort_values(ascending=False).index:
        worst = episodes[episodes["Cause"] == name].iloc[0]
        cause = causes.throttle(str(name))
        yield panels.Finding(
            cause.title,
            causes.CONFIDENCE.get(str(worst["Confidence"]), ""),
            str(worst["FunctionName"]),
            worst["FirstMinute"],
            worst["LastMinute"],
            f"{count(worst['Throttled'])} requests throttled; {worst['Evidence']}",
            cause.advice,
        )


def _episodes(run: Run, episodes: pd.DataFrame) -> None:
    worded = [causes.throttle(str(name)) for name in episodes["Cause"]]
    shown = episodes.assign(
        Title=[cause.title for cause in worded],
        Advice=[cause.advice for cause in worded],
        SharePercent=100 * episodes["Share"],
        Sure=[causes.CONFIDENCE.get(str(name), str(name)) for name in episodes["Confidence"]],
    )
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    tables.linked(
        run,
        shown,
        "throttle-episodes",
        lambda clicked: panels.function_at(run, clicked, "FirstMinute", "LastMinute"),
        {
            "FunctionName": text("Function", width=140),
            "Title": text("Likely cause", width=200),
            "Sure": text("Sure", width=80, help="Inferred, unless AWS says so"),
            "Evidence": text("It rests on", width=300),
            "FirstMinute": tables.instants(run.viewer, "From", "MMM D, HH:mm", 95),
            "LastMinute": tables.instants(run.viewer, "Until", "MMM D, HH:mm", 95),
            "Throttled": number("Throttled", format="localized", width=80),
            "SharePercent": number("of requests", format="%.0f %%", width=80),
            "Effect": text("Effect", width=260),
            "Advice": text("What to do", width=320),
        },
        alt=f"{len(shown)} stretches of throttling with their likely causes.",
    )
    run.download(episodes, "throttle-causes")


def _holders(run: Run, holders: pd.DataFrame) -> None:
    number = st.column_config.NumberColumn
    tables.linked(
        run,
        holders,
        "throttle-holders",
        lambda clicked: panels.function_at(run, clicked, "At", "At"),
        {
            "FunctionName": st.column_config.TextColumn("Function", width="medium"),
            "Held": number("Sandboxes busy, at most", format="localized"),
            "Rose": number("Rose within 5 min by", format="localized"),
            "At": tables.instants(run.viewer, "Most at", "MMM D, HH:mm"),
            "Minutes": number("Throttled minutes among the first five"),
        },
        alt=f"{len(holders)} functions that held the account's concurrency.",
    )
    run.download(holders, "throttle-holders")


show("throttles", _body)
