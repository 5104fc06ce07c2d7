"""What the viewer has chosen, as one frozen value. Its only form outside this process is the page's query string.

So a link shows what its sender saw, the browser's back button undoes a choice, and a reload changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from dashboard.timeaxis import (
    RELATIVE_S,
    Window,
    absolute_window,
    format_instant,
    parse_instant,
    relative_window,
    step_for,
)

Query = Mapping[str, Sequence[str]]
"""A query string: each name with its values."""

DEFAULT_RANGE: Final = "1h"
CUSTOM: Final = "custom"
RANGES: Final = (*RELATIVE_S, CUSTOM)
STATUSES: Final = ("success", "failed", "error", "failure", "timeout")
"""``failed`` is any status but success."""

GLOBAL_NAMES: Final = ("range", "from", "to", "function", "scope", "live")
"""Names in the query string that every page understands, and that the navigation carries along."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The choices that hold on every page."""

    range: str = DEFAULT_RANGE
    """A key of RELATIVE_S, or ``custom``."""
    begin: datetime | None = None
    end: datetime | None = None
    functions: tuple[str, ...] = ()
    """Names of functions; empty means all."""
    scope: str = ""
    """``account/region``; empty means all."""
    live: bool = True
    """Whether a relative range keeps moving."""

    @property
    def account(self) -> str:
        """The chosen account id, or ''."""
        return self.scope.partition("/")[0]

    @property
    def region(self) -> str:
        """The chosen region, or ''."""
        return self.scope.partition("/")[2]

    def window(self, now: datetime) -> Window:
        """The time that the queries see. A custom range without an end lasts until now, one without a start an hour."""
        if self.range != CUSTOM:
            return relative_window(RELATIVE_S[self.range], now)
        end = self.end or now.replace(microsecond=0)
        begin = self.begin or end - timedelta(hours=1)
        if begin >= end:
            begin = end - timedelta(hours=1)
        return absolute_window(begin, end, now)

    @property
    def refresh_s(self) -> int | None:
        """Seconds between refreshes, or None where the picture stands still."""
        if not self.live or self.range == CUSTOM:
            return None
        return step_for(RELATIVE_S[self.range])

    def query(self) -> dict[str, list[str]]:
        """The query string that gives this value back. Defaults are left out."""
        out: dict[str, list[str]] = {}
        if self.range != DEFAULT_RANGE:
            out["range"] = [self.range]
        if self.range == CUSTOM:
            out |= {name: [format_instant(at)] for name, at in (("from", self.begin), ("to", self.end)) if at}
        if self.functions:
            out["function"] = list(self.functions)
        if self.scope:
            out["scope"] = [self.scope]
        if not self.live:
            out["live"] = ["0"]
        return out

    def at(self, begin: datetime, end: datetime) -> Filters:
        """The same choices for a range that stands still."""
        return replace(self, range=CUSTOM, begin=begin, end=end)

    def around(self, begin: datetime, end: datetime) -> Filters:
        """The same choices for all that may have been busy between two instants: an invocation lasts for 15 minutes at
        most, and begins when the init that it waited for is done, which takes seconds.
        """
        return self.at(begin - timedelta(minutes=15), end + timedelta(minutes=1))


def parse_filters(query: Query) -> Filters:
    """Read the choices of every page. What cannot be read is taken as not said: a link never fails."""
    range_ = _one(query, "range")
    scope = _one(query, "scope")
    return Filters(
        range=range_ if range_ in RANGES else DEFAULT_RANGE,
        begin=parse_instant(_one(query, "from")),
        end=parse_instant(_one(query, "to")),
        functions=tuple(sorted({name for name in query.get("function", ()) if name})),
        scope=scope if scope.count("/") == 1 else "",
        live=_one(query, "live") != "0",
    )


@dataclass(frozen=True, slots=True)
class InvocationFilters:
    """The further choices of the page of invocations."""

    status: str = ""
    """One of STATUSES, or '' for any."""
    cold_only: bool = False
    min_ms: float = 0.0
    """Only invocations of at least so many milliseconds."""
    request: str = ""
    """What the request id begins with."""
    at: datetime | None = None
    """Only what was busy at this instant, init included."""
    until: datetime | None = None
    """Together with ``at``: what was busy at any time from then until here."""

    def query(self) -> dict[str, list[str]]:
        """The query string that gives this value back. Defaults are left out."""
        said = {
            "status": self.status,
            "cold": "1" if self.cold_only else "",
            "min_ms": f"{self.min_ms:g}" if self.min_ms else "",
            "request_like": self.request,
            "at": format_instant(self.at) if self.at else "",
            "until": format_instant(self.until) if self.until else "",
        }
        return {name: [value] for name, value in said.items() if value}


def parse_invocation_filters(query: Query) -> InvocationFilters:
    """Read the choices of the page of invocations. What cannot be read is taken as not said."""
    status = _one(query, "status")
    return InvocationFilters(
        status=status if status in STATUSES else "",
        cold_only=_one(query, "cold") == "1",
        min_ms=_number(_one(query, "min_ms")),
        request=_one(query, "request_like").strip(),
        at=parse_instant(_one(query, "at")),
        until=parse_instant(_one(query, "until")),
    )


@dataclass(frozen=True, slots=True)
class InvocationKey:
    """Which attempt of which invocation. Retries of an asynchronous one share the request id."""

    request_id: str
    instance_id: str = ""
    """'' where the link names only the request: the newest attempt is meant."""
    attempt: int = 0
    start: datetime | None = None
    """When it began, where the link says so: the store need not be searched as a whole then."""

    def query(self) -> dict[str, list[str]]:
        """The query string that gives this value back."""
        more = {"instance": [self.instance_id], "attempt": [str(self.attempt)]} if self.instance_id else {}
        start = {"start": [format_instant(self.start)]} if self.start else {}
        return {"request": [self.request_id], **more, **start}


def parse_invocation_key(query: Query) -> InvocationKey | None:
    """Read which invocation is meant; None where none is named."""
    request_id = _one(query, "request").strip()
    if not request_id:
        return None
    attempt = _one(query, "attempt")
    number = int(attempt) if attempt.isdecimal() else 0
    return InvocationKey(request_id, _one(query, "instance"), number, parse_instant(_one(query, "start")))


@dataclass(frozen=True, slots=True)
class Choices:
    """All that one page run depends on."""

    filters: Filters = field(default_factory=Filters)
    query: Query = field(default_factory=dict)
    """The whole query string, for what only one page understands."""


def _one(query: Query, name: str) -> str:
    values = query.get(name, ())
    return values[-1] if values else ""


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if 0 < number < float("inf") else 0.0
