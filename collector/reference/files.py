"""Reading the files: TSV in, rows for SQL out, and an error that names line and column of what is wrong."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import Final

from collector.errors import SetupError

_ARCHITECTURES: Final = ("", "amd64", "arm64")
_ITEMS: Final = (
    "request",
    "gb_second",
    "provisioned_gb_second",
    "provisioned_execution_gb_second",
    "ephemeral_gb_second",
    "snapstart_cache_gb_second",
    "snapstart_restore_gb",
)

Value = str | float | date | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file and of its table."""

    name: str
    """In the file."""
    sql_name: str
    sql_type: str
    parse: Callable[[str], Value]


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("a date such as 2026-11-21") from None


def _date_or_none(text: str) -> date | None:
    return _date(text) if text else None


def _name(text: str) -> str:
    if not text:
        raise ValueError("a name")
    return text


def _one_of(*options: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in options:
            raise ValueError("one of " + ", ".join(option or "nothing" for option in options))
        return text

    return parse


def _amount(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ValueError("a number of 0 or more")
    return number


_AS_OF: Final = Column("as_of", "AsOf", "Date", _date)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file.

    Attributes:
        name: ``prices`` or ``runtimes``: the packaged file is ``NAME.tsv``, the view ``lambda_NAME``.
        columns: of file and table, in order.
        key: columns by which the newest row counts.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def view(self) -> str:
        """What queries read."""
        return f"lambda_{self.name}"

    @property
    def table(self) -> str:
        """What users' files are loaded into."""
        return f"lambda_{self.name}_loaded"


PRICES: Final = Kind(
    "prices",
    (
        _AS_OF,
        Column("region", "Region", "LowCardinality(String)", str),
        Column("item", "Item", "LowCardinality(String)", _one_of(*_ITEMS)),
        Column("architecture", "Architecture", "LowCardinality(String)", _one_of(*_ARCHITECTURES)),
        Column("from_units", "FromUnits", "Float64", _amount),
        Column("price", "PriceUsd", "Float64", _amount),
    ),
    ("Region", "Item", "Architecture", "FromUnits"),
)
RUNTIMES: Final = Kind(
    "runtimes",
    (
        _AS_OF,
        Column("runtime", "Runtime", "LowCardinality(String)", _name),
        Column("deprecation_date", "DeprecationDate", "Nullable(Date)", _date_or_none),
        Column("block_create_date", "BlockCreateDate", "Nullable(Date)", _date_or_none),
        Column("block_update_date", "BlockUpdateDate", "Nullable(Date)", _date_or_none),
        Column("successor", "Successor", "LowCardinality(String)", str),
    ),
    ("Runtime",),
)
KINDS: Final = (PRICES, RUNTIMES)


def packaged(kind: Kind) -> list[list[Value]]:
    """The rows of the file that the collector comes with."""
    text = resources.files("collector").joinpath("reference", f"{kind.name}.tsv").read_text(encoding="utf-8")
    return rows(kind, text)


def kind_of(text: str) -> Kind:
    """Which kind a file is, by its heading.

    Raises:
        SetupError: none of them.
    """
    heading = next(iter(_lines(text)), (0, ""))[1].split("\t")
    for kind in KINDS:
        if heading == [column.name for column in kind.columns]:
            return kind
    wanted = " or ".join(" ".join(column.name for column in kind.columns) for kind in KINDS)
    raise SetupError(f"line 1: the heading is {' '.join(heading)!r}, and needs to be, with tabs between: {wanted}")


def rows(kind: Kind, text: str) -> list[list[Value]]:
    """The rows of a file.

    Raises:
        SetupError: naming line and column.
    """
    lines = list(_lines(text))[1:]
    parsed = csv.reader((line for _, line in lines), delimiter="\t", quoting=csv.QUOTE_NONE)
    out = []
    for (number, _), cells in zip(lines, parsed, strict=True):
        if len(cells) != len(kind.columns):
            raise SetupError(f"line {number}: {len(cells)} columns, and {len(kind.columns)} are needed")
        out.append([_parsed(column, cell.strip(), number) for column, cell in zip(kind.columns, cells, strict=True)])
    return out


def _parsed(column: Column, cell: str, number: int) -> Value:
    try:
        return column.parse(cell)
    except ValueError as error:
        raise SetupError(f"line {number}: {column.name} is {cell!r}, and needs {error}") from None


def _lines(text: str) -> Iterable[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line
