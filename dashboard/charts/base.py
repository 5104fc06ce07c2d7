"""What charts over time have in common: the axis, the shade over provisional figures, the tooltip in both zones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import pandas as pd

from dashboard.charts.spec import Chart, Layer, Spec, line, quantity
from dashboard.timeaxis import Window

HEIGHT: Final = 240

DURATION_LABEL: Final = (
    "datum.value >= 60000 && datum.value % 60000 == 0 ? format(datum.value / 60000, '~g') + ' min'"
    " : datum.value >= 1000 ? format(datum.value / 1000, '~g') + ' s' : format(datum.value, '~g') + ' ms'"
)
"""Vega expression that writes milliseconds with the unit that fits."""

TIME_LABEL: Final = (
    "timeFormat(datum.value, seconds(datum.value) ? '%H:%M:%S'"
    " : hours(datum.value) || minutes(datum.value) ? '%H:%M' : '%e %b')"
)
"""Vega expression that writes 24-hour times, and at midnight the day. Vega's own writes `03 AM` among `02:59`."""


def time_x(field: str = "Bucket") -> Spec:
    """Time on the x axis. It covers the window: :func:`extent` is a layer of every chart, and no data lies beyond."""
    axis = {"labelExpr": TIME_LABEL, "labelOverlap": "greedy", "tickCount": 8, "grid": False}
    return {"field": field, "type": "temporal", "title": None, "scale": {"nice": False}, "axis": axis}


def count_y(field: str) -> Spec:
    """A count on the y axis, in whole steps. Its unit stands in the title of the panel."""
    return quantity(field, stack=None, axis={"tickCount": 5, "tickMinStep": 1})


def log(field: str, axis: Spec) -> Spec:
    """A logarithmic axis."""
    return quantity(field, scale={"type": "log", "nice": False}, axis=axis)


def duration_axis(durations_ms: pd.Series, *, grid: bool) -> Spec:
    """An axis of milliseconds on a logarithmic scale that holds these durations."""
    ticks = list(duration_ticks(float(durations_ms.min()), float(durations_ms.max())))
    return {"values": ticks, "labelExpr": DURATION_LABEL, "grid": grid, "labelOverlap": "greedy"}


AGE_TICKS_MS: Final = tuple(1000 * s for s in (1, 10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400))

AGE_LABEL: Final = (
    "datum.value >= 86400000 ? format(datum.value / 86400000, '~g') + ' d'"
    " : datum.value >= 3600000 ? format(datum.value / 3600000, '~g') + ' h'"
    " : datum.value >= 60000 ? format(datum.value / 60000, '~g') + ' min' : format(datum.value / 1000, '~g') + ' s'"
)
"""Vega expression that writes milliseconds as the age of something that waits."""


def age_axis(ages_ms: pd.Series) -> Spec:
    """An axis of milliseconds for ages from seconds to days."""
    highest = float(ages_ms.max())
    ticks = [tick for tick in AGE_TICKS_MS if tick <= 2 * highest]
    return {"values": ticks, "labelExpr": AGE_LABEL, "grid": True, "labelOverlap": "greedy"}


def duration_ticks(low_ms: float, high_ms: float) -> Iterator[float]:
    """Round durations from just below one to just above another; closer together where they are near each other."""
    steps = (1, 3) if high_ms > 30 * low_ms else (1, 2, 3, 5, 7)
    for power in range(-3, 7):
        for step in steps:
            tick = step * 10.0**power
            if low_ms / 2 <= tick <= high_ms * 2:
                yield tick


def when() -> list[Spec]:
    """Tooltip lines that say when, in the viewer's zone and in UTC."""
    return [line("from", "Bucket", "temporal", "%Y-%m-%d %H:%M:%S"), line("UTC", "Utc")]


SYMBOL_PX: Final = 34
"""What a name in a legend takes beside its letters."""
LETTER_PX: Final = 7
MOST_LABEL_PX: Final = 200


def _label_px(names: Iterable[str]) -> int:
    """The width of a legend's column that holds the longest of these names."""
    longest = max((len(name) for name in names), default=0)
    return SYMBOL_PX + min(LETTER_PX * longest, MOST_LABEL_PX)


def colour(colours: Mapping[str, str], field: str, symbol: str = "square") -> Spec:
    """A fixed colour per name, with the legend on top where it takes no width."""
    legend = {
        "title": None,
        "orient": "top",
        "columns": {"expr": f"max(1, floor(width / {_label_px(colours)}))"},
        "symbolType": symbol,
        "symbolSize": 90,
        "labelLimit": MOST_LABEL_PX,
        "offset": 6,
        "rowPadding": 2,
    }
    scale = {"domain": list(colours), "range": list(colours.values())}
    return {"field": field, "type": "nominal", "scale": scale, "legend": legend}


def extent(window: Window, top: float | None = None) -> Layer:
    """An unseen layer whose data gives the axis the extent of the window, whatever else there is, and keeps a line at
    the highest value off the upper edge.

    Not a domain of the scale: Vega-Lite 6 loses that of a time axis where another layer has an x2.
    """
    data = pd.DataFrame({"Edge": [pd.Timestamp(window.begin), pd.Timestamp(window.end)]})
    mark = {"type": "point", "opacity": 0, "tooltip": None}
    if top is None:
        return Layer(mark, {"x": time_x("Edge")}, data)
    return Layer(mark, {"x": time_x("Edge"), "y": count_y("Top")}, data.assign(Top=top * 1.08))


def shade(window: Window) -> list[Layer]:
    """The part of the window whose figures may still change, where there is one."""
    fresh = max(window.provisional_from, window.begin)
    if fresh >= window.end:
        return []
    data = pd.DataFrame({"Begin": [pd.Timestamp(fresh)], "Finish": [pd.Timestamp(window.end)]})
    mark = {"type": "rect", "color": "#8a94a0", "opacity": 0.14, "tooltip": None}
    return [Layer(mark, {"x": time_x("Begin"), "x2": {"field": "Finish"}}, data)]


def layered(window: Window, layers: Sequence[Layer], height: int = HEIGHT, top: float | None = None) -> Chart:
    """Layers over one time axis that shows the whole window, its provisional end shaded.

    Args:
        window: what the axis shows.
        layers: the first is the lowest.
        height: in pixels.
        top: the highest value, where lines of it need room above.
    """
    return Chart([extent(window, top), *shade(window), *layers], height)
