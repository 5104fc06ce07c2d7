"""The files as SQL: the packaged rows in a view, users' rows in a table, and a view in which the newest counts."""

from __future__ import annotations

from datetime import date
from string import Template
from typing import Final

from collector.reference.files import KINDS, Kind, Value, packaged

_HEAD: Final = """\
-- Made of collector/reference/*.tsv by `python -m collector.reference`: change those. Rows that users load are in the
-- tables of the same columns; of each key the row with the latest date counts.
"""
_SETTINGS: Final = """\
SETTINGS index_granularity = 8192,
    non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;
"""

_STATEMENTS: Final = Template("""\
CREATE TABLE IF NOT EXISTS $table
(
$declared
)
ENGINE = ReplacingMergeTree
ORDER BY ($keys, AsOf)
$settings
CREATE OR REPLACE VIEW ${view}_packaged AS
SELECT * FROM values('$structure',
$values);

CREATE OR REPLACE VIEW $view AS
SELECT
    $columns
FROM
(
    SELECT $all FROM ${view}_packaged
    UNION ALL
    SELECT $all FROM $table
) AS known
GROUP BY $keys;
""")


def schema() -> str:
    """The text of the schema file."""
    return _HEAD + "\n".join(_statements(kind) for kind in KINDS)


def _statements(kind: Kind) -> str:
    names = [column.sql_name for column in kind.columns]
    declared = ",\n".join(f"    {column.sql_name} {column.sql_type} CODEC(ZSTD(1))" for column in kind.columns)
    structure = ", ".join(f"{column.sql_name} {column.sql_type}" for column in kind.columns)
    values = ",\n".join(f"    ({', '.join(_literal(value) for value in row)})" for row in packaged(kind))
    rest = [name for name in names if name not in kind.key]
    latest = [
        f"argMax(tuple({name}), AsOf).1 AS {name}" if name != "AsOf" else "max(known.AsOf) AS AsOf" for name in rest
    ]
    columns = ",\n    ".join([*kind.key, *latest]).replace("), AsOf)", "), known.AsOf)")
    keys, all_ = ", ".join(kind.key), ", ".join(names)
    return _STATEMENTS.substitute(
        table=kind.table, view=kind.view, declared=declared, keys=keys, structure=structure, values=values,
        columns=columns, all=all_, settings=_SETTINGS,
    )  # fmt: skip


def _literal(value: Value) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, date):
        return f"'{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return f"{value:.10f}".rstrip("0").rstrip(".")
