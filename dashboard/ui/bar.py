"""The bar of filters on top of every page. It shows what the query string says, and a change goes there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import pandas as pd
import streamlit as st

from dashboard.filters import CUSTOM, RANGES, Filters
from dashboard.sql import instant, names
from dashboard.timeaxis import floor_to
from dashboard.ui import choices, data

RANGE_TITLES: Final = {"15m": "15 min", "1h": "1 h", "6h": "6 h", "24h": "24 h", "7d": "7 d", CUSTOM: "Custom"}
KNOWN_FOR: Final = timedelta(days=30)
KNOWN_AGAIN_S: Final = 60
"""How long a new function may take to be one of the choices."""


def known_functions() -> pd.DataFrame:
    """Every function of the last month, with account and region.

    Raises:
        ConfigError: a variable has no usable value.
        QueryError: there is no result.
    """
    since = floor_to(datetime.now(UTC) - KNOWN_FOR, 3600)
    return data.own(data.query("functions", {"since": instant(since)}, KNOWN_AGAIN_S).value)


def draw(filters: Filters, *, use_time: bool, use_functions: bool) -> None:
    """Draw the widgets that the page has use for."""
    if use_time:
        _time(filters)
    if use_functions:
        _functions(filters)
    if use_time and filters.range != CUSTOM:
        st.session_state["bar-live"] = filters.live
        st.toggle("Live", key="bar-live", on_change=_changed, help="Refresh by itself. Off: the picture stands still.")


def _time(filters: Filters) -> None:
    st.session_state["bar-range"] = filters.range
    st.segmented_control(
        "Time", RANGES, key="bar-range", required=True, format_func=RANGE_TITLES.__getitem__, on_change=_changed
    )
    if filters.range != CUSTOM:
        return
    window = filters.window(datetime.now(UTC))
    for key, label, value in (("bar-from", "From (UTC)", window.begin), ("bar-to", "To (UTC)", window.end)):
        st.session_state[key] = _to_the_minute(value)
        st.datetime_input(label, key=key, step=timedelta(minutes=1), width=190, on_change=_changed)


def _functions(filters: Filters) -> None:
    known = known_functions()
    options = sorted({*names(known, "FunctionName"), *filters.functions})
    st.session_state["bar-function"] = list(filters.functions)
    st.multiselect("Functions", options, key="bar-function", placeholder="All functions", on_change=_changed, width=260)
    pairs = zip(names(known, "AccountId"), names(known, "Region"), strict=True)
    scopes = sorted({f"{account}/{region}" for account, region in set(pairs)} | ({filters.scope} - {""}))
    if len(scopes) > 1:
        st.session_state["bar-scope"] = filters.scope or None
        st.selectbox(
            "Account / region", scopes, index=None, key="bar-scope", placeholder="All", on_change=_changed, width=240
        )


def _changed() -> None:
    """Write what the widgets say into the query string, from which everything is drawn again."""
    state = st.session_state
    before = choices.read().filters
    range_ = state.get("bar-range", before.range)
    begin, end = before.begin, before.end
    if range_ == CUSTOM:
        shown = before.window(datetime.now(UTC))
        begin = _picked(state.get("bar-from"), shown.begin)
        end = _picked(state.get("bar-to"), shown.end)
    chosen = Filters(
        range=range_,
        begin=begin,
        end=end,
        functions=tuple(state.get("bar-function", before.functions)),
        scope=state.get("bar-scope", before.scope) or "",
        live=state.get("bar-live", before.live),
    )
    choices.write_global(chosen.query())


def _to_the_minute(at: datetime) -> datetime:
    """What the picker shows: it knows no seconds and no zones."""
    return at.astimezone(UTC).replace(tzinfo=None, second=0, microsecond=0)


def _picked(shown: datetime | None, exact: datetime) -> datetime:
    """The instant that was picked; the exact one where the picker still shows its minute."""
    if shown is None or shown == _to_the_minute(exact):
        return exact
    return shown.replace(tzinfo=UTC)
