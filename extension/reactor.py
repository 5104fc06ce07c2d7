"""One thread for all that comes in: the platform's next event, its telemetry, and what the function's own SDK sends.

With a thread for each, every delivery was a struggle for the interpreter's lock: it cost as much processor time as the
work itself. Whoever has to wait for something goes on serving the others meanwhile.
"""

from __future__ import annotations

import posix
from select import POLLIN, poll
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_S = 60.0


class Reactor:
    """Waits for file descriptors, and calls what each was added with. For one thread."""

    __slots__ = ("_handlers", "_on_trouble", "_poll", "_tick")

    def __init__(self, on_trouble: Callable[[Exception], None], tick: Callable[[], float] | None = None) -> None:
        """Make one without descriptors.

        `tick` is called between waits, and says in how many seconds to call it again at the latest. `on_trouble` is
        told of an exception out of what was called for a descriptor, which is not listened to any longer.
        """
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._on_trouble = on_trouble
        self._poll = poll()
        self._tick = tick

    def add(self, fd: int, on_ready: Callable[[int], None]) -> None:
        """From now on call `on_ready` with `fd` when there is something to read from it, or its other side is gone."""
        self._handlers[fd] = on_ready
        self._poll.register(fd, POLLIN)

    def remove(self, fd: int) -> None:
        """Do not listen to `fd` any longer; may be called for one that was not added."""
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def run_until(self, done: Callable[[], bool], until: float | None) -> bool:
        """Serve until `done`, or that time on the monotonic clock (None for any time); whether it is done."""
        while not done():
            wait_s = _LONGEST_S if self._tick is None else min(self._tick(), _LONGEST_S)
            if until is not None:
                left_s = until - monotonic()
                if left_s <= 0:
                    return False
                wait_s = min(wait_s, left_s)
            self.run_once(wait_s)
        return True

    def run_once(self, timeout_s: float) -> None:
        """Wait for something to happen, and deal with it."""
        for fd, _ in self._poll.poll(int(timeout_s * 1000 + 1)):
            handler = self._handlers.get(fd)
            if handler is None:
                continue  # removed by what was called before it in this very round
            try:
                handler(fd)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others must be served
                self.remove(fd)
                self._on_trouble(error)


class Doorbell:
    """With which another thread wakes the one that runs a reactor. Rings before the wait are not lost."""

    __slots__ = ("fd",)

    def __init__(self) -> None:
        self.fd = posix.eventfd(0, posix.EFD_CLOEXEC | posix.EFD_NONBLOCK)

    def ring(self) -> None:
        """Wake it. May be called by any thread."""
        posix.eventfd_write(self.fd, 1)

    def heard(self, _fd: int) -> None:
        """What the reactor calls: the ring is over."""
        try:
            posix.eventfd_read(self.fd)
        except BlockingIOError:
            return
