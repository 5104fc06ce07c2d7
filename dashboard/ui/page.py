"""The frame of every page: filters, refresh, panels that fail alone, and the sentinel that says that it is complete."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import Final
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.charts.plot import Plot
from dashboard.charts.rows import Rows
from dashboard.errors import ConfigError, DashboardError, QueryError
from dashboard.filters import Filters
from dashboard.guesses import Lead
from dashboard.pages import page
from dashboard.plans import PLANS
from dashboard.sql import filter_params
from dashboard.timeaxis import between, both_zones, zone
from dashboard.ui import bar, choices, data, foresight, plots
from dashboard.ui.asking import Asking, waiting

LOG: Final = logging.getLogger(__name__)

NO_DATA: Final = (
    "No invocations in this time. Choose a longer range above, or attach the layer to a function and set "
    "OTEL_EXPORTER_OTLP_ENDPOINT to the collector; rows appear a few seconds after the first invocation."
)


@dataclass(slots=True)
class Run(Asking):
    """One drawing of a page: what it is about, and what became of its panels."""

    name: str
    viewer: ZoneInfo
    panels: int = 0
    errors: int = 0
    head: DeltaGenerator | None = None
    """The title line of the panel that is being drawn."""
    leads: list[Lead] = field(default_factory=list)
    """Where clicks on the first rows of each table lead."""

    def begin(self) -> None:
        """Ask all that the page will come to side by side, but what it asks first itself. Failures show there."""
        for ask in self.questions(PLANS[self.name].asks(self.choices, self.window)[1:]):
            data.ahead(ask)

    def causes_waiting(self) -> None:
        """Say so where causes of this time are still being made, beside the newest, which come a little later."""
        blocks = waiting(filter_params(self.filters, self.window))
        if blocks > MOST_AT_ONCE:
            st.caption(f"Causes are still being found, of {blocks} more hours or days: this list may be incomplete.")

    def seen(self, what: str) -> bool:
        """Whether this viewer was shown this of the same choices before: then it stays while it is found anew."""
        key, now = f"_seen-{self.name}-{what}", dict(self.choices.query)
        before, st.session_state[key] = st.session_state.get(key), now
        return bool(before == now)

    def since(self, rows: pd.DataFrame) -> None:
        """Say from when on the invocations are that rows are of, where the window has more than can be read."""
        if rows.empty or "Since" not in rows:
            return
        since = rows["Since"].min().to_pydatetime()
        if since > self.window.begin:
            st.caption(f"Of the invocations from {self.shown(since)} on: before, there are too many to look at each.")

    def shown(self, at: datetime) -> str:
        """An instant in the viewer's zone, with UTC beside it."""
        return both_zones(at, self.viewer)

    def link(self, filters: Filters | None = None, **more: str) -> dict[str, list[str]]:
        """A query string with the choices of every page, and further ones of the page that it leads to."""
        base = (filters or self.filters).query()
        return {**base, **{name: [value] for name, value in more.items() if value}}

    @contextmanager
    def panel(self, title: str, about: str = "") -> Iterator[None]:
        """A titled box. Whatever fails inside is one sentence in it, and the rest of the page stays."""
        self.panels += 1
        with st.container(border=True):
            self.head = st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute")
            self.head.markdown(f"##### {title}", help=about or None, width="content")
            with self.contained():
                yield

    @contextmanager
    def contained(self) -> Iterator[None]:
        """Show a failure as one sentence where it happens."""
        try:
            yield
        except DashboardError as error:
            self.errors += 1
            st.error(str(error), icon=":material/error:")
        except Exception:
            self.errors += 1
            LOG.exception("panel on page %s failed", self.name)
            st.error("This panel failed. The dashboard's own log has the reason.", icon=":material/bug_report:")

    def chart(self, chart: Plot | Rows, alt_text: str, frame: pd.DataFrame, name: str) -> None:
        """Draw a chart that takes no clicks, with a download of what it shows."""
        plots.plot(chart, alt_text, f"chart-{self.name}-{name}")
        self.download(frame, name)

    def download(self, frame: pd.DataFrame, name: str) -> None:
        """A quiet button that saves what is shown as CSV. Times in it are UTC."""
        where = self.head if self.head is not None else st
        where.download_button(
            "CSV",
            data=lambda: frame.to_csv(index=False).encode(),
            file_name=f"lambdascope-{self.name}-{name}.csv",
            mime="text/csv",
            key=f"csv-{self.name}-{name}",
            type="tertiary",
            icon=":material/download:",
            help="Save what is shown as CSV. Times are UTC.",
            on_click="ignore",
        )


def show(
    name: str,
    body: Callable[[Run], None],
    *,
    use_time: bool = True,
    use_functions: bool = True,
    over_time: bool = True,
) -> None:
    """Draw a page: title, filters, and the body, which refreshes by itself while the range is a live one.

    Args:
        name: of the page, as in dashboard/pages.py.
        body: draws the panels.
        use_time: whether the page is about a range of time.
        use_functions: whether the page can be about some functions only.
        over_time: whether a chart of the page has points in time, whose width is said.
    """
    viewer = zone(st.context.timezone)
    st.markdown(f"# {page(name).title}")
    if _failure() is not None:
        _wait(name)
        return
    chosen = choices.read()
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        bar.draw(chosen.filters, use_time=use_time, use_functions=use_functions)
    refresh_s = chosen.filters.refresh_s if use_time else None

    @st.fragment(run_every=refresh_s)
    def refreshed() -> None:
        choices.follow()
        current = choices.read()  # a widget of the page itself reruns only this part, and writes there
        plan = PLANS[name]
        run = Run(current, plan.window(current.filters, datetime.now(UTC)), name, viewer)
        with foresight.drawing(run):
            if use_time:
                _say_when(run, refresh_s, over_time=over_time)
            run.begin()
            with run.contained():
                body(run)
            sentinel(name, panels=run.panels, errors=run.errors)

    refreshed()


def _failure() -> str | None:
    """Why nothing can be shown at all, or None. One sentence for the whole page instead of one per panel."""
    try:
        bar.known_functions()
    except (ConfigError, QueryError) as error:
        return str(error)
    return None


RETRY_S: Final = 5


@st.fragment(run_every=RETRY_S)
def _wait(name: str) -> None:
    """Say why there is nothing, and show the page as soon as there is."""
    failure = _failure()
    if failure is None:
        st.rerun()
    st.error(f"{failure} This page looks again every {RETRY_S} s.", icon=":material/cloud_off:")
    sentinel(name, panels=0, errors=1)


MOST_AT_ONCE: Final = 4
"""Of causes, hours and days that are being made at any moment: those of now and the ones before, for what just came."""


def _say_when(run: Run, refresh_s: int | None, *, over_time: bool) -> None:
    window = run.window
    parts = [between(window.begin, window.end, run.viewer)]
    if over_time:
        parts.append(f"{_width(window.bucket_s)} per point")
    if refresh_s:
        parts.append(f"refreshed every {refresh_s} s")
    if over_time and window.provisional_from < window.end:
        parts.append("the shaded end is provisional")
    st.caption(" · ".join(parts))


def _width(bucket_s: int) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if bucket_s >= size and bucket_s % size == 0:
            return f"{bucket_s // size} {unit}"
    return f"{bucket_s} s"


def sentinel(name: str, *, panels: int, errors: int) -> None:
    """An unseen element that stands at the end of a complete page, for tests and the demo's check to wait for.

    ``data-run`` counts up in a session, so that the page after a click can be told from the one before.
    """
    number = st.session_state["_runs"] = st.session_state.get("_runs", 0) + 1
    st.html(
        f'<div data-testid="lambdascope-ready" data-page="{escape(name)}" data-panels="{panels}" '
        f'data-errors="{errors}" data-run="{number}"></div>'
    )


def failed(error: Exception) -> bool:
    """For what no panel contained, such as a callback: one sentence on the page, and the rest in the log."""
    LOG.error("the page failed", exc_info=error)
    st.error("This page failed. The dashboard's own log has the reason; reload to try again.", icon=":material/error:")
    return True


def nothing(sentence: str = NO_DATA) -> None:
    """An empty state that says what to do."""
    st.info(sentence, icon=":material/info:")
