"""SQL: ask the store anything. Read-only."""

import streamlit as st

from dashboard import cookbook
from dashboard.charts.adhoc import simple_chart
from dashboard.sql import QueryRows
from dashboard.text import count, milliseconds, plural
from dashboard.ui import choices, data, plots
from dashboard.ui.page import Run, nothing, show

MAX_ROWS = 10_000
NAMES = ("q",)
FIRST_TABLE = "lambda_invocations"
"""Whose columns are shown until another one is chosen: what most statements begin with."""


def _body(run: Run) -> None:
    asked = run.choices.query.get("q", [""])[-1]
    left, right = st.columns([3, 1])
    with left:
        _recipes()
        _editor(asked or cookbook.RECIPES[0].sql)
        if asked:
            with run.panel("Result"):
                _result(run, asked)
        else:
            nothing("Choose a recipe or write a statement, then press Run. Nothing you run here can change data.")
    with right, run.panel("Tables and columns"):
        _schema(run)


def _editor(text: str) -> None:
    st.session_state["sql-text"] = text
    st.text_area("Statement", key="sql-text", height=220, label_visibility="collapsed")
    st.button("Run", type="primary", icon=":material/play_arrow:", on_click=lambda: _ask(st.session_state["sql-text"]))


def _recipes() -> None:
    by_title = {recipe.title: recipe.sql for recipe in cookbook.RECIPES}

    def chosen() -> None:
        _ask(by_title.get(st.session_state["sql-recipe"], ""))

    st.selectbox(
        "Recipes", list(by_title), index=None, key="sql-recipe", placeholder="Start from a question", on_change=chosen
    )


def _ask(text: str) -> None:
    choices.write_own(NAMES, {"q": [text.strip()]} if text.strip() else {})


def _result(run: Run, asked: str) -> None:
    rows: QueryRows = data.ask(asked, MAX_ROWS)
    cut = f", cut off at {count(MAX_ROWS)}" if rows.cut else ""
    st.caption(f"{plural(len(rows.frame), 'row')}{cut} in {milliseconds(rows.took_ms)}")
    if rows.frame.empty:
        nothing("The statement is fine, and there are no rows.")
        return
    table, drawn = st.tabs(["Table", "Chart"])
    with table:
        st.dataframe(rows.frame, hide_index=True, key="sql-result", alt=f"Result with {len(rows.frame)} rows.")
    with drawn:
        chart = simple_chart(rows.frame)
        if chart is None:
            nothing("A chart needs a time or a text column and a number column.")
        else:
            plots.plot(chart, "The result as a chart.", "sql-chart")
    run.download(rows.frame, "result")


def _schema(run: Run) -> None:
    columns = run.query("schema")
    if columns.empty:
        nothing("The database has no tables yet.")
        return
    tables = list(columns["Table"].unique())
    first = tables.index(FIRST_TABLE) if FIRST_TABLE in tables else 0
    table = st.selectbox("Table", tables, first, key="sql-table", label_visibility="collapsed")
    shown = columns[columns["Table"] == table]
    st.dataframe(
        shown,
        hide_index=True,
        key="sql-schema",
        column_order=["Column", "Type"],
        height=430,
        alt=f"Columns of {table}.",
    )
    st.caption("lambda_concurrency takes parameters: lambda_concurrency(from = …, to = …, bucket_s = 60)")


show("sql", _body, use_time=False, use_functions=False)
