"""A TCP port with connections of one protocol, with TLS that follows its files."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import TYPE_CHECKING, Final

from collector.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.tls import TlsFiles

log = logging.getLogger(__name__)

_BACKLOG: Final = 1024
_LOOK_AGAIN_S: Final = 2.0


def shown(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Listener:
    """One port. :meth:`start` once, :meth:`close` once."""

    def __init__(self, name: str, host: str, port: int, tls: TlsFiles | None = None, protocol: str = "") -> None:
        """``protocol`` is what clients are told by TLS that is spoken (ALPN); empty tells nothing."""
        self._name, self._host, self._port = name, host, port
        self._tls, self._alpn = tls, protocol
        self._server: asyncio.Server | None = None
        self._following: asyncio.Task[None] | None = None

    async def start(self, protocol: Callable[[], asyncio.Protocol]) -> int:
        """Accept connections; returns the port.

        Raises:
            SetupError: the port cannot be had, or TLS is not usable.
        """
        try:
            family, *_, address = socket.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()  # `::` is every address, those of IPv4 too
            self._socket = socket.create_server(address[:2], family=family, backlog=_BACKLOG, dualstack_ipv6=both)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            where = shown(self._host, self._port)
            raise SetupError(f"{self._name} port: cannot listen on {where}: {reason}") from None
        self._protocol = protocol
        stamp = self._tls.stamp() if self._tls else ()
        await self._serve()
        if self._tls is not None:
            self._following = asyncio.create_task(self._follow(self._tls, stamp))
        return int(self._socket.getsockname()[1])

    async def _serve(self) -> None:
        """Accept on a copy of the socket with the certificates as they are now; connections of before stay."""
        context = self._tls.context(self._alpn) if self._tls else None
        before = self._server
        self._server = await asyncio.get_running_loop().create_server(
            self._protocol, sock=self._socket.dup(), ssl=context, backlog=_BACKLOG
        )
        if before is not None:
            before.close()

    async def _follow(self, tls: TlsFiles, stamp: tuple[tuple[int, int, int], ...]) -> None:
        while True:
            await asyncio.sleep(_LOOK_AGAIN_S)
            now = tls.stamp()
            if not now or now == stamp:
                continue
            try:
                await self._serve()
            except SetupError as error:
                log.warning("%s; %s goes on with the certificate of before", error, self._name)
            else:
                log.warning("%s port: new certificates are in use", self._name)
            stamp = now

    async def close(self) -> None:
        """Accept nothing more. Connections stay."""
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        if self._server is not None:
            self._server.close()
            self._socket.close()
