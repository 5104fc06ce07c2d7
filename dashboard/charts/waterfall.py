"""One invocation on one time axis: every span of its trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pandas as pd

from dashboard.charts import colours
from dashboard.charts.cold_starts import PHASE_TITLES
from dashboard.charts.rows import ROOM_AFTER, Block, Row, Rows
from dashboard.text import milliseconds
from semconv import phases

OWN: Final = "function's own span"


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
    runs: bool
    """It had not ended when it was last told of, after :attr:`duration_ms`."""
    source: str

    @property
    def untold(self) -> str:
        """What is to be said of its end, if nothing told it."""
        return "has not come" if self.runs else "estimated" if self.estimated else ""


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
        runs=bool(row["InFlight"]),
        source=str(row["Source"]),
    )


def waterfall(drawn: list[Bar]) -> Rows:
    """Bars over milliseconds since the first span began, each with its duration beside it."""
    total_ms = max(bar.offset_ms + bar.duration_ms for bar in drawn) or 1.0
    titles = {bar.kind: PHASE_TITLES.get(bar.kind, bar.kind) for bar in drawn}
    kinds = {title: colours.PHASES.get(kind, colours.OWN_SPAN) for kind, title in titles.items()}
    rows = tuple(
        Row(
            "\u00a0\u00a0\u00a0" * (bar.depth - 1) + ("└ " if bar.depth else "") + bar.label,
            (_block(bar, titles[bar.kind]),),
            _text(bar),
            failed=bar.failed,
        )
        for bar in drawn
    )
    return Rows(rows, kinds, "ms", 0, total_ms * ROOM_AFTER, legend=False)


def _block(bar: Bar, title: str) -> Block:
    said = (
        ("took", f"{bar.duration_ms:,.3f} ms"),
        ("began after", f"{bar.offset_ms:,.3f} ms"),
        ("began", bar.start.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"),
        ("outcome", "not known yet" if bar.runs else "failed" if bar.failed else "ok"),
        ("known from", bar.source or "own tracing"),
        *([("end", bar.untold)] if bar.untold else []),
    )
    return Block(bar.offset_ms, bar.offset_ms + bar.duration_ms, title, said, faint=bool(bar.untold))


def _text(bar: Bar) -> str:
    marks = [milliseconds(bar.duration_ms)]
    if bar.failed:
        marks.append("failed")
    if bar.untold:
        marks.append(f"end {bar.untold}")
    return " · ".join(marks)
