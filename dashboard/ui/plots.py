"""Our own charts in Streamlit's page: a component whose code the browser has from :mod:`dashboard.browser`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from dashboard.charts.plot import Plot
from dashboard.charts.rows import Rows

CHOSEN: Final = "chosen"
"""The trigger that tells the bucket that was clicked."""

MOUNT: Final = """
export default async (chart) => (await window.lambdascopeCharts).draw(chart);
"""
"""All that is sent with each chart. window.lambdascopeCharts is what dashboard/server.py puts into the page."""

_component: Final = st.components.v2.component("lambdascope_chart", js=MOUNT, isolate_styles=False)


def plot(chart: Plot | Rows, alt: str, key: str, on_choose: Callable[[Any], None] | None = None) -> None:
    """Draw a chart.

    Args:
        chart: what to draw.
        alt: the sentence that stands for it.
        key: tells it from others on the page.
        on_choose: hears of the bucket that was clicked, by its begin in ms since the epoch.
    """

    def chosen() -> None:
        bucket = getattr(st.session_state[key], CHOSEN, None)
        if on_choose is not None and bucket is not None:
            on_choose(bucket)

    _component(data=chart.payload(alt), key=key, on_chosen_change=chosen)
