"""As much of HTTP/1.1 as posting a batch takes, over a socket of the sandbox's own network."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping
from typing import Final

_MAX_ANSWER_BYTES: Final = 64 * 1024


class DeliveryError(Exception):
    """A request could not be sent, or was not answered."""


class Connection:
    """One connection, kept open between requests as long as the peer does."""

    def __init__(self, host: str, port: int, open_socket: Callable[[], socket.socket]) -> None:
        self._host = host
        self._port = port
        self._open_socket = open_socket
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """Send a request and read its answer. Returns the status. Raises DeliveryError."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: sandbox.localdomain:{self._port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        try:
            reader, writer = self._streams or await self._connect()
            writer.write("\r\n".join(lines).encode() + body)
            await writer.drain()
            return await self._read_answer(reader)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            self.close()
            raise DeliveryError(str(error)) from error

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        connection = self._open_socket()
        try:
            await loop.sock_connect(connection, (self._host, self._port))
            self._streams = await asyncio.open_connection(sock=connection)
        except BaseException:
            connection.close()
            raise
        return self._streams

    async def _read_answer(self, reader: asyncio.StreamReader) -> int:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        protocol, status, *_ = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        length = headers.get("content-length")
        if length is not None and int(length) <= _MAX_ANSWER_BYTES:
            await reader.readexactly(int(length))
        is_reusable = protocol == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        if length is None or int(length) > _MAX_ANSWER_BYTES or not is_reusable:
            self.close()  # an answer without a length ends with the connection; nobody needs its text
        return int(status)

    def close(self) -> None:
        """Drop the connection. The next request opens another."""
        if self._streams is not None:
            with contextlib.suppress(OSError, RuntimeError):
                self._streams[1].close()
            self._streams = None
