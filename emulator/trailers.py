"""The trailers of chunked requests, which aiohttp reads over: a streamed answer tells an error in them.

A :class:`TrailerTap` stands between a connection and the server's own protocol and follows the framing of requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

from aiohttp import web

_MOST_LINE_BYTES: Final = 2 * 1024 * 1024
"""Of the head of a request, and of a trailer: errors come in one."""


class Framing:
    """Follows HTTP/1.1 requests on one connection, and keeps the trailers of the last."""

    def __init__(self) -> None:
        self.trailers: dict[str, str] = {}
        """Names in lower case."""
        self._line = b""
        self._skip = 0
        """Bytes of a body, or of a chunk with its end of line, that are still to come."""
        self._part: Callable[[bytes], None] = self._head
        self._is_chunked = False
        self._length = 0
        self._is_lost = False

    def feed(self, data: bytes) -> None:
        """Take what came over the connection."""
        while data and not self._is_lost:
            if self._skip:
                taken = min(self._skip, len(data))
                self._skip -= taken
                data = data[taken:]
                continue
            line, end, data = data.partition(b"\n")
            self._line += line + end
            if end:
                whole, self._line = self._line.strip(b"\r\n"), b""
                self._part(whole)
            self._is_lost = self._is_lost or len(self._line) > _MOST_LINE_BYTES

    def _head(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            self._length = int(value) if value.strip().isdigit() else 0
        elif name.lower() == b"transfer-encoding":
            self._is_chunked = b"chunked" in value.lower()
        elif not line:
            self.trailers = {}
            self._skip = 0 if self._is_chunked else self._length
            self._part = self._chunk_size if self._is_chunked else self._head
            self._is_chunked, self._length = False, 0

    def _chunk_size(self, line: bytes) -> None:
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            self._is_lost = True  # the server refuses the request
            return
        self._skip = size + 2 if size else 0
        self._part = self._chunk_size if size else self._trailer

    def _trailer(self, line: bytes) -> None:
        if line:
            name, _, value = line.partition(b":")
            self.trailers[name.decode("latin-1").strip().lower()] = value.decode("latin-1").strip()
        else:
            self._part = self._head


class TrailerTap(asyncio.Protocol):
    """Passes everything on to a server's protocol."""

    def __init__(self, inner: asyncio.Protocol, known: Trailers) -> None:
        self._inner = inner
        self._known = known
        self._framing = Framing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self._known.add(transport, self._framing)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        self._framing.feed(data)
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """See :class:`asyncio.Protocol`."""
        return self._inner.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self._inner.connection_lost(error)

    def pause_writing(self) -> None:
        """See :class:`asyncio.Protocol`."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """See :class:`asyncio.Protocol`."""
        self._inner.resume_writing()


class Trailers:
    """The trailers of the last request of each connection."""

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[asyncio.BaseTransport, Framing] = WeakKeyDictionary()

    def add(self, transport: asyncio.BaseTransport, framing: Framing) -> None:
        """A connection was opened."""
        self._of[transport] = framing

    def of(self, transport: asyncio.BaseTransport | None) -> dict[str, str]:
        """Those of a request whose body has been read to its end."""
        framing = None if transport is None else self._of.get(transport)
        return {} if framing is None else framing.trailers


TRAILERS: Final[web.AppKey[Trailers]] = web.AppKey("trailers", Trailers)
"""Where an application keeps them."""
