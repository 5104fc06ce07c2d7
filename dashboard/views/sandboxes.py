"""Sandboxes: the life of each execution environment."""

import pandas as pd
import streamlit as st

from dashboard.charts import sandboxes as shaping
from dashboard.plans import LATEST_SANDBOXES, activity_of, shown_sandboxes
from dashboard.text import UNKNOWN, count, milliseconds, seconds
from dashboard.ui import choices, tables
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import Run, nothing, show


def _body(run: Run) -> None:
    found = run.query("sandboxes", limit=LATEST_SANDBOXES + 1)
    wanted = run.choices.query.get("instance", [""])[-1]
    if wanted:
        _only(wanted)
    shown = shown_sandboxes(found, wanted)
    if shown.empty:
        nothing()
        return
    alive = shaping.lives(shown, run.window)
    rows = run.answer(activity_of(shown, run.window))
    done = shaping.activity(rows, alive, run.window)
    _figures(alive, done)
    title = f"The latest {len(shown)} sandboxes" if len(found) > len(shown) > 1 else f"All {len(shown)} sandboxes"
    quantum = milliseconds(shaping.quantum_ms(run.window))
    with run.panel(
        f"{title}: init, invokes, idle",
        f"Thin line: there and idle. Work within {quantum} of each other is one block.",
    ):
        text = f"Timeline of {len(alive)} sandboxes."
        run.chart(shaping.timeline(alive, done, run.window), text, done, "timeline")
    with run.panel("The same as a table"):
        st.dataframe(
            shown,
            hide_index=True,
            key="sandboxes-table",
            column_order=[
                "FunctionName",
                "FunctionVersion",
                "InitType",
                "InitStart",
                "FirstInvoke",
                "LastInvoke",
                "ShutdownAt",
                "ShutdownReason",
                "Invocations",
                "InstanceId",
            ],
            column_config={
                "FunctionName": "Function",
                "FunctionVersion": "Version",
                "InitType": "Type of init",
                "InitStart": tables.instants(run.viewer, "Init began"),
                "FirstInvoke": tables.instants(run.viewer, "First invocation"),
                "LastInvoke": tables.instants(run.viewer, "Last invocation"),
                "ShutdownAt": tables.instants(run.viewer, "Shut down", width=150),
                "ShutdownReason": "Reason",
                "InstanceId": "Instance id",
            },
            placeholder="",
            alt=f"{len(alive)} sandboxes.",
        )
        run.download(shown, "sandboxes")


def _only(wanted: str) -> None:
    st.info(f"Only the sandbox {wanted}.", icon=":material/my_location:")
    st.button(
        "Show all", on_click=choices.write_own, args=(("instance",), {}), type="tertiary", icon=":material/close:"
    )


def _figures(alive: pd.DataFrame, done: pd.DataFrame) -> None:
    lived_s = float((alive["Finish"] - alive["Begin"]).dt.total_seconds().clip(lower=0).sum())
    busy_s = float(done["BusyMs"].sum()) / 1000 if not done.empty else 0.0
    unused = int((alive["Invocations"] == 0).sum())
    row(
        [
            Figure("Sandboxes shown", count(len(alive))),
            Figure(
                "Busy", f"{100 * busy_s / lived_s:.1f} %" if lived_s else UNKNOWN, about="Of the time they were there"
            ),
            Figure("Lived", seconds(lived_s), about="All of them together, within the time chosen"),
            Figure("Never used", count(unused), about="Started, and not one invocation"),
        ]
    )


show("sandboxes", _body)
