"""Tables whose rows lead somewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from dashboard.guesses import FIRST_ROWS, Lead
from dashboard.ui import choices
from dashboard.ui.page import Run

ROW_PX: Final = 33
"""2.1875 rem, Streamlit's own, at the theme's 15 pixels."""

Target = Callable[[pd.Series], tuple[str, Mapping[str, list[str]]]]
"""From a row to the page, and the query string, that a click on it leads to."""


def instants(viewer: ZoneInfo, label: str, style: str = "YYYY-MM-DD HH:mm:ss", width: int | None = None) -> Any:
    """A column of instants in the viewer's zone."""
    about = f"In {viewer.key}" + ("" if viewer.key == "UTC" else "; the CSV has UTC")
    return st.column_config.DatetimeColumn(label, format=style, timezone=viewer.key, help=about, width=width)


def function_column(run: Run, width: int) -> dict[str, Any]:
    """The column that says of which function a row is; none where one function is chosen, which the filters name."""
    one = len(run.filters.functions) == 1
    return {} if one else {"FunctionName": st.column_config.TextColumn("Function", width=width)}


def height(rows: int, most: int) -> int:
    """The pixels of a table that shows so many of its rows at most, and where there are more the top of the next."""
    shown = min(rows, most) + 1  # the heads of the columns
    return shown * ROW_PX + 2 + (ROW_PX // 2 if rows > most else 0)


def linked(
    run: Run,
    frame: pd.DataFrame,
    key: str,
    target: Target,
    columns: Mapping[str, Any],
    *,
    alt: str,
    height: int | str = "auto",
) -> None:
    """A table in which a click on any cell of a row goes to another page.

    Args:
        run: the drawing.
        frame: the rows. Columns that ``columns`` does not name stay hidden, and are there for ``target``.
        key: of the widget.
        target: says where a row leads.
        columns: name and st.column_config of what is shown, in this order.
        alt: a sentence for who cannot see it.
        height: in pixels, or "auto".
    """

    def clicked() -> None:
        rows = {row for row, _ in st.session_state[key].selection.cells} | set(st.session_state[key].selection.rows)
        if rows:
            name, query = target(frame.iloc[min(rows)])
            choices.plan(name, dict(query))

    for row in range(min(FIRST_ROWS, len(frame))):
        run.leads.append(Lead(row, *target(frame.iloc[row])))
    st.dataframe(
        frame,
        key=key,
        hide_index=True,
        column_order=list(columns),
        column_config=dict(columns),
        on_select=clicked,
        selection_mode="single-cell",
        height=height,  # type: ignore[arg-type]  # int or "auto"
        placeholder="",
        alt=alt,
    )
