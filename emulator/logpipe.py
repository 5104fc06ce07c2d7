"""The captured output of one program, line by line."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from emulator import wire

_READ_BYTES = 64 * 1024


class LogPipe:
    """A pipe whose write end a program gets as stdout and stderr."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read_end, False)
        self._rest = b""
        self._is_open = True
        asyncio.get_running_loop().add_reader(self._read_end, self._readable)

    def close_write_end(self) -> None:
        """Forget our copy once the program has its own, so that the end of the output can be seen."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def drain(self) -> None:
        """Take everything that has been written so far."""
        while self._is_open and self._read():
            pass

    def _readable(self) -> None:
        self._read()

    def _read(self) -> bool:
        try:
            data = os.read(self._read_end, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self.close()
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) >= wire.LOG_SINK_BYTES:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._tell(line)
        return True

    def _tell(self, line: bytes) -> None:
        self._on_line(line.decode(errors="replace"))

    def close(self) -> None:
        """Stop reading. A last line without its end is told. May be called twice."""
        self.close_write_end()
        if self._is_open:
            self._is_open = False
            asyncio.get_running_loop().remove_reader(self._read_end)
            os.close(self._read_end)
            if self._rest:
                self._tell(self._rest)
                self._rest = b""
