"""What charts over time have in common: the axis, the shade over provisional figures, the tooltip in both zones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import altair as alt
import pandas as pd

from dashboard.timeaxis import Window

HEIGHT: Final = 240
PROVISIONAL_NOTE: Final = "Shaded: provisional, may still grow"


def epoch_ms(at: datetime) -> float:
    """Milliseconds since the epoch, as Vega takes them."""
    return at.timestamp() * 1000


def time_axis(window: Window, field: str = "Bucket") -> alt.X:
    """The window as the x axis, in the viewer's zone."""
    return alt.X(
        f"{field}:T",
        title=None,
        scale=alt.Scale(domain=[epoch_ms(window.begin), epoch_ms(window.end)], nice=False),
        axis=alt.Axis(labelOverlap="greedy", tickCount=8, grid=False, labelFlush=True),
    )


def value_axis(title: str, field: str = "Value", **axis: object) -> alt.Y:
    """The y axis with its unit."""
    return alt.Y(
        f"{field}:Q",
        title=title,
        axis=alt.Axis(tickCount=5, titleAnchor="end", titleAngle=0, titleAlign="left", titleY=-10, titleX=0, **axis),
    )


def when() -> list[alt.Tooltip]:
    """Tooltip lines that say when, in the viewer's zone and in UTC."""
    return [alt.Tooltip("Bucket:T", title="from", format="%Y-%m-%d %H:%M:%S"), alt.Tooltip("Utc:N", title="UTC")]


def colour(colours: Mapping[str, str], field: str, *, legend: bool = True) -> alt.Color:
    """A fixed colour per name, with the legend on top where it takes no width."""
    return alt.Color(
        f"{field}:N",
        scale=alt.Scale(domain=list(colours), range=list(colours.values())),
        legend=alt.Legend(title=None, orient="top", columns=4, symbolType="square", labelLimit=260) if legend else None,
    )


def shaded(window: Window) -> alt.LayerChart | alt.Chart | None:
    """The part of the window whose figures may still change; None where all of it is final."""
    begin = max(window.provisional_from, window.begin)
    if begin >= window.end:
        return None
    data = pd.DataFrame({"Begin": [pd.Timestamp(begin)], "Finish": [pd.Timestamp(window.end)]})
    domain = alt.Scale(domain=[epoch_ms(window.begin), epoch_ms(window.end)], nice=False)
    return (
        alt.Chart(data)
        .mark_rect(color="#8a94a0", opacity=0.16)
        .encode(
            x=alt.X("Begin:T", scale=domain, title=None),
            x2="Finish:T",
            tooltip=alt.value(PROVISIONAL_NOTE),
        )
    )


def layered(window: Window, layers: Sequence[alt.Chart], height: int = HEIGHT) -> alt.LayerChart:
    """Layers over one time axis, with the provisional part shaded behind them."""
    shade = shaded(window)
    return alt.layer(*([shade] if shade is not None else []), *layers).properties(height=height)
