"""What the operator is told: one line to standard error per kind of trouble, and never one per record."""

from __future__ import annotations

import posix

_LONGEST_LINE = 400


class Diagnostics:
    """Writes lines of the form ``lambdascope: …``, each kind once in the life of the process.

    Standard error of an extension ends up in the function's log group, where each line costs the customer money. We
    never subscribe to it, so that no line can come back to us.
    """

    __slots__ = ("_fd", "_said")

    def __init__(self, fd: int = 2) -> None:
        self._fd = fd
        self._said: set[str] = set()

    def say(self, kind: str, text: str) -> None:
        """Write `text`, unless a line of this `kind` was written before. Never raises."""
        if kind in self._said:
            return
        self._said.add(kind)
        line = " ".join(f"lambdascope: {text}".split())[:_LONGEST_LINE] + "\n"
        try:
            posix.write(self._fd, line.encode("utf-8", "replace"))
        except OSError:
            return
