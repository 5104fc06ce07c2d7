"""Read-only queries on the embedded engine: a connection for each, opened with its settings and limits.

Opening one takes a fraction of a millisecond while the engine runs, and it is the only way to give a query settings: in
readonly mode 1 nothing can change them afterwards.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from collector.sql.errors import TOO_MANY_QUERIES, QueryError

if TYPE_CHECKING:
    from pathlib import Path

    from collector.sql.guard import Query
    from collector.sql.settings import Options, SqlLimits

_TAG: Final = "lambdascope-sql-"
"""Begins the ``log_comment`` of our queries, by which they are found again."""

MAX_WAITING: Final = 100
"""Queries that wait for a thread; more are refused."""


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


class Engine:
    """The engine as the SQL endpoint sees it. The store must be open in this process."""

    def __init__(self, path: Path, limits: SqlLimits) -> None:
        self._path = path
        self._limits = limits
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="sql")
        self._killer = ThreadPoolExecutor(1, thread_name_prefix="sql-kill")
        self._running = 0
        self._tags = (f"{_TAG}{number}" for number in itertools.count())
        self.table_functions: frozenset[str] = frozenset()
        self.timezone = "UTC"
        self.version = ""

    async def start(self) -> None:
        """Learn from the engine what the endpoint needs to know."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._learn)

    def _learn(self) -> None:
        connection = _connect(f"{self._path}?readonly=1")
        try:
            names = connection.query("SELECT lower(name) FROM system.table_functions", "TabSeparated").bytes()
            self.table_functions = frozenset(names.decode().split())
            about = connection.query("SELECT timezone(), version()", "TabSeparated").bytes()
            self.timezone, self.version = about.decode().strip().split("\t")
        finally:
            connection.close()

    async def run(self, query: Query, options: Options) -> Result:
        """Run a query in one of the threads. Cancelled, it is ended in the engine as well.

        Raises:
            QueryError: as ClickHouse worded it.
        """
        if self._running >= self._limits.threads + MAX_WAITING:
            raise QueryError.worded(TOO_MANY_QUERIES, f"Too many simultaneous queries. Maximum: {self._running}")
        self._running += 1
        tag = next(self._tags)
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._run, query, options, tag)
        except asyncio.CancelledError:
            self._killer.submit(self._kill, f"= '{tag}'")
            raise
        finally:
            self._running -= 1

    def _run(self, query: Query, options: Options, tag: str) -> Result:
        # readonly comes last: it forbids the settings after it.
        own = {"log_comment": tag, "readonly": "1"}
        settings = "&".join(f"{name}={quote(value)}" for name, value in {**options.settings, **own}.items())
        started = time.monotonic_ns()
        try:
            connection = _connect(f"{self._path}?{settings}")
        except RuntimeError as error:
            raise QueryError(str(error)) from None
        try:
            if options.database:
                connection.query("USE `" + options.database.replace("\\", "\\\\").replace("`", "\\`") + "`")
            result: Any = connection.query(query.text, options.default_format, params=options.params)
            return Result(
                bytes(result.bytes() or b""),
                int(result.storage_rows_read()),
                int(result.storage_bytes_read()),
                time.monotonic_ns() - started,
            )
        except Exception as error:  # noqa: BLE001  # chdb raises several kinds, all with ClickHouse's text
            raise QueryError.from_engine(str(error)) from None
        finally:
            connection.close()

    def _kill(self, condition: str) -> None:
        """End the queries whose tag satisfies this. Not read-only, which forbids it."""
        connection = _connect(str(self._path))
        try:
            connection.query(f"KILL QUERY WHERE Settings['log_comment'] {condition} ASYNC FORMAT Null")
        finally:
            connection.close()

    async def close(self) -> None:
        """End the queries that still run, and the threads."""

        def end() -> None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._kill(f"LIKE '{_TAG}%'")
            self._threads.shutdown()
            self._killer.shutdown()

        await asyncio.to_thread(end)


def _connect(connection_string: str) -> Any:  # chdb ships no types
    import chdb  # noqa: PLC0415  # half a gigabyte that a collector with a server does not have

    return chdb.connect(connection_string)  # type: ignore[no-untyped-call]
