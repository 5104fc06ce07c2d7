"""What a query may say. The engine's readonly mode is the first lock, this is the second.

Readonly mode 1 stops writes, settings and most table functions, but not all that reaches outside the store: not the
function ``file``, ``INTO OUTFILE``, ``DESCRIBE`` of a table function (which connects to what it names), nor ``KILL``.
So a query is one statement of a known kind, and what it calls is looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from collector.sql.errors import FUNCTION_NOT_ALLOWED, READONLY, SYNTAX_ERROR, QueryError
from collector.sql.lexer import STRING, SYMBOL, WORD, Token, tokens
from collector.sql.settings import SETTABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

STATEMENTS: Final = ("SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS")
"""First words of the statements that are allowed (or an opening parenthesis)."""

REFUSED_STATEMENTS: Final = (
    "ALTER", "ATTACH", "BACKUP", "BEGIN", "CHECK", "COMMIT", "COPY", "CREATE", "DELETE", "DETACH", "DROP", "EXCHANGE",
    "EXECUTE", "GRANT", "INSERT", "KILL", "MOVE", "OPTIMIZE", "RENAME", "REPLACE", "RESTORE", "REVOKE", "ROLLBACK",
    "SET", "START", "SYSTEM", "TRUNCATE", "UNDROP", "UPDATE", "USE", "WATCH",
)  # fmt: skip
"""First words of ClickHouse's other statements. All else is refused as well, but as what it is: a typing error."""

TABLE_FUNCTIONS: Final = frozenset({
    "format", "fuzzjson", "generate_series", "generaterandom", "generateseries", "merge", "null", "numbers",
    "numbers_mt", "primes", "sqlstandardvalues", "values", "view", "viewexplain", "viewifpermitted",
    "zeros", "zeros_mt",
})  # fmt: skip
"""Table functions that read nothing but the store or their own arguments. All others are refused."""

FUNCTIONS_REFUSED: Final = re.compile(
    r"file|catboostevaluate|addressto\w+|demangle|evalmlmethod|getclienthttpheader|showcertificate"
    r"|ai(classify|embed|extract|filter|generate\w*|redact|similarity|translate)|sleepeachrow",
    re.IGNORECASE,
)
"""Functions that read files, the network or the process. Refused wherever the name stands: ``APPLY(file)`` calls."""


SETTINGS_TABLE: Final = (
    f"(SELECT * REPLACE (toUInt8(NOT match(name, '^({SETTABLE})$')) AS readonly) FROM system.settings)"  # noqa: S608  # constants only
)
"""What a query reads in place of ``system.settings``."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query that may be given to the engine.

    Attributes:
        text: without the semicolon at its end.
        format: what its FORMAT clause names; empty where it has none.
    """

    text: str
    format: str


def check(text: str, engine_table_functions: frozenset[str]) -> Query:
    """The query, if it may run.

    Args:
        text: SQL.
        engine_table_functions: lower-case names of all table functions that the engine has.

    Raises:
        QueryError: it may not; worded as ClickHouse would.
    """
    check_beginning(text)  # first: what follows INSERT is data
    found = list(tokens(text))
    end = _end(text, found)
    while found and found[-1].text == ";":
        found.pop()
    _check_first(found[0] if found else None)
    _check_calls(found, frozenset(engine_table_functions) - TABLE_FUNCTIONS)
    _check_settings(found)
    return Query(_describe_settings(text[:end], found), _format(found))


def check_beginning(text: str) -> None:
    """Refuse what cannot become a query that may run, whatever follows. ClickHouse's clients put INSERT into the URL.

    Raises:
        QueryError: as :func:`check` would say of the whole.
    """
    try:
        first = next(tokens(text), None)
    except QueryError:
        return  # a quote or comment that may end in what follows
    if first is not None and first.kind == WORD:
        _check_first(first)


def _check_first(first: Token | None) -> None:
    # clickhouse-connect puts a FORMAT clause behind whatever it is given.
    if first is None or first.is_word("FORMAT"):
        raise QueryError.worded(SYNTAX_ERROR, "Syntax error: failed at position 1 (end of query): Empty query")
    if first.is_word(*STATEMENTS) or (first.kind == SYMBOL and first.text == "("):
        return
    allowed = f"allowed are {', '.join(STATEMENTS)}"
    if first.is_word(*REFUSED_STATEMENTS):
        raise QueryError.worded(READONLY, f"{first.text}: Cannot execute query in readonly mode; {allowed}")
    at = f"Syntax error: failed at position {first.start + 1} ({first.text[:64]})"
    raise QueryError.worded(SYNTAX_ERROR, f"{at}: no statement begins so; {allowed}")


def _end(text: str, found: Sequence[Token]) -> int:
    """Where the statement ends: at a semicolon with nothing but blanks, comments and semicolons after it."""
    for index, token in enumerate(found):
        if token.text == ";" and token.kind != STRING:
            rest = [other for other in found[index:] if other.text != ";" or other.kind == STRING]
            if rest:
                raise QueryError.worded(
                    SYNTAX_ERROR, f"Syntax error (Multi-statements are not allowed) at position {token.start + 1}"
                )
            return token.start
    return len(text)


def _check_calls(found: Sequence[Token], refused_tables: frozenset[str]) -> None:
    for token, following in zip(found, [*found[1:], Token("symbol", "", 0)], strict=True):
        if token.is_word("INTO") and following.is_word("OUTFILE"):
            raise QueryError.worded(READONLY, "INTO OUTFILE: Cannot execute query in readonly mode")
        if not token.is_name:
            continue
        name = token.text.lower()
        if "\\" in name and following.text == "(":
            raise QueryError.worded(FUNCTION_NOT_ALLOWED, "Function names with escapes are not allowed")
        if FUNCTIONS_REFUSED.fullmatch(name) or (following.text == "(" and name in refused_tables):
            raise QueryError.worded(
                FUNCTION_NOT_ALLOWED, f"{token.text}: not allowed here, it reaches outside the store"
            )


def _check_settings(found: Sequence[Token]) -> None:
    """The engine refuses them at the end of a query, but not in a subquery."""
    for first, second, third in zip(found, found[1:], found[2:], strict=False):
        if first.is_word("SETTINGS") and second.is_name and third.text == "=":
            raise QueryError.worded(
                READONLY, f"Cannot modify '{second.text[:64]}' setting in readonly mode; the URL may carry settings"
            )


def _describe_settings(text: str, found: Sequence[Token]) -> str:
    """``system.settings`` as it is here: settings that the URL may carry are not read-only.

    clickhouse-connect looks there, and sends nothing that is said to be read-only.
    """
    for index in range(len(found) - 4, -1, -1):
        source, database, dot, table = found[index : index + 4]
        if (
            source.is_word("FROM")
            and (database.text.lower(), dot.text, table.text.lower()) == ("system", ".", "settings")
            and table.kind == WORD
        ):
            text = text[: database.start] + SETTINGS_TABLE + text[table.start + len(table.text) :]
    return text


def _format(found: Sequence[Token]) -> str:
    if len(found) > 2 and found[-2].is_word("FORMAT") and found[-1].kind == WORD:
        return found[-1].text
    return ""
