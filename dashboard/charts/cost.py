"""Cost by function: shares, a month's worth, memory to spare. Dollars at list price."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from dashboard.charts import colours
from dashboard.charts.rows import ROOM_AFTER, Row, Rows, Said, in_line
from dashboard.timeaxis import Window
from semconv import phases

MONTH_S: Final = 30 * 86_400
SHOWN: Final = 12
HEADROOM: Final = 1.2
"""A smaller memory must leave so much above the highest use."""
STEP_MB: Final = 64
LEAST_MB: Final = 128

PARTS: Final = {
    "init": colours.PHASES[phases.RUNTIME_AND_FUNCTION_INIT],
    "function": colours.PHASES[phases.INVOKE],
    "extensions": colours.PHASES[phases.POST_RUNTIME],
}


def table(rows: pd.DataFrame, window: Window) -> pd.DataFrame:
    """Rows of cost_functions.sql with shares, a month's cost, and what a smaller memory would save."""
    numbers = ["Requests", "GbS", "ListUsd", "OfInitUsd", "OfExtensionsUsd", "MemoryMB", "MaxUsedMB"]
    out = rows.assign(**{name: rows[name].astype(float) for name in numbers})
    months = MONTH_S / window.span_s
    cost = out["ListUsd"].where(out["ListUsd"] > 0)
    smaller = (np.ceil(out["MaxUsedMB"] * HEADROOM / STEP_MB) * STEP_MB).clip(lower=LEAST_MB)
    saved = (1 - smaller / out["MemoryMB"]).clip(lower=0).fillna(0.0)
    return out.assign(
        MonthUsd=out["ListUsd"] * months,
        PerMillionUsd=1e6 * out["ListUsd"] / out["Requests"].where(out["Requests"] > 0),
        InitPercent=100 * out["OfInitUsd"] / cost,
        ExtensionsPercent=100 * out["OfExtensionsUsd"] / cost,
        UsedPercent=100 * out["MaxUsedMB"] / out["MemoryMB"],
        SmallerMB=smaller,
        SpareUsd=saved * out["ListUsd"] * months,
    )


def parts(shown: pd.DataFrame) -> pd.DataFrame:
    """The dearest functions of known cost, each cut into init, the function itself and extensions after the answer."""
    top = shown.dropna(subset=["ListUsd"]).nlargest(SHOWN, "ListUsd")
    rest = (top["ListUsd"] - top["OfInitUsd"] - top["OfExtensionsUsd"]).clip(lower=0)
    wide = pd.DataFrame(
        {
            "FunctionName": top["FunctionName"],
            "init": top["OfInitUsd"],
            "function": rest,
            "extensions": top["OfExtensionsUsd"],
        }
    )
    long = wide.melt("FunctionName", var_name="Part", value_name="Usd")
    return long.assign(Order=long["Part"].map({name: at for at, name in enumerate(PARTS)}))


def bars(long: pd.DataFrame) -> Rows:
    """One row per function, the dearest on top.

    Args:
        long: of :func:`parts`.
    """
    totals = long.groupby("FunctionName")["Usd"].sum().sort_values(ascending=False)
    by_function = {str(name): part for name, part in long.sort_values("Order").groupby("FunctionName")}
    dearest = ((str(name), float(total)) for name, total in totals.items())
    rows = tuple(Row(name, tuple(in_line(_parts(by_function[name]))), dollars(total)) for name, total in dearest)
    return Rows(rows, PARTS, "usd", 0, float(totals.max()) * ROOM_AFTER)


def _parts(of_one: pd.DataFrame) -> Iterator[tuple[str, float, Said]]:
    for part, usd in zip(of_one["Part"], of_one["Usd"].astype(float), strict=True):
        yield str(part), usd, (("list price", dollars(usd)),)


def dollars(value: float) -> str:
    """A sum with as many digits as it deserves."""
    if value >= 100:
        return f"${value:,.0f}"
    return f"${value:,.2f}" if value >= 0.1 or value == 0 else f"${value:.2g}"
