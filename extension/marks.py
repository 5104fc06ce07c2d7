"""What the wrapper and its probe say of the runtime's start: datagrams that the launcher has listened for.

::

    runtime START_NS           the wrapper, on a line each followed by log group, log stream and AWS_EXECUTION_ENV
    load BEGIN_NS              the probe: the runtime begins to load the handler's module
    loaded BEGIN_NS END_NS     and has ended; a line "BEGIN_NS END_NS NAME" for each import that took long

Times are nanoseconds since the epoch. Anything in the sandbox can write here: what makes no sense is left out.
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
        log_group, log_stream, execution_environment: empty where they are not known.
        load_ns, loaded_ns: the loading of the handler's module; None where no probe told.
        imports: below it, in the order of their begins.
    """

    __slots__ = ("execution_environment", "imports", "load_ns", "loaded_ns", "log_group", "log_stream", "start_ns")

    def __init__(
        self, start_ns: int, log_group: str = "", log_stream: str = "", execution_environment: str = ""
    ) -> None:
        self.start_ns = start_ns
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
        times = [_time(word) for word in words]
        if None in times:
            return
        if kind == "runtime" and len(times) == 1:
            fields = [line[:_LONGEST_FIELD] for line in (*lines, "", "", "")[:3]]
            self.starts.append(RuntimeMarks(times[0] or 0, *fields))
            del self.starts[:-_MOST_STARTS]
        elif kind == "load" and len(times) == 1 and self.starts and self.starts[-1].load_ns is None:
            self.starts[-1].load_ns = times[0]
        elif kind == "loaded" and len(times) == 2 and self.starts and self.starts[-1].load_ns == times[0]:
            self.starts[-1].loaded_ns = times[1]
            found = [_import(line) for line in lines[:_MOST_IMPORTS]]
            self.starts[-1].imports = tuple(one for one in found if one is not None)


def _time(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 20 else None


def _import(line: str) -> Import | None:
    begin, _, rest = line.partition(" ")
    end, _, name = rest.partition(" ")
    begin_ns, end_ns = _time(begin), _time(end)
    if begin_ns is None or end_ns is None or not name or end_ns < begin_ns:
        return None
    return Import(name=name[:_LONGEST_NAME], begin_ns=begin_ns, end_ns=end_ns)
