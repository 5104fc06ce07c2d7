"""Where extension, runtime and function init end, by the best of what is known of it. Pure."""

from __future__ import annotations

from extension.records import Record
from extension.timestamps import NS_PER_MS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from extension.init_runs import InitRun
    from extension.marks import Import, RuntimeMarks

PROC, WRAPPER, PROBE = "proc", "wrapper", "probe"
_RESOLUTION_NS = NS_PER_MS
"""Of the platform's times, which are cut to it."""


class InitSplit(Record):
    """The borders inside an init.

    Attributes:
        runtime_ns: when the runtime's process started.
        source: what that rests on, ``proc`` or ``wrapper``.
        load_ns, loaded_ns: the loading of the handler; None where no probe told.
        imports: the longest of those below it.
    """

    __slots__ = ("imports", "load_ns", "loaded_ns", "runtime_ns", "source")
    runtime_ns: int
    source: str
    load_ns: int | None
    loaded_ns: int | None
    imports: tuple[Import, ...]


def split_of(
    run: InitRun, starts: Iterable[RuntimeMarks], proc_start_ns: int | None, registered_ns: int
) -> InitSplit | None:
    """The borders of `run`, by the wrapper's marks, else by /proc; None where neither says anything of it."""
    start_ns, done = run.start_ns, run.done
    if start_ns is None or done is None or run.restore:
        return None
    for marks in starts:
        if start_ns - _RESOLUTION_NS <= marks.start_ns <= done.time_ns + _RESOLUTION_NS:
            return _by_marks(marks, start_ns, done.time_ns)
    border_ns = run.runtime_border_ns(proc_start_ns, registered_ns)
    if border_ns is None:
        return None
    return InitSplit(runtime_ns=border_ns, source=PROC, imports=())


def _by_marks(marks: RuntimeMarks, start_ns: int, done_ns: int) -> InitSplit:
    runtime_ns = min(max(marks.start_ns, start_ns), done_ns)
    load_ns = marks.load_ns
    if load_ns is None or not runtime_ns <= load_ns <= done_ns + _RESOLUTION_NS:
        return InitSplit(runtime_ns=runtime_ns, source=WRAPPER, imports=())
    # The end of loading, or that of all of init where the probe could not see it (ES modules, a load that failed).
    loaded_ns = max(load_ns, done_ns)
    if marks.loaded_ns is not None and load_ns <= marks.loaded_ns <= done_ns + _RESOLUTION_NS:
        loaded_ns = marks.loaded_ns
    return InitSplit(runtime_ns=runtime_ns, source=WRAPPER, load_ns=load_ns, loaded_ns=loaded_ns, imports=marks.imports)
