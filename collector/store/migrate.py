"""The numbered files of ``collector/schema``: every statement may be run again at any time.

A file is applied where the database does not have what it says: it was never applied, it has changed since, or one of
its tables is missing. Files that begin with ``-- once`` carry data over from an earlier version, and run a single time.
Several collectors may do this at once.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from dataclasses import asdict, dataclass
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from collector.errors import StoreUnavailableError
from collector.store.client import first_line
from collector.store.render import SINGLE, Layout, rendered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clickhouse_connect.driver.client import Client


_DEFINITION: Final = re.compile(r"^-- define (\w+)\n(.*?)^-- end\n+", re.MULTILINE | re.DOTALL)
_CREATED: Final = re.compile(
    r"^CREATE (?:OR REPLACE )?(?:TABLE|VIEW|MATERIALIZED VIEW) (?:IF NOT EXISTS )?(\w+)", re.MULTILINE
)
_LAYOUT: Final = "layout"
_ATTEMPTS: Final = 6
_FIRST_WAIT_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Migration:
    """One file.

    Attributes:
        name: such as ``0001_otel_traces.sql``; the order is that of the numbers.
        text: its SQL. Statements end with a semicolon at the end of a line.
    """

    name: str
    text: str

    @property
    def statements(self) -> list[str]:
        """Its statements without comments at their head."""
        return list(_statements(self.text))

    @property
    def once(self) -> bool:
        """Whether it carries data over, and runs a single time."""
        return self.text.startswith("-- once\n")

    @property
    def digest(self) -> str:
        """Changes with its text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def creates(self) -> set[str]:
        """Tables and views that are there after it."""
        return set(_CREATED.findall("\n".join(self.statements)))


def _statements(text: str) -> Iterator[str]:
    lines: list[str] = []
    for line in text.splitlines():
        if not lines and (not line.strip() or line.startswith("--")):
            continue
        lines.append(line)
        if line.endswith(";"):
            yield "\n".join(lines).removesuffix(";")
            lines = []
    if lines:
        raise ValueError(f"a statement without a semicolon: {lines[0]}")


def migrations(layout: Layout = SINGLE) -> list[Migration]:
    """All of them, in order, for one server or a cluster.

    ``-- define name`` to ``-- end`` in a file is a definition: it stands wherever this file or a later one says
    ``${name}``.
    """
    files = (
        entry for entry in resources.files("collector").joinpath("schema").iterdir() if entry.name.endswith(".sql")
    )
    defined: dict[str, str] = {}
    found = []
    for file in sorted(files, key=lambda file: file.name):
        text = file.read_text(encoding="utf-8")
        for name, body in _DEFINITION.findall(text):
            defined[name] = Template(body.rstrip()).substitute(defined) if "${" in body else body.rstrip()
        text = _DEFINITION.sub("", text)
        expanded = Template(text).substitute(defined) if "${" in text else text
        found.append(Migration(file.name, rendered(expanded, layout)))
    return found


def layout_of(client: Client) -> Layout:
    """How the tables of a database are kept, as it was said when they were first made."""
    if not client.command("EXISTS TABLE lambda_schema"):
        return SINGLE
    said = client.query(
        "SELECT argMax(Digest, AppliedAt) FROM lambda_schema WHERE Name = {name:String}", parameters={"name": _LAYOUT}
    ).result_rows[0][0]
    return Layout(**json.loads(said)) if said else SINGLE


def pending(client: Client, layout: Layout | None = None) -> list[Migration]:
    """Those that the database lacks. Blocking; changes nothing."""
    known = migrations(layout or layout_of(client))
    there = {str(row[0]) for row in client.query("SHOW TABLES").result_rows}
    if "lambda_schema" not in there:
        return known
    rows = client.query("SELECT Name, argMax(Digest, AppliedAt) FROM lambda_schema GROUP BY Name").result_rows
    applied = {str(name): str(digest) for name, digest in rows}
    return [
        migration
        for migration in known
        if (migration.name not in applied if migration.once else applied.get(migration.name) != migration.digest)
        or not migration.creates <= there
    ]


def migrate(client: Client, layout: Layout | None = None) -> Sequence[Migration]:
    """Create or update every table and view; returns the files that were applied. Blocking.

    Looks again when it is done: of two that replace a view at the same moment, ClickHouse can leave none. Whoever ends
    last finds out.

    Args:
        client: of the database.
        layout: how to keep the tables; remembered in the database, and taken from there where it is None.

    Raises:
        StoreUnavailableError: naming the file that failed.
    """
    applied: list[Migration] = []
    for _ in range(_ATTEMPTS):
        try:
            needed = pending(client, layout)
        except (ClickHouseError, OSError) as error:
            raise StoreUnavailableError(f"schema: {first_line(str(error))}") from error
        if not needed:
            if layout is not None and layout != layout_of(client):
                _record(client, _LAYOUT, json.dumps(asdict(layout)))
            return applied
        for migration in needed:
            _apply(client, migration)
        applied += needed
    raise StoreUnavailableError(f"schema {needed[0].name}: another collector keeps changing it")


def _record(client: Client, name: str, said: str) -> None:
    """A token of its own: ClickHouse would drop what was said before, of a version that is returned to, as a repeat."""
    client.insert(
        "lambda_schema",
        [[name, said]],
        column_names=["Name", "Digest"],
        settings={"async_insert": 0, "insert_deduplication_token": secrets.token_hex(16)},
    )


def _apply(client: Client, migration: Migration) -> None:
    """Run a file, several times where another collector is at the same: its views are exchanged under our feet."""
    for attempt in range(_ATTEMPTS):
        try:
            for statement in migration.statements:
                client.command(statement)
            _record(client, migration.name, migration.digest)
        except (ClickHouseError, OSError) as error:
            if attempt == _ATTEMPTS - 1 or migration.once:
                raise StoreUnavailableError(f"schema {migration.name}: {first_line(str(error))}") from error
            time.sleep(_FIRST_WAIT_S * 2**attempt)
        else:
            return
