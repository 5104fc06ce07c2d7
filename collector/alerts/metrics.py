"""The named metrics: what rules can measure without SQL of their own. One file of ``queries/`` each.

The window is ``{from:DateTime64(3, 'UTC')}`` to ``{to:DateTime64(3, 'UTC')}``, which is the end of a closed minute.
The query returns a column ``Value`` (a number, or NULL for "not known"), if it likes a column ``Traffic`` (invocations
that the value rests on), and columns of text that name the series.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import Final


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that can be measured.

    Attributes:
        name: what rules call it.
        sql: its query.
        unit: ``ratio`` (shown as a percentage), ``ms``, ``s``, ``min``, ``d``, or the name of what is counted.
        delay: how old a minute must be to count as closed: until then its figures still grow.
        page: the page of the dashboard that shows more.
        advice: what to do first.
    """

    name: str
    sql: str
    unit: str = ""
    delay: timedelta = timedelta(minutes=5)
    page: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class _Named:
    """A row of the table below."""

    name: str
    unit: str
    page: str
    advice: str
    delay_min: int = 5


_SPANS_MIN: Final = 3
"""Spans come with the flush after the invocation, their reports with the next one."""

_TABLE: Final = (
    _Named("error_rate", "ratio", "function", "Look at what failed: the error types and the log lines.", _SPANS_MIN),
    _Named("timeouts", "timeouts", "invocations", "Look at where the time went in one of them.", _SPANS_MIN),
    _Named("out_of_memory", "kills", "invocations", "Raise the memory, or find what grows.", _SPANS_MIN),
    _Named("memory_share", "ratio", "function", "Raise the memory before the kernel kills.", _SPANS_MIN),
    _Named("duration_share", "ratio", "function", "Raise the timeout, or find what is slow.", _SPANS_MIN),
    _Named("cold_start_share", "ratio", "cold_starts", "See what starts sandboxes: a release, a rise, or recycling."),
    _Named("throttle_rate", "ratio", "throttles", "See the likely cause and who holds the concurrency."),
    _Named("iterator_age_share", "ratio", "streams", "Find the shard or the error that holds the stream up."),
    _Named("iterator_age_s", "s", "streams", "Find the shard or the error that holds the stream up."),
    _Named(
        "account_concurrency_share", "ratio", "concurrency", "See who holds it; ask AWS for a higher limit in time."
    ),
    _Named("function_concurrency_share", "ratio", "concurrency", "Raise the reservation, or slow the callers down."),
    _Named(
        "async_events_lost", "events", "async", "Events are gone for good: see the function's errors and its queue."
    ),
    _Named("days_to_deprecation", "d", "runtimes", "Move to a newer runtime while updates are still possible."),
    _Named("minutes_without_data", "min", "ingest", "See whether the layer, the network or the delivery has stopped."),
)


@cache
def _query(name: str) -> str:
    return resources.files("collector.alerts").joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")


METRICS: Final = {
    row.name: Metric(row.name, _query(row.name), row.unit, timedelta(minutes=row.delay_min), row.page, row.advice)
    for row in _TABLE
}


_ONE: Final = {"timeouts": "timeout", "kills": "kill", "events": "event"}
"""Of our own units, what one of them is called. Those of people's own rules are said as they wrote them."""


def shown(value: float | None, unit: str) -> str:
    """A value as people read it, such as ``12.5 %`` or ``3 timeouts``."""
    if value is None:
        return "no data"
    if unit == "ratio":
        return f"{100 * value:.3g} %" if abs(value) < 10 else f"{100 * value:.0f} %"
    number = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{number} {_ONE.get(unit, unit) if value == 1 else unit}".strip()
