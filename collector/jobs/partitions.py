"""The days of the tables that keep one partition for each, and how they are dropped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clickhouse_connect.driver.client import Client


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


def drop(client: Client, expired: Iterable[Partition]) -> None:
    """Free their disk at once. Blocking."""
    for partition in expired:
        client.command(f"ALTER TABLE {partition.table} DROP PARTITION ID '{partition.partition_id}'")
