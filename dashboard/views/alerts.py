"""Alerts: what fires now, what fired, and who was told."""

import pandas as pd
import streamlit as st

from dashboard.text import count
from dashboard.ui import panels, tables
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import Run, nothing, show

NO_ALERTS = (
    "No alert has fired in this time. The collector evaluates its rules once a minute, the recommended ones if it was "
    "given no others; docs/alerts.md says how to edit them and whom to tell."
)
COLOURS = {"critical": "#d1450b", "warning": "#e08a00", "info": "#3fa0dc"}


def _body(run: Run) -> None:
    firing = run.query("alerts_firing")
    history = run.query("alerts_history")
    _figures(firing, history)
    with run.panel("Firing now", "Whatever range is chosen. Click one to see its function around the time."):
        if firing.empty:
            st.success("Nothing fires.", icon=":material/check_circle:")
        else:
            _firing(run, firing)
    with run.panel("History", "What began, changed and was resolved, and who was told."):
        if history.empty:
            nothing(NO_ALERTS)
        else:
            _history(run, history)


def _figures(firing: pd.DataFrame, history: pd.DataFrame) -> None:
    by_severity = firing["LastSeverity"].value_counts() if not firing.empty else pd.Series(dtype=int)
    began = int((history["Kind"] == "firing").sum()) if not history.empty else 0
    untold = int(history["Told"].str.contains("failed|refused|pending").sum()) if not history.empty else 0
    row(
        [
            Figure("Critical", count(by_severity.get("critical", 0)), about="Fire now"),
            Figure("Warnings", count(by_severity.get("warning", 0)), about="Fire now"),
            Figure("Began", count(began), about="In the time chosen"),
            Figure("Not delivered", count(untold), about="Changes of which a destination has not been told"),
        ]
    )


def _marks(severities: pd.Series) -> pd.Series:
    """As the coloured labels of a column need them."""
    return severities.map(lambda one: [one])


def _severity(width: int = 85) -> object:
    return st.column_config.MultiselectColumn(
        "Severity", width=width, options=list(COLOURS), color=list(COLOURS.values())
    )


def _target(run: Run, clicked: pd.Series, begin: str, end: str) -> tuple[str, dict[str, list[str]]]:
    """The function of an alert around its time; the fleet for an alert that is of no function."""
    if not clicked["FunctionName"]:
        return "fleet", run.filters.query()
    return panels.function_at(run, clicked, begin, end)


def _firing(run: Run, firing: pd.DataFrame) -> None:
    text = st.column_config.TextColumn

    tables.linked(
        run,
        firing.assign(Mark=_marks(firing["LastSeverity"])),
        "alerts-firing",
        lambda clicked: _target(run, clicked, "Since", "Changed"),
        {
            "Mark": _severity(),
            "Since": tables.instants(run.viewer, "Since", "MMM D, HH:mm", 95),
            "LastTitle": text("What", width=220),
            "Series": text("Whose", width=220),
            "LastSummary": text("How much", width=380),
            "LastAdvice": text("What to do", width=320),
        },
        alt=f"{len(firing)} alerts that fire.",
    )
    run.download(firing, "firing")


def _history(run: Run, history: pd.DataFrame) -> None:
    text = st.column_config.TextColumn

    tables.linked(
        run,
        history.assign(Mark=_marks(history["Severity"])),
        "alerts-history",
        lambda clicked: _target(run, clicked, "At", "At"),
        {
            "At": tables.instants(run.viewer, "At", "MMM D, HH:mm", 95),
            "Kind": text("What happened", width=100),
            "Mark": _severity(),
            "Title": text("What", width=220),
            "Series": text("Whose", width=200),
            "Summary": text("How much", width=360),
            "Told": text("Told", width=200),
        },
        alt=f"{len(history)} changes of alerts.",
    )
    run.download(history, "history")


show("alerts", _body, over_time=False)
