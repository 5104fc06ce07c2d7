"""What charts over time have in common: the axis, the shade over provisional figures, the tooltip in both zones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import altair as alt
import pandas as pd

from dashboard.timeaxis import Window

HEIGHT: Final = 240


def epoch_ms(at: datetime) -> float:
    """Milliseconds since the epoch, as Vega takes them."""
    return at.timestamp() * 1000


def time_x(field: str = "Bucket") -> alt.X:
    """Time on the x axis. Its extent is the window's, which :func:`layered` sets once for all layers."""
    return alt.X(f"{field}:T", title=None, axis=alt.Axis(labelOverlap="greedy", tickCount=8, grid=False))


def value_y(field: str = "Value") -> alt.Y:
    """A figure on the y axis. Its unit stands in the title of the panel."""
    return alt.Y(f"{field}:Q", title=None, axis=alt.Axis(tickCount=5))


def when() -> list[alt.Tooltip]:
    """Tooltip lines that say when, in the viewer's zone and in UTC."""
    return [alt.Tooltip("Bucket:T", title="from", format="%Y-%m-%d %H:%M:%S"), alt.Tooltip("Utc:N", title="UTC")]


def colour(colours: Mapping[str, str], field: str, symbol: str = "square") -> alt.Color:
    """A fixed colour per name, with the legend on top where it takes no width."""
    return alt.Color(
        f"{field}:N",
        scale=alt.Scale(domain=list(colours), range=list(colours.values())),
        legend=alt.Legend(
            title=None,
            orient="top",
            columns=4,
            symbolType=symbol,
            symbolSize=90,
            labelLimit=200,
            offset=6,
            rowPadding=2,
        ),
    )


def extent(window: Window) -> alt.Chart:
    """An unseen layer that gives the axis the extent of the window, whatever data there is.

    A layer of its own, because Vega-Lite knows the domain of x2 only as bare numbers and would warn of a conflict.
    """
    domain = alt.Scale(domain=[epoch_ms(window.begin), epoch_ms(window.end)], nice=False)
    data = pd.DataFrame({"Edge": [pd.Timestamp(window.begin), pd.Timestamp(window.end)]})
    chart: alt.Chart = alt.Chart(data).mark_point(opacity=0, tooltip=None).encode(x=time_x("Edge").scale(domain))
    return chart


def shade(window: Window) -> alt.Chart:
    """The part of the window whose figures may still change."""
    fresh = min(max(window.provisional_from, window.begin), window.end)
    data = pd.DataFrame({"Begin": [pd.Timestamp(fresh)], "Finish": [pd.Timestamp(window.end)]})
    chart: alt.Chart = (
        alt.Chart(data).mark_rect(color="#8a94a0", opacity=0.14, tooltip=None).encode(x=time_x("Begin"), x2="Finish:T")
    )
    return chart


def layered(window: Window, layers: Sequence[alt.Chart], height: int = HEIGHT) -> alt.LayerChart:
    """Layers over one time axis that shows the whole window, its provisional end shaded."""
    return alt.LayerChart(layer=[extent(window), shade(window), *layers], height=height)
