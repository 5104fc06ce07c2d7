"""Long-running child processes: started, waited for until they say they are ready, stopped in order."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_POLL_S = 0.05


class ProcessError(Exception):
    """A process of the local stack could not start, or ended when it should not have. The message says which."""


class Process:
    """A child whose output goes to a log file and whose readiness is a line in it.

    Args:
        name: what error messages call it.
        command: the program and its arguments.
        log: where standard output and standard error go; overwritten.
        ready: matches the line that says it is ready; its groups are :attr:`ready_match`.
        environ: variables set beside those of this process.
        cwd: the child's working folder.

    Raises:
        ProcessError: from :meth:`wait_ready`, with the child's own last words.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        ready: str,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self.ready_match: re.Match[str] | None = None
        self._ready = re.compile(ready, re.MULTILINE)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            # A session of its own: Ctrl-C reaches the parent alone, which then stops its children in the right order.
            self._child = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environ or {})},
                cwd=cwd,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509  the stack has one thread when it starts its children
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    def wait_ready(self, timeout_s: float = 60) -> re.Match[str]:
        """Waits for the readiness line and returns its match."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            ended = self._child.poll()
            self.ready_match = self._ready.search(self.output())
            if self.ready_match:
                return self.ready_match
            if ended is not None:
                raise ProcessError(f"{self.name} ended with {ended} before it was ready: {self.last_words()}")
            time.sleep(_POLL_S)
        raise ProcessError(f"{self.name} was not ready within {timeout_s:.0f} s: {self.last_words()}")

    def check_alive(self) -> None:
        """Raises :exc:`ProcessError` where the child has ended."""
        ended = self._child.poll()
        if ended is not None:
            raise ProcessError(f"{self.name} ended with {ended}: {self.last_words()}")

    def output(self) -> str:
        """All that it has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def last_words(self, lines: int = 12) -> str:
        """The last lines that it printed, and where the rest is."""
        tail = "\n  ".join(self.output().strip().splitlines()[-lines:])
        return f"{tail or 'it printed nothing'}\n  (all of it: {self.log})"

    def stop(self, grace_s: float = 20) -> int:
        """SIGTERM, then SIGKILL to its whole session after ``grace_s``; the exit status. May be called twice."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
        try:
            return self._child.wait(grace_s)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            return self._child.wait()


def _end_with_parent() -> None:
    """In the child: SIGTERM when the parent dies, however it dies, so that nothing is left running."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
