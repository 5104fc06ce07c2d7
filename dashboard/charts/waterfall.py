"""One invocation on one time axis: every span of its trace."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pandas as pd

from dashboard.charts import base, colours
from dashboard.charts.cold_starts import PHASE_TITLES
from dashboard.charts.spec import Chart, Layer, category, figure, line, quantity
from dashboard.text import milliseconds
from semconv import phases

OWN: Final = "function's own span"
ROW_HEIGHT: Final = 26


@dataclass(frozen=True, slots=True)
class Bar:
    """One span as it is drawn."""

    key: str
    label: str
    depth: int
    kind: str
    """A phase, or OWN."""
    start: datetime
    offset_ms: float
    """From the start of the earliest span."""
    duration_ms: float
    failed: bool
    estimated: bool
    source: str


def bars(spans: pd.DataFrame, *, instance_id: str, attempt: int) -> list[Bar]:
    """The spans of one attempt, in the order in which they are drawn: each below its parent, earlier ones first.

    Args:
        spans: rows of invocation_spans.sql. Attempts of the same request elsewhere are left out: phases that name
            another sandbox or attempt.
        instance_id: the sandbox of the attempt.
        attempt: its number there.
    """
    if spans.empty:
        return []
    own_phase = (spans["InstanceId"] == instance_id) & spans["Attempt"].isin(["", str(attempt)])
    rows = spans[(spans["Phase"] == "") | own_phase].sort_values(["Start", "DurationNs"], ascending=[True, False])
    if rows.empty:
        return []
    first = rows["Start"].min()
    by_id = {str(row["SpanId"]): row for _, row in rows.iterrows()}
    children: dict[str, list[str]] = {}
    for key, row in by_id.items():
        parent = str(row["ParentSpanId"])
        children.setdefault(parent if parent in by_id and parent != key else "", []).append(key)
    for siblings in children.values():
        _in_order(siblings, by_id)
    out: list[Bar] = []
    drawn: set[str] = set()

    def draw(key: str, depth: int) -> None:
        if key in drawn:  # spans that name each other as parent
            return
        drawn.add(key)
        out.append(_bar(key, by_id[key], depth, first))
        for child in children.get(key, ()):
            draw(child, depth + 1)

    for key in children.get("", ()):
        draw(key, 0)
    for key in by_id:
        draw(key, 0)
    return _init_first(out)


def _in_order(keys: list[str], by_id: Mapping[str, pd.Series]) -> None:
    """Sort siblings by their start; phases never before the phases that they follow.

    The platform tells starts to the millisecond, so that phases shorter than that may seem to have changed places.
    """
    latest = min(by_id[key]["Start"] for key in keys)
    starts = {key: (by_id[key]["Start"], -1) for key in keys}
    for key in sorted(keys, key=lambda key: _rank(by_id[key])):
        rank = _rank(by_id[key])
        if rank < len(phases.ALL):
            latest = max(latest, by_id[key]["Start"])
            starts[key] = (latest, rank)
    keys.sort(key=starts.__getitem__)


def _rank(row: pd.Series) -> int:
    """The place of a phase in the life of a sandbox; the last for what is none."""
    phase = str(row["Phase"])
    return phases.ALL.index(phase) if phase in phases.ALL else len(phases.ALL)


def _init_first(drawn: list[Bar]) -> list[Bar]:
    """Put the init of a cold start, which is a child of the invoke and earlier than it, on top as it happened."""
    before = [bar for bar in drawn if bar.kind in INIT_PHASES]
    return before + [bar for bar in drawn if bar.kind not in INIT_PHASES]


INIT_PHASES: Final = frozenset(
    {
        phases.INIT,
        phases.EXTENSION_INIT,
        phases.RUNTIME_INIT,
        phases.FUNCTION_INIT,
        phases.RUNTIME_AND_FUNCTION_INIT,
        phases.RESTORE,
    }
)


def _bar(key: str, row: Mapping[str, object] | pd.Series, depth: int, first: pd.Timestamp) -> Bar:
    phase = str(row["Phase"])
    start = pd.Timestamp(row["Start"])  # type: ignore[arg-type]  # a column of the frame, which has no static type
    title = PHASE_TITLES.get(phase, str(row["SpanName"]))
    return Bar(
        key=key,
        label=f"{title} · {row['SpanName']}" if phase == phases.INVOKE else title,
        depth=0 if phase in (phases.INIT, phases.INVOKE, phases.RESTORE) else max(1, depth) if phase else depth,
        kind=phase or OWN,
        start=start.to_pydatetime(warn=False),
        offset_ms=(start - first).total_seconds() * 1000,
        duration_ms=float(row["DurationNs"]) / 1e6,  # type: ignore[arg-type]  # likewise
        failed=str(row["StatusCode"]) == "Error",
        estimated=bool(row["EndEstimated"]),
        source=str(row["Source"]),
    )


def waterfall(drawn: list[Bar]) -> Chart:
    """Bars over milliseconds since the first span began, each with its duration beside it."""
    total_ms = max(bar.offset_ms + bar.duration_ms for bar in drawn) or 1.0
    frame = pd.DataFrame(
        {
            "Row": index,
            "Label": "\u00a0\u00a0\u00a0" * (bar.depth - 1) + ("└ " if bar.depth else "") + bar.label,
            "Kind": PHASE_TITLES.get(bar.kind, bar.kind),
            "Begin": bar.offset_ms,
            "Finish": bar.offset_ms + bar.duration_ms,
            "DurationMs": bar.duration_ms,
            "Text": _text(bar),
            "TextAt": bar.offset_ms + bar.duration_ms,
            "Utc": bar.start.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC",
            "Source": bar.source or "own tracing",
            "Outcome": "failed" if bar.failed else "ok",
            "Estimated": bar.estimated,
            "Colour": colours.PHASES.get(bar.kind, colours.OWN_SPAN),
        }
        for index, bar in enumerate(drawn)
    )
    labels = {int(row): str(label) for row, label in zip(frame["Row"], frame["Label"], strict=True)}
    axis = {
        "labelExpr": f"{json.dumps(list(labels.values()))}[datum.value]",
        "labelLimit": 260,
        "labelAlign": "left",
        "labelPadding": _label_width(labels.values()),
        "ticks": False,
        "domain": False,
    }
    y = {"field": "Row", "type": "ordinal", "title": None, "axis": axis}
    x = quantity(
        "Begin",
        scale={"domain": [0, total_ms * 1.14], "nice": False},
        axis={"tickCount": 8, "labelExpr": base.DURATION_LABEL},
    )
    own = {"field": "Colour", "type": "nominal", "scale": None}
    blocks = {
        "y": y,
        "x": x,
        "x2": {"field": "Finish"},
        "color": own,
        "stroke": own,
        "fillOpacity": {"condition": {"test": "datum.Estimated", "value": 0.35}, "value": 0.95},
        "tooltip": [
            line("phase", "Kind"),
            figure("ms", "DurationMs", ",.3f"),
            figure("began after, ms", "Begin", ",.3f"),
            line("began", "Utc"),
            line("outcome", "Outcome"),
            line("known from", "Source"),
            line("end is an estimate", "Estimated"),
        ],
    }
    failed = {"test": "datum.Outcome == 'failed'", "value": colours.FAILED}
    texts = {
        "y": y,
        "x": quantity("TextAt"),
        "text": category("Text"),
        "color": {"condition": failed, "value": colours.NEUTRAL},
    }
    bar = {"type": "bar", "height": ROW_HEIGHT - 10, "cornerRadius": 2, "strokeWidth": 1.2}
    text = {"type": "text", "align": "left", "dx": 6, "fontSize": 11}
    layers = [Layer(bar, blocks, frame), Layer(text, texts, frame)]
    return Chart(layers, height=ROW_HEIGHT * len(drawn) + 40)


def _text(bar: Bar) -> str:
    marks = [milliseconds(bar.duration_ms)]
    if bar.failed:
        marks.append("failed")
    if bar.estimated:
        marks.append("end estimated")
    return " · ".join(marks)


def _label_width(labels: Iterable[str]) -> int:
    longest = max((len(label) for label in labels), default=10)
    return min(260, 7 * longest)
