"""Lines of JSON over TCP, Lambda's other way to deliver telemetry: nothing is answered, so nothing is sent again."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence


class LineConnection:
    """One connection, opened by the first batch and again after it has broken."""

    def __init__(self, host: str, port: int, open_socket: Callable[[], socket.socket]) -> None:
        self._host = host
        self._port = port
        self._open_socket = open_socket
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, batch: Sequence[bytes]) -> bool:
        """Write a batch, one record on each line. False where the connection is or breaks, as far as can be known."""
        try:
            writer = self._writer or await self._connect()
            writer.write(b"\n".join(batch) + b"\n")
            await writer.drain()
        except OSError:
            self.close()
            return False
        return True

    async def _connect(self) -> asyncio.StreamWriter:
        connection = self._open_socket()
        try:
            await asyncio.get_running_loop().sock_connect(connection, (self._host, self._port))
            _, self._writer = await asyncio.open_connection(sock=connection)
        except BaseException:
            connection.close()
            raise
        return self._writer

    def close(self) -> None:
        """Drop the connection."""
        if self._writer is not None:
            with contextlib.suppress(OSError, RuntimeError):
                self._writer.close()
            self._writer = None
