"""Rows on their way to a table, held as columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

MAP: Final = "Map(LowCardinality(String), String)"
"""Type of every attribute column."""


@dataclass(frozen=True, slots=True)
class TableLayout:
    """The columns that are written, in order: name and ClickHouse type.

    A test holds them to the types of the created table.
    """

    table: str
    columns: tuple[tuple[str, str], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names alone."""
        return tuple(name for name, _ in self.columns)


@dataclass(slots=True)
class Rows:
    """Rows for one table. ``columns[i]`` holds the values of ``layout.columns[i]``."""

    layout: TableLayout
    columns: list[list[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.columns = [[] for _ in self.layout.columns]

    def append(self, *values: Any) -> None:  # a row mixes types; the layout gives each its own
        """One row, its values in the layout's order."""
        for column, value in zip(self.columns, values, strict=True):
            column.append(value)

    def __len__(self) -> int:
        return len(self.columns[0])
