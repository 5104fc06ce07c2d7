"""Read-only queries on the embedded engine, several at once, each in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from collector.sql.errors import TOO_MANY_QUERIES, QueryError
from collector.sql.running import Result, Running, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from collector.sql.guard import Query
    from collector.sql.settings import Options, SqlLimits

_TAG: Final = "lambdascope-sql-"
"""Begins the ``log_comment`` of our queries, by which they are found again."""

MAX_WAITING: Final = 100
"""Queries that wait for a thread; more are refused."""


class Answer:
    """A query's answer: the result or its beginning, and then its other chunks.

    Attributes:
        first: the result, if ``ended``; else its beginning.
        ended: whether nothing comes behind it.
    """

    def __init__(self, first: Result, running: Running, threads: ThreadPoolExecutor) -> None:
        self.first = first
        self.ended = running.ended
        self._running = running
        self._threads = threads

    async def rest(self) -> AsyncIterator[bytes]:
        """What comes behind ``first``, chunk by chunk, as fast as they are taken.

        Raises:
            QueryError: as ClickHouse worded it.
        """
        loop = asyncio.get_running_loop()
        while chunk := await loop.run_in_executor(self._threads, self._running.more):
            yield chunk


class Engine:
    """The engine as the SQL endpoint sees it. The store must be open in this process."""

    def __init__(self, path: Path, limits: SqlLimits) -> None:
        self._path = path
        self._limits = limits
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="sql")
        self._killer = ThreadPoolExecutor(1, thread_name_prefix="sql-kill")
        self._turns = asyncio.Semaphore(limits.threads)
        self._asked = 0
        self._open: set[Running] = set()
        self._tags = (f"{_TAG}{number}" for number in itertools.count())
        self.table_functions: frozenset[str] = frozenset()
        self.timezone = "UTC"
        self.version = ""

    async def start(self) -> None:
        """Learn from the engine what the endpoint needs to know."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._learn)

    def _learn(self) -> None:
        connection = connect(f"{self._path}?readonly=1")
        try:
            names = connection.query("SELECT lower(name) FROM system.table_functions", "TabSeparated").bytes()
            self.table_functions = frozenset(names.decode().split())
            about = connection.query("SELECT timezone(), version()", "TabSeparated").bytes()
            self.timezone, self.version = about.decode().strip().split("\t")
        finally:
            connection.close()

    @contextlib.asynccontextmanager
    async def answer(self, query: Query, options: Options) -> AsyncIterator[Answer]:
        """Run a query. Where the block is left before its end, it is ended in the engine as well.

        Raises:
            QueryError: as ClickHouse worded it.
        """
        if self._asked >= self._limits.threads + MAX_WAITING:
            raise QueryError.worded(TOO_MANY_QUERIES, f"Too many simultaneous queries. Maximum: {self._asked}")
        self._asked += 1
        try:
            async with self._turns, self._run(query, options) as answer:
                yield answer
        finally:
            self._asked -= 1

    @contextlib.asynccontextmanager
    async def _run(self, query: Query, options: Options) -> AsyncIterator[Answer]:
        running = Running(self._path, query, options, next(self._tags))
        self._open.add(running)
        try:
            loop = asyncio.get_running_loop()
            yield Answer(await loop.run_in_executor(self._threads, running.begin), running, self._threads)
        except asyncio.CancelledError:
            self._killer.submit(self._kill, f"= '{running.tag}'")  # a thread may wait for its next chunk
            raise
        finally:
            self._open.discard(running)
            if not running.ended:
                self._killer.submit(running.close)

    def _kill(self, condition: str) -> None:
        """End the queries whose tag satisfies this. Not read-only, which forbids it."""
        connection = connect(str(self._path))
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
            for running in list(self._open):
                running.close()

        await asyncio.to_thread(end)
