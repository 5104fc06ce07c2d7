"""What the wrapper and its probe say of the runtime's start: datagrams that the launcher has listened for.

::

    runtime START_NS TICKS_NS  the wrapper, on a line each followed by log group, log stream and AWS_EXECUTION_ENV
    load BEGIN_NS              the probe: the runtime begins to load the handler's module
    loaded BEGIN_NS END_NS     and has ended; a line "BEGIN_NS END_NS NAME" for each import that took long
    load_ticks, loaded_ticks   the same, by the clock of TICKS_NS

Times are nanoseconds since the epoch, ticks those of CLOCK_MONOTONIC. An init has three marks of 33 KB at most, which
a socket takes while nobody reads. Anything in the sandbox can write here: what makes no sense is left
out.
"""

from __future__ import annotations

import posix

from extension.records import Record

_MOST_BYTES = 65536
_MOST_STARTS = 4
_MOST_IMPORTS = 100
_LONGEST_NAME = 256
_LONGEST_FIELD = 1024


class Import(Record):
    """An import below the handler's module that took long."""

    __slots__ = ("begin_ns", "end_ns", "name")
    name: str
    begin_ns: int
    end_ns: int


class RuntimeMarks:
    """One start of the runtime.

    Attributes:
        start_ns: when its process was started.
        ticks_ns: the same moment by CLOCK_MONOTONIC.
        log_group, log_stream, execution_environment: empty where they are not known.
        load_ns, loaded_ns: the loading of the handler's module; None where no probe told.
        imports: below it, in the order of their begins.
    """

    __slots__ = (
        "execution_environment",
        "imports",
        "load_ns",
        "loaded_ns",
        "log_group",
        "log_stream",
        "start_ns",
        "ticks_ns",
    )

    def __init__(
        self, start_ns: int, ticks_ns: int, log_group: str = "", log_stream: str = "", execution_environment: str = ""
    ) -> None:
        self.start_ns = start_ns
        self.ticks_ns = ticks_ns
        self.log_group = log_group
        self.log_stream = log_stream
        self.execution_environment = execution_environment
        self.load_ns: int | None = None
        self.loaded_ns: int | None = None
        self.imports: tuple[Import, ...] = ()


class MarksReader:
    """Reads the marks from a datagram socket.

    Attributes:
        starts: the latest starts of the runtime, in their order.
    """

    __slots__ = ("_fd", "starts")

    def __init__(self, fd: int | None) -> None:
        """`fd`: None where nobody listens."""
        self._fd = fd
        self.starts: list[RuntimeMarks] = []
        if fd is not None:
            posix.set_blocking(fd, False)

    def read(self) -> None:
        """Take what has come. Never waits."""
        while self._fd is not None:
            try:
                mark = posix.read(self._fd, _MOST_BYTES)
            except OSError:
                return
            if not mark:
                return
            self.take(mark.decode("utf-8", "replace"))

    def take(self, mark: str) -> None:
        """Take one mark."""
        first, *lines = mark.split("\n")
        kind, *words = first.split(" ")
        times = [time for time in map(_time, words) if time is not None]
        if len(times) < len(words):
            return
        if kind == "runtime" and len(times) == 2:
            fields = [line[:_LONGEST_FIELD] for line in (*lines, "", "", "")[:3]]
            self.starts.append(RuntimeMarks(times[0], times[1], *fields))
            del self.starts[:-_MOST_STARTS]
        elif self.starts:
            _take_probe(self.starts[-1], kind, times, lines)


def _take_probe(start: RuntimeMarks, kind: str, times: list[int], lines: list[str]) -> None:
    """A mark of the probe that this start of the runtime has. Of several workers' the first one's counts."""
    kind, _, ticks = kind.partition("_")
    later_ns = start.start_ns - start.ticks_ns if ticks == "ticks" else 0
    times = [time + later_ns for time in times]
    if kind == "load" and len(times) == 1 and start.load_ns is None:
        start.load_ns = times[0]
    elif kind == "loaded" and len(times) == 2 and start.load_ns == times[0]:
        start.loaded_ns = times[1]
        found = [_import(line, later_ns) for line in lines[:_MOST_IMPORTS]]
        start.imports = tuple(one for one in found if one is not None)


def _time(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 20 else None


def _import(line: str, later_ns: int) -> Import | None:
    begin, _, rest = line.partition(" ")
    end, _, name = rest.partition(" ")
    begin_ns, end_ns = _time(begin), _time(end)
    if begin_ns is None or end_ns is None or not name or end_ns < begin_ns:
        return None
    return Import(name=name[:_LONGEST_NAME], begin_ns=begin_ns + later_ns, end_ns=end_ns + later_ns)
