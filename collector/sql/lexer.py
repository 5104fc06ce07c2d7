"""Tokens of a ClickHouse query, as far as it takes to see what a query calls.

Strict on purpose: what ClickHouse's own lexer might read in another way (typographic quotes, here-documents, other
characters beyond ASCII outside quotes) is refused, so that nothing can hide in the difference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from collector.sql.errors import SYNTAX_ERROR, QueryError

if TYPE_CHECKING:
    from collections.abc import Iterator

WORD: Final = "word"
QUOTED: Final = "quoted"
STRING: Final = "string"
SYMBOL: Final = "symbol"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a query that is neither blank nor comment.

    Attributes:
        kind: ``word`` (also a number), ``quoted`` (an identifier in backquotes or double quotes), ``string`` or
            ``symbol`` (one character).
        text: as it is written; of a quoted identifier, what is between the quotes.
        start: offset of its first character.
    """

    kind: str
    text: str
    start: int

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these keywords, which are given in upper case."""
        return self.kind == WORD and self.text.upper() in words

    @property
    def is_name(self) -> bool:
        """Whether it may be an identifier."""
        return self.kind in {WORD, QUOTED}


_PATTERN: Final = re.compile(
    r"""
      (?P<blank>   \s+ )
    | (?P<comment> --[^\n]* | \#[ !][^\n]* | /\*.*?\*/ )
    | (?P<bits>    [xXbB]'[0-9A-Fa-f]*' )
    | (?P<refused> // | /\* | \$\w*\$ | [xXbB]' | [\x00-\x08\x0e-\x1f\x7f] | [^\x00-\x7f] )
    | (?P<word>    [A-Za-z0-9_$]+ )
    | (?P<string>  '(?:[^'\\]|\\.|'')*' )
    | (?P<quoted>  `(?:[^`\\]|\\.|``)*` | "(?:[^"\\]|\\.|"")*" )
    | (?P<open>    ['`"] )
    | (?P<symbol>  . )
    """,
    re.VERBOSE | re.DOTALL,
)


def tokens(query: str) -> Iterator[Token]:
    """The query's tokens.

    Raises:
        QueryError: a quote or comment that does not end, or something that is refused (see the module).
    """
    for match in _PATTERN.finditer(query):
        kind = match.lastgroup or ""
        text = match[0]
        if kind in {"blank", "comment"}:
            continue
        if kind in {"refused", "open"}:
            what = "is not closed" if kind == "open" or text == "/*" else "is not allowed outside quotes"
            raise QueryError.worded(SYNTAX_ERROR, f"Syntax error: {text!r} at position {match.start() + 1} {what}")
        if kind == "bits":
            kind = STRING
        elif kind == QUOTED:
            text = text[1:-1]
        yield Token(kind, text, match.start())
