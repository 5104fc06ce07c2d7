"""The ports: who may listen where, and what answers on each."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from collector.cloudwatch import receiver as firehose
from collector.cloudwatch.access import Access
from collector.cloudwatch.quarantine import Quarantine
from collector.errors import SetupError
from collector.listener import Listener, shown
from collector.receiver import http
from collector.receiver.access import Gate, Open, Tokens
from collector.receiver.connection import OtlpConnection
from collector.receiver.connections import Connections
from collector.receiver.grpc import GrpcReceiver
from collector.sql.engine import Engine
from collector.sql.server import SqlServer
from collector.sql.settings import SqlLimits
from collector.tls import TlsFiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from collector.cloudwatch.counters import FirehoseCounters
    from collector.config import CollectorConfig
    from collector.receiver.intake import Intake

log = logging.getLogger(__name__)

_GRACE_S: Final = 3.0
_SQL_GRACE_S: Final = 0.5
"""Of queries, which can be asked again: who does not read must not hold up a stop. aiohttp waits twice for it."""
_KEEPALIVE_S: Final = 75.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the collector listens; ``sql`` is empty where the store is a server."""

    grpc: str
    http: str
    sql: str


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def gate(path: Path | None) -> Gate:
    """Of a file of tokens; open where there is none.

    Raises:
        SetupError: the file is not usable.
    """
    return Tokens(path, log.warning) if path is not None else Open()


def check_exposure(config: CollectorConfig) -> None:
    """Refuse to listen for everybody without asking who they are, unless that is what is wanted.

    Raises:
        SetupError: naming the settings.
    """
    if is_loopback(config.host):
        return
    open_settings = [] if config.tokens or config.tls_client_authority else ["--tokens"]
    if config.store.embedded and not (config.sql_passwords or config.tls_client_authority):
        open_settings.append("--sql-passwords")
    if not open_settings:
        return
    missing = " and ".join(open_settings)
    if not config.allow_unauthenticated:
        raise SetupError(
            f"--host {config.host} is reached from other machines: set {missing}, or --allow-unauthenticated yes"
        )
    log.warning("%s is open to whoever reaches it: there is no %s", config.host, missing)


def tls_files(config: CollectorConfig) -> TlsFiles | None:
    """The certificates; None for plain ports.

    Raises:
        SetupError: half of the pair is missing, or a file is not usable.
    """
    if config.tls_certificate is None and config.tls_key is None and config.tls_client_authority is None:
        return None
    if config.tls_certificate is None or config.tls_key is None:
        raise SetupError("--tls-certificate and --tls-key go together")
    files = TlsFiles(config.tls_certificate, config.tls_key, config.tls_client_authority)
    files.context()
    return files


class Ports:
    """All ports of a collector. :meth:`start` once; ``exits`` closes them, the last opened first."""

    def __init__(self, config: CollectorConfig, intake: Intake, access: Gate, exits: contextlib.AsyncExitStack) -> None:
        """Look at the settings.

        Raises:
            SetupError: as configured, nothing may listen.
        """
        check_exposure(config)
        self._config = config
        self._intake = intake
        self._gate = access
        self._exits = exits
        self._tls = tls_files(config)

    async def start(self, pages: http.Pages, firehose_counters: FirehoseCounters) -> Addresses:
        """Listen on all of them.

        Raises:
            SetupError: a port cannot be had.
        """
        grpc_port = await self._start_grpc()
        http_port = await self._start_http(pages, firehose_counters)
        sql_port = await self._start_sql() if self._config.store.embedded else None
        host = self._config.host
        return Addresses(shown(host, grpc_port), shown(host, http_port), shown(host, sql_port) if sql_port else "")

    @property
    def http_connections(self) -> int:
        """Open connections of plain OTLP/HTTP."""
        return len(self._connections)

    async def _start_grpc(self) -> int:
        listener = Listener("grpc", self._config.host, self._config.grpc_port, self._tls, "h2")
        receiver = GrpcReceiver(self._intake, self._gate, listener)
        self._exits.push_async_callback(receiver.stop, _GRACE_S)
        return await receiver.start()

    async def _start_http(self, pages: http.Pages, counters: FirehoseCounters) -> int:
        config = self._config
        app = http.application(self._intake, self._gate, pages)
        quarantine = Quarantine(config.data / "quarantine")
        access = Access(config.firehose_keys)
        receiver = firehose.FirehoseReceiver(self._intake, access, quarantine, counters, time.time_ns)
        app.router.add_post(firehose.PATH, receiver.handle)
        library = await self._library(app, cancel=False, grace_s=_GRACE_S)
        connections = self._connections = Connections()
        self._exits.push_async_callback(connections.close, _GRACE_S)
        intake, access_gate = self._intake, self._gate
        return await self._listen(
            "http", config.http_port, lambda: OtlpConnection(intake, access_gate, library, connections)
        )

    async def _start_sql(self) -> int:
        config = self._config
        limits = SqlLimits(
            config.sql_max_seconds,
            config.sql_max_memory_bytes,
            config.sql_max_rows,
            config.sql_max_result_bytes,
            config.sql_threads,
        )
        engine = Engine(config.store.path, limits)
        self._exits.push_async_callback(engine.close)
        await engine.start()
        app = SqlServer(engine, limits, gate(config.sql_passwords)).application()
        library = await self._library(app, cancel=True, grace_s=_SQL_GRACE_S)
        return await self._listen("sql", config.sql_port, library)

    async def _library(self, app: web.Application, *, cancel: bool, grace_s: float) -> Callable[[], asyncio.Protocol]:
        """What makes a connection of the HTTP library.

        Args:
            app: what answers.
            cancel: whether the work for a client that leaves is ended.
            grace_s: how long a stop waits for answers.
        """
        runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,  # the applications have limits on what comes out
            handler_cancellation=cancel,
            shutdown_timeout=grace_s,
            keepalive_timeout=_KEEPALIVE_S,
            max_field_size=firehose.MAX_HEADER_BYTES,
        )
        await runner.setup()
        self._exits.push_async_callback(runner.cleanup)
        assert runner.server is not None
        return runner.server

    async def _listen(self, name: str, port: int, protocol: Callable[[], asyncio.Protocol]) -> int:
        listener = Listener(name, self._config.host, port, self._tls)
        self._exits.push_async_callback(listener.close)
        return await listener.start(protocol)
