"""The query string as the one place of all choices.

Streamlit can bind a widget to the query string by itself (``bind="query-params"``), but then no link within the app
may set it ("Cannot directly set query parameter"), and links that set filters are what this dashboard lives from: from
a peak to what ran then. So the widgets are drawn from the query string and write to it, and nothing else holds state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import streamlit as st

from dashboard.filters import GLOBAL_NAMES, Choices, parse_filters
from dashboard.pages import page

Written = Mapping[str, list[str]]

GO: Final = "_go"
"""Key in the session's state: where a click in a chart or table leads, until the page is left."""


def read() -> Choices:
    """What the query string says."""
    query = {name: st.query_params.get_all(name) for name in st.query_params}
    return Choices(parse_filters(query), query)


def write_global(chosen: Written) -> None:
    """Replace the choices that hold on every page, and keep the rest of the query string."""
    kept = {name: values for name, values in read().query.items() if name not in GLOBAL_NAMES}
    st.query_params.from_dict({**chosen, **kept})


def write_own(names: tuple[str, ...], chosen: Written) -> None:
    """Replace the choices of this page, and keep the rest of the query string."""
    kept = {name: values for name, values in read().query.items() if name not in names}
    st.query_params.from_dict({**kept, **chosen})


def plan(name: str, query: Written) -> None:
    """From a callback: go to a page as soon as the page that is shown comes to :func:`follow`."""
    st.session_state[GO] = (name, dict(query))


def follow() -> None:
    """Go where a click led, if one did. Does not return then."""
    target = st.session_state.pop(GO, None)
    if target is not None:
        go(*target)


def go(name: str, query: Written) -> None:
    """Show another page with these choices. Does not return."""
    st.switch_page(page(name).file, query_params=dict(query))
