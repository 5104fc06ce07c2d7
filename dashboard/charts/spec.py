"""A chart as plain Vega-Lite, and the frames that it draws.

Written as data and not with a library of classes: to build and to check one chart's schema object took the processor
forty milliseconds, as long as all queries of a page together, at every refresh of every viewer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

Spec = dict[str, Any]

SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
PADDING: Final = {"left": 2, "right": 12, "top": 4, "bottom": 2}
"""No empty border."""
MARK: Final = {"aria": False, "tooltip": None}
"""Of every mark, unless it says more. Streamlit's theme gives each a tooltip of all that it encodes, which Vega writes
for every point of an area, at every pass, although an unseen block before them says what is there: a quarter of the
time that a stack of ten functions took to draw.
"""
ALL_VALID: Final = {"invalid": "show"}
"""Of a mark whose rows have no gaps: else Vega asks of each field of each row whether it is a number."""
DATUM: Final = re.compile(r"\bdatum\.([A-Za-z]\w*)")


@dataclass(frozen=True, slots=True)
class Layer:
    """Marks of one kind, one for each row of a frame or, a line or an area, one for each series of it."""

    mark: Spec
    encoding: Mapping[str, Any]
    rows: pd.DataFrame
    params: tuple[Spec, ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """Layers on top of one another over the same axes."""

    layers: Sequence[Layer]
    height: int

    def spec(self) -> Spec:
        """As Vega-Lite. Of the frames only those columns are sent that something draws.

        On a canvas: a thousand SVG elements with a label each take a browser longer than all else on a page. Who cannot
        see a chart has the sentence that stands for the whole of it.
        """
        frames = {id(layer.rows): layer.rows for layer in self.layers}
        names = {key: f"rows-{at}" for at, key in enumerate(frames)}
        used: dict[int, set[str]] = {key: set() for key in frames}
        for layer in self.layers:
            used[id(layer.rows)] |= {*_fields(layer.encoding), *_fields(layer.params)}
        return {
            "$schema": SCHEMA,
            "layer": [_view(layer, names[id(layer.rows)]) for layer in self.layers],
            "height": self.height,
            "datasets": {names[key]: _only(frame, used[key]) for key, frame in frames.items()},
            "padding": PADDING,
            "config": {"mark": MARK},
            "usermeta": {"embedOptions": {"renderer": "canvas"}},
        }


def _view(layer: Layer, dataset: str) -> Spec:
    view: Spec = {"mark": layer.mark, "encoding": dict(layer.encoding), "data": {"name": dataset}}
    return {**view, "params": list(layer.params)} if layer.params else view


def _only(frame: pd.DataFrame, used: set[str]) -> pd.DataFrame:
    return frame[[name for name in frame.columns if name in used]].reset_index(drop=True)


def _fields(part: object) -> Iterator[str]:
    """Every name of a column in a part of a specification: fields, and what expressions read."""
    if isinstance(part, str):
        yield from DATUM.findall(part)
    elif isinstance(part, Mapping):
        for key, value in part.items():
            if key in ("field", "fields"):
                yield from [value] if isinstance(value, str) else value
            else:
                yield from _fields(value)
    elif isinstance(part, Sequence):
        for one in part:
            yield from _fields(one)


def quantity(field: str, **more: Any) -> Spec:
    """A numeric channel without a title: the unit stands in the title of the panel."""
    return {"field": field, "type": "quantitative", "title": None, **more}


def category(field: str, **more: Any) -> Spec:
    """A channel of names."""
    return {"field": field, "type": "nominal", "title": None, **more}


def line(title: str, field: str, kind: str = "nominal", form: str = "") -> Spec:
    """One line of a tooltip."""
    shown: Spec = {"field": field, "type": kind, "title": title}
    return {**shown, "format": form} if form else shown


def figure(title: str, field: str, form: str = "") -> Spec:
    """One line of a tooltip with a number."""
    return line(title, field, "quantitative", form)
