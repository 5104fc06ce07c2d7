"""A limit on what the tables take on disk: where they take more, the oldest day goes, of all signals at once."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clickhouse_connect.driver.client import Client

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Partition:
    """One day of one table.

    Attributes:
        table: its name.
        partition_id: ClickHouse's own name of it.
        day: the last day that it has rows of.
        size_bytes: on disk.
    """

    table: str
    partition_id: str
    day: date
    size_bytes: int


def to_drop(partitions: list[Partition], total_bytes: int, limit_bytes: int, today: date) -> list[Partition]:
    """The oldest days, whole, until the rest fits. Today's is never among them."""
    dropped: list[Partition] = []
    for day in sorted({partition.day for partition in partitions if partition.day < today}):
        if total_bytes <= limit_bytes:
            break
        of_day = [partition for partition in partitions if partition.day == day]
        dropped += of_day
        total_bytes -= sum(partition.size_bytes for partition in of_day)
    return dropped


def apply(client: Client, limit_bytes: int, today: date) -> list[Partition]:
    """Drop what is too much, and say so; returns it. Blocking."""
    total = int(
        client.query(
            "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase()"
        ).result_rows[0][0]
    )
    if total <= limit_bytes:
        return []
    dropped = to_drop(partitions(client), total, limit_bytes, today)
    drop(client, dropped)
    freed = sum(partition.size_bytes for partition in dropped)
    days = sorted({partition.day for partition in dropped})
    if days:
        log.warning(
            "size cap: dropped %s to %s, %d bytes, since the tables took %d of %d bytes",
            days[0], days[-1], freed, total, limit_bytes,
        )  # fmt: skip
    if total - freed > limit_bytes:
        log.error("size cap: the tables take %d of %d bytes, and all of it is of today", total - freed, limit_bytes)
    return dropped


def drop(client: Client, expired: Iterable[Partition]) -> None:
    """Free their disk at once. Blocking."""
    for partition in expired:
        client.command(f"ALTER TABLE {partition.table} DROP PARTITION ID '{partition.partition_id}'")


def partitions(client: Client) -> list[Partition]:
    """Those of tables that have one for each day: what is small or of longer periods stays. Blocking."""
    rows = client.query(
        """
        SELECT table, partition_id, greatest(max(max_date), toDate(max(max_time))) AS day, sum(bytes_on_disk)
        FROM system.parts
        WHERE active AND database = currentDatabase() AND table IN
        (
            SELECT name
            FROM system.tables
            WHERE database = currentDatabase() AND partition_key LIKE '%toDate(%'
        )
        GROUP BY table, partition_id
        HAVING day > '1970-01-01'
        """
    ).result_rows
    return [Partition(str(table), str(name), day, int(size)) for table, name, day, size in rows]
