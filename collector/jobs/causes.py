"""Causes of throttles and of lag, kept in blocks of an hour and of a day, made again for what came since.

Which blocks do not hold any more follows from counts of arrivals and from what each block says that it was made of
(``0024_lambda_causes.sql``): nothing has to be remembered from one start to the next. A block is one insert, so there
is no moment at which it is half there, and two jobs at once do the same work twice and no harm.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import operator
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from clickhouse_connect.driver.exceptions import DatabaseError

from collector.store.migrate import migrations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clickhouse_connect.driver.client import Client

log = logging.getLogger(__name__)

PASS_S: Final = 5.0
"""After so long a pass leaves the blocks that are left to the next one: there are other jobs."""

AT_MOST_S: Final = 60.0
"""A block to which points come all the time is made again this often all the same."""

REST: Final = 10
"""A block that took a second is not made again for ten: causes take no more than a tenth of the time from the rest."""

MAX_MEMORY_BYTES: Final = 1_000_000_000
"""What the inference may take: enough for 300 consumers of streams that lag all day. A block that needs more is left
out, and tried again later."""

TRIED_AGAIN_S: Final = 600.0

_RANDOM_BITS: Final = 12
_INSERT: Final = """
INSERT INTO {table} ({columns})
SELECT {columns}
FROM
(
    SELECT
        * REPLACE (greatest(Minute, toDateTime({{begin:UInt32}}, 'UTC')) AS Minute),
        toDateTime({{begin:UInt32}}, 'UTC') AS Block,
        {{version:UInt64}} AS Version, {{arrivals:UInt64}} AS Arrivals, {{rules:UInt64}} AS Rules
    FROM {view}(
        from = toDateTime64({{begin:UInt32}}, 3, 'UTC'), to = toDateTime64({{end:UInt32}}, 3, 'UTC')) AS judged
    -- The row without a function that says what the block was made of.
    FULL JOIN (SELECT '' AS FunctionName) AS made USING (FunctionName)
)
"""
_SETTINGS: Final = {
    # A block's rows become visible together, and before the next pass asks.
    "async_insert": 0,
    "distributed_foreground_insert": 1,
    "min_insert_block_size_rows": 1_000_000_000,
    "min_insert_block_size_bytes": 0,
    # Of an account at its limit, the holders of each minute are arrays: of 65,000 rows at once they take gigabytes.
    "max_block_size": 1024,
    "max_memory_usage": MAX_MEMORY_BYTES,
}


@dataclass(frozen=True, slots=True)
class _Kind:
    """Causes of one kind.

    Attributes:
        view: infers them.
        table: keeps them.
        width_s: of a block, in seconds.
        to_judge: SQL; the seconds at which blocks begin of which the view may have a row: to work it out takes long,
            however little there is. At least those of {first:UInt32} to {end:UInt32}.
        knowledge: SQL; hashes of what the inventory knows that reaches further than the time around a poll.
    """

    view: str
    table: str
    width_s: int
    to_judge: str
    knowledge: str


_KINDS: Final[Mapping[str, _Kind]] = {
    "throttles": _Kind(
        view="lambda_inferred_throttle_causes",
        table="lambda_kept_throttle_causes",
        width_s=3600,
        to_judge="""
    SELECT DISTINCT toUnixTimestamp(toStartOfHour(Time, 'UTC')) AS begin
    FROM lambda_metrics
    WHERE MetricName = 'Throttles' AND DimensionSet = 'FunctionName' AND Namespace = 'AWS/Lambda' AND PeriodS = 60
        AND Sum > 0 AND Time >= toDateTime({first:UInt32}, 'UTC') AND Time < toDateTime({end:UInt32}, 'UTC')
    """,
        knowledge="""
    SELECT DISTINCT cityHash64(AccountId, Region, ConcurrentExecutions) AS fact FROM lambda_account_limits
    UNION ALL
    SELECT DISTINCT cityHash64(AccountId, Region, FunctionName, Kind) AS fact FROM lambda_event_source_mappings
    """,
    ),
    "streams": _Kind(
        view="lambda_inferred_stream_causes",
        table="lambda_kept_stream_causes",
        width_s=86400,
        to_judge="""
    SELECT DISTINCT toInt64(day + arrayJoin([-86400, 0, 86400])) AS begin
    FROM
    (
        SELECT DISTINCT toInt64(toUnixTimestamp(toStartOfDay(Time, 'UTC'))) AS day
        FROM lambda_metrics
        WHERE MetricName = 'IteratorAge' AND DimensionSet = 'FunctionName' AND Namespace = 'AWS/Lambda' AND PeriodS = 60
            AND Time >= toDateTime(greatest(86400, {first:UInt32}) - 86400, 'UTC')
            AND Time < toDateTime({end:UInt32} + 86400, 'UTC')
    )
    UNION DISTINCT
    SELECT arrayJoin(range({first:UInt32}, {end:UInt32}, 86400)) AS begin
    WHERE (SELECT count() FROM lambda_event_source_mappings WHERE Kind IN ('kinesis', 'dynamodb', 'documentdb')) > 0
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
    ),
}


@dataclass(frozen=True, slots=True)
class Progress:
    """What a pass did.

    Attributes:
        blocks: that were made.
        waiting: that do not hold, after it.
    """

    blocks: int
    waiting: int


_Key: TypeAlias = tuple[str, int]
"""A kind of causes, and when a block of it begins, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class _Block:
    """A block, how much has come for it, and of how much and by which rules it was made."""

    kind: str
    begin_s: int
    arrivals: int
    made_of: int
    rules: int

    @property
    def key(self) -> _Key:
        return self.kind, self.begin_s


@dataclass(frozen=True, slots=True)
class _Seen:
    """How much had come for a block when a pass looked, and since when it has been waiting."""

    arrivals: int
    since_s: float


class Causes:
    """Makes the blocks that are missing or do not hold. Blocking; but for :meth:`interrupt`, from one thread."""

    def __init__(self, client: Client, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds that only grow."""
        self._client = client
        self._clock = clock
        self._tag = f"lambdascope-causes-{secrets.token_hex(8)}"
        self._interrupted = False
        self.making = False
        """Whether a block is being made, which may take half a minute."""
        self._seen: dict[_Key, _Seen] = {}
        self._rests_until: dict[_Key, float] = {}
        self._rules: dict[str, int] = {}

    def run(self, *, settled: bool = False) -> Progress:
        """One pass, the newest blocks first.

        A block is taken up once as much has come as a pass ago, or when it has waited for a minute; it is said to be
        made of what had come a pass ago. An insert's rows become visible a moment after one another, and a block must
        not claim a point that it did not see.

        Args:
            settled: nothing is being inserted, so that there is no need to wait; all blocks are made, however many.
        """
        began_s = self._clock()
        version, blocks = self._blocks()
        if not self._rules or any(block.made_of != block.arrivals for block in blocks):
            self._rules = {name: self._rules_of(kind) for name, kind in _KINDS.items()}
        stale = [block for block in blocks if (block.made_of, block.rules) != (block.arrivals, self._rules[block.kind])]
        before, self._seen = self._seen, {}
        ready: dict[_Key, int] = {}
        for block in stale:
            seen = before.get(block.key)
            if settled or self._is_ready(block, seen, began_s):
                ready[block.key] = block.arrivals if settled or seen is None else seen.arrivals
            self._seen[block.key] = _Seen(block.arrivals, seen.since_s if seen else began_s)
        done = sum(self._make_nothing(name, ready, version) for name in _KINDS if ready)
        for key in sorted(ready, key=lambda key: -key[1]):
            if not self._interrupted and (settled or self._clock() - began_s < PASS_S):
                done += self._make(key, ready[key], version)
        return Progress(done, len(stale) - done)

    def interrupt(self, client: Client) -> None:
        """Make no more blocks, and leave the one that is being made; from any thread.

        ClickHouse looks for the query once: one that begins just then is met by the next call.

        Args:
            client: a connection other than the one that is in use.
        """
        self._interrupted = True
        client.command(f"KILL QUERY WHERE Settings['log_comment'] = '{self._tag}' ASYNC")

    def _blocks(self) -> tuple[int, list[_Block]]:
        """A version for what is made of what has come until now; and all blocks with anything to judge."""
        rows = self._client.query(
            "SELECT Kind, toUnixTimestamp(Block) AS begin, Arrivals, MadeOfArrivals, Rules, "
            "toUnixTimestamp64Micro(now64(6)) AS now_us FROM lambda_cause_blocks"
        ).result_rows
        version = max((int(row[-1]) for row in rows), default=0) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        return version, [_Block(str(kind), *map(int, figures)) for kind, *figures, _ in rows]

    def _is_ready(self, block: _Block, seen: _Seen | None, now_s: float) -> bool:
        if seen is None or self._rests_until.get(block.key, now_s) > now_s:
            return False
        return seen.arrivals == block.arrivals or now_s - seen.since_s >= AT_MOST_S

    def _rules_of(self, kind: _Kind) -> int:
        """A hash of the rules and of what the inventory knows: where it is another, every block is made anew."""
        facts = self._client.query(kind.knowledge).result_rows
        known = functools.reduce(operator.xor, (int(row[0]) for row in facts), 0)
        return int.from_bytes(hashlib.sha256(f"{_text_of(kind.view)} {known}".encode()).digest()[:8])

    def _make_nothing(self, name: str, ready: dict[_Key, int], version: int) -> int:
        """Say of all blocks that have nothing to judge that they are made, and take them out; returns how many."""
        kind = _KINDS[name]
        begins = sorted(begin_s for of, begin_s in ready if of == name)
        if not begins:
            return 0
        span = {"first": begins[0], "end": begins[-1] + kind.width_s}
        to_judge = {int(row[0]) for row in self._client.query(kind.to_judge, parameters=span).result_rows}
        empty = [begin_s for begin_s in begins if begin_s not in to_judge]
        if empty:
            self._client.insert(
                kind.table,
                [
                    [
                        at := datetime.fromtimestamp(begin_s, UTC),
                        at,
                        version,
                        ready.pop((name, begin_s)),
                        self._rules[name],
                    ]
                    for begin_s in empty
                ],
                column_names=["Block", "Minute", "Version", "Arrivals", "Rules"],
                settings={"async_insert": 0, "distributed_foreground_insert": 1, "max_partitions_per_insert_block": 0},
            )
        self._forget([(name, begin_s) for begin_s in empty])
        return len(empty)

    def _make(self, key: _Key, arrivals: int, version: int) -> int:
        """Infer the causes of a block and keep them; returns how many blocks that were."""
        name, begin_s = key
        kind = _KINDS[name]
        began_s = self._clock()
        rows = self._client.query(f"DESCRIBE TABLE {kind.table}").result_rows
        insert = _INSERT.format(table=kind.table, view=kind.view, columns=", ".join(str(row[0]) for row in rows))
        made = {"version": version, "arrivals": arrivals, "rules": self._rules[name]}
        self.making = True
        try:
            self._client.command(
                insert,
                parameters={**made, "begin": begin_s, "end": begin_s + kind.width_s},
                settings={**_SETTINGS, "log_comment": self._tag},
            )
        except DatabaseError as error:
            if self._interrupted and "QUERY_WAS_CANCELLED" in str(error):
                return 0
            if "MEMORY_LIMIT_EXCEEDED" not in str(error):
                raise
            log.warning("causes of %s: too much for %d bytes of memory in the time from %s; tried again later",
                name, MAX_MEMORY_BYTES, datetime.fromtimestamp(begin_s, UTC).isoformat())  # fmt: skip
            self._rests_until[key] = self._clock() + TRIED_AGAIN_S
            return 0
        finally:
            self.making = False
        self._forget([key])
        now_s = self._clock()
        self._rests_until[key] = now_s + REST * (now_s - began_s)
        return 1

    def _forget(self, made: Sequence[_Key]) -> None:
        """What was made waits anew, from when more comes."""
        now_s = self._clock()
        self._rests_until = {key: until_s for key, until_s in self._rests_until.items() if until_s > now_s}
        for key in made:
            self._seen[key] = _Seen(self._seen[key].arrivals, now_s)


@functools.cache
def _text_of(view: str) -> str:
    """The rules: what the schema says of a view."""
    begins = f"CREATE OR REPLACE VIEW {view} "
    return next(text for one in migrations() for text in one.statements if text.startswith(begins))
