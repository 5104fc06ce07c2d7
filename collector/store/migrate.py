"""The numbered files of ``collector/schema``: every statement may be run again at any time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from collector.errors import StoreUnavailableError
from collector.store.client import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client


_DEFINITION: Final = re.compile(r"^-- define (\w+)\n(.*?)^-- end\n+", re.MULTILINE | re.DOTALL)


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


def _expanded(text: str) -> str:
    """The text with its definitions (``-- define name`` to ``-- end``) put where it says ``${name}``."""
    defined: dict[str, str] = {}
    for name, body in _DEFINITION.findall(text):
        defined[name] = Template(body.rstrip()).substitute(defined)
    return Template(_DEFINITION.sub("", text)).substitute(defined) if defined else text


def migrations() -> list[Migration]:
    """All of them, in order."""
    files = (
        entry for entry in resources.files("collector").joinpath("schema").iterdir() if entry.name.endswith(".sql")
    )
    return [
        Migration(file.name, _expanded(file.read_text(encoding="utf-8")))
        for file in sorted(files, key=lambda file: file.name)
    ]


def migrate(client: Client) -> None:
    """Create or update every table and view. Blocking.

    Raises:
        StoreUnavailableError: naming the file that failed.
    """
    for migration in migrations():
        for statement in migration.statements:
            try:
                client.command(statement)
            except (ClickHouseError, OSError) as error:
                raise StoreUnavailableError(f"schema {migration.name}: {first_line(str(error))}") from error
