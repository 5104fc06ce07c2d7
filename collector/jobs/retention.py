"""How long each signal is kept: the tables' TTL, changed where it is not what is wanted.

Tables have a partition for each day, and a part is dropped when all that is in it has expired, so no part is ever
rewritten for it: neither to drop its rows nor when the time is changed (``materialize_ttl_after_modify = 0``).

Of a part that is older than the TTL, ClickHouse does not know when it expires until a merge rewrites it, and it looks
for expired parts every four hours. So days that are over by the setting are dropped here as well.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from collector.jobs.partitions import Partition, drop, partitions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clickhouse_connect.driver.client import Client

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeepDays:
    """Days that each signal is kept; 0 keeps it for ever."""

    traces: int
    logs: int
    metrics: int
    invocations: int
    minutes: int
    rollups: int


_POINTS: Final = ("gauge", "sum", "summary", "histogram", "exponential_histogram")
_FOR_EVER_DAYS: Final = 36_500


def wanted(keep: KeepDays) -> dict[str, str]:
    """The TTL of each table, as ClickHouse writes it; empty where it has none."""
    found = {
        "otel_traces": _after("toDateTime(Timestamp)", keep.traces),
        "otel_traces_trace_id_ts": _after("Start", keep.traces),
        "otel_logs": _after("toDateTime(Timestamp)", keep.logs),
        "lambda_metrics": _after("Time", keep.metrics),
        "lambda_kept_throttle_causes": _after("Minute", keep.metrics),
        "lambda_kept_stream_causes": _after("Minute", keep.metrics),
        "lambda_kept_cause_arrivals": _after("Block", keep.metrics),
        "lambda_invocation_parts": _after("greatest(toDateTime(Start), SpanTime)", keep.invocations),
        "lambda_sandbox_parts": _after("LastSeen", keep.invocations),
        "lambda_rollups": _of_rollups(keep),
        "lambda_rollup_state": _after("Time", keep.rollups),
    }
    found.update({f"otel_metrics_{kind}": _after("toDateTime(TimeUnix)", keep.metrics) for kind in _POINTS})
    return found


def _after(time: str, days: int) -> str:
    return f"{time} + toIntervalDay({days})" if days else ""


def _of_rollups(keep: KeepDays) -> str:
    if not keep.minutes and not keep.rollups:
        return ""
    minutes, coarser = keep.minutes or _FOR_EVER_DAYS, keep.rollups or _FOR_EVER_DAYS
    return f"Time + toIntervalDay(if(PeriodS = 60, {minutes}, {coarser}))"


def apply(client: Client, keep: KeepDays) -> list[str]:
    """Change the TTL of the tables that have another; returns their names. Blocking."""
    changed = []
    ttls = wanted(keep)
    for table, created in _definitions(client, ttls):
        ttl = ttls[table.removesuffix("_local")]
        has_any = "\nTTL " in created
        if (f"\nTTL {ttl}\n" in created) if ttl else not has_any:
            continue
        change = f"MODIFY TTL {ttl}" if ttl else "REMOVE TTL"
        client.command(f"ALTER TABLE {table} {change}", settings={"materialize_ttl_after_modify": 0})
        log.log(
            logging.WARNING if has_any else logging.INFO,
            "retention: %s keeps its rows %s from now on", table, f"until {ttl}" if ttl else "for ever",
        )  # fmt: skip
        changed.append(table)
    return changed


def drop_expired(client: Client, keep: KeepDays, today: date) -> list[Partition]:
    """Drop the days of which no row is kept any more, and say so; returns them. Blocking."""
    expired = [one for one in partitions(client) if (days := _days_of(one, keep)) and one.day + days < today]
    drop(client, expired)
    for table in sorted({one.table for one in expired}):
        of_table = [one for one in expired if one.table == table]
        log.warning(
            "retention: dropped %s of %s to %s, %d bytes", table, min(one.day for one in of_table),
            max(one.day for one in of_table), sum(one.size_bytes for one in of_table),
        )  # fmt: skip
    return expired


def _days_of(partition: Partition, keep: KeepDays) -> timedelta | None:
    """How long its rows are kept; None for ever, or where the table decides by more than the day."""
    table = partition.table.removesuffix("_local")
    days = {
        "otel_traces": keep.traces,
        "otel_logs": keep.logs,
        "lambda_metrics": keep.metrics,
        "lambda_kept_throttle_causes": keep.metrics,
        "lambda_kept_stream_causes": keep.metrics,
        "lambda_invocation_parts": keep.invocations,
        "lambda_rollups": keep.minutes if partition.partition_id.startswith("60-") else keep.rollups,
        **{f"otel_metrics_{kind}": keep.metrics for kind in _POINTS},
    }.get(table, 0)
    return timedelta(days=days) if days else None


def _definitions(client: Client, tables: Iterable[str]) -> list[tuple[str, str]]:
    """Tables that hold rows, of the names that are given or, in a cluster, the shard's own, with their SQL in lines."""
    rows = client.query(
        "SELECT name, formatQuery(create_table_query) FROM system.tables WHERE database = currentDatabase() "
        "AND engine LIKE '%MergeTree' AND replaceRegexpOne(name, '_local$', '') IN {names:Array(String)} ORDER BY name",
        parameters={"names": list(tables)},
    ).result_rows
    return [(str(name), str(created)) for name, created in rows]
