"""The open connections of a port, and what they share: a clock, a date, and how long a client may take."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from typing import Final, Protocol

IDLE_S: Final = 75.0
"""How long a connection may stay open between requests: longer than load balancers keep theirs."""
STALLED_S: Final = 20.0
"""How long a client may pause within a request."""
REQUEST_S: Final = 120.0
"""How long a client may take to send a request."""
_SWEEP_S: Final = 5.0


def close(transport: asyncio.Transport) -> None:
    """Close it once the client has read what it was sent, or has had its time for it.

    asyncio alone waits for ever: a client that does not read could keep as many sockets as it likes.
    """
    if transport.is_closing():
        return
    transport.close()
    if transport.get_write_buffer_size():
        asyncio.get_running_loop().call_later(STALLED_S, transport.abort)


class Connection(Protocol):
    """One client's."""

    @property
    def answering(self) -> bool:
        """Whether an answer is due."""

    def tend(self, now_s: float) -> None:
        """Called every few seconds: end what takes longer than it may."""

    def leave(self) -> None:
        """The port closes: take no further request, and close unless an answer is due."""

    def close(self) -> None:
        """Send the client away."""


class Connections:
    """The open ones. In a running event loop."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._loop = asyncio.get_running_loop()
        self._date = (0, b"")
        self.closing = False
        self._sweep: asyncio.TimerHandle = self._loop.call_later(_SWEEP_S, self._tend)

    def __len__(self) -> int:
        return len(self._open)

    def now_s(self) -> float:
        """Seconds of a clock that only goes forward."""
        return self._loop.time()

    def date(self) -> bytes:
        """For the header of this name (RFC 9110, 6.6.1)."""
        now = int(time.time())
        if self._date[0] != now:
            self._date = (now, formatdate(now, usegmt=True).encode())
        return self._date[1]

    def add(self, connection: Connection) -> None:
        """A client has come."""
        self._open.add(connection)

    def discard(self, connection: Connection) -> None:
        """It is no longer ours."""
        self._open.discard(connection)

    def _tend(self) -> None:
        self._sweep = self._loop.call_later(_SWEEP_S, self._tend)  # first: a fault in one must not be the end of it
        now_s = self.now_s()
        for connection in list(self._open):
            connection.tend(now_s)

    async def close(self, grace_s: float) -> None:
        """Send the idle ones away at once, and the others with their answer or after the grace."""
        self.closing = True
        self._sweep.cancel()
        deadline_s = self.now_s() + grace_s
        for connection in list(self._open):
            connection.leave()
        while self._open:
            late = self.now_s() >= deadline_s
            for connection in [connection for connection in self._open if late or not connection.answering]:
                connection.close()
                self._open.discard(connection)
            if self._open:
                await asyncio.sleep(0.01)
