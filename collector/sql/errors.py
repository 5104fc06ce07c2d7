"""Errors as ClickHouse words them, and their HTTP status."""

from __future__ import annotations

import re
from typing import Final

from collector.errors import CollectorError

BAD_ARGUMENTS: Final = (36, "BAD_ARGUMENTS")
NOT_IMPLEMENTED: Final = (48, "NOT_IMPLEMENTED")
SYNTAX_ERROR: Final = (62, "SYNTAX_ERROR")
UNKNOWN_FORMAT: Final = (73, "UNKNOWN_FORMAT")
READONLY: Final = (164, "READONLY")
TOO_MANY_QUERIES: Final = (202, "TOO_MANY_SIMULTANEOUS_QUERIES")
FUNCTION_NOT_ALLOWED: Final = (446, "FUNCTION_NOT_ALLOWED")
QUERY_IS_TOO_LARGE: Final = (307, "QUERY_IS_TOO_LARGE")
AUTHENTICATION_FAILED: Final = (516, "AUTHENTICATION_FAILED")
STD_EXCEPTION: Final = (1001, "STD_EXCEPTION")

_CODE: Final = re.compile(r"Code: (\d+)\.")
_WRAPPED: Final = re.compile(
    r"(?P<code>Code: \d+\. DB::Exception: )(?P=code)+(?P<said>.*?)"
    r"(?P<name> \([A-Z_0-9]+\))(?: \(version [^()]*\)\.(?P=name))+",
    re.DOTALL,
)
"""An error that the engine has wrapped in itself, once or more."""
_STATUS_OF_CODES: Final = {
    400: (6, 27, 36, 38, 41, 43, 53, 62, 69, 72, 131, 321, 427, 456),
    403: (516,),
    404: (46, 47, 50, 56, 60, 63, 73, 81, 115, 152),
    408: (159,),
    413: (307,),
    501: (48,),
    503: (202, 209, 241),
}
_STATUSES: Final = {code: status for status, codes in _STATUS_OF_CODES.items() for code in codes}
_OTHER_STATUS: Final = 500


class QueryError(CollectorError):
    """A query that failed or is not allowed.

    Attributes:
        text: the whole message as ClickHouse words it: ``Code: 62. DB::Exception: … (SYNTAX_ERROR)``.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    @classmethod
    def worded(cls, kind: tuple[int, str], message: str) -> QueryError:
        """From a code with its name, and a message."""
        code, name = kind
        return cls(f"Code: {code}. DB::Exception: {message} ({name})")

    @classmethod
    def from_engine(cls, text: str) -> QueryError:
        """From what chdb raised: ClickHouse's message, once, without what chdb puts before it."""
        start = text.find("Code: ")
        if start < 0:
            return cls.worded(STD_EXCEPTION, text.strip())
        said = text[start:].strip()
        wrapped = _WRAPPED.fullmatch(said)
        return cls(f"{wrapped['code']}{wrapped['said']}{wrapped['name']}" if wrapped else said)

    @property
    def code(self) -> int:
        """ClickHouse's number of the error; 1001 (STD_EXCEPTION) where the message has none."""
        match = _CODE.search(self.text)
        return int(match[1]) if match else STD_EXCEPTION[0]

    @property
    def http_status(self) -> int:
        """As ClickHouse's HTTP handler chooses it."""
        return _STATUSES.get(self.code, _OTHER_STATUS)
