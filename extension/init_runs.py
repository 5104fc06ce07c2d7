"""One run of init or restore: what the platform said of it."""

from __future__ import annotations

from extension.timestamps import NS_PER_MS, NS_PER_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from extension.records import InitReport, InitRuntimeDone, InitStart

PROC_TICK_NS = 10 * NS_PER_MS
"""The resolution of process start times in /proc."""
_COLD_WITHIN_NS = 10 * NS_PER_S
_SNAP_START = "snap-start"
_NOBODY_WAITS = frozenset({"provisioned-concurrency", "lambda-managed-instances"})


class InitRun:
    """An init or, with `restore`, a restore of a snapshot.

    Attributes:
        sent: whether its spans were made.
        snapshot: whether a restore in the same sandbox shows it to be of a snapshot.
        waited: whether the invocation after it waited for it; None as long as that is not known.
    """

    __slots__ = ("_type", "done", "report", "restore", "sent", "snapshot", "start", "waited")

    def __init__(self, initialization_type: str | None, *, restore: bool) -> None:
        """`initialization_type`: the sandbox's, where the records do not say."""
        self._type = initialization_type
        self.restore = restore
        self.start: InitStart | None = None
        self.done: InitRuntimeDone | None = None
        self.report: InitReport | None = None
        self.sent = False
        self.snapshot = False
        self.waited: bool | None = None

    @property
    def initialization_type(self) -> str | None:
        """``on-demand``, ``provisioned-concurrency`` …"""
        for record in (self.start, self.done, self.report):
            if record is not None and record.initialization_type is not None:
                return record.initialization_type
        return self._type

    @property
    def phase(self) -> str | None:
        """``init``, ``invoke`` (a suppressed init) or ``snap-start``."""
        for record in (self.start, self.report, self.done):
            if record is not None and record.phase is not None:
                return record.phase
        return None

    @property
    def of_snapshot(self) -> bool:
        """Whether this is the init that a snapshot was made from: hours or days before this sandbox."""
        if self.restore or self.phase == "invoke":
            return False
        return self.snapshot or _SNAP_START in {self.initialization_type, self.phase}

    @property
    def start_ns(self) -> int | None:
        """Its start, else what report says of it."""
        if self.start is not None:
            return self.start.time_ns
        if self.report is not None and self.report.duration_ms is not None:
            return self.report.time_ns - round(self.report.duration_ms * NS_PER_MS)
        return None

    @property
    def end_ns(self) -> int | None:
        """Start and the report's duration, else the time when the runtime was done; None where neither was told."""
        if self.report is not None:
            start_ns = self.start_ns
            if start_ns is None or self.report.duration_ms is None:
                return self.report.time_ns
            return start_ns + round(self.report.duration_ms * NS_PER_MS)
        return self.done.time_ns if self.done is not None else None

    @property
    def status(self) -> str | None:
        """The platform's word."""
        for record in (self.report, self.done):
            if record is not None and record.status is not None:
                return record.status
        return None

    @property
    def error_type(self) -> str | None:
        """What failed, where something did."""
        for record in (self.report, self.done):
            if record is not None and record.error_type is not None:
                return record.error_type
        return None

    def is_waited_for(self, invocation_start_ns: int) -> bool:
        """Whether an invocation that started then waited for this: the definition of a cold start."""
        if self.of_snapshot:
            return False
        if self.phase == "invoke":
            return True
        if self.initialization_type in _NOBODY_WAITS:
            return False
        end_ns = self.end_ns
        return end_ns is None or invocation_start_ns - end_ns <= _COLD_WITHIN_NS

    def is_proactive_for(self, invocation_start_ns: int) -> bool:
        """Whether the platform made the sandbox ahead of an invocation that started then, of its own accord."""
        if self.of_snapshot or self.phase == "invoke" or self.initialization_type in _NOBODY_WAITS:
            return False
        return not self.is_waited_for(invocation_start_ns)

    def runtime_border_ns(self, runtime_start_ns: int | None, registered_ns: int) -> int | None:
        """When the runtime's process started, if that is known and falls within this run.

        `runtime_start_ns` is the process's start as /proc has it, cut to a tick. All extensions have registered before
        the runtime starts, so that our own registration narrows it within that tick.
        """
        start_ns, done = self.start_ns, self.done
        if runtime_start_ns is None or start_ns is None or done is None or self.restore:
            return None
        if runtime_start_ns + PROC_TICK_NS < start_ns:
            return None  # of a process before this run
        border_ns = max(start_ns, runtime_start_ns, min(registered_ns, runtime_start_ns + PROC_TICK_NS))
        return border_ns if border_ns <= done.time_ns else None
