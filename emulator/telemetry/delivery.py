"""Sends one subscription's batches into the sandbox, only while it is not frozen."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

from emulator.clock import Clock, rfc3339
from emulator.telemetry import records
from emulator.telemetry.buffer import Buffer
from emulator.telemetry.http_client import Connection, DeliveryError
from emulator.telemetry.hub import encode
from emulator.telemetry.subscription import TCP, Subscription
from emulator.telemetry.tcp_client import LineConnection

ATTEMPTS: Final = 5
FIRST_BACKOFF_S: Final = 0.1
ATTEMPT_TIMEOUT_S: Final = 5.0
"""Of time in which the sandbox ran: while it is frozen, nothing times out."""
_DROP_REASON: Final = "Some logs were dropped because the downstream consumer is slower than the logs production rate"


class Gate:
    """Open while the sandbox runs."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    def close(self) -> None:
        """The sandbox is frozen."""
        self._open.clear()

    def open(self) -> None:
        """The sandbox runs."""
        self._open.set()

    @property
    def is_open(self) -> bool:
        """Whether the sandbox runs."""
        return self._open.is_set()

    async def wait(self) -> None:
        """Wait until the sandbox runs."""
        await self._open.wait()


class Delivery:
    """A subscription's queue and the task that empties it."""

    def __init__(
        self,
        subscription: Subscription,
        host: str,
        open_socket: Callable[[], socket.socket],
        gate: Gate,
        clock: Clock,
        on_posted: Callable[[list[bytes], bool], None],
    ) -> None:
        """``on_posted`` gets each batch that was posted at least once, and whether it was accepted in the end."""
        self._on_posted = on_posted
        self._subscription = subscription
        self._buffer = Buffer(subscription.buffering)
        port = subscription.destination.port
        self._connection = Connection(host, port, open_socket)
        self._lines = LineConnection(host, port, open_socket) if subscription.destination.protocol == TCP else None
        self._gate = gate
        self._clock = clock
        self._changed = asyncio.Event()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._sequence = 0
        self._task = asyncio.create_task(self._run(), name=f"telemetry-{port}")

    def add(self, record: bytes) -> None:
        """Queue one encoded record."""
        self._buffer.add(record, self._clock.now_ns())
        self._is_empty.clear()
        self._changed.set()

    def flush(self) -> None:
        """Send what waits without waiting for the batch to fill."""
        self._buffer.flush()
        self._changed.set()

    async def wait_sent(self) -> None:
        """Wait until nothing waits and nothing is on its way."""
        await self._is_empty.wait()

    async def close(self) -> None:
        """Stop sending; what still waits is lost with the sandbox."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._connection.close()
        if self._lines is not None:
            self._lines.close()

    async def _run(self) -> None:
        while True:
            await self._wait_until_due()
            batch = self._buffer.take()
            is_accepted = False
            try:
                is_accepted = await self._send(batch)
            finally:  # where the sandbox ends meanwhile, too
                self._on_posted(batch, is_accepted)
            if not is_accepted:
                self._buffer.count_dropped(len(batch), sum(map(len, batch)))
            self._tell_dropped()
            if not len(self._buffer):
                self._is_empty.set()

    async def _wait_until_due(self) -> None:
        while True:
            await self._gate.wait()
            self._changed.clear()
            due_ns = self._buffer.due_ns()
            wait_s = None if due_ns is None else self._clock.to_loop_time(due_ns) - asyncio.get_running_loop().time()
            if wait_s is not None and wait_s <= 0:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()

    async def _send(self, batch: list[bytes]) -> bool:
        """Deliver one batch, with repeats where its receiver answers. False where it is given up."""
        if self._lines is not None:
            return await self._lines.send(batch)
        body = b"[" + b",".join(batch) + b"]"
        self._sequence += 1
        headers = {"Content-Type": "application/json", "Sequence-Id": str(self._sequence)}
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(FIRST_BACKOFF_S * 2 ** (attempt - 1))
                await self._gate.wait()
            with contextlib.suppress(DeliveryError):
                status = await self._attempt(headers, body)
                if 200 <= status < 300:
                    return True
        return False

    async def _attempt(self, headers: dict[str, str], body: bytes) -> int:
        target = self._subscription.destination
        request = asyncio.create_task(self._connection.request(target.method, target.path, headers, body))
        try:
            while not request.done():
                done, _ = await asyncio.wait({request}, timeout=ATTEMPT_TIMEOUT_S)
                if not done and self._gate.is_open:
                    raise DeliveryError("no answer in time")
                await self._gate.wait()
            return request.result()
        finally:
            if not request.done():
                request.cancel()
                self._connection.close()

    def _tell_dropped(self) -> None:
        dropped = self._buffer.take_dropped()
        if dropped is not None and "platform" in self._subscription.types:
            now_ns = self._clock.now_ns()
            record = records.logs_dropped(_DROP_REASON, dropped.records, dropped.size_bytes)
            self._buffer.add(encode(rfc3339(now_ns), records.LOGS_DROPPED, record), now_ns)
