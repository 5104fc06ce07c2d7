"""Causes of throttles and of lag, kept a day in UTC at a time, made again for whatever they rest on that came since.

Which days do not hold any more follows from counts of arrivals and from what each day says that it was made of
(``0024_lambda_causes.sql``): nothing has to be remembered from one start to the next. A day is one insert, so there is
no moment at which it is half there, and two jobs at once do the same work twice and no harm.
"""

from __future__ import annotations

import functools
import hashlib
import operator
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from collector.store.migrate import migrations

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from clickhouse_connect.driver.client import Client

PASS_S: Final = 5.0
"""After so long a pass leaves the days that are left to the next one: there are other jobs."""

AT_MOST_S: Final = 60.0
"""A day to which points come all the time is made again this often all the same."""

_RANDOM_BITS: Final = 12

_INSERT: Final = """
INSERT INTO {table} ({columns})
SELECT {columns}
FROM
(
    SELECT
        * REPLACE (greatest(Minute, toDateTime({{day:Date}}, 'UTC')) AS Minute),
        {{day:Date}} AS Day, {{version:UInt64}} AS Version, {{arrivals:UInt64}} AS Arrivals, {{rules:UInt64}} AS Rules
    FROM {view}(from = toDateTime64({{day:Date}}, 3, 'UTC'), to = toDateTime64({{day:Date}} + 1, 3, 'UTC')) AS judged
    -- The row without a function that says what the day was made of.
    FULL JOIN (SELECT '' AS FunctionName) AS made USING (FunctionName)
)
"""

_NOTHING: Final = """
INSERT INTO {table} (Day, Minute, Version, Arrivals, Rules)
SELECT {{day:Date}}, toDateTime({{day:Date}}, 'UTC'), {{version:UInt64}}, {{arrivals:UInt64}}, {{rules:UInt64}}
"""
_ONE_PIECE: Final = {"async_insert": 0, "min_insert_block_size_rows": 1_000_000_000, "min_insert_block_size_bytes": 0}
"""A day's rows become visible together."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """Causes of one kind.

    Attributes:
        view: infers them.
        table: keeps them.
        any_to_judge: SQL; 1 where a day may have rows: to work the view out takes long, however little there is.
        knowledge: SQL; hashes of what the inventory knows that reaches further than the days around a poll.
    """

    view: str
    table: str
    any_to_judge: str
    knowledge: str


_THROTTLES: Final = _Kind(
    view="lambda_inferred_throttle_causes",
    table="lambda_stored_throttle_causes",
    any_to_judge="""
    SELECT count() > 0 FROM
    (
        SELECT 1 FROM lambda_metrics
        WHERE MetricName = 'Throttles' AND DimensionSet = 'FunctionName' AND Namespace = 'AWS/Lambda' AND PeriodS = 60
            AND Sum > 0 AND Time >= toDateTime({day:Date}, 'UTC') AND Time < toDateTime({day:Date} + 1, 'UTC')
        LIMIT 1
    )
    """,
    knowledge="""
    SELECT DISTINCT cityHash64(AccountId, Region, ConcurrentExecutions) AS fact FROM lambda_account_limits
    UNION ALL
    SELECT DISTINCT cityHash64(AccountId, Region, FunctionName, Kind) AS fact FROM lambda_event_source_mappings
    """,
)
_STREAMS: Final = _Kind(
    view="lambda_inferred_stream_causes",
    table="lambda_stored_stream_causes",
    any_to_judge="""
    SELECT count() > 0 FROM
    (
        SELECT 1 FROM lambda_metrics
        WHERE MetricName = 'IteratorAge' AND DimensionSet = 'FunctionName' AND Namespace = 'AWS/Lambda' AND PeriodS = 60
            AND Time >= toDateTime({day:Date} - 1, 'UTC') AND Time < toDateTime({day:Date} + 2, 'UTC')
        LIMIT 1
        UNION ALL
        SELECT 1 FROM lambda_event_source_mappings WHERE Kind IN ('kinesis', 'dynamodb', 'documentdb') LIMIT 1
    )
    """,
    knowledge="""
    SELECT DISTINCT
        cityHash64(AccountId, Region, FunctionName, Uuid, EventSourceArn, Kind, State IN ('Disabled', 'Disabling'))
            AS fact
    FROM lambda_event_source_mappings
    UNION ALL
    SELECT DISTINCT cityHash64(AccountId, Region, EventSourceArn, toString(RetentionS)) AS fact
    FROM lambda_event_sources
    """,
)
_KINDS: Final = (_THROTTLES, _STREAMS)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a pass did.

    Attributes:
        days: that were made, each kind of causes by itself.
        waiting: that do not hold, after it.
    """

    days: int
    waiting: int


@dataclass(frozen=True, slots=True)
class _Day:
    """A day, how much has come for it, and of how much and by which rules the causes of each kind were made."""

    day: date
    arrivals: int
    made: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """How much had come for a day when a pass looked, and since when it has been waiting, by the monotonic clock."""

    arrivals: int
    since_s: float


class Causes:
    """Makes the days that are missing or do not hold. Blocking, and used from one thread."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._seen: dict[date, _Seen] = {}
        self._rules: tuple[int, ...] = ()

    def run(self, *, settled: bool = False) -> Progress:
        """One pass, the newest day first.

        A day is taken up once as much has come as a pass ago, or when it has waited for a minute; it is said to be
        made of what had come a pass ago. An insert's rows become visible a moment after one another, and a day must not
        claim a point that it did not see.

        Args:
            settled: nothing is being inserted, so that there is no need to wait; all days are made, however many.
        """
        began_s = time.monotonic()
        version, days = self._days()
        if not self._rules or any(count != day.arrivals for day in days for count, _ in day.made):
            self._rules = tuple(self._rules_of(kind) for kind in _KINDS)
        stale = [day for day in days if any(made != (day.arrivals, rules) for made, rules in self._made_by(day))]
        before, self._seen = self._seen, {}
        done = 0
        for day in stale:
            seen = before.get(day.day)
            claimed = day.arrivals if settled else _claimed(day, seen, began_s)
            if claimed is not None and (settled or time.monotonic() - began_s < PASS_S):
                self._make(day, claimed, version)
                done += 1
                seen = None
            self._seen[day.day] = _Seen(day.arrivals, seen.since_s if seen else began_s)
        return Progress(done, len(stale) - done)

    def _days(self) -> tuple[int, list[_Day]]:
        """A version for what is made of what has come until now; and all days, the newest first."""
        rows = self._client.query(
            "SELECT Day, Arrivals, ThrottlesOfArrivals, ThrottleRules, StreamsOfArrivals, StreamRules, "
            "toUnixTimestamp64Micro(now64(6)) FROM lambda_cause_days ORDER BY Day DESC"
        ).result_rows
        now_us = max((int(row[-1]) for row in rows), default=0)
        days = [_Day(day, int(came), ((int(a), int(b)), (int(c), int(d)))) for day, came, a, b, c, d, _ in rows]
        return now_us << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS), days

    def _made_by(self, day: _Day) -> Iterable[tuple[tuple[int, int], int]]:
        """Of each kind, what the day was made of, and the rules of now."""
        return zip(day.made, self._rules, strict=True)

    def _rules_of(self, kind: _Kind) -> int:
        """A hash of the rules and of what the inventory knows: where it is another, every day is made anew."""
        facts = self._client.query(kind.knowledge).result_rows
        known = functools.reduce(operator.xor, (int(row[0]) for row in facts), 0)
        return int.from_bytes(hashlib.sha256(f"{_text_of(kind.view)} {known}".encode()).digest()[:8])

    def _make(self, day: _Day, claimed: int, version: int) -> None:
        """Write the causes of a day, of each kind for which what is there does not hold."""
        for kind, (made, rules) in zip(_KINDS, self._made_by(day), strict=True):
            if made == (day.arrivals, rules):
                continue
            to_judge = self._client.query(kind.any_to_judge, parameters={"day": day.day}).result_rows[0][0]
            self._client.command(
                self._judged(kind) if to_judge else _NOTHING.format(table=kind.table),
                parameters={"day": day.day, "version": version, "arrivals": claimed, "rules": rules},
                settings=_ONE_PIECE,
            )

    def _judged(self, kind: _Kind) -> str:
        rows = self._client.query(f"DESCRIBE TABLE {kind.table}").result_rows
        return _INSERT.format(table=kind.table, view=kind.view, columns=", ".join(str(row[0]) for row in rows))


def _claimed(day: _Day, seen: _Seen | None, now_s: float) -> int | None:
    """Of how much a day can be made now; None where it is better to wait."""
    if seen is None or (seen.arrivals != day.arrivals and now_s - seen.since_s < AT_MOST_S):
        return None
    return seen.arrivals


@functools.cache
def _text_of(view: str) -> str:
    """The rules: what the schema says of a view."""
    return next(
        text for one in migrations() for text in one.statements if text.startswith(f"CREATE OR REPLACE VIEW {view} ")
    )
