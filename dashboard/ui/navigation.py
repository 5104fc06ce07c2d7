"""The list of pages. Its links carry the choices of every page along, which Streamlit's own menu would drop."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

from dashboard.errors import DashboardError
from dashboard.pages import PAGES
from dashboard.ui import choices, data, login

STYLE: Final = Path(__file__).parent / "style.css"
ICON: Final = Path(__file__).parent / "icon.svg"


def main() -> None:
    """Draw the menu and the page that the address names."""
    st.set_page_config(page_title="Lambdascope", page_icon=ICON, layout="wide", initial_sidebar_state=220)
    pages = {
        one: st.Page(one.file, title=one.title, icon=one.icon, url_path=one.url_path, default=not one.url_path)
        for one in PAGES
    }
    st.html(STYLE)
    if not login.admitted():
        return
    current = st.navigation(list(pages.values()), position="hidden")
    carried = choices.read().filters.query()
    with st.sidebar:
        st.markdown("**Lambdascope**")
        for one, target in pages.items():
            if one.listed:
                st.page_link(target, label=one.title, icon=one.icon, query_params=carried, width="stretch")
        login.who()
        st.caption(_endpoint(), help="Where this dashboard reads: LAMBDASCOPE_SQL_URL")
    current.run()


def _endpoint() -> str:
    try:
        return f"`{data.config().sql.shown}`"
    except DashboardError:
        return ""
