"""A query on a connection of its own, whole or chunk by chunk. Blocking.

Opening a connection takes a fraction of a millisecond while the engine runs, and it is the only way to give a query
settings: in readonly mode 1 nothing can change them afterwards.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from collector.sql.errors import QueryError

if TYPE_CHECKING:
    from pathlib import Path

    from collector.sql.guard import Query
    from collector.sql.settings import Options

STREAMED: Final = frozenset({
    "tabseparated", "tsv", "tabseparatedraw", "tsvraw", "csv", "jsoneachrow", "jsonlines", "ndjson",
    "jsonstringseachrow", "jsoncompacteachrow", "jsoncompactstringseachrow", "rowbinary", "native",
})  # fmt: skip
"""Formats without a beginning and an end: the engine writes each chunk of a stream as a result of its own."""
HELD_BYTES: Final = 1 << 20
"""Of a result, before its answer begins: what is smaller has a size, and what fails before it a status."""

_STREAMABLE: Final = re.compile(r"(?is)\s*(?:SELECT|WITH)\b(?!.*\bTOTALS\b)")
_WHOLE_SETTINGS: Final = frozenset({"extremes", "output_format_json_array_of_rows"})
"""Settings that put something around the rows, as WITH TOTALS does."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the engine answered.

    Attributes:
        body: in the format that the query asked for.
        read_rows: rows that it read for it.
        read_bytes: their size.
        elapsed_ns: how long it took.
    """

    body: bytes
    read_rows: int
    read_bytes: int
    elapsed_ns: int


def is_streamed(query: Query, options: Options) -> bool:
    """Whether the chunks of a stream, put together, are what the engine would answer at once."""
    name = (query.format or options.default_format).lower()
    return name in STREAMED and not _WHOLE_SETTINGS & options.settings.keys() and bool(_STREAMABLE.match(query.text))


class Running:
    """A query that runs. One call at a time, beside which only :meth:`close` may be called.

    Attributes:
        ended: whether nothing is left to be read.
    """

    def __init__(self, path: Path, query: Query, options: Options, tag: str) -> None:
        """``tag`` is the query's ``log_comment``, by which it is found again."""
        self.ended = False
        self.tag = tag
        self._path, self._query, self._options = path, query, options
        self._lock = threading.Lock()
        self._left = False
        self._connection: Any = None
        self._stream: Any = None

    def begin(self) -> Result:
        """The result, or as much of it as is held before an answer begins; then ``ended`` is false.

        Raises:
            QueryError: as ClickHouse worded it.
        """
        started = time.monotonic_ns()
        with self._lock:
            try:
                chunks = self._begin()
            except Exception as error:  # noqa: BLE001  # chdb raises several kinds, all with ClickHouse's text
                self._close()
                raise QueryError.from_engine(str(error)) from None
            if self.ended:
                self._close()
        self._close_if_left()
        return Result(
            b"".join(bytes(chunk.bytes() or b"") for chunk in chunks),
            sum(int(chunk.storage_rows_read()) for chunk in chunks),
            sum(int(chunk.storage_bytes_read()) for chunk in chunks),
            time.monotonic_ns() - started,
        )

    def _begin(self) -> list[Any]:
        options = self._options
        if self._left:
            self.ended = True
            return []
        # readonly comes last: it forbids the settings after it.
        settings = {**options.settings, "log_comment": self.tag, "readonly": "1"}
        given = "&".join(f"{name}={quote(value)}" for name, value in settings.items())
        self._connection = connect(f"{self._path}?{given}")
        if options.database:
            self._connection.query("USE `" + options.database.replace("\\", "\\\\").replace("`", "\\`") + "`")
        if not is_streamed(self._query, options):
            self.ended = True
            return [self._connection.query(self._query.text, options.default_format, params=options.params)]
        self._stream = self._connection.send_query(self._query.text, options.default_format, params=options.params)
        chunks: list[Any] = []
        size_bytes = 0
        while not self._left and (options.wait_end_of_query or size_bytes < HELD_BYTES):
            chunk = self._stream.fetch()
            if chunk is None:
                self.ended = True
                break
            chunks.append(chunk)
            size_bytes += int(chunk.size())
        return chunks

    def more(self) -> bytes:
        """The next chunk; empty at the end.

        Raises:
            QueryError: as ClickHouse worded it.
        """
        chunk = None
        with self._lock:
            try:
                chunk = self._stream.fetch() if self._stream is not None else None
            except Exception as error:  # noqa: BLE001  # as above
                raise QueryError.from_engine(str(error)) from None
            finally:
                if chunk is None:
                    self.ended = True
                    self._close()
        self._close_if_left()
        return b"" if chunk is None else bytes(chunk.bytes() or b"")

    def close(self) -> None:
        """End it, if it has not ended. While another call waits for the engine, that one does so when it returns."""
        self._left = True
        self._close_if_left()

    def _close_if_left(self) -> None:
        if self._left and self._lock.acquire(blocking=False):
            try:
                self._close()
            finally:
                self._lock.release()

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        connection, self._connection = self._connection, None
        try:
            if stream is not None and not self.ended:
                stream.cancel()
        finally:
            if connection is not None:
                connection.close()


def connect(connection_string: str) -> Any:  # chdb ships no types
    """A connection to the engine in this process."""
    import chdb  # noqa: PLC0415  # half a gigabyte that a collector with a server does not have

    return chdb.connect(connection_string)  # type: ignore[no-untyped-call]
