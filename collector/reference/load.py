"""Loading a user's file into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.reference.files import kind_of, rows

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def load(client: Client, text: str) -> tuple[str, int]:
    """Store a file's rows, all or none.

    Returns:
        The kind of file, and how many rows it has.

    Raises:
        SetupError: the file cannot be used; nothing is stored.
    """
    kind = kind_of(text)
    parsed = rows(kind, text)
    if parsed:
        client.insert(kind.table, parsed, column_names=[column.sql_name for column in kind.columns])
    return kind.name, len(parsed)
