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
    from extension.init_runs import InitRun
    from extension.records import Invoke, Report, RuntimeDone, Start

_MOST_REQUESTS = 512
"""How many request ids are remembered. Retries come within minutes; one more than this is taken for a first attempt."""


class Attempt:
    """One attempt of one invocation: what is known of it so far.

    Attributes:
        number: from 1, per request id and sandbox.
        invoked_ns: when the INVOKE event was received, on our clock.
        event: what its event says of where it comes from; None where that is not known.
        payload: what of the event itself is recorded; None for nothing.
        runs: the inits that came before it and belong to no earlier attempt.
        waited: whether it waited for one of them; None where that is not known.
        proactive: whether its sandbox had been ready for long before it.
        sent: whether its `invoke` span was made.
        told: whether a start record of it was made.
        closed: whether nothing more is expected for it.
        reset: why the process that saw it begin was ended; empty for one of this process.
        followed_ns: when the next INVOKE event was received, on our clock: it had ended by then.
    """

    __slots__ = (
        "closed",
        "done",
        "event",
        "followed_ns",
        "invoke",
        "invoked_ns",
        "number",
        "payload",
        "proactive",
        "report",
        "request_id",
        "reset",
        "runs",
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
        self.event: EventFacts | None = None
        self.payload: str | None = None
        self.waited: bool | None = None
        self.proactive = False
        self.sent = False
        self.told = False
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
        last = self.latest(invoke.request_id)
        if last is not None and last.invoke is None:
            whole = last.start is not None and last.report is not None
            if whole or not last.closed:
                return last
        return self._add(invoke.request_id)

    def started(self, start: Start) -> Attempt:
        """The attempt that a ``platform.start`` begins."""
        last = self.latest(start.request_id)
        if last is not None and last.start is None and last.done is None and not last.closed:
            return last
        return self._add(start.request_id)

    def ended(self, request_id: str) -> Attempt:
        """The attempt that a ``platform.runtimeDone`` ends: the last one under way."""
        attempts = self._by_request.get(request_id, [])
        open_ones = [a for a in attempts if a.done is None and not a.closed]
        begun = [a for a in open_ones if a.start is not None]
        return (begun or open_ones)[-1] if open_ones else self._add(request_id)

    def reported(self, request_id: str) -> Attempt | None:
        """The attempt that a ``platform.report`` is about; None where it has its report."""
        attempts = self._by_request.get(request_id)
        if attempts is None:
            return self._add(request_id)
        waiting = [a for a in attempts if a.report is None]
        begun = [a for a in waiting if a.start is not None or a.done is not None]
        return (begun or waiting)[-1] if waiting else None

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
        del attempts[:-2]  # of older attempts nothing is to come
        if len(self._by_request) > _MOST_REQUESTS:
            del self._by_request[next(iter(self._by_request))]
        return attempt
