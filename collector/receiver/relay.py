"""The way to the gRPC library's server: whole connections, byte for byte, over a socket that nobody else can reach."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
import time
from typing import TYPE_CHECKING, Final

from collector.errors import Http2Error
from collector.receiver import frames
from collector.receiver.call import Foreign, HeaderBlocks
from collector.receiver.connections import close

if TYPE_CHECKING:
    from collections.abc import Callable

    from grpc import aio

    from collector.receiver.frames import Frame

log = logging.getLogger(__name__)

Client = tuple[str, bytes]
"""A client's address and user agent."""

_REMEMBERED_S: Final = 600.0
_MOST_REMEMBERED: Final = 1024
_MOST_HEADER_BYTES: Final = 64 << 10
_HEADERS: Final = frozenset({frames.HEADERS, frames.CONTINUATION})


class Library:
    """The library's server, and whose connections are its from their first request on."""

    def __init__(self, new_server: Callable[[], aio.Server], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._new_server = new_server
        self._monotonic = monotonic
        self._mixing: dict[tuple[str, bytes | None], float] = {}
        self._socket = -1
        self._joining: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Start it on a Unix socket. Its name is taken away at once; the way that remains is through our own files.

        Raises:
            OSError, RuntimeError: there is no place for the socket.
        """
        folder = tempfile.mkdtemp(prefix="lambdascope-")
        try:
            path = f"{folder}/grpc"
            self._server = self._new_server()
            self._server.add_insecure_port(f"unix:{path}")
            await self._server.start()
            self._close_socket()
            self._socket = os.open(path, os.O_PATH)
        finally:
            shutil.rmtree(folder)

    async def stop(self, grace_s: float) -> None:
        """Take no new call, and wait for those that run."""
        for task in self._joining:
            task.cancel()
        if hasattr(self, "_server"):
            await self._server.stop(grace_s)
        self._close_socket()

    def _close_socket(self) -> None:
        if self._socket >= 0:
            os.close(self._socket)
            self._socket = -1

    def remember(self, client: Client) -> None:
        """It sends exports and other calls on one connection: the next one is the library's, so that it can go on.

        Where one address has several such clients, it may be a proxy's, with all of them on one connection.
        """
        address, user_agent = client
        several = any(known[0] == address and known[1] != user_agent for known in self._mixing)
        key = (address, None if several else user_agent)
        self._mixing.pop(key, None)
        self._mixing[key] = self._monotonic()
        if len(self._mixing) > _MOST_REMEMBERED:
            del self._mixing[next(iter(self._mixing))]

    def serves(self, client: Client) -> bool:
        """Whether its connections are the library's."""
        since_s = max(self._mixing.get(key, -_REMEMBERED_S) for key in (client, (client[0], None)))
        return self._monotonic() - since_s < _REMEMBERED_S

    def take(self, transport: asyncio.Transport, sent: bytes) -> None:
        """Make a connection the library's.

        Args:
            transport: its socket. Nothing was said on it but one SETTINGS.
            sent: all that the client has sent.
        """
        transport.pause_reading()
        client = _Side(Screen().take)
        transport.set_protocol(client)
        task = asyncio.get_running_loop().create_task(self._join(transport, client, sent))
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    async def _join(self, transport: asyncio.Transport, client: _Side, sent: bytes) -> None:
        server = _Side(lambda data: data, ends_whole=True)
        try:
            way = await self._connect(server)
        except (OSError, RuntimeError) as error:
            log.warning("grpc port: no way to what answers health checks: %s", error)
            transport.abort()
            return
        except asyncio.CancelledError:
            transport.abort()  # it does not read: nobody else would notice that its client has gone
            raise
        server.other, client.other = transport, way
        client.data_received(sent)
        if client.lost:
            close(way)
        else:
            transport.resume_reading()

    async def _connect(self, side: _Side) -> asyncio.Transport:
        """A connection to the server, which is started anew where it has ended.

        It ends by itself at any fault in what takes its calls: that of grpcio 1.85, at a path that is not UTF-8.
        """
        socket = self._socket
        loop = asyncio.get_running_loop()
        try:
            way, _ = await loop.create_unix_connection(lambda: side, f"/proc/self/fd/{socket}")
        except ConnectionRefusedError:
            async with self._starting:
                if self._socket == socket:
                    log.warning("grpc port: what answers health checks has ended by itself, and is started again")
                    await self.start()
            way, _ = await loop.create_unix_connection(lambda: side, f"/proc/self/fd/{self._socket}")
        return way


class _Side(asyncio.Protocol):
    """One of two sockets, of which each sends what the other gets."""

    def __init__(self, change: Callable[[bytes], bytes], *, ends_whole: bool = False) -> None:
        """``ends_whole`` is of one that is gone when it sends nothing more."""
        self._change = change
        self._ends_whole = ends_whole
        self.other: asyncio.Transport | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Only of the way to the server."""

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        if self.other is None:
            return
        try:
            self.other.write(self._change(data))
        except Http2Error:
            self.other.abort()  # which ends the other way too

    def pause_writing(self) -> None:
        """This side does not keep up."""
        if self.other is not None and not self.other.is_closing():
            self.other.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        if self.other is not None and not self.other.is_closing():
            self.other.resume_reading()

    def eof_received(self) -> bool:
        """This side sends nothing more; it may still be answered where the other can be told (TLS cannot)."""
        if self._ends_whole or self.other is None or not self.other.can_write_eof():
            return False
        self.other.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's
        """So is the other, once it has what was sent."""
        self.lost = True
        if self.other is not None:
            close(self.other)


class Screen:
    """What the library gets of a client's bytes.

    Not one acknowledgement of SETTINGS: of ours, of which the library knows nothing. No headers that it may not
    survive, nor any that cannot be read: they are held back until they have been looked at as a whole.
    """

    def __init__(self) -> None:
        self._blocks = HeaderBlocks(_MOST_HEADER_BYTES)
        self._block: bytes | None = None
        self._held = b""
        self._at = 0
        self._passing = len(frames.PREFACE)
        self._acknowledged = False

    def take(self, data: bytes) -> bytes:
        """What of the next bytes, and of those that were held back, is the library's.

        Raises:
            Http2Error: it is to get nothing more.
        """
        data, at, begin, safe, out = self._held + data, self._at, 0, 0, b""
        while True:
            if self._passing:
                step = min(self._passing, len(data) - at)
                self._passing -= step
                safe = at = at + step
            if self._passing or len(data) - at < frames.HEAD_BYTES:
                break
            kind, flags = data[at + 3], data[at + 4]
            if kind in _HEADERS or self._block is not None:
                frame = frames.read(data, at, _MOST_HEADER_BYTES)
                if frame is None:
                    break
                at += frames.HEAD_BYTES + len(frame.payload)
                safe = at if self._is_checked(frame) else safe
            elif kind == frames.SETTINGS and flags & frames.ACK and not self._acknowledged:
                self._acknowledged = True
                out += data[begin:at]
                begin = safe = at = at + frames.HEAD_BYTES  # it has no payload
            else:
                self._passing = frames.HEAD_BYTES + int.from_bytes(data[at : at + 3], "big")
        self._held, self._at = data[safe:], at - safe
        return out + data[begin:safe]

    def _is_checked(self, frame: Frame) -> bool:
        """Look at a piece of headers; returns whether it was the last."""
        if (frame.kind == frames.CONTINUATION) != (self._block is not None):
            raise Http2Error(frames.PROTOCOL_ERROR, "headers in disorder")
        block = (self._block or b"") + frames.content(frame)
        if len(block) > _MOST_HEADER_BYTES:
            raise Http2Error(frames.ENHANCE_YOUR_CALM, "headers without end")
        if not frame.flags & frames.END_HEADERS:
            self._block = block
            return False
        self._block = None
        headers = self._blocks.read(block)
        if isinstance(headers, Foreign) and not headers.is_text:
            raise Http2Error(frames.PROTOCOL_ERROR, "headers that are not ASCII")
        return True
