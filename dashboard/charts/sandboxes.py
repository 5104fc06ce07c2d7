"""The life of execution environments: one row each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from dashboard.charts import colours
from dashboard.charts.frames import not_after, not_before
from dashboard.charts.plot import fresh_ms, ms
from dashboard.charts.rows import Block, Row, Rows
from dashboard.text import count, milliseconds
from dashboard.timeaxis import Window

ROW_PX: Final = 20
ALIVE: Final = "alive"


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


def timeline(alive: pd.DataFrame, done: pd.DataFrame, window: Window) -> Rows:
    """Thin line: alive and idle. Blocks: init, invokes, failed invokes, shutdown.

    Args:
        alive: of :func:`lives`.
        done: of :func:`activity`.
        window: what the axis shows.
    """
    blocks: dict[str, list[Block]] = {}
    for one in done.to_dict("records"):
        said = (("how many", count(one["Count"])), ("busy", milliseconds(one["BusyMs"])), ("from", one["Utc"]))
        block = Block(ms(one["Begin"]), ms(one["Finish"]), str(one["Kind"]), said)
        blocks.setdefault(one["InstanceId"], []).append(block)
    rows = tuple(
        Row(str(one["Label"]), (_life(one), *blocks.get(one["InstanceId"], ()))) for one in alive.to_dict("records")
    )
    kinds = {ALIVE: colours.IDLE, **_present(done)}
    edges = (ms(window.begin), ms(window.end))
    return Rows(rows, kinds, "time", *edges, fresh=fresh_ms(window), row_px=ROW_PX)


def _life(one: Mapping[Any, Any]) -> Block:
    known = {
        "invocations in all": count(one["Invocations"]),
        "type": "" if pd.isna(one["InitType"]) else str(one["InitType"]),
        "end": one["Ended"],
    }
    said = tuple((name, value) for name, value in known.items() if value)
    return Block(ms(one["Begin"]), ms(one["Finish"]), ALIVE, said, thin=True)


def _present(done: pd.DataFrame) -> dict[str, str]:
    return {kind: colour for kind, colour in colours.ACTIVITIES.items() if kind in set(done["Kind"])}


def quantum_ms(window: Window) -> int:
    """Work of one kind in one sandbox that lies within so many milliseconds is drawn as one block."""
    return max(1, int(window.span_s * 1000 / 400))
