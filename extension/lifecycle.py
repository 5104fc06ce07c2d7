"""The life of a sandbox: records and events in, spans out. Pure: times and ids come in as arguments.

Records come in the platform's order, but for two things: the INVOKE event has a connection of its own, and reports are
late. Nothing is attributed by "the current request"; the request ids in the records decide.
"""

from __future__ import annotations

from extension import records as r
from extension.attempts import Attempt, Attempts
from extension.init_runs import InitRun
from extension.init_split import split_of
from extension.span_builder import Ending, SpanBuilder, SpanStyle
from extension.timestamps import NS_PER_MS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from extension.event_facts import EventFacts
    from extension.logs import Line, LogRecord
    from extension.marks import RuntimeMarks
    from extension.spans import Span
    from extension.state import Remembered

    class Memory(Protocol):
        """What keeps the life of a sandbox for a process that may come after this one."""

        def settled(self, instance_id: str, *, given: bool) -> None:
            """The sandbox has its id; `given` says whether from the platform."""

        def began(self, attempt: Attempt) -> None:
            """An attempt began, or more is known of it."""

        def ended(self, attempt: Attempt, end_ns: int) -> None:
            """The span of an attempt was made."""

        def forget(self) -> None:
            """What was remembered is of another sandbox."""


_MANAGED_INSTANCES = "lambda-managed-instances"
_ESTIMATED_STATUS = {"timeout": "timeout", "failure": "error"}
_MOST_OUTSTANDING = 1024
_MOST_RUNS = 8
_MOST_EVENTS = 128
"""Far more than a sandbox has; anything in it can post to the listener, and must not fill our memory."""


class Sandbox:
    """What the environment and the registration say of the sandbox.

    Attributes:
        function_name: empty where it is not known.
        initialization_type: AWS_LAMBDA_INITIALIZATION_TYPE; None where it is not set.
        registered_ns: when our registration was answered.
        draw_instance_id: makes an id where the platform gives none. Called at most once, and late: clones of a
            SnapStart snapshot would share what was drawn before it.
        style: how its spans are to be.
    """

    __slots__ = ("draw_instance_id", "function_name", "initialization_type", "registered_ns", "style")

    def __init__(
        self,
        function_name: str,
        initialization_type: str | None,
        registered_ns: int,
        draw_instance_id: Callable[[], str],
        style: SpanStyle | None = None,
    ) -> None:
        self.style = style or SpanStyle()
        self.function_name = function_name
        self.initialization_type = initialization_type
        self.registered_ns = registered_ns
        self.draw_instance_id = draw_instance_id


class NoMemory:
    """Keeps nothing."""

    __slots__ = ()

    def settled(self, instance_id: str, *, given: bool) -> None:
        """Nothing is kept."""

    def began(self, attempt: Attempt) -> None:
        """Nothing is kept."""

    def ended(self, attempt: Attempt, end_ns: int) -> None:
        """Nothing is kept."""

    def forget(self) -> None:
        """Nothing was kept."""


class Lifecycle:
    """Turns what happens to one sandbox into spans.

    Attributes:
        invoked_arn: of the latest INVOKE event; None before it.
        logs_dropped: how many records the platform says it dropped before they reached us.
        unknown_events: how many records were of a type that is not known here.
        runtime_start_ns: set once by the owner, when it has found the runtime's process in /proc.
        starts: what the wrapper and its probe have said; the owner's list, which grows.
    """

    __slots__ = (
        "_attempts",
        "_builder",
        "_current",
        "_ended",
        "_events",
        "_life",
        "_memory",
        "_outstanding",
        "_recalled_id",
        "_runs",
        "_sandbox",
        "_seen_first",
        "invoked_arn",
        "logs_dropped",
        "runtime_start_ns",
        "starts",
        "unknown_events",
    )

    def __init__(self, sandbox: Sandbox, memory: Memory | None = None) -> None:
        self._sandbox = sandbox
        self._memory: Memory = memory or NoMemory()
        self._life = 1
        self._recalled_id: str | None = None
        self._builder: SpanBuilder | None = None
        self._attempts = Attempts()
        self._current: Attempt | None = None
        self._outstanding: list[Attempt] = []
        self._runs: list[InitRun] = []
        self._seen_first = False
        self._ended = False
        self.invoked_arn: str | None = None
        self.logs_dropped = 0
        self.unknown_events = 0
        self.runtime_start_ns: int | None = None
        self.starts: list[RuntimeMarks] = []
        self._events: dict[str, tuple[EventFacts, str | None]] = {}

    @property
    def instance_id(self) -> str:
        """The id of the sandbox: settled when it is first needed, and the same from then on."""
        return self._built().instance_id

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
        self._life = remembered.lives + 1
        if remembered.instance_id is not None:
            self._builder = self._builder_for(remembered.instance_id)
            self._recalled_id = remembered.instance_id if remembered.instance_given else None
        for attempt in remembered.attempts:
            self._attempts.recall(attempt)
            if not attempt.closed:
                attempt.followed_ns = now_ns
                attempt.reset = remembered.reason or _guessed_reason(attempt, now_ns)
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
        self._expect(attempt)
        self._memory.began(attempt)
        return self._finish(attempt) if attempt.done is not None else []

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
        attempt = self._attempts.latest(line.request_id) if line.request_id else None
        if attempt is None and self._sandbox.initialization_type != _MANAGED_INSTANCES:
            attempt = self._current
        return self._built().log_record(line, attempt, now_ns)

    def in_flight(self, now_ns: int, after_ns: int) -> list[Span]:
        """A start record of each invocation that has been running for `after_ns`, once."""
        spans: list[Span] = []
        for attempt in self._running():
            start_ns = attempt.start_ns
            if start_ns is not None and start_ns + after_ns <= now_ns:
                attempt.told = True
                self._take_event(attempt)
                now = Ending(now_ns, None, None, estimated=False, in_flight=True)
                spans += self._built().invoke(attempt, start_ns, now)
        return spans

    def next_in_flight_ns(self, after_ns: int) -> int | None:
        """When :meth:`in_flight` has something to say next, as things are; None for never."""
        starts = [attempt.start_ns for attempt in self._running()]
        return min((ns + after_ns for ns in starts if ns is not None), default=None)

    def _running(self) -> list[Attempt]:
        """What the platform said has begun, and of which no start record was made."""
        return [a for a in self._outstanding if a.start and not (a.done or a.report or a.told or a.reset)]

    def on_shutdown(self, event: r.Shutdown, received_ns: int, now_ns: int) -> list[Span]:
        """The sandbox ends: everything that is still open gets the end that is the most likely."""
        spans: list[Span] = []
        for attempt in list(self._outstanding):
            spans += self._close(attempt, event.reason, received_ns)
        for run in self._runs:
            spans += self._finish_init(run, None, now_ns)
        self._runs = []
        spans.append(self._built().shutdown(event, received_ns, now_ns))
        return spans

    # Init and restore ------------------------------------------------------------------------------------------------

    def _on_init_start(self, record: r.InitStart) -> list[Span]:
        self._settle(record)
        run = InitRun(self._sandbox.initialization_type, restore=record.restore)
        run.start = record
        self._runs.append(run)
        del self._runs[:-_MOST_RUNS]
        if record.phase != "invoke":
            self._current = None
        under_way = [a for a in self._outstanding if a.start is not None and a.done is None]
        if record.phase == "invoke" and under_way:
            self._meet(under_way[-1], record.time_ns)
        return []

    def _on_init_runtime_done(self, record: r.InitRuntimeDone) -> list[Span]:
        run = self._run_of(record)
        run.done = record
        return []

    def _on_init_report(self, record: r.InitReport) -> list[Span]:
        if record.phase == "init" and record.status != "success":
            self._ended = True  # else it is a part of an invocation, whose report is to come
        run = self._run_of(record)
        run.report = record
        for attempt in self._outstanding:
            if run in attempt.runs:
                return self._finish_init(run, attempt, record.time_ns)
        return []

    def _run_of(self, record: r.InitRuntimeDone | r.InitReport) -> InitRun:
        """The run that a record is about: the latest of its kind, or a new one whose start was lost."""
        known = [*(run for attempt in self._outstanding for run in attempt.runs), *self._runs]
        for run in reversed(known):
            if run.restore == record.restore and run.report is None:
                return run
        run = InitRun(self._sandbox.initialization_type, restore=record.restore)
        self._runs.append(run)
        return run

    def _meet(self, attempt: Attempt, start_ns: int) -> None:
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

    def _finish_inits(self, attempt: Attempt, now_ns: int) -> list[Span]:
        return [span for run in attempt.runs for span in self._finish_init(run, attempt, now_ns)]

    def _finish_init(self, run: InitRun, attempt: Attempt | None, now_ns: int) -> list[Span]:
        if run.sent or run.of_snapshot:
            return []
        run.sent = True
        split = split_of(run, self.starts, self.runtime_start_ns, self._sandbox.registered_ns)
        return list(self._built().init(run, attempt if run.waited else None, now_ns, split))

    # Invocations -----------------------------------------------------------------------------------------------------

    def _on_start(self, record: r.Start) -> list[Span]:
        attempt = self._attempts.started(record)
        spans: list[Span] = []
        if self._sandbox.initialization_type != _MANAGED_INSTANCES:  # else: requests run side by side
            for other in list(self._outstanding):
                if other is not attempt and (other.start is not None or other.done is not None):
                    spans += self._supersede(other, record.time_ns)
        attempt.start = record
        self._current = attempt
        self._expect(attempt)
        self._meet(attempt, record.time_ns)
        for run in attempt.runs:
            if run.report is not None:
                spans += self._finish_init(run, attempt, record.time_ns)
        self._memory.began(attempt)
        return spans

    def _on_runtime_done(self, record: r.RuntimeDone) -> list[Span]:
        attempt = self._attempts.ended(record.request_id)
        attempt.done = record
        self._expect(attempt)
        if attempt.invoke is None:
            return []  # its INVOKE event is about to be read, and knows the ARN; the report is the latest for it
        return self._finish(attempt)

    def _on_report(self, record: r.Report) -> list[Span]:
        self._ended = True
        attempt = self._attempts.reported(record.request_id)
        if attempt is None:
            return []
        attempt.report = record
        spans = self._finish(attempt)
        start_ns = attempt.start_ns
        if start_ns is not None:
            end_ns = self._ending(attempt, start_ns).end_ns
            spans.append(self._built().post_runtime(attempt, start_ns, end_ns, record))
        self._drop(attempt)
        return spans

    def _finish(self, attempt: Attempt) -> list[Span]:
        """The spans of an attempt whose end is known, unless they were made before."""
        start_ns = attempt.start_ns
        if attempt.sent or start_ns is None:
            return []
        attempt.sent = True
        if attempt.start is None:
            self._meet(attempt, start_ns)
        return self._end(attempt, start_ns, self._ending(attempt, start_ns))

    def _end(self, attempt: Attempt, start_ns: int, ending: Ending) -> list[Span]:
        self._take_event(attempt)
        spans = self._finish_inits(attempt, start_ns)
        spans += self._built().invoke(attempt, start_ns, ending)
        self._memory.ended(attempt, ending.end_ns)
        return spans

    def _ending(self, attempt: Attempt, start_ns: int) -> Ending:
        """How an attempt ended, by ``runtimeDone`` or else by its report."""
        done, report = attempt.done, attempt.report
        if done is not None:
            end_ns = done.time_ns if done.duration_ms is None else start_ns + round(done.duration_ms * NS_PER_MS)
            return Ending(end_ns, done.status, done.error_type, estimated=False)
        assert report is not None
        end_ns = report.time_ns if report.duration_ms is None else start_ns + round(report.duration_ms * NS_PER_MS)
        estimated = self._sandbox.initialization_type != _MANAGED_INSTANCES  # there, the report is all there is
        return Ending(end_ns, report.status, report.error_type, estimated=estimated)

    def _supersede(self, attempt: Attempt, next_start_ns: int) -> list[Span]:
        """Another invocation began: what is not known of this one by now will not come."""
        if attempt.done is not None:
            spans = self._finish(attempt)
            self._drop(attempt)
            return spans
        return self._close(attempt, "", next_start_ns)

    def _close(self, attempt: Attempt, reason: str, at_ns: int) -> list[Span]:
        """End an attempt of which the platform will say no more."""
        if attempt.done is not None:
            spans = self._finish(attempt)
            self._drop(attempt)
            return spans
        self._drop(attempt)
        start_ns = attempt.start_ns
        if attempt.sent or start_ns is None:
            return []
        attempt.sent = True
        if attempt.start is None:
            self._meet(attempt, start_ns)
        deadline_ms = attempt.invoke.deadline_ms if attempt.invoke else None
        end_ns = min(at_ns, attempt.followed_ns or at_ns)
        if deadline_ms is not None:
            end_ns = min(end_ns, round(deadline_ms * NS_PER_MS))
        status = _ESTIMATED_STATUS.get(attempt.reset or reason)
        return self._end(attempt, start_ns, Ending(max(start_ns, end_ns), status, None, estimated=True))

    # Parts -----------------------------------------------------------------------------------------------------------

    def _take_event(self, attempt: Attempt) -> None:
        """The event that was seen for its request since an earlier attempt of it."""
        if attempt.event is None:
            attempt.event, attempt.payload = self._events.pop(attempt.request_id, (None, None))

    def _expect(self, attempt: Attempt) -> None:
        if attempt not in self._outstanding and not attempt.closed and attempt.report is None:
            self._outstanding.append(attempt)
            del self._outstanding[:-_MOST_OUTSTANDING]

    def _drop(self, attempt: Attempt) -> None:
        attempt.closed = True
        if attempt in self._outstanding:
            self._outstanding.remove(attempt)

    def _settle(self, record: r.InitStart) -> None:
        """Take the platform's id for the sandbox, if it gives one before ours was needed."""
        given = record.instance_id
        if given is None or given.startswith("$") or not _is_token(given):
            return  # "$LATEST" is what some platforms say for want of one
        if self._recalled_id not in {None, given}:
            self._forget()
        if self._builder is None:
            self._builder = self._builder_for(given, record.function_name)
            self._memory.settled(given, given=True)

    def _built(self) -> SpanBuilder:
        if self._builder is None:
            drawn = self._sandbox.draw_instance_id()
            self._builder = self._builder_for(drawn)
            self._memory.settled(drawn, given=False)
        return self._builder

    def _builder_for(self, instance_id: str, name: str | None = None) -> SpanBuilder:
        """`name`: of the function, where the environment does not say."""
        function_name = self._sandbox.function_name or name or ""
        return SpanBuilder(function_name, instance_id, self._sandbox.style, self._life)

    def _forget(self) -> None:
        """What was remembered turns out to be of another sandbox, with which this one shares its /tmp."""
        self._builder = self._recalled_id = None
        self._life = 1
        self._attempts = Attempts()
        self._outstanding = []
        self._memory.forget()

    def _on_logs_dropped(self, record: r.LogsDropped) -> list[Span]:
        self.logs_dropped += int(record.dropped_records or 0)
        return []

    def _on_unknown(self, _record: r.UnknownEvent) -> list[Span]:
        self.unknown_events += 1
        return []


def _guessed_reason(attempt: Attempt, now_ns: int) -> str:
    """Why a process was ended that did not hear of a SHUTDOWN: an invocation past its deadline is one reason."""
    deadline_ms = attempt.invoke.deadline_ms if attempt.invoke else None
    return "timeout" if deadline_ms is not None and deadline_ms * NS_PER_MS <= now_ns else "failure"


def _is_token(text: str) -> bool:
    """Whether it can stand in a header: the id goes into one."""
    return text.isascii() and text.isprintable() and " " not in text


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
