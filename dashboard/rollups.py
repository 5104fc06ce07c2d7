"""Statements over rollups: what they read, and what they are where all of that holds. No Streamlit here."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

HOLD_FOR_S: Final = 2
"""For so long rollups that held are taken to hold, about as long as a page asks: what arrives then is seen later."""

_READS: Final = re.compile(r"^-- rollups: of the window(?: and (\w+) s before it)?(?:, or (\w+))?\n", re.MULTILINE)
_VIEW: Final = re.compile(r"\b(lambda_(?:counts|inits|concurrency|concurrency_peaks))\(")
_HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Span:
    """Whole hours."""

    begin: datetime
    end: datetime


def span_of(sql: str, params: Mapping[str, object]) -> Span | None:
    """The time whose rollups a statement reads.

    A line ``-- rollups: of the window`` in it says that it asks views over rollups, and ``-- rollups: of the window and
    X s before it`` that it asks about X seconds more: a number, or the name of a parameter.

    Returns:
        The hours that its buckets reach into; None where it says no such thing, or asks about parts of minutes, of
        which rollups know nothing.
    """
    said = _READS.search(sql)
    if said is None:
        return None
    begin, end = (datetime.fromisoformat(str(params[name])).replace(tzinfo=UTC) for name in ("from", "to"))
    begin -= timedelta(seconds=_seconds(said[1] or "0", params))
    bucket_s = _seconds("bucket_s", params) if "bucket_s" in params else _HOUR_S
    if bucket_s % 60 or any(at.second or at.microsecond for at in (begin, end)):
        return None
    first, last = int(begin.timestamp()), int(end.timestamp())
    for whole_s in (bucket_s, _HOUR_S):
        first, last = first // whole_s * whole_s, -(-last // whole_s) * whole_s
    return Span(datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC))


def _seconds(said: str, params: Mapping[str, object]) -> int:
    return int(said if said.isdigit() else str(params[said]))


def of_held(sql: str, statement: Callable[[str], str]) -> str:
    """The same question for a time all of whose rollups hold: a third of what it takes otherwise, or less.

    Args:
        sql: a statement that says which rollups it reads. Where it says ``…, or NAME`` of them, it is that statement;
            where not, this one with views of rollups alone.
        statement: the text of one by its name.
    """
    said = _READS.search(sql)
    return statement(said[2]) if said and said[2] else _VIEW.sub(r"\1_held(", sql)


@dataclass(slots=True)
class Held:
    """Of which times all rollups were found to hold, or not to, a moment ago. Safe to share between threads."""

    found: dict[Span, tuple[float, bool]] = field(default_factory=dict)

    def get(self, span: Span, find: Callable[[], bool], *, now: float | None = None) -> bool:
        """What was found, or is found now."""
        at = time.monotonic() if now is None else now
        self.found = {one: known for one, known in self.found.items() if at - known[0] < HOLD_FOR_S}
        known = self.found.get(span)
        if known is None:
            known = self.found[span] = (at, find())
        return known[1]
