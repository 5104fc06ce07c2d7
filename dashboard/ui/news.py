"""What a page says first: what went wrong in a time, and what changed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pandas as pd
import streamlit as st

from dashboard import causes
from dashboard.charts import changes, cold_starts, fleet
from dashboard.plans import INCIDENTS
from dashboard.text import plural, seconds
from dashboard.ui import tables
from dashboard.ui.page import Run
from dashboard.ui.panels import Finding, findings, function_at


def consequences(run: Run, page: str, *statements: str, besides: Collection[str] = ()) -> None:
    """In words what befell the functions of a page that no cause is kept of: events were lost, nothing was invoked.

    Args:
        run: the drawing.
        page: whose causes these are, as in dashboard/causes.py.
        statements: that find them.
        besides: functions of which the page tells already.
    """
    none = cold_starts.releases(pd.DataFrame(), run.window)
    found = fleet.incidents([part for name in statements for part in run.parts(name)], run.window.begin, none)
    found = found[(found["Page"] == page) & ~found["FunctionName"].isin(list(besides))]
    known = {name: causes.of(page, name) for name in found["Cause"].unique()}
    findings(
        run,
        (
            Finding(
                known[one["Cause"]].title,
                causes.CONFIDENCE.get(str(one["Sure"]), ""),
                str(one["FunctionName"]),
                one["Began"].to_pydatetime(),
                one["Ended"].to_pydatetime(),
                str(one["Why"]),
                known[one["Cause"]].advice,
            )
            for one in found.to_dict("records")
        ),
    )


def incidents(run: Run) -> None:
    """What went wrong in this time with its likely cause; nothing where nothing did."""
    released = run.made(cold_starts.releases, run.query("init_by_version"), run.window)
    parts = [part for name in INCIDENTS for part in run.parts(name)]
    found = run.made(fleet.incidents, parts, run.window.begin, released)
    run.causes_waiting()
    if found.empty:
        return
    shown = found.assign(
        Title=[causes.title(kind, cause) for kind, cause in zip(found["Page"], found["Cause"], strict=True)],
        Sure=[causes.CONFIDENCE.get(str(one), str(one)) for one in found["Sure"]],
    )
    text = st.column_config.TextColumn

    def target(clicked: pd.Series) -> tuple[str, dict[str, list[str]]]:
        _, query = function_at(run, clicked, "Began", "Ended")
        return str(clicked["Page"]), query

    with run.panel(
        f"{plural(len(found), 'incident')}, the newest first",
        "What went wrong in this time and its likely cause. Click one to see what it rests on.",
    ):
        tables.linked(
            run,
            shown,
            "fleet-incidents",
            target,
            {
                "Began": tables.instants(run.viewer, "Since", "MMM D, HH:mm", 95),
                "Lasted": text("For", width=80),
                **tables.function_column(run, 140),
                "Title": text("Likely cause", width=210),
                "Sure": text("Sure", width=80, help="Inferred, unless AWS says so"),
                "Others": text("Also", width=110, help="Others that the same cause hit at the same time"),
                "Why": text("It rests on", width=420),
            },
            alt=f"{len(found)} incidents with function, time and likely cause.",
            height=tables.height(len(found), 11),
        )
        run.download(found, "incidents")


def changed(run: Run, rows: pd.DataFrame) -> None:
    """What was done to the functions, and which of their figures moved; nothing where all is as it was.

    Args:
        run: the drawing.
        rows: of fleet_functions.sql.
    """
    released = run.made(cold_starts.releases, run.query("init_by_version"), run.window)
    found = run.made(changes.changes, rows, released, run.query("configuration_changes"), run.window)
    if found.empty:
        return
    text = st.column_config.TextColumn
    with run.panel(
        f"What changed: {plural(len(found), 'thing')}",
        "Releases, runtime updates and settings with the time at which they were first seen; then new functions, and "
        f"shares and durations that moved by more than chance against the {seconds(run.window.span_s)} before. "
        "Click one to see more.",
    ):
        tables.linked(
            run,
            found,
            "fleet-changes",
            lambda clicked: (str(clicked["Page"]), replace(run.filters, functions=(clicked["FunctionName"],)).query()),
            {
                "At": tables.instants(run.viewer, "Since", "MMM D, HH:mm", 95),
                **tables.function_column(run, 150),
                "What": text("What", width=170),
                "Before": text("Before", width=150),
                "Now": text("Now", width=150),
            },
            alt=f"{len(found)} changes with function, time, and what was before and is now.",
            height=tables.height(len(found), 5),
        )
        run.download(found.drop(columns=["Page", "Weight"]), "changes")
