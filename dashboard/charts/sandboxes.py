"""The life of execution environments: one row each."""

from __future__ import annotations

import altair as alt
import pandas as pd

from dashboard.charts import base, colours
from dashboard.charts.frames import not_after, not_before
from dashboard.timeaxis import Window

ROW_HEIGHT = 20


def lives(sandboxes: pd.DataFrame, window: Window) -> pd.DataFrame:
    """From when until when each sandbox lived within the window, and whether its end is known.

    Without a shutdown the end is the last sign of life; a sandbox that is silent may still be there.
    """
    born = sandboxes["InitStart"].fillna(sandboxes["FirstInvoke"])
    last = sandboxes["ShutdownAt"].fillna(pd.Timestamp(min(window.end, window.now)))
    return sandboxes.assign(
        Label=[_label(row) for _, row in sandboxes.iterrows()],
        Begin=not_before(born, window.begin),
        Finish=not_after(last, window.end),
        Ended=sandboxes["ShutdownAt"].notna().map({True: "shut down", False: "not seen to end"}),
    )


def _label(row: pd.Series) -> str:
    version = "" if row["FunctionVersion"] in ("", "$LATEST") else f":{row['FunctionVersion']}"
    return f"{row['FunctionName']}{version} · {str(row['InstanceId'])[-6:]}"


def activity(rows: pd.DataFrame, alive: pd.DataFrame, window: Window) -> pd.DataFrame:
    """What happened in each sandbox, cut at the window, with the row it belongs to."""
    if rows.empty:
        return pd.DataFrame(
            columns=["Label", "Kind", "Begin", "Finish", "Count", "BusyMs", "RequestId", "Colour", "Utc"]
        )
    rows = rows[(rows["End"] > pd.Timestamp(window.begin)) & (rows["Start"] < pd.Timestamp(window.end))]
    labels = dict(zip(alive["InstanceId"], alive["Label"], strict=True))
    begin = not_before(rows["Start"], window.begin)
    return rows.assign(
        Label=rows["InstanceId"].map(labels),
        Begin=begin,
        Finish=not_after(rows["End"], window.end),
        Colour=rows["Kind"].map(colours.ACTIVITIES),
        Utc=begin.dt.strftime("%Y-%m-%d %H:%M:%S UTC"),
    ).drop(columns=["Start", "End"])


def timeline(alive: pd.DataFrame, done: pd.DataFrame, window: Window) -> alt.LayerChart:
    """Thin line: alive and idle. Blocks: init, invokes, failed invokes, shutdown."""
    order = list(alive["Label"])
    y = alt.Y(
        "Label:N",
        sort=order,
        title=None,
        axis=alt.Axis(labelLimit=220, ticks=False, domain=False, labelOverlap=False, labelFontSize=10),
    )
    idle = (
        alt.Chart(alive)
        .mark_bar(height=3, color=colours.IDLE, opacity=0.55)
        .encode(
            y=y,
            x=base.time_x("Begin"),
            x2="Finish:T",
            tooltip=[
                alt.Tooltip("Label:N", title="sandbox"),
                alt.Tooltip("Invocations:Q", title="invocations in all"),
                alt.Tooltip("InitType:N", title="type"),
                alt.Tooltip("Ended:N", title="end"),
            ],
        )
    )
    blocks = (
        alt.Chart(done)
        .mark_bar(height=ROW_HEIGHT - 8, strokeWidth=1)
        .encode(
            y=y,
            x=base.time_x("Begin"),
            x2="Finish:T",
            color=base.colour(_present(done), "Kind"),
            stroke=alt.Stroke("Colour:N", scale=None),
            tooltip=[
                alt.Tooltip("Label:N", title="sandbox"),
                alt.Tooltip("Kind:N", title="what"),
                alt.Tooltip("Count:Q", title="how many"),
                alt.Tooltip("BusyMs:Q", title="busy, ms", format=",.0f"),
                alt.Tooltip("Begin:T", title="from", format="%Y-%m-%d %H:%M:%S"),
                alt.Tooltip("Utc:N", title="UTC"),
            ],
        )
    )
    return base.layered(window, [idle, blocks], height=ROW_HEIGHT * len(alive) + 60)


def _present(done: pd.DataFrame) -> dict[str, str]:
    return {kind: colour for kind, colour in colours.ACTIVITIES.items() if kind in set(done["Kind"])}


def quantum_ms(window: Window) -> int:
    """Work of one kind in one sandbox that lies within so many milliseconds is drawn as one block."""
    return max(1, int(window.span_s * 1000 / 400))
