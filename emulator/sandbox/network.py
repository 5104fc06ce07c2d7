"""A sandbox's network: the server of its APIs, its relays, and sockets into it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from emulator import relay, wire
from emulator.faults import RelayFault
from emulator.isolation.client import Holder
from emulator.relay import Relay
from emulator.sandbox.settings import LOOPBACK, SandboxSettings
from emulator.trailers import TRAILERS, Trailers, TrailerTap

_BACKLOG: Final = 128


class Network:
    """What listens in a sandbox's network on the emulator's behalf."""

    def __init__(self, settings: SandboxSettings, faults: Sequence[RelayFault]) -> None:
        self.runtime_api = ""
        """AWS_LAMBDA_RUNTIME_API: host and port, known when it is open."""
        self._settings = settings
        self._faults = faults
        self._relays: list[Relay] = []
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None

    async def open(self, holder: Holder, application: web.Application) -> None:
        """Serve the application, and open the relays where the network is the sandbox's own. Raises OSError."""
        port = wire.RUNTIME_API_PORT if self._settings.has_namespaces else 0
        listener = _listen(holder, LOOPBACK, port)
        self.runtime_api = f"{LOOPBACK}:{listener.getsockname()[1]}"
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
        await self._runner.setup()
        self._server = await _serve(self._runner, listener, application[TRAILERS])
        if self._settings.has_namespaces:
            await self._open_relays(holder)

    async def _open_relays(self, holder: Holder) -> None:
        addresses = relay.addresses(self._settings.relays)
        for config in self._settings.relays:
            opened = Relay(config, self._faults, self._settings.started_s)
            await opened.start(_listen(holder, addresses[config.name], config.port))
            self._relays.append(opened)

    def close_connections(self) -> None:
        """Close what is relayed, at the far ends."""
        for opened in self._relays:
            opened.close_connections()

    async def close(self) -> None:
        """Stop serving and relaying. May be called twice."""
        for opened in self._relays:
            await opened.close()
        self._relays.clear()
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


async def _serve(runner: web.AppRunner, listener: socket.socket, trailers: Trailers) -> asyncio.Server:
    server = runner.server
    if server is None:
        raise RuntimeError("the runner was not set up")
    return await asyncio.get_running_loop().create_server(lambda: TrailerTap(server(), trailers), sock=listener)


def _listen(holder: Holder, address: str, port: int) -> socket.socket:
    listener = holder.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(_BACKLOG)
    return listener
