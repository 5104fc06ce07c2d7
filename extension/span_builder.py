"""Spans out of what is known of an init, an attempt or a shutdown: docs/span-model.md, line by line. Pure."""

from __future__ import annotations

from extension import ids
from extension import spans as s
from extension.logs import LogRecord
from extension.timestamps import NS_PER_MS
from semconv import attributes as a
from semconv import phases

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from extension.attempts import Attempt
    from extension.event_facts import EventFacts
    from extension.init_runs import InitRun
    from extension.init_split import InitSplit
    from extension.inits import Inits
    from extension.logs import Line
    from extension.records import PlatformSpan, Report, Shutdown

_RESPONSE_PHASES = {
    "responseLatency": phases.RESPONSE_LATENCY,
    "responseDuration": phases.RESPONSE_DURATION,
    "runtimeOverhead": phases.RUNTIME_OVERHEAD,
}
_RESPONSE_ATTRIBUTES = {
    "responseLatency": a.RESPONSE_LATENCY_MS,
    "responseDuration": a.RESPONSE_DURATION_MS,
    "runtimeOverhead": a.RUNTIME_OVERHEAD_MS,
}
_SUCCESS = "success"
_TELEMETRY, _PROBE = "telemetry", "probe"
_PROCESS = "process"
_SUPPRESSED = "invoke"


class Ending:
    """How an invocation ended, as far as it is known.

    Attributes:
        end_ns: nanoseconds since the epoch.
        status: the platform's word; None where it did not say.
        error_type: None on success, and where nobody knows.
        estimated: whether `end_ns` is a best guess.
        in_flight: whether it has not ended: `end_ns` is now.
    """

    __slots__ = ("end_ns", "error_type", "estimated", "in_flight", "status")

    def __init__(
        self, end_ns: int, status: str | None, error_type: str | None, *, estimated: bool, in_flight: bool = False
    ) -> None:
        self.end_ns = end_ns
        self.in_flight = in_flight
        self.status = status
        self.error_type = error_type if error_type or status in {None, _SUCCESS} else status
        self.estimated = estimated


def _no_cost(_phase: str) -> s.Attributes:
    return {}


class SpanStyle:
    """What of the span model can be chosen.

    Attributes:
        compact: whether the response's figures are attributes of the invocation, and not spans.
        self_cost: attributes that say what the extension costs, for a span of the phase that is given.
    """

    __slots__ = ("compact", "self_cost")

    def __init__(self, self_cost: Callable[[str], s.Attributes] = _no_cost, *, compact: bool = False) -> None:
        self.compact = compact
        self.self_cost = self_cost


class SpanBuilder:
    """Makes the spans of one sandbox."""

    __slots__ = ("_inits", "_latest", "_life", "_style", "function_name", "instance_id")

    def __init__(self, function_name: str, instance_id: str, style: SpanStyle, life: int, inits: Inits) -> None:
        """`life`: 1, and one more after each reset of the sandbox. `inits`: what it has gone through; it grows."""
        self.function_name = function_name
        self.instance_id = instance_id
        self._style = style
        self._life = life
        self._inits = inits
        self._latest: tuple[Attempt | None, bytes] = (None, b"")

    # Invocations -----------------------------------------------------------------------------------------------------

    def invoke(self, attempt: Attempt, start_ns: int, ending: Ending) -> Iterator[s.Span]:
        """The span of an attempt and those of its parts."""
        values = self._of_attempt(phases.INVOKE, attempt)
        if attempt.waited is not None:
            values[a.FAAS_COLDSTART] = attempt.waited
            values[a.PROACTIVE_INIT] = attempt.proactive
        _add(values, a.INITIALIZATION_TYPE, self._inits.initialization_type)
        _add(values, a.RUNTIME_VERSION, self._inits.runtime_version)
        _add(values, a.INVOKED_ARN, attempt.arn)
        _add_outcome(values, ending.status, ending.error_type)
        values[a.BUSY_START_UNIX_NANO] = _busy_start_ns(attempt, start_ns)
        done = attempt.done
        if done is not None and done.produced_bytes is not None:
            values[a.PRODUCED_BYTES] = int(done.produced_bytes)
        if ending.estimated:
            values[a.END_ESTIMATED] = True
        if ending.in_flight:
            values[a.IN_FLIGHT] = True
        parts = done.spans if done is not None else attempt.report.spans if attempt.report else ()
        if self._style.compact:
            _add_responses(values, parts)
        kind, links = s.KIND_SERVER, self._links_to_unwaited_inits(attempt)
        if attempt.event is not None:
            _add_event(values, attempt.event, attempt.payload, start_ns)
            kind = s.KIND_CONSUMER if attempt.event.faas_trigger == "pubsub" else kind
            links += attempt.event.links
        yield _span(
            self.function_name or phases.INVOKE,
            self._trace_id(attempt),
            self._invoke_id(attempt),
            _parent_id(attempt),
            (start_ns, ending.end_ns),
            values,
            kind=kind,
            outcome=(ending.status, ending.error_type),
            links=links,
        )
        if not self._style.compact:
            yield from self._responses(attempt, parts)

    def _responses(self, attempt: Attempt, parts: tuple[PlatformSpan, ...]) -> Iterator[s.Span]:
        for part in parts:
            phase = _RESPONSE_PHASES.get(part.name)
            if phase is not None:
                yield _span(
                    phase,
                    self._trace_id(attempt),
                    self._span_id(attempt, phase),
                    self._invoke_id(attempt),
                    (part.start_ns, part.start_ns + round(part.duration_ms * NS_PER_MS)),
                    self._of_attempt(phase, attempt),
                )

    def post_runtime(self, attempt: Attempt, start_ns: int, invoke_end_ns: int, report: Report) -> s.Span:
        """From the end of the invocation until its report, with the report's figures."""
        values = self._of_attempt(phases.POST_RUNTIME, attempt)
        ending = Ending(0, report.status, report.error_type, estimated=False)
        _add_outcome(values, ending.status, ending.error_type)
        for name, figure in (
            (a.DURATION_MS, report.duration_ms),
            (a.BILLED_DURATION_MS, _whole(report.billed_duration_ms)),
            (a.MEMORY_SIZE_MB, _whole(report.memory_size_mb)),
            (a.MAX_MEMORY_USED_MB, _whole(report.max_memory_used_mb)),
            (a.INIT_DURATION_MS, report.init_duration_ms),
            (a.RESTORE_DURATION_MS, report.restore_duration_ms),
            (a.BILLED_RESTORE_DURATION_MS, _whole(report.billed_restore_duration_ms)),
        ):
            _add(values, name, figure)
        values.update(self._style.self_cost(phases.POST_RUNTIME))
        end_ns = report.time_ns if report.duration_ms is None else start_ns + round(report.duration_ms * NS_PER_MS)
        return _span(
            phases.POST_RUNTIME,
            self._trace_id(attempt),
            self._span_id(attempt, phases.POST_RUNTIME),
            self._invoke_id(attempt),
            (invoke_end_ns, end_ns),
            values,
            outcome=(ending.status, ending.error_type),
        )

    # Init and restore ------------------------------------------------------------------------------------------------

    def init(self, run: InitRun, attempt: Attempt | None, end_ns: int, split: InitSplit | None) -> Iterator[s.Span]:
        """The spans of an init or restore.

        Args:
            run: what the platform said; it has a start.
            attempt: the invocation that waited for it; None makes a trace of its own.
            end_ns: its end where the platform did not tell one.
            split: the borders inside it, where they are known.
        """
        start_ns = run.start_ns
        if start_ns is None:
            return
        phase = phases.RESTORE if run.restore else phases.INIT
        values = self._of_init(phase, attempt)
        _add(values, a.INITIALIZATION_TYPE, run.initialization_type)
        _add(values, a.INIT_PHASE, run.phase)
        _add(values, a.RUNTIME_VERSION, run.start.runtime_version if run.start else None)
        _add(values, a.RUNTIME_VERSION_ARN, run.start.runtime_version_arn if run.start else None)
        ending = Ending(run.end_ns or end_ns, run.status, run.error_type, estimated=run.end_ns is None)
        _add_outcome(values, ending.status, ending.error_type)
        if ending.estimated:
            values[a.END_ESTIMATED] = True
        values.update(self._style.self_cost(phase))
        trace_id, span_id = self._init_ids(phase, run, attempt)
        parent_id = self._invoke_id(attempt) if attempt else b""
        outcome = (ending.status, ending.error_type)
        yield _span(phase, trace_id, span_id, parent_id, (start_ns, ending.end_ns), values, outcome=outcome)
        if split is not None and run.done is not None:
            for part, source, bounds in _parts(split, start_ns, run.done.time_ns):
                part_id = self._init_ids(part, run, attempt)[1]
                yield _span(part, trace_id, part_id, span_id, bounds, self._of_init(part, attempt, source))
                if part == phases.FUNCTION_INIT:
                    yield from self._imports(split, run, attempt, part_id)

    def _imports(self, split: InitSplit, run: InitRun, attempt: Attempt | None, parent_id: bytes) -> Iterator[s.Span]:
        """A span for each import that took long. They are no phase: each is inside of function init, and of others."""
        for number, one in enumerate(split.imports, 1):
            trace_id, span_id = self._init_ids(f"import/{number}", run, attempt)
            values: s.Attributes = {a.PHASE_SOURCE: _PROBE, a.IMPORT_NAME: one.name}
            if attempt is not None:
                values |= {a.FAAS_INVOCATION_ID: attempt.request_id, a.ATTEMPT: attempt.number}
            yield _span(f"import {one.name}", trace_id, span_id, parent_id, (one.begin_ns, one.end_ns), values)

    def _init_ids(self, phase: str, run: InitRun, attempt: Attempt | None) -> tuple[bytes, bytes]:
        """Trace and span of a phase of an init. A suppressed init may follow one that failed, with the same request."""
        key = f"{phase}/{_SUPPRESSED}" if run.phase == _SUPPRESSED else phase
        if attempt is not None:
            return self._trace_id(attempt), self._span_id(attempt, key)
        whole = self._of_life(phases.RESTORE if run.restore else phases.INIT)
        span_key = self._of_life(key)
        return ids.trace_id_of_phase(self.instance_id, whole), ids.span_id_of_phase(self.instance_id, span_key)

    def _links_to_unwaited_inits(self, attempt: Attempt) -> tuple[s.Link, ...]:
        links = []
        for run in attempt.runs:
            if run.waited is False and not run.of_snapshot:
                phase = phases.RESTORE if run.restore else phases.INIT
                trace_id, span_id = self._init_ids(phase, run, None)
                links.append(s.Link(trace_id=trace_id, span_id=span_id))
        return tuple(links)

    # Shutdown --------------------------------------------------------------------------------------------------------

    def shutdown(self, event: Shutdown, received_ns: int, done_ns: int) -> s.Span:
        """From the SHUTDOWN event until now."""
        status = _SUCCESS if event.reason == "spindown" else event.reason
        return _span(
            phases.SHUTDOWN,
            ids.trace_id_of_phase(self.instance_id, self._of_life(phases.SHUTDOWN)),
            ids.span_id_of_phase(self.instance_id, self._of_life(phases.SHUTDOWN)),
            b"",
            (received_ns, done_ns),
            {
                a.PHASE: phases.SHUTDOWN,
                a.PHASE_SOURCE: _TELEMETRY,
                a.SHUTDOWN_REASON: event.reason,
                **self._style.self_cost(phases.SHUTDOWN),
            },
            outcome=(status, None if status == _SUCCESS else status),
        )

    # Logs ------------------------------------------------------------------------------------------------------------

    def log_record(self, line: Line, attempt: Attempt | None, observed_ns: int) -> LogRecord:
        """A log line, joined to the invocation that wrote it."""
        values: dict[str, object] = dict(line.fields)
        if line.cut_characters:
            values[a.LOG_CUT_CHARACTERS] = line.cut_characters
        if attempt is not None:
            values[a.FAAS_INVOCATION_ID] = attempt.request_id
            values[a.ATTEMPT] = attempt.number
        return LogRecord(
            time_ns=line.time_ns,
            observed_ns=observed_ns,
            severity_number=line.severity_number,
            severity_text=line.level,
            body=line.body,
            attributes=values,
            trace_id=self._trace_id(attempt) if attempt else b"",
            span_id=self._invoke_id(attempt) if attempt else b"",
        )

    # Parts -----------------------------------------------------------------------------------------------------------

    def _trace_id(self, attempt: Attempt) -> bytes:
        if attempt.handler is not None:
            return attempt.handler.trace_id
        header = ids.parse_trace_header(attempt.tracing)
        return header.trace_id if header else ids.trace_id_of_request(attempt.request_id)

    def _invoke_id(self, attempt: Attempt) -> bytes:
        """The span id of `invoke`, the parent of most others of its attempt."""
        latest, span_id = self._latest
        if latest is not attempt:
            span_id = self._span_id(attempt, phases.INVOKE)
            self._latest = attempt, span_id
        return span_id

    def _span_id(self, attempt: Attempt, phase: str) -> bytes:
        return ids.span_id(attempt.request_id, self.instance_id, attempt.number, phase)

    def _of_life(self, phase: str) -> str:
        """What sets a phase that belongs to no invocation apart from that of another life of the sandbox."""
        return phase if self._life == 1 else f"{phase}/{self._life}"

    @staticmethod
    def _of_attempt(phase: str, attempt: Attempt) -> s.Attributes:
        return {
            a.PHASE: phase,
            a.PHASE_SOURCE: _TELEMETRY,
            a.FAAS_INVOCATION_ID: attempt.request_id,
            a.ATTEMPT: attempt.number,
        }

    def _of_init(self, phase: str, attempt: Attempt | None, source: str = _TELEMETRY) -> s.Attributes:
        if attempt is None:
            return {a.PHASE: phase, a.PHASE_SOURCE: source}
        return {**self._of_attempt(phase, attempt), a.PHASE_SOURCE: source}


def _parent_id(attempt: Attempt) -> bytes:
    """Beside the span of the handler where that has a parent, else below it; without one as tracing says."""
    handler = attempt.handler
    if handler is not None:
        return handler.parent_id or handler.span_id
    header = ids.parse_trace_header(attempt.tracing)
    return header.parent_id if header else b""


def _parts(split: InitSplit, start_ns: int, done_ns: int) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """Phase, source and bounds of what an init consists of."""
    yield phases.EXTENSION_INIT, split.source, (start_ns, split.runtime_ns)
    if split.load_ns is None or split.loaded_ns is None:
        yield phases.RUNTIME_AND_FUNCTION_INIT, split.source, (split.runtime_ns, done_ns)
        return
    yield phases.RUNTIME_INIT, _PROBE, (split.runtime_ns, split.load_ns)
    yield phases.FUNCTION_INIT, _PROBE, (split.load_ns, split.loaded_ns)


def _add_event(values: s.Attributes, event: EventFacts, payload: str | None, start_ns: int) -> None:
    """What the event says of where it comes from."""
    age_ms = None if event.last_ns is None or not event.ages else max(0, start_ns - event.last_ns) / NS_PER_MS
    messages = event.batch_size if event.messaging_system else None
    for name, value in (
        (a.FAAS_TRIGGER, event.faas_trigger),
        (a.TRIGGER, event.trigger),
        (a.EVENT_SOURCE_ARN, event.source_arn),
        (a.BATCH_SIZE, event.batch_size),
        (a.ITERATOR_AGE_MS, age_ms),
        (a.EVENT_FIRST_UNIX_NANO, event.first_ns),
        (a.EVENT_LAST_UNIX_NANO, event.last_ns),
        (a.EVENT_ATTEMPT, event.attempt),
        (a.EVENT_PAYLOAD, payload),
        (a.MESSAGING_SYSTEM, event.messaging_system),
        (a.MESSAGING_OPERATION_TYPE, _PROCESS if event.messaging_system else None),
        (a.MESSAGING_DESTINATION_NAME, event.destination),
        (a.MESSAGING_DESTINATION_PARTITION_ID, event.partition),
        (a.MESSAGING_BATCH_MESSAGE_COUNT, messages),
    ):
        _add(values, name, value)


def _add_responses(values: s.Attributes, parts: tuple[PlatformSpan, ...]) -> None:
    for part in parts:
        name = _RESPONSE_ATTRIBUTES.get(part.name)
        if name is not None:
            values[name] = part.duration_ms


def _busy_start_ns(attempt: Attempt, start_ns: int) -> int:
    starts = [run.start_ns for run in attempt.runs if run.waited]
    return min([start_ns, *(ns for ns in starts if ns is not None)])


def _whole(value: float | None) -> float | int | None:
    """An integer where the platform means one: it writes 694 as well as 694.0."""
    return int(value) if value is not None and value.is_integer() else value


def _add(values: s.Attributes, name: str, value: s.AttributeValue | None) -> None:
    """What is unknown is left out."""
    if value is not None:
        values[name] = value


def _add_outcome(values: s.Attributes, status: str | None, error_type: str | None) -> None:
    _add(values, a.STATUS, status)
    _add(values, a.ERROR_TYPE, error_type)


def _span(  # noqa: PLR0913 - a span has this many parts
    name: str,
    trace_id: bytes,
    span_id: bytes,
    parent_id: bytes,
    bounds: tuple[int, int],
    attributes: s.Attributes,
    *,
    kind: int = s.KIND_INTERNAL,
    outcome: tuple[str | None, str | None] = (None, None),
    links: tuple[s.Link, ...] = (),
) -> s.Span:
    start_ns, end_ns = bounds
    status, error_type = outcome
    if status is None:
        code = s.STATUS_UNSET if error_type is None else s.STATUS_ERROR
    else:
        code = s.STATUS_OK if status == _SUCCESS else s.STATUS_ERROR
    return s.Span(
        name=name,
        kind=kind,
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        start_ns=start_ns,
        end_ns=max(start_ns, end_ns),
        attributes=attributes,
        status_code=code,
        status_message=error_type or "" if code == s.STATUS_ERROR else "",
        links=links,
    )
