"""States of sandboxes' exports as rows of ``lambda_exports``. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.otlp.batch import Rows, TableLayout
from semconv import tables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.spool.repeats import Arrival

EXPORTS: Final = TableLayout(
    tables.LAMBDA_EXPORTS,
    (
        ("InstanceId", "String"),
        ("Signal", "LowCardinality(String)"),
        ("Exports", "UInt64"),
        ("LastSequence", "UInt64"),
        ("Missing", "Array(Tuple(UInt64, UInt64))"),
        ("Items", "UInt64"),
        ("TotalItems", "Nullable(UInt64)"),
        ("DroppedItems", "Nullable(UInt64)"),
        ("LastReceived", "DateTime64(9)"),
        ("UpdatedAt", "DateTime64(9)"),
    ),
)


def rows_by_tenant(arrivals: Iterable[Arrival], now_unix_nano: int) -> dict[str, Rows]:
    """The rows that tell ClickHouse, for each tenant's database."""
    found: dict[str, Rows] = {}
    for arrival in arrivals:
        tally = arrival.tally
        found.setdefault(arrival.tenant, Rows(EXPORTS)).append(
            arrival.instance,
            arrival.signal.label,
            tally.exports,
            tally.sequence,
            list(arrival.missing),
            tally.items,
            tally.total,
            tally.dropped,
            tally.received_unix_nano,
            now_unix_nano,
        )
    return found
