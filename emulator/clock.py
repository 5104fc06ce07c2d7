"""One clock for everything the emulator records: Unix time that never steps."""

from __future__ import annotations

import datetime as dt
import time

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class Clock:
    """Nanoseconds since the epoch, as the machine told them once, carried on by its monotonic clock.

    So the difference of two readings is a true duration, and records agree with one another although the machine's
    time is set meanwhile.
    """

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return time.monotonic_ns() + self._offset_ns

    def to_loop_time(self, at_ns: int) -> float:
        """The same instant in seconds of ``asyncio``'s clock, which is the machine's monotonic one."""
        return (at_ns - self._offset_ns) / NS_PER_S


def rfc3339(at_ns: int) -> str:
    """An instant as the Telemetry API writes it: UTC, milliseconds, cut rather than rounded."""
    seconds, rest_ns = divmod(at_ns, NS_PER_S)
    stamp = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return f"{stamp:%Y-%m-%dT%H:%M:%S}.{rest_ns // NS_PER_MS:03d}Z"


def milliseconds(duration_ns: int) -> float:
    """A duration as Lambda writes it: milliseconds with three decimals."""
    return round(duration_ns / NS_PER_MS, 3)
