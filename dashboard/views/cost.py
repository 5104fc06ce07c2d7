"""Cost and size: what functions cost, what of it init and extensions take, and whose memory is too large."""

import pandas as pd
import streamlit as st

from dashboard.charts import cost as shaping
from dashboard.text import count, share
from dashboard.ui import tables
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import Run, nothing, show


def _body(run: Run) -> None:
    functions = run.query("cost_functions")
    if functions.empty:
        nothing()
        return
    shown = shaping.table(functions, run.window)
    _figures(shown, run)
    with run.panel(
        "By function, the dearest first",
        "List prices of the first tier (lambda_prices), without free tier, discounts and provisioned concurrency. A "
        "month is 30 days like the time chosen. Click a row to see the function alone.",
    ):
        _functions(run, shown)
    left, right = st.columns(2)
    with (
        left,
        run.panel("Where the money goes", "The dearest functions: init, the function itself, extensions afterwards."),
    ):
        parts = shaping.parts(shown)
        if parts.empty:
            nothing(
                "No report has come yet: what was billed is told with the next invocation of a sandbox, or its end."
            )
        else:
            run.chart(shaping.bars(parts), "What init, the function and extensions cost, by function.", parts, "parts")
    with (
        right,
        run.panel(
            "Memory that nobody used",
            "Highest use of all invocations against what is configured. Less memory is also less processor: measure "
            "before you cut, or let aws-lambda-power-tuning do so.",
        ),
    ):
        _memory(run, shown)


def _figures(shown: pd.DataFrame, run: Run) -> None:
    whole, init, extensions = (float(shown[name].sum()) for name in ("ListUsd", "OfInitUsd", "OfExtensionsUsd"))
    row(
        [
            Figure("List price", shaping.dollars(whole), about="Of what ran in this time, by reports that have come"),
            Figure("A month like this", shaping.dollars(whole * shaping.MONTH_S / run.window.span_s), about="30 days"),
            Figure("Init", share(init, whole), about=f"{shaping.dollars(init)}: billed since August 2025"),
            Figure(
                "Extensions after the answer",
                share(extensions, whole),
                about=f"{shaping.dollars(extensions)}: all extensions, ours among them",
            ),
            Figure("GB-seconds", count(float(shown["GbS"].sum()))),
        ]
    )


def _functions(run: Run, shown: pd.DataFrame) -> None:
    number = st.column_config.NumberColumn
    tables.linked(
        run,
        shown,
        "cost-functions",
        lambda clicked: ("function", {**run.filters.query(), "function": [str(clicked["FunctionName"])]}),
        {
            "FunctionName": st.column_config.TextColumn("Function", width="medium"),
            "ListUsd": number("List price, $", format="%.4f"),
            "MonthUsd": number("a month, $", format="%.2f"),
            "PerMillionUsd": number("per million, $", format="%.2f", help="Of a million invocations"),
            "Requests": number("Invocations", format="localized"),
            "GbS": number("GB-seconds", format="%.0f"),
            "InitPercent": number("Init", format="%.1f %%"),
            "ExtensionsPercent": number(
                "Extensions", format="%.1f %%", help="After the answer; all extensions together"
            ),
            "MemoryMB": number("Memory, MB", format="%d"),
            "UsedPercent": number("used", format="%.0f %%"),
            "Architectures": "Architecture",
        },
        alt=f"Cost of {len(shown)} functions.",
    )
    run.download(shown, "functions")


def _memory(run: Run, shown: pd.DataFrame) -> None:
    spare = shown[shown["SpareUsd"] > 0].sort_values("SpareUsd", ascending=False).head(20)
    if spare.empty:
        nothing("No function has memory to spare that its reports tell of.")
        return
    number = st.column_config.NumberColumn
    tables.linked(
        run,
        spare,
        "cost-memory",
        lambda clicked: ("function", {**run.filters.query(), "function": [str(clicked["FunctionName"])]}),
        {
            "FunctionName": st.column_config.TextColumn("Function", width=150),
            "MemoryMB": number("Configured, MB", format="%d"),
            "MaxUsedMB": number("Used at most, MB", format="%d"),
            "SmallerMB": number("Would do, MB", format="%d", help="A fifth above what was used, in steps of 64 MB"),
            "SpareUsd": number("less a month, $", format="%.2f", help="If it took no longer, which it may"),
        },
        alt=f"{len(spare)} functions with memory to spare.",
    )
    run.download(spare, "memory")


show("cost", _body)
