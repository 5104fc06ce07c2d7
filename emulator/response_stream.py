"""A function's answer that is passed on while the function still writes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

_AHEAD_CHUNKS: Final = 16
"""How far the function may be ahead of its caller."""


class ResponseStream:
    """Chunks from the runtime to the caller, if there is one who reads them."""

    def __init__(self, content_type: str, *, is_read: bool) -> None:
        self.content_type = content_type
        self.error: bytes | None = None
        """What went wrong after the first byte, as JSON with ``errorType``. Known when the last chunk has been read."""
        self._is_read = is_read
        self._is_over = False
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(_AHEAD_CHUNKS)

    async def write(self, chunk: bytes) -> None:
        """Pass a chunk on, as soon as the caller has taken enough of those before."""
        if self._is_read:
            await self._room.acquire()
        if self._is_read and not self._is_over:
            self._chunks.put_nowait(chunk)

    def finish(self, error: bytes | None) -> None:
        """There will be no more chunks. Only the first call counts."""
        if not self._is_over:
            self._is_over = True
            self.error = error
            self._chunks.put_nowait(None)

    def abandon(self) -> None:
        """The caller has gone: let the function write on for nobody."""
        self._is_read = False
        self._room.release()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Read to the end."""
        while (chunk := await self._chunks.get()) is not None:
            self._room.release()
            yield chunk

    async def read(self, most_bytes: int) -> bytes:
        """All of it, or the first part of more than is asked for."""
        collected = bytearray()
        async for chunk in self.chunks():
            collected += chunk[: most_bytes - len(collected)]
        return bytes(collected)
