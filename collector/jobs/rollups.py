"""Rollups of closed minutes, hours and days, made again for what came late.

Which ones do not hold any more follows from counts of arrivals alone (``0013_lambda_rollups.sql``): nothing has to be
remembered from one start to the next, and two jobs at once do the same work twice and no harm.
"""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clickhouse_connect.driver.client import Client

MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86400

CLOSED_AFTER_S: Final = 300
"""A minute is closed so long after its end: by then nearly all that tells of it has come."""

MAX_MINUTES: Final = 1440
"""Minutes of one pass, the newest first: those are looked at."""

_ARRIVALS_SHIFT: Final = 32

_INSERT: Final = """
INSERT INTO lambda_rollups
SELECT * REPLACE (transform(toUnixTimestamp(Time), {times:Array(UInt32)}, {versions:Array(UInt64)}, 0) AS Version)
FROM """
_MINUTES: Final = _INSERT + "lambda_rollup_minutes(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})"
_COARSER: Final = (
    _INSERT + "lambda_rollup_coarser(period_s = {period:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})"
)
_VERSIONED: Final = " WHERE has({times:Array(UInt32)}, toUnixTimestamp(Time))"


@dataclass(frozen=True, slots=True)
class Progress:
    """What a pass did.

    Attributes:
        minutes: rollups of minutes that were made, likewise hours and days.
        waiting: minutes that are closed and have no rollup that holds, after it.
    """

    minutes: int
    hours: int
    days: int
    waiting: int


class Rollups:
    """Makes the rollups that are missing or do not hold. Blocking, and used from one thread."""

    def __init__(self, client: Client, *, chunk_s: int = HOUR_S) -> None:
        """`chunk_s`: minutes that lie within the same so many seconds are made at once, in memory."""
        self._client = client
        self._chunk_s = chunk_s
        self._last: Mapping[int, int] = {}

    def run(self, now_s: int, *, settled: bool = False) -> Progress:
        """One pass.

        A minute is taken up once its arrivals are as they were a pass ago: an insert's rows become visible a moment
        after one another, and a rollup must not claim a row that it did not see.

        Args:
            now_s: seconds since the epoch.
            settled: nothing is being inserted, so that there is no need to wait.
        """
        stale = self._stale_minutes(now_s)
        ready = {time: arrivals for time, arrivals in stale.items() if settled or self._last.get(time) == arrivals}
        for minutes in _by(self._chunk_s, ready):
            versions = _versions({time: ready[time] for time in minutes})
            span = {"from_ms": minutes[0] * 1000, "to_ms": (minutes[-1] + MINUTE_S) * 1000}
            self._make(_MINUTES, span, MINUTE_S, versions)
        self._last = stale
        hours = self._coarsen(HOUR_S, MINUTE_S, now_s)
        days = self._coarsen(DAY_S, HOUR_S, now_s)
        return Progress(len(ready), hours, days, len(stale) - len(ready))

    def _stale_minutes(self, now_s: int) -> dict[int, int]:
        """Closed minutes whose rollup does not hold, with their arrivals.

        Those that a running invocation may lie in are open: it is not known yet how far it reaches.
        """
        running = self._client.query(
            "SELECT min(toUnixTimestamp(BusyStart)) FROM lambda_invocations "
            "WHERE End IS NULL AND Start > fromUnixTimestamp64Milli({since_ms:Int64})",
            parameters={"since_ms": (now_s - 900) * 1000},
        ).first_item
        oldest_running_s = next(iter(running.values()), 0) if running else 0
        closed_s = min(now_s - CLOSED_AFTER_S, oldest_running_s or now_s)
        rows = self._client.query(
            "SELECT toUnixTimestamp(Time) AS T, sum(Arrivals) AS A FROM lambda_rollup_state "
            "WHERE PeriodS = 60 AND Time <= toDateTime({last:UInt32}, 'UTC') GROUP BY Time "
            "HAVING A != bitShiftRight(max(Computed), 32) ORDER BY Time DESC LIMIT {limit:UInt32}",
            parameters={"last": closed_s // MINUTE_S * MINUTE_S - MINUTE_S, "limit": MAX_MINUTES},
        ).result_rows
        return {int(time): int(arrivals) for time, arrivals in rows}

    def _coarsen(self, period_s: int, finer_s: int, now_s: int) -> int:
        """Make the hours or days all of whose minutes have a rollup that holds, and that have none themselves."""
        rows = self._client.query(
            """
            SELECT toUnixTimestamp(Whole) AS T, sum(minutes) AS A
            FROM
            (
                SELECT
                    toDateTime(intDiv(toUnixTimestamp(Time), {finer:UInt32}) * {finer:UInt32}, 'UTC') AS Part,
                    toDateTime(intDiv(toUnixTimestamp(Time), {period:UInt32}) * {period:UInt32}, 'UTC') AS Whole,
                    sumIf(Arrivals, PeriodS = 60) AS minutes,
                    maxIf(Computed, PeriodS = {finer:UInt32}) AS made,
                    maxIf(Computed, PeriodS = {period:UInt32}) AS whole_made
                FROM lambda_rollup_state
                GROUP BY Part, Whole
            )
            GROUP BY Whole
            HAVING countIf(minutes != bitShiftRight(made, 32)) = 0 AND A != bitShiftRight(max(whole_made), 32)
                AND T + {period:UInt32} <= {closed:UInt32}
            ORDER BY T
            """,
            parameters={"finer": finer_s, "period": period_s, "closed": now_s - CLOSED_AFTER_S},
        ).result_rows
        ready = {int(time): int(arrivals) for time, arrivals in rows}
        for times in _by(DAY_S * (30 if period_s == DAY_S else 1), ready):
            versions = _versions({time: ready[time] for time in times})
            span = {"period": period_s, "from_ms": times[0] * 1000, "to_ms": (times[-1] + period_s) * 1000}
            self._make(_COARSER, span, period_s, versions)
        return len(ready)

    def _make(self, source: str, span: Mapping[str, int], period_s: int, versions: Mapping[int, int]) -> None:
        """Insert the rows, then say that they hold: who reads in between still takes what was there before."""
        times = {"times": list(versions), "versions": list(versions.values())}
        self._client.command(source + _VERSIONED, parameters={**times, **span})
        self._client.insert(
            "lambda_rollup_state",
            [[period_s, time, 0, version] for time, version in versions.items()],
            column_names=["PeriodS", "Time", "Arrivals", "Computed"],
            settings={"async_insert": 0},
        )


def _by(width_s: int, times: Iterable[int]) -> Sequence[list[int]]:
    """Times in groups of those that lie in the same hour or day, each in order."""
    return [list(group) for _, group in itertools.groupby(sorted(times), key=lambda time: time // width_s)]


def _versions(arrivals: Mapping[int, int]) -> dict[int, int]:
    """A version of its own for each time: what two jobs make at once stays apart."""
    return {time: count << _ARRIVALS_SHIFT | secrets.randbits(_ARRIVALS_SHIFT) for time, count in arrivals.items()}
