"""The life of execution environments: one row each."""

from __future__ import annotations

import pandas as pd

from dashboard.charts import base, colours
from dashboard.charts.frames import not_after, not_before
from dashboard.charts.spec import ALL_VALID, Chart, Layer, category, figure, line
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


def timeline(alive: pd.DataFrame, done: pd.DataFrame, window: Window) -> Chart:
    """Thin line: alive and idle. Blocks: init, invokes, failed invokes, shutdown."""
    order = list(alive["Label"])
    axis = {"labelLimit": 220, "ticks": False, "domain": False, "labelOverlap": False, "labelFontSize": 10}
    place = {
        "y": category("Label", sort=order, axis=axis),
        "x": base.time_x("Begin"),
        "x2": {"field": "Finish"},
    }
    idle = {
        **place,
        "tooltip": [
            line("sandbox", "Label"),
            figure("invocations in all", "Invocations"),
            line("type", "InitType"),
            line("end", "Ended"),
        ],
    }
    blocks = {
        **place,
        "color": base.colour(_present(done), "Kind"),
        "stroke": {"field": "Colour", "type": "nominal", "scale": None},
        "tooltip": [
            line("sandbox", "Label"),
            line("what", "Kind"),
            figure("how many", "Count"),
            figure("busy, ms", "BusyMs", ",.0f"),
            line("from", "Begin", "temporal", "%Y-%m-%d %H:%M:%S"),
            line("UTC", "Utc"),
        ],
    }
    thin = {"type": "bar", "height": 3, "color": colours.IDLE, "opacity": 0.55}
    thick = {"type": "bar", "height": ROW_HEIGHT - 8, "strokeWidth": 1, **ALL_VALID}
    layers = [Layer(thin, idle, alive), Layer(thick, blocks, done)]
    return base.layered(window, layers, height=ROW_HEIGHT * len(alive) + 60)


def _present(done: pd.DataFrame) -> dict[str, str]:
    return {kind: colour for kind, colour in colours.ACTIVITIES.items() if kind in set(done["Kind"])}


def quantum_ms(window: Window) -> int:
    """Work of one kind in one sandbox that lies within so many milliseconds is drawn as one block."""
    return max(1, int(window.span_s * 1000 / 400))
