"""What each page asks, as data: to begin it side by side, and to ask it before somebody looks. No Streamlit here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import pandas as pd

from dashboard.charts import sandboxes
from dashboard.charts.frames import ended
from dashboard.filters import (
    Choices,
    Filters,
    InvocationFilters,
    parse_invocation_filters,
    parse_invocation_key,
)
from dashboard.sql import Value, instant, invocation_params, key_params, names, statement_name
from dashboard.timeaxis import Window

COLD: Final = InvocationFilters(cold_only=True)
LATEST_COLD: Final = 50
LATEST_OF_FUNCTION: Final = 20
LATEST_INVOCATIONS: Final = 200
LATEST_SANDBOXES: Final = 40
AROUND: Final = timedelta(seconds=900)
"""Spans of a trace may lie this far from the invocation: callers before it, an init that it waited for."""

INCIDENTS: Final = (
    "incidents_of_throttles",
    "incidents_of_streams",
    "mappings_stopped",
    "invocations_stopped",
    "events_lost",
)
"""The statements that find what went wrong, side by side."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question of a page."""

    name: str
    """Of the panel: a file of queries/."""
    more: Mapping[str, Value] = field(default_factory=dict)
    """Parameters beside the window and the filters."""
    by_parts: bool = False
    """Asked about each part of the window, and about all functions."""
    one_by_one: bool = False
    """Of the invocations themselves, however long the window is."""
    then: Callable[[pd.DataFrame, Window], Asks] | None = None
    """What is asked next, which the answer decides."""
    unless: Ask | None = None
    """Where the answer to this one is known, it says what is asked here too."""


Asks = tuple[Ask, ...]


def _asks(*asked: str) -> Asks:
    return tuple(Ask(name) for name in asked)


def _by_parts(*asked: str) -> Asks:
    return tuple(Ask(name, by_parts=True) for name in asked)


def _fleet(_: Choices, window: Window) -> Asks:
    return (
        fleet_of(window),
        *_asks("concurrency_highest", "init_by_version", "invocations_over_time", "coverage", "configuration_changes"),
        *_by_parts(*INCIDENTS),
    )


def fleet_of(window: Window) -> Ask:
    """The figures of each function."""
    return Ask("fleet_functions", {"span_s": int(window.span_s)})


def _function(choices: Choices, window: Window) -> Asks:
    if len(choices.filters.functions) != 1:
        return ()
    every, failed = InvocationFilters(), InvocationFilters(status="failed")
    return (
        Ask("invocations_summary", invocation_params(every), unless=fleet_of(window)),
        *_by_parts(*INCIDENTS),
        *_asks("init_by_version", "concurrency_over_time", "invocations_over_time", "coverage"),
        Ask("cold_start_phases"),
        Ask("invocations_percentiles", invocation_params(every)),
        *(
            Ask("invocations_latest", {"limit": LATEST_OF_FUNCTION, **invocation_params(one)})
            for one in (failed, every)
        ),
    )


def _concurrency(_: Choices, __: Window) -> Asks:
    return _asks(
        "concurrency_peaks", "account_concurrency", "concurrency_over_time", "coverage",
        "account_concurrency_over_time", "function_limits", "sandboxes_over_time", "scaling_ramp",
    )  # fmt: skip


def _throttles(_: Choices, __: Window) -> Asks:
    return (
        *_by_parts("throttle_episodes", "throttle_holders"),
        *_asks("metrics_coverage", "throttles_over_time"),
    )


def _streams(_: Choices, __: Window) -> Asks:
    return (
        *_by_parts("stream_consumers", "mappings_stopped", "stream_ingest_over_time"),
        *_asks("stream_age_over_time", "stream_shards"),
    )


def _cold_starts(_: Choices, __: Window) -> Asks:
    return (
        *_asks("invocations_over_time", "cold_start_functions", "cold_start_phases", "init_by_version", "coverage"),
        Ask("invocations_latest", {"limit": LATEST_COLD, **invocation_params(COLD)}),
    )


def _invocations(choices: Choices, window: Window) -> Asks:
    params = invocation_params(parse_invocation_filters(choices.query))
    figures = ("invocations_summary", "invocations_percentiles", "invocations_histogram")
    return (
        *(Ask(name, params) for name in (("invocations_figures",) if reads_once(window, params) else figures)),
        Ask("invocations_latest", {"limit": LATEST_INVOCATIONS, **params}),
    )


def reads_once(window: Window, params: Mapping[str, Value]) -> bool:
    """Whether figures of invocations are of what is read one by one: then all of them are made of reading it once."""
    return statement_name("invocations_summary", window, params) == "invocations_summary"


def _invocation(choices: Choices, _: Window) -> Asks:
    key = parse_invocation_key(choices.query)
    return () if key is None else (Ask("invocation", key_params(key), then=of_invocation),)


def of_invocation(found: pd.DataFrame, _: Window) -> Asks:
    """What is asked about an invocation that was found."""
    if found.empty:
        return ()
    only = found.iloc[0]
    near: dict[str, Value] = {"from": instant(only["Start"] - AROUND), "to": instant(ended(only) + AROUND)}
    trace = str(only["TraceId"])
    return (
        Ask("invocation_spans", {"trace": trace, **near}),
        Ask("invocation_logs", {"request": str(only["RequestId"]), "trace": trace, **near}),
    )


def _sandboxes(choices: Choices, _: Window) -> Asks:
    wanted = choices.query.get("instance", [""])[-1]

    def done(found: pd.DataFrame, window: Window) -> Asks:
        return (activity_of(shown_sandboxes(found, wanted), window),)

    return (Ask("sandboxes", {"limit": LATEST_SANDBOXES + 1}, then=done),)


def shown_sandboxes(found: pd.DataFrame, wanted: str) -> pd.DataFrame:
    """Those of the sandboxes found that the page shows: one that a link names, or the latest."""
    if wanted and not found.empty:
        found = found[found["InstanceId"] == wanted]
    return found.head(LATEST_SANDBOXES)


def activity_of(shown: pd.DataFrame, window: Window) -> Ask:
    """What is asked about the sandboxes that are shown."""
    instances = tuple(names(shown, "InstanceId"))
    return Ask("sandbox_activity", {"instances": instances, "quantum_ms": sandboxes.quantum_ms(window)})


def _cost(_: Choices, __: Window) -> Asks:
    return _asks("cost_functions")


def _runtimes(_: Choices, __: Window) -> Asks:
    return (*_asks("runtime_functions", "runtime_versions"), Ask("init_by_version", one_by_one=True))


def _async(_: Choices, __: Window) -> Asks:
    return (
        *_asks("async_functions", "async_over_time", "mapping_funnel", "metrics_coverage"),
        *_by_parts("events_lost"),
    )


def _alerts(_: Choices, __: Window) -> Asks:
    return _asks("alerts_firing", "alerts_history")


def _ingest(_: Choices, __: Window) -> Asks:
    return _asks("ingest_functions", "ingest_tables", "ingest_over_time", "ingest_coverage", "ingest_missing")


def _sql(_: Choices, __: Window) -> Asks:
    return _asks("schema")


@dataclass(frozen=True, slots=True)
class Plan:
    """What one page asks."""

    asks: Callable[[Choices, Window], Asks]
    min_bucket_s: int = 1
    """The narrowest point that the page's data can fill: CloudWatch has one per minute."""

    def window(self, filters: Filters, now: datetime) -> Window:
        """The time that the page is about."""
        return filters.window(now).at_least(self.min_bucket_s)


PLANS: Final[Mapping[str, Plan]] = {
    "fleet": Plan(_fleet),
    "function": Plan(_function),
    "concurrency": Plan(_concurrency),
    "throttles": Plan(_throttles, min_bucket_s=60),
    "streams": Plan(_streams, min_bucket_s=60),
    "cold_starts": Plan(_cold_starts),
    "invocations": Plan(_invocations),
    "invocation": Plan(_invocation),
    "sandboxes": Plan(_sandboxes),
    "cost": Plan(_cost),
    "runtimes": Plan(_runtimes),
    "async": Plan(_async, min_bucket_s=60),
    "alerts": Plan(_alerts),
    "ingest": Plan(_ingest),
    "sql": Plan(_sql),
}
"""By the name of a page. A page begins with all of it side by side, and asks nothing else of its own."""
