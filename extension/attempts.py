"""Which records belong to the same attempt of an invocation.

A request id alone does not say it: asynchronous retries reuse it, often in the same sandbox. Nor does the order of
arrival: the INVOKE event, ``platform.start`` and ``platform.runtimeDone`` come over two connections, any of them may be
first, and ``platform.report`` comes during the next invocation or at SHUTDOWN.
"""

from __future__ import annotations

from extension.timestamps import NS_PER_MS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from extension.event_facts import EventFacts
    from extension.handler_spans import HandlerSpan
    from extension.init_runs import InitRun
    from extension.records import Invoke, Report, RuntimeDone, Start

_MOST_ATTEMPTS = 4
"""How many attempts of a request are remembered: of older ones nothing is to come."""
_MOST_REQUESTS = 512
"""How many request ids are remembered. Retries come within minutes; one more than this is taken for a first attempt."""


class Attempt:
    """One attempt of one invocation: what is known of it so far.

    Attributes:
        number: from 1, per request id and sandbox.
        invoked_ns: when the INVOKE event was received, on our clock.
        handler: the span of the function's own SDK that its spans join; None where there is none.
        event: what its event says of where it comes from; None where that is not known.
        payload: what of the event itself is recorded; None for nothing.
        runs: the inits that came before it and belong to no earlier attempt.
        waited: whether it waited for one of them; None where that is not known.
        proactive: whether its sandbox had been ready for long before it.
        sent: whether its `invoke` span was made.
        told: whether a start record of it was made.
        early: whether its span was made before anything was known of an init, which may be told of yet.
        closed: whether nothing more is expected for it.
        seen_ns: when it was first looked at while it was running, on our clock.
        reset: why the process that saw it begin was ended; empty for one of this process.
        followed_ns: when the next INVOKE event was received, on our clock: it had ended by then.
    """

    __slots__ = (
        "closed",
        "done",
        "early",
        "event",
        "followed_ns",
        "handler",
        "invoke",
        "invoked_ns",
        "number",
        "payload",
        "proactive",
        "report",
        "request_id",
        "reset",
        "runs",
        "seen_ns",
        "sent",
        "start",
        "told",
        "waited",
    )

    def __init__(self, request_id: str, number: int) -> None:
        self.request_id = request_id
        self.number = number
        self.invoke: Invoke | None = None
        self.invoked_ns: int | None = None
        self.start: Start | None = None
        self.done: RuntimeDone | None = None
        self.report: Report | None = None
        self.runs: list[InitRun] = []
        self.handler: HandlerSpan | None = None
        self.event: EventFacts | None = None
        self.payload: str | None = None
        self.waited: bool | None = None
        self.proactive = False
        self.sent = False
        self.told = False
        self.early = False
        self.seen_ns: int | None = None
        self.closed = False
        self.reset = ""
        self.followed_ns: int | None = None

    @property
    def start_ns(self) -> int | None:
        """``platform.start``, else the best that the other records say."""
        if self.start is not None:
            return self.start.time_ns
        for record in (self.done, self.report):
            if record is not None and record.duration_ms is not None:
                return record.time_ns - round(record.duration_ms * NS_PER_MS)
        return self.invoked_ns

    @property
    def tracing(self) -> str | None:
        """The X-Ray trace header."""
        for record in (self.start, self.invoke, self.done, self.report):
            if record is not None and record.tracing is not None:
                return record.tracing
        return None

    def running_since_ns(self, start_ns: int, after_ns: int) -> int:
        """Since when it has been running; `start_ns`, unless that was `after_ns` ago when it was first looked at.

        Then the platform's clock is not ours, or its records are of another day.
        """
        seen_ns = self.seen_ns
        return start_ns if seen_ns is None or seen_ns < start_ns + after_ns else seen_ns

    def was_under_way(self, time_ns: int) -> bool:
        """Whether it had begun by then, and had not ended."""
        if self.start is None or self.start.time_ns > time_ns:
            return False
        return self.done is None or self.done.time_ns >= time_ns

    def inits_are_over(self) -> bool:
        """Whether nothing more can change what is known of the inits before it.

        An init that another one followed was given up; how long one took that is a part of the invocation makes no
        difference to whether it waited.
        """
        runs = [run for run in self.runs if not run.of_snapshot]
        last = runs[-1] if runs else None
        return last is not None and (last.end_ns is not None or last.phase == "invoke" or last.sent)

    def judge(self, start_ns: int, *, guess: bool = True) -> None:
        """Say of each init before it whether it waited for that one: what the records say by now.

        Args:
            start_ns: its start.
            guess: whether an init of which no end is known was waited for; else nothing is said.
        """
        if not self.runs:
            return
        restored = any(run.restore for run in self.runs)
        for run in self.runs:
            run.snapshot = run.snapshot or (restored and not run.restore and run.phase != "invoke")
            if not run.sent:
                run.waited = run.is_waited_for(start_ns)
        known = guess or self.inits_are_over()
        self.waited = any(run.waited for run in self.runs) if known else None
        self.proactive = known and any(run.is_proactive_for(start_ns) for run in self.runs)

    @property
    def arn(self) -> str | None:
        """The ARN that was invoked."""
        if self.invoke is not None:
            return self.invoke.invoked_arn
        return self.start.function_arn if self.start is not None else None


class Attempts:
    """The attempts of a sandbox, found by what a record says."""

    __slots__ = ("_by_request",)

    def __init__(self) -> None:
        self._by_request: dict[str, list[Attempt]] = {}

    def __iter__(self) -> Iterator[Attempt]:
        return (attempt for attempts in self._by_request.values() for attempt in attempts)

    def recall(self, attempt: Attempt) -> None:
        """Take an attempt that another process saw; the older of two comes first."""
        self._by_request.setdefault(attempt.request_id, []).append(attempt)

    def invoked(self, invoke: Invoke) -> Attempt:
        """The attempt that an INVOKE event begins.

        That of which all records came before the event was read, too: at a reset they are delivered at once. Of an
        attempt whose start was not seen here, the event was another process's, or it came to its end without one.
        """
        for attempt in self._by_request.get(invoke.request_id, ()):
            whole = attempt.start is not None and attempt.report is not None
            if attempt.invoke is None and (whole or not attempt.closed):
                return attempt
        return self._add(invoke.request_id)

    def started(self, start: Start) -> Attempt | None:
        """The attempt that a ``platform.start`` begins; None where the record has come before."""
        attempts = self._by_request.get(start.request_id)
        if attempts is None:
            return self._add(start.request_id)
        if start.time_ns in [a.start.time_ns for a in attempts if a.start is not None]:
            return None
        waiting = [
            a
            for a in attempts
            if a.start is None and not a.closed and (a.done is None or a.done.time_ns >= start.time_ns)
        ]
        of_this_process = [a for a in waiting if not a.reset]
        return (of_this_process or waiting)[0] if waiting else self._add(start.request_id)

    def ended(self, done: RuntimeDone) -> Attempt | None:
        """The attempt that a ``platform.runtimeDone`` ends: the last one that had begun by then.

        None where the record has come before, or its attempt was given up.
        """
        attempts = self._by_request.get(done.request_id, [])
        if done.time_ns in [a.done.time_ns for a in attempts if a.done is not None]:
            return None
        open_ones = [a for a in attempts if a.done is None and not a.closed]
        if not open_ones and attempts and attempts[-1].done is None:
            return None
        return _begun_by(done.time_ns, open_ones) if open_ones else self._add(done.request_id)

    def reported(self, report: Report) -> Attempt | None:
        """The attempt that a ``platform.report`` is about; None where it has its report or had this one."""
        attempts = self._by_request.get(report.request_id)
        if attempts is None:
            return self._add(report.request_id)
        if report.time_ns in [a.report.time_ns for a in attempts if a.report is not None]:
            return None
        waiting = [a for a in attempts if a.report is None]
        return _begun_by(report.time_ns, waiting) if waiting else None

    def is_done(self, request_id: str) -> bool:
        """Whether the last attempt of this request has ended."""
        last = self.latest(request_id)
        return last is not None and (last.done is not None or last.closed)

    def latest(self, request_id: str) -> Attempt | None:
        """The latest attempt of a request; None where it is not known."""
        attempts = self._by_request.get(request_id)
        return attempts[-1] if attempts else None

    def _add(self, request_id: str) -> Attempt:
        attempts = self._by_request.setdefault(request_id, [])
        attempt = Attempt(request_id, attempts[-1].number + 1 if attempts else 1)
        attempts.append(attempt)
        del attempts[:-_MOST_ATTEMPTS]
        if len(self._by_request) > _MOST_REQUESTS:
            del self._by_request[next(iter(self._by_request))]
        return attempt


def _begun_by(time_ns: int, attempts: list[Attempt]) -> Attempt:
    """The last of them that had begun by then, else that had begun at all, else the last."""
    if len(attempts) == 1:
        return attempts[0]
    begun = [a for a in attempts if a.start is not None or a.done is not None]
    by_then = [a for a in begun if a.start is not None and a.start.time_ns <= time_ns]
    return (by_then or begun or attempts)[-1]
