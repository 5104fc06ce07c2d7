"""The journal's file: opened with care, written a line at a time, bounded, and given up on at the first trouble.

/tmp belongs to the function, which may fill it, empty it or put what it likes there. Nothing of that may cost more
than one line on standard error.
"""

from __future__ import annotations

import posix
from _thread import allocate_lock

from extension import own_file, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from extension.attempts import Attempt
    from extension.diagnostics import Diagnostics
    from extension.state import Counts, Remembered

    class Numbered(Protocol):
        """What has batches that are numbered."""

        def counts(self) -> Counts:
            """How far they have come."""

        def begin_after(self, before: Counts) -> None:
            """Number them from there on."""


_MOST_BYTES = 1 << 16
"""When the journal has grown to this, it is written anew with what still matters of it."""
_MOST_ATTEMPTS = 64


class Journal:
    """The journal of one sandbox. Safe for use by several threads.

    Nothing is written before something happens: clones of a SnapStart snapshot must not find each other's journal.
    A function that tidies up /tmp takes the file away: then all that matters is written anew at the next occasion.
    """

    __slots__ = ("_counts", "_diagnostics", "_fd", "_header", "_instance", "_lives", "_lock", "_numbered", "_open",
                 "_path", "_recent", "_size")  # fmt: skip

    def __init__(self, path: str, header: str, diagnostics: Diagnostics) -> None:
        """`path`: empty for none. `header`: :func:`extension.state.first_line`."""
        self._path = path
        self._header = header
        self._diagnostics = diagnostics
        self._lock = allocate_lock()
        self._fd: int | None = None
        self._size = 0
        self._numbered: dict[str, Numbered] = {}
        self._counts: dict[str, str] = {}
        self._instance = ""
        self._lives = 0
        self._open: dict[tuple[str, int], str] = {}
        self._recent: dict[tuple[str, int], str] = {}

    @property
    def path(self) -> str:
        """Where it is; empty where there is none, or none any more."""
        return self._path

    def recall(self) -> Remembered | None:
        """What the process before this one left behind; None where there is nothing, or nothing of this sandbox."""
        if not self._path:
            return None
        try:
            data = own_file.read(self._path, 2 * _MOST_BYTES)
        except OSError:
            return None  # whatever is there, a file of ours takes its place; if that cannot be, it will be told
        remembered = state.parse(data.decode("ascii", "replace"), self._header, _MOST_ATTEMPTS)
        if remembered is not None:
            self._go_on_from(remembered)
        return remembered

    def count(self, signal: str, batches: Numbered) -> None:
        """From now on keep how far the batches of a signal have come."""
        self._numbered[signal] = batches

    # What happens; these are the lifecycle's words for it ------------------------------------------------------------

    def settled(self, instance_id: str, exporter: str, life: int, *, given: bool) -> None:
        """The sandbox has its id."""
        self._instance = state.instance(instance_id, exporter, given=given)
        self._lives = life - 1
        self._append(self._instance)

    def began(self, attempt: Attempt) -> None:
        """An attempt began, or more is known of it."""
        line = self._open[attempt.request_id, attempt.number] = state.opened(attempt)
        self._append(line + self._counts_changed())

    def ended(self, attempt: Attempt, end_ns: int) -> None:
        """The span of an attempt was made."""
        key = attempt.request_id, attempt.number
        line = state.ended(attempt, end_ns)
        self._recent[key] = self._open.pop(key, "") + line
        if len(self._recent) > _MOST_ATTEMPTS:
            del self._recent[next(iter(self._recent))]
        self._append(line)

    def counted(self) -> None:
        """Something was queued, or put into batches, or dropped."""
        lines = self._counts_changed()
        if lines:
            self._append(lines)

    def ending(self, reason: str) -> None:
        """SHUTDOWN was received."""
        self._append(f"reset {reason}\n")

    def forget(self) -> None:
        """The sandbox ends for good, or the journal turned out to be another one's."""
        with self._lock:
            self._close()
            self._instance, self._lives = "", 0
            self._open, self._recent, self._counts = {}, {}, {}
            for batches in self._numbered.values():
                batches.begin_after(state.Counts())
            if self._path:
                own_file.remove(self._path)

    # The file --------------------------------------------------------------------------------------------------------

    def _go_on_from(self, remembered: Remembered) -> None:
        self._lives = remembered.lives
        if remembered.instance_id is not None:
            given = remembered.instance_given
            self._instance = state.instance(remembered.instance_id, remembered.exporter, given=given)
        for attempt in remembered.attempts:
            key, line = (attempt.request_id, attempt.number), state.opened(attempt)
            if attempt.done is None:
                self._open[key] = line
            else:
                self._recent[key] = line + state.ended(attempt, attempt.done.time_ns)
        self._counts = {name: state.counted(name, counts) for name, counts in remembered.counts.items()}
        with self._lock:
            self._rewrite()

    def _append(self, lines: str) -> None:
        if not self._path:
            return
        with self._lock:
            if self._fd is None or self._size > _MOST_BYTES or not posix.fstat(self._fd).st_nlink:
                self._rewrite()  # which has what the lines say already, but for a reason
                if not lines.startswith("reset"):
                    return
            self._write(lines)

    def _write(self, lines: str) -> None:
        data = lines.encode("ascii")
        self._size += len(data)
        try:
            written = len(data) if self._fd is None else posix.write(self._fd, data)
        except OSError as error:
            self._give_up(error)
        else:
            if written != len(data):
                self._give_up(OSError("no room for a line"))

    def _rewrite(self) -> None:
        """Put a new file in the place of the old: with what still matters, and whole or not at all."""
        self._close()
        fresh = self._path + "+"
        lines = [self._header, f"life {self._lives}\n", self._instance]
        lines += [*self._counts.values(), *self._recent.values(), *self._open.values()]
        self._size = 0
        try:
            own_file.remove(fresh)
            self._fd = own_file.create(fresh)
            self._write("".join(lines))
            if self._fd is not None:
                posix.rename(fresh, self._path)
        except OSError as error:
            self._give_up(error)

    def _counts_changed(self) -> str:
        changed = ""
        for signal, batches in self._numbered.items():
            line = state.counted(signal, batches.counts())
            if line != self._counts.get(signal):
                self._counts[signal] = line
                changed += line
        return changed

    def _give_up(self, error: OSError) -> None:
        """Carry on without; what the file says is no longer true, so that no other process may believe it."""
        path, self._path = self._path, ""
        trouble = error.strerror or str(error)
        self._diagnostics.say("state", f"{path}: {trouble}; after a timeout or crash this sandbox counts as a new one")
        self._close()
        own_file.remove(path + "+")
        own_file.remove(path)

    def _close(self) -> None:
        if self._fd is not None:
            posix.close(self._fd)
            self._fd = None


def boot_id(path: str = "/proc/sys/kernel/random/boot_id") -> str:
    """Which start of the machine this is; empty where it does not say."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            return posix.read(fd, 64).decode("ascii", "replace").strip()
        finally:
            posix.close(fd)
    except OSError:
        return ""
