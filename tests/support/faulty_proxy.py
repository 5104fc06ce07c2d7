"""A TCP proxy that can refuse, hang, and lose answers."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Final

_SLOW_BYTES: Final = 512
_SLOW_S: Final = 0.1
"""``slow`` forwards so many bytes in so long a time."""


class FaultyProxy:
    """Listens on a free port of 127.0.0.1 and forwards to another.

    ``mode`` is one of ``pass``; ``refuse``: connections are closed at once; ``hang``: nothing is forwarded and nothing
    answered; ``lose``: requests are forwarded, answers are not, so that what was asked is done and nobody hears of it;
    ``slow``: all is forwarded a little at a time.
    A change ends the open connections.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._mode = "pass"
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.port = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._loop.run_forever()
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        target_writer = None
        try:
            if self._mode == "hang":
                await reader.read(-1)
            elif self._mode != "refuse":
                target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
                self._writers.add(target_writer)
                pause_s = _SLOW_S if self._mode == "slow" else 0.0
                back = self._pump(target_reader, writer if self._mode != "lose" else None, pause_s)
                await asyncio.gather(self._pump(reader, target_writer, pause_s), back)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            if target_writer is not None:
                target_writer.transport.abort()

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None, pause_s: float) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_SLOW_BYTES if pause_s else 1 << 16):
                if pause_s:
                    await asyncio.sleep(pause_s)
                if writer is not None:
                    writer.write(data)
                    await writer.drain()
        if writer is not None:
            writer.close()

    def set(self, mode: str) -> None:
        """Behave so from now on."""

        def change() -> None:
            self._mode = mode
            for writer in list(self._writers):
                writer.transport.abort()
            self._writers.clear()

        self._loop.call_soon_threadsafe(change)

    def close(self) -> None:
        """End it."""

        async def end() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._server.close()
            await asyncio.sleep(0)
            self._loop.stop()

        asyncio.run_coroutine_threadsafe(end(), self._loop)
        self._thread.join(10)
