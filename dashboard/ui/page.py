"""The frame of every page: filters, refresh, panels that fail alone, and the sentinel that says that it is complete."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from html import escape
from typing import Any, Final, TypeVar, cast
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.answers import Answer
from dashboard.charts.frames import ACCOUNT, Coverage, coverage
from dashboard.charts.spec import Chart
from dashboard.errors import ConfigError, DashboardError, QueryError
from dashboard.filters import Choices, Filters
from dashboard.pages import page
from dashboard.questions import question
from dashboard.sql import Value, filter_params, statement_name
from dashboard.timeaxis import Window, between, both_zones, zone
from dashboard.ui import bar, choices, data

T = TypeVar("T")

LOG: Final = logging.getLogger(__name__)

NO_DATA: Final = (
    "No invocations in this time. Choose a longer range above, or attach the layer to a function and set "
    "OTEL_EXPORTER_OTLP_ENDPOINT to the collector; rows appear a few seconds after the first invocation."
)


@dataclass(slots=True)
class Run:
    """One drawing of a page: what it is about, and what became of its panels."""

    name: str
    choices: Choices
    window: Window
    viewer: ZoneInfo
    panels: int = 0
    errors: int = 0
    named: dict[int, tuple[Hashable, pd.DataFrame]] = field(default_factory=dict)
    """By its identity each frame that was asked for, with what tells it from others."""
    head: DeltaGenerator | None = None
    """The title line of the panel that is being drawn."""

    @property
    def filters(self) -> Filters:
        """The choices that hold on every page."""
        return self.choices.filters

    def query(self, name: str, **more: Value) -> pd.DataFrame:
        """The rows of a panel for the chosen window and filters, of a long one from the rollups where they know them.

        Raises:
            QueryError: there is no result. :meth:`panel` shows it.
        """
        return self._answer(name, statement_name(name, self.window, more), more)

    def one_by_one(self, name: str, **more: Value) -> pd.DataFrame:
        """The rows of just this statement. Of a long window it reads the newest invocations alone: see :meth:`since`.

        Raises:
            QueryError: there is no result. :meth:`panel` shows it.
        """
        return self._answer(name, name, more)

    def together(self, name: str, **more: Value) -> pd.DataFrame:
        """The rows of a panel about the chosen functions, where figures of several together are among them.

        Raises:
            QueryError: there is no result. :meth:`panel` shows it.
        """
        return self._asked(statement_name(name, self.window, more), self.filters, more)

    def _answer(self, name: str, statement: str, more: Mapping[str, Value]) -> pd.DataFrame:
        """What is said of each function by itself is asked about all, and the rows of the chosen ones are taken."""
        chosen, known = self.filters.functions, question(name)
        if not chosen or not known.of_each:
            return self._asked(statement, self.filters, more)
        every = self._asked(statement, replace(self.filters, functions=()), more)
        if every.empty:
            return every
        rows = every[every["FunctionName"].isin([*chosen, ACCOUNT])]
        if known.leaves_out(every) and not set(chosen) <= set(rows["FunctionName"]):
            return self._asked(statement, self.filters, more)
        return self._know(rows.reset_index(drop=True), (self._name(every), chosen))

    def _asked(self, name: str, filters: Filters, more: Mapping[str, Value]) -> pd.DataFrame:
        params = {**filter_params(filters, self.window), **more}
        return self._own(data.query(name, params, data.keep_s(self.window)))

    def ahead(self, *names: str, **more: Value) -> None:
        """Start queries that the page will come to, so that they run side by side. Failures show when asked for."""
        for name in names:
            data.ahead(partial(self.query, name, **more))

    def parts_ahead(self, *names: str) -> None:
        """Start what :meth:`parts` asks for."""
        for name in names:
            for part in question(name).parts(self.window):
                data.ahead(partial(self._of_part, name, part))

    def parts(self, name: str) -> list[pd.DataFrame]:
        """The rows of a panel for each part of the window, in order: of what takes long to find, about the chosen
        functions. It is found for all of them, so that to choose others takes no time.

        Raises:
            QueryError: there is no result. :meth:`panel` shows it.
        """
        found = [self._of_part(name, part) for part in question(name).parts(self.window)]
        chosen = self.filters.functions
        if not chosen:
            return found
        return [
            rows if rows.empty else self._know(rows[rows["FunctionName"].isin(chosen)], (self._name(rows), chosen))
            for rows in found
        ]

    def made(self, make: Callable[..., T], *of: Any) -> T:
        """What this function makes of these, or made of them before: to shape what a page draws takes the processor as
        long as all else that is done for it, and is the same for all who look at the same.

        Args:
            make: a pure function that is named in a module.
            of: its arguments: frames of this drawing's, lists of them, the window, and what can be hashed.
        """
        names = [self._name(one) for one in of]
        if None in names:
            return make(*of)
        key = (make.__module__, make.__qualname__, *names)
        answer = data.made(key, data.keep_s(self.window), lambda: make(*of))
        value: Any = answer.value
        if isinstance(value, tuple):
            return cast("T", tuple(data.own(one) if isinstance(one, pd.DataFrame) else one for one in value))
        if isinstance(value, pd.DataFrame):
            return cast("T", self._know(data.own(value), ("made", answer.number)))
        return answer.value

    def _own(self, answer: Answer[pd.DataFrame]) -> pd.DataFrame:
        return self._know(data.own(answer.value), ("asked", answer.number))

    def _know(self, frame: pd.DataFrame, name: Hashable) -> pd.DataFrame:
        self.named[id(frame)] = (name, frame)
        return frame

    def _name(self, one: Any) -> Hashable | None:
        """What tells one argument of :meth:`made` from all others; None where nothing does."""
        if isinstance(one, pd.DataFrame):
            return self.named.get(id(one), (None, one))[0]
        if isinstance(one, list):
            names = tuple(self._name(part) for part in one)
            return None if None in names else names
        return ("window", one.look) if isinstance(one, Window) else (one,)

    def _of_part(self, name: str, part: Window) -> pd.DataFrame:
        params = filter_params(replace(self.filters, functions=()), part)
        if part.over and question(name).of_causes and _waiting(params):
            return self._own(data.query(name, params))
        answer = data.kept(name, params) if part.over else data.query(name, params, data.keep_s(self.window))
        return self._own(answer)

    def causes_waiting(self) -> None:
        """Say so where causes of this time are still being made, beside the newest, which come a little later."""
        waiting = _waiting(filter_params(self.filters, self.window))
        if waiting > MOST_AT_ONCE:
            st.caption(f"Causes are still being found, of {waiting} more hours or days: this list may be incomplete.")

    def seen(self, what: str) -> bool:
        """Whether this viewer was shown this of the same choices before: then it stays while it is found anew."""
        key, now = f"_seen-{self.name}-{what}", dict(self.choices.query)
        before, st.session_state[key] = st.session_state.get(key), now
        return bool(before == now)

    def coverage(self) -> Coverage | None:
        """From when until when there is data in the window, of any function."""
        return coverage(self.query("coverage"))

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

    def chart(self, chart: Chart, alt_text: str, frame: pd.DataFrame, name: str) -> None:
        """Draw a chart that takes no clicks, with a download of what it shows."""
        st.vega_lite_chart(chart.spec(), alt=alt_text, key=f"chart-{self.name}-{name}")
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
    min_bucket_s: int = 1,
    over_time: bool = True,
) -> None:
    """Draw a page: title, filters, and the body, which refreshes by itself while the range is a live one.

    Args:
        name: of the page, as in dashboard/pages.py.
        body: draws the panels.
        use_time: whether the page is about a range of time.
        use_functions: whether the page can be about some functions only.
        min_bucket_s: the narrowest point that the page's data can fill: CloudWatch has one per minute.
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
        window = current.filters.window(datetime.now(UTC)).at_least(min_bucket_s)
        run = Run(name, current, window, viewer)
        if use_time:
            _say_when(run, refresh_s, over_time=over_time)
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


def _waiting(params: Mapping[str, Value]) -> int:
    """How many hours and days of causes the collector's jobs have yet to make."""
    return int(data.query("causes_waiting", params).value["Waiting"].sum())


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
