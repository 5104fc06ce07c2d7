"""What charts over time have in common: the axis, the shade over provisional figures, the tooltip in both zones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import altair as alt
import pandas as pd

from dashboard.timeaxis import Window

HEIGHT: Final = 240

DURATION_LABEL: Final = (
    "datum.value >= 60000 ? format(datum.value / 60000, '~g') + ' min'"
    " : datum.value >= 1000 ? format(datum.value / 1000, '~g') + ' s' : format(datum.value, '~g') + ' ms'"
)
"""Vega expression that writes milliseconds with the unit that fits."""

TIME_LABEL: Final = (
    "timeFormat(datum.value, seconds(datum.value) ? '%H:%M:%S'"
    " : hours(datum.value) || minutes(datum.value) ? '%H:%M' : '%e %b')"
)
"""Vega expression that writes 24-hour times, and at midnight the day. Vega's own writes `03 AM` among `02:59`."""


def time_x(field: str = "Bucket") -> alt.X:
    """Time on the x axis. It covers the window: :func:`extent` is a layer of every chart, and no data lies beyond."""
    axis = alt.Axis(labelExpr=TIME_LABEL, labelOverlap="greedy", tickCount=8, grid=False)
    return alt.X(f"{field}:T", title=None, scale=alt.Scale(nice=False), axis=axis)


def count_y(field: str) -> alt.Y:
    """A count on the y axis, in whole steps. Its unit stands in the title of the panel."""
    return alt.Y(f"{field}:Q", title=None, axis=alt.Axis(tickCount=5, tickMinStep=1))


def duration_axis(durations_ms: pd.Series, *, grid: bool) -> alt.Axis:
    """An axis of milliseconds on a logarithmic scale that holds these durations."""
    ticks = list(duration_ticks(float(durations_ms.min()), float(durations_ms.max())))
    return alt.Axis(values=ticks, labelExpr=DURATION_LABEL, grid=grid, labelOverlap="greedy")


AGE_TICKS_MS: Final = tuple(1000 * s for s in (1, 10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400))

AGE_LABEL: Final = (
    "datum.value >= 86400000 ? format(datum.value / 86400000, '~g') + ' d'"
    " : datum.value >= 3600000 ? format(datum.value / 3600000, '~g') + ' h'"
    " : datum.value >= 60000 ? format(datum.value / 60000, '~g') + ' min' : format(datum.value / 1000, '~g') + ' s'"
)
"""Vega expression that writes milliseconds as the age of something that waits."""


def age_axis(ages_ms: pd.Series) -> alt.Axis:
    """An axis of milliseconds for ages from seconds to days."""
    highest = float(ages_ms.max())
    ticks = [tick for tick in AGE_TICKS_MS if tick <= 2 * highest]
    return alt.Axis(values=ticks, labelExpr=AGE_LABEL, grid=True, labelOverlap="greedy")


def duration_ticks(low_ms: float, high_ms: float) -> Iterator[float]:
    """Round durations from just below one to just above another; closer together where they are near each other."""
    steps = (1, 3) if high_ms > 30 * low_ms else (1, 2, 3, 5, 7)
    for power in range(-3, 7):
        for step in steps:
            tick = step * 10.0**power
            if low_ms / 2 <= tick <= high_ms * 2:
                yield tick


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
            columns=alt.ExprRef("max(1, floor(width / 130))"),
            symbolType=symbol,
            symbolSize=90,
            labelLimit=200,
            offset=6,
            rowPadding=2,
        ),
    )


def extent(window: Window) -> alt.Chart:
    """An unseen layer whose data gives the axis the extent of the window, whatever else there is.

    Not a domain of the scale: Vega-Lite 6 loses that of a time axis where another layer has an x2.
    """
    data = pd.DataFrame({"Edge": [pd.Timestamp(window.begin), pd.Timestamp(window.end)]})
    chart: alt.Chart = alt.Chart(data).mark_point(opacity=0, tooltip=None).encode(x=time_x("Edge"))
    return chart


def shade(window: Window) -> alt.Chart:
    """The part of the window whose figures may still change."""
    fresh = min(max(window.provisional_from, window.begin), window.end)
    data = pd.DataFrame({"Begin": [pd.Timestamp(fresh)], "Finish": [pd.Timestamp(window.end)]})
    chart: alt.Chart = (
        alt.Chart(data).mark_rect(color="#8a94a0", opacity=0.14, tooltip=None).encode(x=time_x("Begin"), x2="Finish:T")
    )
    return chart


def headroom(window: Window, highest: float) -> alt.Chart:
    """An unseen layer that keeps a line at the highest value off the upper edge."""
    data = pd.DataFrame({"Edge": [pd.Timestamp(window.begin)], "Top": [highest * 1.08]})
    mark = alt.Chart(data).mark_point(opacity=0, tooltip=None)
    chart: alt.Chart = mark.encode(x=time_x("Edge"), y=count_y("Top"))
    return chart


def layered(window: Window, layers: Sequence[alt.Chart], height: int = HEIGHT) -> alt.LayerChart:
    """Layers over one time axis that shows the whole window, its provisional end shaded."""
    return finished(alt.LayerChart(layer=[extent(window), shade(window), *layers], height=height))


def finished(chart: alt.LayerChart) -> alt.LayerChart:
    """What every chart needs last: no empty border."""
    padded: alt.LayerChart = chart.configure(padding={"left": 2, "right": 12, "top": 4, "bottom": 2})
    return padded
