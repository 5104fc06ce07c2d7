"""What somebody who looks at a page is likely to look at next, the most likely first. No Streamlit here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter
from typing import Final

from dashboard.filters import CUSTOM, GLOBAL_NAMES, Choices, Filters, InvocationFilters, Query, parse_filters
from dashboard.plans import PLANS

MOST: Final = 40
"""More guesses than that are not made about one page."""
FIRST_ROWS: Final = 3
"""Rows of each table to which somebody is likely to go at once, or whose function they choose."""
RANGES_FIRST: Final = ("24h", "6h", "7d", "1h", "15m")
DAYS_BACK: Final = 2
"""Of a longer range that stands still, where it may be made to begin: so many days before its end."""

OWN: Final[Mapping[str, tuple[InvocationFilters, ...]]] = {
    "invocations": (InvocationFilters(cold_only=True), InvocationFilters(status="failed")),
}
"""What a page of that name is likely to be narrowed down to."""

NEXT_PAGES: Final = (
    "fleet",
    "concurrency",
    "invocations",
    "throttles",
    "streams",
    "cold_starts",
    "sandboxes",
    "ingest",
    "runtimes",
    "async",
    "cost",
    "alerts",
)
"""Pages that the menu leads to, the likeliest first, as in dashboard/pages.py."""


@dataclass(frozen=True, slots=True)
class Lead:
    """Where a click on a row leads."""

    row: int
    page: str
    query: Query


@dataclass(frozen=True, slots=True)
class Look:
    """A page with choices, as a link names it."""

    page: str
    choices: Choices


def look(page: str, query: Query) -> Look:
    """What a link with this query string leads to."""
    return Look(page, Choices(parse_filters(query), query))


def guesses(page: str, choices: Choices, leads: Sequence[Lead]) -> list[Look]:
    """What a viewer of a page may look at next.

    Args:
        page: that is shown.
        choices: with which.
        leads: where clicks on the first rows of its tables lead.
    """
    here = look(page, choices.query)
    ranges = [_same(page, choices, other) for other in _other_ranges(choices.filters)]
    narrowed = [look(page, {**choices.filters.query(), **one.query()}) for one in OWN.get(page, ())]
    lead = [look(one.page, one.query) for one in sorted(leads, key=attrgetter("row"))]
    functions = dict.fromkeys(name for one in lead for name in one.choices.filters.functions)
    chosen = [
        _same(page, choices, replace(choices.filters, functions=(name,)))
        for name in functions
        if not choices.filters.functions
    ]
    menu = [look(name, choices.filters.query()) for name in NEXT_PAGES]
    everything = [
        *ranges[:1], *narrowed[:1], *chosen[:1], *lead[:4], *narrowed[1:], *chosen[1:], *lead[4:], *ranges[1:], *menu
    ]  # fmt: skip
    return list(islice(_unlike(everything, here), MOST))


def _other_ranges(filters: Filters) -> Iterator[Filters]:
    """Other times that one looks at, of those that reach to the end of this one."""
    if filters.range != CUSTOM:
        yield from (replace(filters, range=one) for one in RANGES_FIRST if one != filters.range)
        return
    begin, end = filters.begin, filters.end
    if begin is None or end is None:
        return
    # The widget moves the begin by whole days, to where minutes and hours stay as they are.
    for days in range(1, DAYS_BACK + 1):
        moved = _last(begin, end, days)
        if moved is not None:
            yield replace(filters, begin=moved)
    yield from (replace(filters, range=one, begin=None, end=None) for one in RANGES_FIRST[:1])


def _last(begin: datetime, end: datetime, days: int) -> datetime | None:
    """The instant some days before the end at the time of day at which the range begins; None where that is earlier."""
    on = end.date() - timedelta(days=days)
    moved = begin.replace(year=on.year, month=on.month, day=on.day)
    return moved if moved > begin else None


def _same(page: str, choices: Choices, filters: Filters) -> Look:
    own = {name: values for name, values in choices.query.items() if name not in GLOBAL_NAMES}
    return look(page, {**filters.query(), **own})


def _unlike(looks: Iterable[Look], here: Look) -> Iterator[Look]:
    """Each once, and not what is shown already or asks nothing."""
    seen = {_key(here)}
    for one in looks:
        if one.page in PLANS and _key(one) not in seen:
            seen.add(_key(one))
            yield one


def _key(one: Look) -> tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    return one.page, tuple(sorted((name, tuple(values)) for name, values in one.choices.query.items()))
