"""Which invocation an init belongs to, and whether that waited for it. Pure."""

from __future__ import annotations

from extension.init_runs import InitRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from extension.attempts import Attempt
    from extension.records import InitReport, InitRuntimeDone, InitStart

_MOST_RUNS = 8
"""Far more than a sandbox has; anything in it can post to the listener, and must not fill our memory."""


class Inits:
    """The inits and restores of a sandbox that no invocation has met yet."""

    __slots__ = ("_initialization_type", "_runs", "_seen_first")

    def __init__(self, initialization_type: str | None) -> None:
        """`initialization_type`: the sandbox's, where the records do not say."""
        self._initialization_type = initialization_type
        self._runs: list[InitRun] = []
        self._seen_first = False

    def began(self, record: InitStart) -> None:
        """An init or a restore began."""
        self._add(restore=record.restore).start = record

    def run_of(self, record: InitRuntimeDone | InitReport, outstanding: Iterable[Attempt]) -> InitRun:
        """The run that a record is about: the latest of its kind, or a new one whose start was lost."""
        known = [*(run for attempt in outstanding for run in attempt.runs), *self._runs]
        for run in reversed(known):
            if run.restore == record.restore and run.report is None:
                return run
        return self._add(restore=record.restore)

    def meet(self, attempt: Attempt, start_ns: int) -> None:
        """The inits so far are those of this attempt: did it wait for one of them?"""
        for run in self._runs:
            run.waited = run.is_waited_for(start_ns)
            attempt.proactive = attempt.proactive or run.is_proactive_for(start_ns)
            attempt.waited = bool(attempt.waited) or run.waited
        if attempt.waited is None and self._seen_first:
            attempt.waited = False  # not the sandbox's first; of a first one without an init nothing is known
        attempt.runs += self._runs
        self._runs = []
        self._seen_first = True

    def take(self) -> list[InitRun]:
        """Those that no invocation has met, and none will."""
        runs, self._runs = self._runs, []
        return runs

    def _add(self, *, restore: bool) -> InitRun:
        run = InitRun(self._initialization_type, restore=restore)
        self._runs.append(run)
        del self._runs[:-_MOST_RUNS]
        return run
