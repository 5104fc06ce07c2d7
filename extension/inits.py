"""Which invocation an init belongs to. Pure."""

from __future__ import annotations

from extension.init_runs import InitRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from extension.attempts import Attempt
    from extension.records import InitReport, InitRuntimeDone, InitStart

_MOST_RUNS = 8
"""Far more than a life has; anything in the sandbox can post to the listener, and must not fill our memory."""
_SUPPRESSED, _SNAP_START = "invoke", "snap-start"


class Inits:
    """The inits and restores of a sandbox, found by what a record says.

    Attributes:
        all: in the order in which they were told of.
        first: the first attempt of this life; None before it.
        initialization_type: the sandbox's: what the platform says of an init of its own, else the environment.
        runtime_version: such as ``python:3.12.v38``; None where it is not known.
    """

    __slots__ = ("_type", "_unmet", "all", "first", "initialization_type", "runtime_version")

    def __init__(self, initialization_type: str | None) -> None:
        """`initialization_type`: the sandbox's, where the records do not say."""
        self._type = initialization_type
        self._unmet: list[InitRun] = []
        self.all: list[InitRun] = []
        self.first: Attempt | None = None
        self.initialization_type = initialization_type
        self.runtime_version: str | None = None

    @property
    def has_begun(self) -> bool:
        """Whether this life was told of from the beginning of its sandbox on."""
        return any(run.start is not None and run.phase != _SUPPRESSED for run in self.all)

    # Records ---------------------------------------------------------------------------------------------------------

    def began(self, record: InitStart) -> InitRun | None:
        """The run that a record begins; None where the record has come before."""
        alike = self._alike(record)
        if any(run.start is not None and run.start.time_ns == record.time_ns for run in alike):
            return None
        startless = [run for run in alike if run.start is None and (run.end_ns or 0) >= record.time_ns]
        run = startless[0] if startless else self._add(restore=record.restore)
        run.start = record
        if record.restore or not any(run.restore for run in self.all):  # else it is the snapshot's
            self.initialization_type = run.initialization_type or self.initialization_type
            self.runtime_version = record.runtime_version or self.runtime_version
        return run

    def done(self, record: InitRuntimeDone) -> InitRun | None:
        """The run in which the runtime is done; None where the record has come before."""
        alike = self._alike(record)
        if any(run.done is not None and run.done.time_ns == record.time_ns for run in alike):
            return None
        run = _latest([run for run in alike if run.done is None], record.phase) or self._add(restore=record.restore)
        run.done = record
        return run

    def reported(self, record: InitReport) -> InitRun | None:
        """The run that is over; None where the record has come before."""
        alike = self._alike(record)
        if any(run.report is not None and run.report.time_ns == record.time_ns for run in alike):
            return None
        run = _latest([run for run in alike if run.report is None], record.phase) or self._add(restore=record.restore)
        run.report = record
        return run

    # Attempts --------------------------------------------------------------------------------------------------------

    def meet(self, attempt: Attempt) -> None:
        """The inits that no attempt has met yet are those of this one."""
        if self.first is None:
            self.first = attempt
        elif attempt is not self.first and attempt.waited is None:
            attempt.waited = False  # not the sandbox's first; of a first one without an init nothing is known
        if self._unmet:
            self._give(attempt, self._unmet)

    def place(self, run: InitRun, outstanding: list[Attempt]) -> Attempt | None:
        """The attempt that a run which has just begun belongs to; None where that is yet to come.

        A suppressed init is a part of the attempt that is under way. An init that began before the first attempt did,
        and is told of after it, is that attempt's.
        """
        start_ns = run.start_ns
        if start_ns is None:
            return None
        first_ns = self.first.start_ns if self.first is not None else None
        around = [attempt for attempt in outstanding if attempt.was_under_way(start_ns)]
        if run.phase == _SUPPRESSED and around:
            owner: Attempt | None = around[-1]
        else:
            owner = self.first if first_ns is not None and start_ns <= first_ns else None
        if owner is not None:
            self._give(owner, [run])
        return owner

    def owner_of(self, run: InitRun, outstanding: list[Attempt]) -> Attempt | None:
        """The attempt that met a run; None where none has yet."""
        attempts = [*outstanding, self.first] if self.first is not None else outstanding
        return next((attempt for attempt in attempts if run in attempt.runs), None)

    def _give(self, attempt: Attempt, runs: list[InitRun]) -> None:
        attempt.runs += [run for run in runs if run not in attempt.runs]
        attempt.runs.sort(key=_begin_of)
        self._unmet = [run for run in self._unmet if run not in attempt.runs]
        start_ns = attempt.start_ns
        if start_ns is not None:
            attempt.judge(start_ns)

    def _alike(self, record: InitStart | InitRuntimeDone | InitReport) -> list[InitRun]:
        return [run for run in self.all if run.restore == record.restore]

    def _add(self, *, restore: bool) -> InitRun:
        run = InitRun(_SNAP_START if restore else self._type, restore=restore)
        for runs in (self.all, self._unmet):
            runs.append(run)
            del runs[:-_MOST_RUNS]
        return run


def _latest(runs: list[InitRun], phase: str | None) -> InitRun | None:
    """The latest of them, of the phase that is told where one is of it."""
    of_phase = [run for run in runs if phase is not None and run.phase == phase]
    found = of_phase or runs
    return found[-1] if found else None


def _begin_of(run: InitRun) -> int:
    return run.start_ns or run.end_ns or 0
