"""The life of a sandbox: records and events in, spans out. Pure: times and ids come in as arguments.

Records come in the platform's order, but for two things: the INVOKE event has a connection of its own, and reports are
late. Nothing is attributed by "the current request"; the request ids in the records decide.
"""

from __future__ import annotations

from extension import records as r
from extension.attempts import Attempt, Attempts
from extension.endings import likely_ending, likely_reason, told_ending
from extension.identity import Identity, NoMemory
from extension.init_split import split_of
from extension.inits import Inits
from extension.span_builder import Ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from extension.event_facts import EventFacts
    from extension.handler_spans import HandlerSpans
    from extension.identity import Memory, Sandbox
    from extension.init_runs import InitRun
    from extension.logs import Line, LogRecord
    from extension.marks import RuntimeMarks
    from extension.span_builder import SpanBuilder
    from extension.spans import Span
    from extension.state import Remembered


_MANAGED_INSTANCES = "lambda-managed-instances"
_SUPPRESSED, _SUCCESS = "invoke", "success"
_MOST_OUTSTANDING = 256
_MOST_EVENTS = 128
"""Far more than a sandbox has; anything in it can post to the listener, and must not fill our memory."""


class Lifecycle:
    """Turns what happens to one sandbox into spans.

    Attributes:
        invoked_arn: of the latest INVOKE event; None before it.
        logs_dropped: how many records the platform says it dropped before they reached us.
        unknown_events: how many records were of a type that is not known here.
        runtime_start_ns: set once by the owner, when it has found the runtime's process in /proc.
        starts: what the wrapper and its probe have said; the owner's list, which grows.
        handlers: the spans of the function's own SDK, whose traces the invocations join; set by the owner.
    """

    __slots__ = (
        "_attempts",
        "_current",
        "_ended",
        "_events",
        "_identity",
        "_inits",
        "_memory",
        "_outstanding",
        "_sandbox",
        "handlers",
        "invoked_arn",
        "logs_dropped",
        "runtime_start_ns",
        "starts",
        "unknown_events",
    )

    def __init__(self, sandbox: Sandbox, memory: Memory | None = None) -> None:
        self._sandbox = sandbox
        self._memory: Memory = memory or NoMemory()
        self._inits = Inits(sandbox.initialization_type)
        self._identity = Identity(sandbox, self._memory, self._inits)
        self._attempts = Attempts()
        self._current: Attempt | None = None
        self._outstanding: list[Attempt] = []
        self._ended = False
        self.invoked_arn: str | None = None
        self.logs_dropped = 0
        self.unknown_events = 0
        self.runtime_start_ns: int | None = None
        self.starts: list[RuntimeMarks] = []
        self.handlers: HandlerSpans | None = None
        self._events: dict[str, tuple[EventFacts, str | None]] = {}

    @property
    def instance_id(self) -> str:
        """The id of the sandbox: settled when it is first needed, and the same from then on."""
        return self._built.instance_id

    @property
    def exporter(self) -> str:
        """Under which name its batches are numbered; settled with the id."""
        return self._identity.exporter if self._built else ""

    @property
    def settled(self) -> bool:
        """Whether nothing more is expected of the invocations so far."""
        return not self._outstanding

    @property
    def knows_what_failed(self) -> bool:
        """Whether there has been an end in this life: the report of an invocation, or of an init that failed.

        After a failed init, the SHUTDOWN may be the first that a process hears; that all is settled means nothing then.
        """
        return self._ended

    def is_done(self, request_id: str) -> bool:
        """Whether the runtime is done with the latest attempt of this request."""
        return self._attempts.is_done(request_id)

    def knows(self, request_id: str) -> bool:
        """Whether telemetry of an invocation under way has come: it does come, then."""
        return any(a.request_id == request_id and (a.start or a.done) for a in self._outstanding)

    def go_on_from(self, remembered: Remembered, now_ns: int) -> None:
        """Take over from the process before this one, which a reset ended before `now_ns`."""
        self._identity.recall(remembered)
        for attempt in remembered.attempts:
            self._attempts.recall(attempt)
            if not attempt.closed:
                attempt.followed_ns = now_ns
                attempt.reset = remembered.reason or likely_reason(attempt, now_ns)
                self._outstanding.append(attempt)

    # What happens ----------------------------------------------------------------------------------------------------

    def on_invoke(self, event: r.Invoke, now_ns: int) -> list[Span]:
        """An INVOKE event was received."""
        for earlier in self._outstanding:
            earlier.followed_ns = earlier.followed_ns or now_ns
        attempt = self._attempts.invoked(event)
        attempt.followed_ns = None
        attempt.invoke = event
        attempt.invoked_ns = now_ns
        self.invoked_arn = event.invoked_arn or self.invoked_arn
        if attempt.sent:
            return []  # its records were quicker; to say that it began would open it again
        spans = self._expect(attempt, now_ns)
        self._memory.began(attempt)
        return spans + self._finish_if_whole(attempt)

    def on_record(self, record: r.Record) -> list[Span]:
        """A telemetry record was received."""
        handler = _HANDLERS.get(type(record))
        return handler(self, record) if handler is not None else []

    def on_event(self, request_id: str, facts: EventFacts, payload: str | None) -> None:
        """The event of an invocation under way, or of one that is about to be told of, has been seen."""
        self._events.pop(request_id, None)
        self._events[request_id] = facts, payload
        if len(self._events) > _MOST_EVENTS:
            del self._events[next(iter(self._events))]

    def on_log(self, line: Line, now_ns: int) -> LogRecord:
        """A log line of the function: it belongs to the request that it names, else to the one that is under way.

        The platform sends ``platform.start`` before the lines of that request. Where requests run side by side, a line
        that names none belongs to none.
        """
        return self.log_of(line, self.attempt_of(line), now_ns)

    def attempt_of(self, line: Line) -> Attempt | None:
        """The attempt that a log line belongs to."""
        attempt = self._attempts.latest(line.request_id) if line.request_id else None
        return self._current if attempt is None and not self._managed else attempt

    def log_of(self, line: Line, attempt: Attempt | None, now_ns: int) -> LogRecord:
        """A log line of this attempt, in the trace that its spans are in."""
        return self._built.log_record(line, attempt, now_ns)

    def in_flight(self, now_ns: int, after_ns: int) -> list[Span]:
        """A start record of each invocation that has been running for `after_ns`, once."""
        spans: list[Span] = []
        for attempt in self._running():
            start_ns = attempt.start_ns
            attempt.seen_ns = attempt.seen_ns or now_ns
            if start_ns is not None and attempt.running_since_ns(start_ns, after_ns) + after_ns <= now_ns:
                attempt.told = True
                self._take_event(attempt)
                attempt.judge(start_ns, guess=False)
                spans += self._finish_inits(attempt)
                now = Ending(now_ns, None, None, estimated=False, in_flight=True)
                spans += self._built.invoke(attempt, start_ns, now)
        return spans

    def next_in_flight_ns(self, after_ns: int) -> int | None:
        """When :meth:`in_flight` has something to say next, as things are; None for never."""
        starts = [(attempt, attempt.start_ns) for attempt in self._running()]
        due = [one.running_since_ns(ns, after_ns) + after_ns for one, ns in starts if ns is not None]
        return min(due, default=None)

    def _running(self) -> list[Attempt]:
        """What the platform said has begun, and of which no start record was made."""
        return [a for a in self._outstanding if a.start and not (a.done or a.report or a.told or a.reset)]

    def on_shutdown(self, event: r.Shutdown, received_ns: int, now_ns: int) -> list[Span]:
        """The sandbox ends: everything that is still open gets the end that is the most likely."""
        spans: list[Span] = []
        for attempt in list(self._outstanding):
            spans += self._close(attempt, event.reason, received_ns)
        for run in self._inits.all:
            spans += self._finish_init(run, self._inits.owner_of(run, []), now_ns)
        spans.append(self._built.shutdown(event, received_ns, now_ns))
        return spans

    # Init and restore ------------------------------------------------------------------------------------------------

    def _on_init_start(self, record: r.InitStart) -> list[Span]:
        self._settle(record)
        run = self._inits.began(record)
        if run is None:
            return []
        owner = self._inits.place(run, self._outstanding)
        if owner is not None:
            return self._amend(owner)
        if record.phase != _SUPPRESSED:
            self._current = None
        return []

    def _on_init_runtime_done(self, record: r.InitRuntimeDone) -> list[Span]:
        return self._more_of_init(self._inits.done(record))

    def _on_init_report(self, record: r.InitReport) -> list[Span]:
        if record.phase == "init" and record.status != _SUCCESS:
            self._ended = True  # else it is a part of an invocation, whose report is to come
        return self._more_of_init(self._inits.reported(record))

    def _more_of_init(self, run: InitRun | None) -> list[Span]:
        """More is known of a run's end: what its attempt was waiting with can be said now."""
        owner = None if run is None else self._inits.owner_of(run, self._outstanding)
        if run is None or owner is None:
            return []
        if not owner.sent:
            return self._finish_if_whole(owner)
        spans = self._finish_init(run, owner, 0) if run.report is not None else []
        return spans + self._amend(owner)

    def _amend(self, attempt: Attempt) -> list[Span]:
        """The span of an attempt once more where it was made before anything was known of an init."""
        start_ns = attempt.start_ns
        if not attempt.early or not attempt.inits_are_over() or start_ns is None:
            return []
        attempt.early = False
        attempt.judge(start_ns)
        return [next(self._built.invoke(attempt, start_ns, self._ending(attempt, start_ns)))]

    def _finish_inits(self, attempt: Attempt, now_ns: int | None = None) -> list[Span]:
        """The spans of the inits before an attempt; where there is no `now_ns`, of those only that are reported."""
        runs = [run for run in attempt.runs if now_ns is not None or run.report is not None]
        return [span for run in runs for span in self._finish_init(run, attempt, now_ns or 0)]

    def _finish_init(self, run: InitRun, attempt: Attempt | None, now_ns: int) -> list[Span]:
        """The spans of a run; `now_ns` is its end where the platform told none."""
        start_ns = attempt.start_ns if attempt is not None else None
        if attempt is not None and start_ns is not None:
            attempt.judge(start_ns)
        if run.sent or run.of_snapshot:
            return []
        run.sent = True
        split = split_of(run, self.starts, self.runtime_start_ns, self._sandbox.registered_ns)
        return list(self._built.init(run, attempt if run.waited else None, now_ns, split))

    # Invocations -----------------------------------------------------------------------------------------------------

    def _on_start(self, record: r.Start) -> list[Span]:
        attempt = self._attempts.started(record)
        if attempt is None:
            return []
        spans: list[Span] = []
        if not self._managed:  # else: requests run side by side
            for other in list(self._outstanding):
                if other is not attempt and (other.start is not None or other.done is not None):
                    spans += self._close(other, "", record.time_ns)  # what is not known of it by now will not come
        attempt.start = record
        self._current = attempt
        spans += self._expect(attempt, record.time_ns)
        self._inits.meet(attempt)
        self._memory.began(attempt)
        return spans + self._finish_if_whole(attempt)

    def _on_runtime_done(self, record: r.RuntimeDone) -> list[Span]:
        attempt = self._attempts.ended(record)
        if attempt is None:
            return []
        attempt.done = record
        return self._expect(attempt, record.time_ns) + self._finish_if_whole(attempt)

    def _on_report(self, record: r.Report) -> list[Span]:
        self._ended = True
        attempt = self._attempts.reported(record)
        if attempt is None:
            return []
        attempt.report = record
        spans = self._finish(attempt)
        start_ns = attempt.start_ns
        if start_ns is not None:
            spans += self._finish_inits(attempt, start_ns)
            end_ns = self._ending(attempt, start_ns).end_ns
            spans.append(self._built.post_runtime(attempt, start_ns, end_ns, record))
        self._drop(attempt)
        return spans

    def _finish_if_whole(self, attempt: Attempt) -> list[Span]:
        """The spans of an attempt that has ended, unless something about it is still to be told.

        Its INVOKE event, which knows the ARN, may be about to be read; the records of the init before it may be late.
        What does not come until the report, the next invocation or SHUTDOWN is not waited for any longer.
        """
        if attempt.done is None or attempt.start is None or attempt.invoke is None:
            return []
        return self._finish(attempt) if not attempt.runs or attempt.inits_are_over() else []

    def _finish(self, attempt: Attempt) -> list[Span]:
        """The spans of an attempt whose end is known, unless they were made before."""
        start_ns = attempt.start_ns
        if attempt.sent or start_ns is None:
            return []
        return self._end(attempt, start_ns, self._ending(attempt, start_ns))

    def _close(self, attempt: Attempt, reason: str, at_ns: int) -> list[Span]:
        """End an attempt of which the platform will say no more."""
        start_ns = attempt.start_ns
        self._drop(attempt)
        if start_ns is None:
            return []
        if attempt.done is not None:
            spans = self._finish(attempt)
        elif attempt.sent:
            return []
        else:
            spans = self._end(attempt, start_ns, likely_ending(attempt, start_ns, reason, at_ns))
        return spans + self._finish_inits(attempt, start_ns)

    def _end(self, attempt: Attempt, start_ns: int, ending: Ending) -> list[Span]:
        attempt.sent = True
        if attempt.start is None:
            self._inits.meet(attempt)
        self._take_event(attempt)
        if self.handlers is not None and not attempt.told:  # else its trace was told, and stays
            alone = not self._managed
            attempt.handler = self.handlers.of(attempt.request_id, start_ns, ending.end_ns, alone=alone)
        attempt.judge(start_ns)
        attempt.early = attempt.waited is None and not ending.estimated
        spans = self._finish_inits(attempt)
        spans += self._built.invoke(attempt, start_ns, ending)
        self._memory.ended(attempt, ending.end_ns)
        return spans

    def _ending(self, attempt: Attempt, start_ns: int) -> Ending:
        return told_ending(attempt, start_ns, of_managed=self._managed)

    # Parts -----------------------------------------------------------------------------------------------------------

    def _take_event(self, attempt: Attempt) -> None:
        """The event that was seen for its request since an earlier attempt of it."""
        if attempt.event is None:
            attempt.event, attempt.payload = self._events.pop(attempt.request_id, (None, None))

    @property
    def _managed(self) -> bool:
        return self._inits.initialization_type == _MANAGED_INSTANCES

    def _expect(self, attempt: Attempt, now_ns: int) -> list[Span]:
        """There is more to come for an attempt. Where that never came for many, the oldest is ended."""
        if attempt not in self._outstanding and not attempt.closed and attempt.report is None:
            self._outstanding.append(attempt)
        return self._close(self._outstanding[0], "", now_ns) if len(self._outstanding) > _MOST_OUTSTANDING else []

    def _drop(self, attempt: Attempt) -> None:
        attempt.closed = True
        if attempt in self._outstanding:
            self._outstanding.remove(attempt)

    @property
    def _built(self) -> SpanBuilder:
        return self._identity.builder

    def _settle(self, record: r.InitStart) -> None:
        if self._identity.is_of_another(record):
            self._identity.forget()
            self._attempts = Attempts()
            self._outstanding = []
            self._memory.forget()
        self._identity.settle(record)

    def _on_logs_dropped(self, record: r.LogsDropped) -> list[Span]:
        self.logs_dropped += int(record.dropped_records or 0)
        return []

    def _on_unknown(self, _record: r.UnknownEvent) -> list[Span]:
        self.unknown_events += 1
        return []


_HANDLERS: dict[type[r.Record], Callable[..., list[Span]]] = {
    r.InitStart: Lifecycle._on_init_start,  # noqa: SLF001 - the table is a part of the class
    r.InitRuntimeDone: Lifecycle._on_init_runtime_done,  # noqa: SLF001
    r.InitReport: Lifecycle._on_init_report,  # noqa: SLF001
    r.Start: Lifecycle._on_start,  # noqa: SLF001
    r.RuntimeDone: Lifecycle._on_runtime_done,  # noqa: SLF001
    r.Report: Lifecycle._on_report,  # noqa: SLF001
    r.LogsDropped: Lifecycle._on_logs_dropped,  # noqa: SLF001
    r.UnknownEvent: Lifecycle._on_unknown,  # noqa: SLF001
}
