"""Figures over buckets of time or of durations, as data for what draws them (``dashboard/browser/plot.js``)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import pandas as pd

from dashboard.timeaxis import Window

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
HEIGHT: Final = 240
DIGITS: Final = 6
"""Of figures that are sent: after the point, or of those below one all that tell something."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One series: its figure in each bucket, None where it is not known."""

    name: str
    colour: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """Areas that stand on top of one another, steps, or lines between points."""

    form: Literal["stack", "steps", "lines"]
    edges: tuple[float, ...]
    """Where each bucket begins, and where the last one ends: ms since the epoch, or ms."""
    traces: tuple[Trace, ...]
    across: Literal["time", "ms"] = "time"
    """What the edges are. Durations stand on a logarithmic axis."""
    across_ticks: tuple[float, ...] = ()
    """Of that axis, where it is one of durations."""
    fresh: float | None = None
    """From which edge on figures may still change, if there are such."""
    label: str = ""
    """What the height of a stack counts."""
    unit: Literal["count", "ms"] = "count"
    """Of the figures."""
    above: tuple[Trace, ...] = ()
    """Lines above a stack that are no part of it."""
    limits: tuple[float, ...] = ()
    """Where lines run across."""
    ticks: tuple[float, ...] = ()
    """Of a logarithmic axis of figures; without them it begins at 0 and is even."""
    click: bool = False
    """Whether a click on a bucket leads somewhere."""
    height: int = HEIGHT
    """In pixels, without the names above it."""

    def payload(self, alt: str) -> bytes:
        """What the browser reads: JSON.

        Args:
            alt: the sentence that stands for the whole of it.
        """
        spec = {
            "kind": "plot",
            "alt": alt,
            "form": self.form,
            "edges": self.edges,
            "traces": [_sent(trace) for trace in self.traces],
            "across": self.across,
            "acrossTicks": self.across_ticks,
            "fresh": self.fresh,
            "label": self.label,
            "unit": self.unit,
            "above": [_sent(trace) for trace in self.above],
            "limits": self.limits,
            "ticks": self.ticks,
            "click": self.click,
            "height": self.height,
        }
        return json.dumps(spec, separators=(",", ":"), allow_nan=False).encode()


def _sent(trace: Trace) -> dict[str, Any]:
    values = [None if value is None else _short(value) for value in trace.values]
    return {"name": trace.name, "colour": trace.colour, "values": values}


def _short(value: float) -> float:
    return round(value, DIGITS) if abs(value) >= 1 else float(f"{value:.{DIGITS}g}")


def over(window: Window, form: Literal["stack", "steps", "lines"], traces_: Iterable[Trace]) -> Plot:
    """A plot over all of a window, its provisional end shaded.

    Args:
        window: whose buckets the traces have.
        form: how figures are drawn.
        traces_: of :func:`traces`.
    """
    return Plot(form, tuple(edges_ms(window)), tuple(traces_), fresh=fresh_ms(window))


def fresh_ms(window: Window) -> float | None:
    """From when on figures may still change, in ms since the epoch; None where none of them may."""
    fresh = max(window.provisional_from, window.begin)
    return ms(fresh) if fresh < window.end else None


def ms(at: datetime) -> int:
    """An instant in whole ms since the epoch, cut off as pandas cuts what is finer: both name one bucket alike."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def edges_ms(window: Window) -> list[int]:
    """The begin of each bucket, the first cut off at the window's, and the end of the last, in ms since the epoch."""
    return [*(ms(max(at, window.begin)) for at in window.buckets()), ms(window.end)]


def traces(
    frame: pd.DataFrame, window: Window, value: str, by_colour: Mapping[str, str], series: str = "FunctionName"
) -> tuple[Trace, ...]:
    """A trace for each series that has a colour, in the order of the colours.

    Args:
        frame: Bucket, the series and the value; at most one row for each bucket of each.
        window: whose buckets they are.
        value: the column with the figures.
        by_colour: the colour of each.
        series: the column with the names.
    """
    places = {edge: place for place, edge in enumerate(edges_ms(window)[:-1])}
    rows: dict[str, list[float | None]] = {name: [None] * len(places) for name in by_colour}
    if not frame.empty:
        buckets = frame["Bucket"].dt.as_unit("ms").astype("int64")
        for name, bucket, figure in zip(frame[series], buckets, frame[value].astype(float), strict=True):
            if figure == figure:  # noqa: PLR0124 - NaN is not itself
                rows[name][places[bucket]] = figure
    return tuple(Trace(name, colour, tuple(rows[name])) for name, colour in by_colour.items())


def duration_ticks(low_ms: float, high_ms: float) -> Iterator[float]:
    """Round durations from just below one to just above another; closer together where they are near each other."""
    steps = (1, 3) if high_ms > 30 * low_ms else (1, 2, 3, 5, 7)
    for power in range(-3, 7):
        for step in steps:
            tick = step * 10.0**power
            if low_ms / 2 <= tick <= high_ms * 2:
                yield tick


def known(traces_: Iterable[Trace]) -> Iterator[float]:
    """Every figure that is known."""
    return (value for trace in traces_ for value in trace.values if value is not None)
