"""A limit on what the tables take on disk: where they take more, the oldest day goes, of all signals at once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from collector.jobs.partitions import drop, partitions

if TYPE_CHECKING:
    from datetime import date

    from clickhouse_connect.driver.client import Client

    from collector.jobs.partitions import Partition

log = logging.getLogger(__name__)


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
