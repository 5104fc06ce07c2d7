"""Invocation: one attempt, every phase of it on one time axis."""

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import streamlit as st

from dashboard.charts import frames
from dashboard.charts.waterfall import bars, waterfall
from dashboard.filters import InvocationFilters, parse_invocation_key
from dashboard.plans import Ask, of_invocation
from dashboard.sql import key_params
from dashboard.text import UNKNOWN, known, megabytes, milliseconds, plural
from dashboard.ui import panels, tables
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import Run, nothing, show


def _body(run: Run) -> None:
    key = parse_invocation_key(run.choices.query)
    if key is None:
        nothing("No invocation is named. Choose one on the page Invocations.")
        return
    found = run.query("invocation", **key_params(key))
    if found.empty:
        nothing(
            f"No invocation with the request id {key.request_id} is stored. It may be older than what is kept, or its "
            "sandbox has not exported yet: wait some seconds and reload."
        )
        return
    only = found.iloc[0]
    _head(run, only)
    _figures(only)
    spans, logs = of_invocation(found, run.window)
    with run.panel("Where the time went", "Every span of the trace, the layer's and the function's own."):
        _spans(run, only, spans)
    with run.panel("Logs", "Lines with this request id or trace id."):
        _logs(run, logs)
    with run.panel("Everything that is stored about it"):
        _everything(run, only)


def _head(run: Run, only: pd.Series) -> None:
    version = "" if only["FunctionVersion"] in ("", "$LATEST") else f":{only['FunctionVersion']}"
    st.markdown(f"## {only['FunctionName']}{version} · {panels.outcome(only.to_dict())}")
    st.caption(f"Request {only['RequestId']} · attempt {only['Attempt']} · started {run.shown(only['Start'])}")
    start, end = frames.moment(only["Start"]), frames.ended(only)
    around = run.filters.at(start - timedelta(minutes=5), end + timedelta(minutes=5)).query()
    busy = replace(run.filters.around(start, start), functions=()).query()
    name = str(only["FunctionName"])
    with st.container(horizontal=True):
        _link("views/function.py", f"All about {name}", {**run.filters.query(), "function": [name]})
        at_its_start = {**busy, **InvocationFilters(at=start).query()}
        _link("views/invocations.py", "What else ran at its start", at_its_start)
        _link(
            "views/sandboxes.py", "Its sandbox", {**around, "function": [name], "instance": [str(only["InstanceId"])]}
        )


def _link(file: str, label: str, query: dict[str, list[str]]) -> None:
    st.page_link(file, label=label, query_params=query, icon=":material/arrow_forward:")


def _figures(only: pd.Series) -> None:
    used, size = only["MaxMemoryUsedMB"], only["MemorySizeMB"]
    init = only["RestoreDurationMs"] if pd.notna(only["RestoreDurationMs"]) else only["InitDurationMs"]
    row(
        [
            Figure("Duration", milliseconds(_number(only["DurationMs"])), about="As reported, init not included"),
            Figure(
                "Init",
                "warm" if _number(only["ColdStart"]) == 0 else milliseconds(_number(init)),
                about="That it waited for",
            ),
            Figure("Billed", milliseconds(_number(only["BilledDurationMs"]))),
            Figure("After the runtime", milliseconds(_number(only["PostRuntimeMs"])), about="Extensions still at work"),
            Figure(
                "Memory",
                megabytes(_number(used)),
                about=f"Of {megabytes(_number(size))}",
            ),
            Figure("Billed, GB-s", _gigabyte_seconds(only), about="Billed duration times configured memory"),
        ]
    )


def _number(value: object) -> float | None:
    return None if pd.isna(value) else float(value)  # type: ignore[call-overload,arg-type]  # a cell of a frame


def _gigabyte_seconds(only: pd.Series) -> str:
    billed, size = _number(only["BilledDurationMs"]), _number(only["MemorySizeMB"])
    if billed is None or size is None or not known(billed):
        return UNKNOWN
    return f"{billed * size / 1_024_000:.4f}"


def _spans(run: Run, only: pd.Series, ask: Ask) -> None:
    rows = run.answer(ask)
    drawn = bars(rows, instance_id=str(only["InstanceId"]), attempt=int(only["Attempt"])) if not rows.empty else []
    if not drawn:
        nothing("No span of this invocation is stored: otel_traces may keep less than lambda_invocations.")
        return
    pale = " Pale bars: the end is an estimate, or has not come." if any(one.untold for one in drawn) else ""
    st.caption(f"0 is {run.shown(drawn[0].start)}.{pale}")
    longest = max(drawn, key=lambda one: one.duration_ms)
    text = f"{plural(len(drawn), 'span')}; the longest is {longest.label} with {milliseconds(longest.duration_ms)}."
    run.chart(waterfall(drawn), text, rows, "spans")


def _logs(run: Run, ask: Ask) -> None:
    rows = run.answer(ask)
    if rows.empty:
        nothing(
            "No log lines of this invocation. The layer sends platform events; to have the function's logs here, send "
            "them to the collector as OTLP logs with faas.invocation_id or the trace id."
        )
        return
    st.dataframe(
        rows,
        hide_index=True,
        key="invocation-logs",
        column_config={
            "Timestamp": tables.instants(run.viewer, "Time", "HH:mm:ss.SSS", 105),
            "SeverityText": st.column_config.TextColumn("Severity", width=85),
            "Body": st.column_config.TextColumn("Line", width=840),
        },
        alt=f"{len(rows)} log lines.",
    )
    run.download(rows, "logs")


def _everything(run: Run, only: pd.Series) -> None:
    with st.expander("Columns of lambda_invocations", icon=":material/table_rows:"):
        stored = only.dropna()
        table = pd.DataFrame({"Column": stored.index, "Value": [str(value) for value in stored]})
        st.dataframe(table[table["Value"] != ""], hide_index=True, key="invocation-columns", height="content")
    run.download(pd.DataFrame([only]), "row")


show("invocation", _body, use_time=False, use_functions=False)
