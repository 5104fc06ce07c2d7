"""Records and events in, queued bytes out. For the event loop's thread; behind the queues, the exporter's goes on."""

from __future__ import annotations

from time import time_ns

from extension import otlp
from extension.logs import read_line
from extension.parsing import parse_batch
from extension.records import FunctionLog, InitRuntimeDone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from extension.attempts import Attempt
    from extension.batches import BatchQueue
    from extension.diagnostics import Diagnostics
    from extension.lifecycle import Lifecycle
    from extension.log_rules import LogRules
    from extension.logs import Line
    from extension.metrics import Metrics
    from extension.parsing import Batch
    from extension.records import Invoke, Shutdown
    from extension.spans import Span

_NEVER_S = 3600.0
_MOST_HELD_LINES = 1000


class Pipeline:
    """The lifecycle of the sandbox between what comes in and what is queued.

    Attributes:
        deliveries: how many deliveries of telemetry have come.
        malformed: how many records could not be understood.
    """

    __slots__ = (
        "_diagnostics",
        "_find_runtime",
        "_held_lines",
        "_in_flight_after_ns",
        "_lifecycle",
        "_log_rules",
        "_logs",
        "_look",
        "_metrics",
        "_searched",
        "_spans",
        "deliveries",
        "malformed",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - the ends that it stands between
        self,
        lifecycle: Lifecycle,
        spans: BatchQueue | None,
        logs: BatchQueue | None,
        find_runtime: Callable[[], int | None],
        in_flight_after_s: float | None,
        log_rules: LogRules,
        diagnostics: Diagnostics,
        look: Callable[[], None] = lambda: None,
        metrics: Metrics | None = None,
    ) -> None:
        """A signal without a queue is not kept.

        `find_runtime` says when the runtime's process started; it is called once, when there must be one. An invocation
        that runs for `in_flight_after_s` is told of while it does. `look` is called before anything is made of records:
        what the wrapper and the proxy have said by then belongs to them.
        """
        self._in_flight_after_ns = None if in_flight_after_s is None else int(in_flight_after_s * 1e9)
        self._log_rules = log_rules
        self._lifecycle = lifecycle
        self._spans = spans
        self._logs = logs
        self._find_runtime = find_runtime
        self._diagnostics = diagnostics
        self._look = look
        self._metrics = metrics
        self._held_lines: list[tuple[Line, Attempt | None, int]] = []
        self._searched = False
        self.deliveries = 0
        self.malformed = 0

    def on_delivery(self, body: bytes) -> None:
        """The body of a delivery. Never raises."""
        try:
            self._take(parse_batch(body))
        except Exception as error:  # noqa: BLE001 - a record that we do not cope with must not end the thread
            self._diagnostics.say("telemetry-bug", f"telemetry was lost: {type(error).__name__}: {error}")

    def tell_in_flight(self, urgent: Callable[[], None]) -> float:
        """Tell of invocations that have been running for long; in how many seconds to ask again at the latest.

        `urgent` is called where something was queued that is not to wait for the next flush.
        """
        after_ns = self._in_flight_after_ns
        if after_ns is None or self._spans is None:
            return _NEVER_S
        now_ns = time_ns()
        self._look()
        spans = self._lifecycle.in_flight(now_ns, after_ns)
        self._queue(spans)
        due_ns = self._lifecycle.next_in_flight_ns(after_ns)
        if spans:
            urgent()
        return _NEVER_S if due_ns is None else max(0.0, (due_ns - now_ns) / 1e9)

    def before_flush(self) -> None:
        """Queue what is only made for a flush, the metrics as they are now; and log lines whose trace is settled."""
        self._let_go_lines()
        if self._metrics is not None:
            self._metrics.queue()

    def measure(self) -> float:
        """Measure what is due; in how many seconds to ask again at the latest."""
        return _NEVER_S if self._metrics is None else self._metrics.look()

    def on_invoke(self, event: Invoke, now_ns: int) -> None:
        """An INVOKE event."""
        self._look()
        self._search_runtime()
        self._queue(self._lifecycle.on_invoke(event, now_ns))

    def on_shutdown(self, event: Shutdown, received_ns: int, now_ns: int) -> None:
        """The SHUTDOWN event, and the end of the wait for late records."""
        self._look()
        self._queue(self._lifecycle.on_shutdown(event, received_ns, now_ns))

    def _take(self, batch: Batch) -> None:
        if any(isinstance(record, InitRuntimeDone) for record in batch.records):
            self._search_runtime()
        self._look()
        self.deliveries += 1
        self.malformed += batch.malformed
        for record in batch.records:
            if isinstance(record, FunctionLog):
                self._queue_log(record)
            else:
                self._queue(self._lifecycle.on_record(record))
        self._let_go_lines()
        if batch.malformed:
            self._diagnostics.say("malformed", f"{batch.malformed} telemetry records could not be understood")

    def _search_runtime(self) -> None:
        """Find out when the runtime started, once: before the records that need it are looked at."""
        if not self._searched:
            self._searched = True
            self._lifecycle.runtime_start_ns = self._find_runtime()

    def _queue_log(self, record: FunctionLog) -> None:
        if self._logs is None:
            return
        now_ns = time_ns()
        line = self._log_rules.applied(read_line(record), now_ns / 1e9)
        if line is None:
            return
        attempt = self._lifecycle.attempt_of(line)
        if self._lifecycle.handlers is None:
            self._logs.add(otlp.log_record(self._lifecycle.log_of(line, attempt, now_ns)))
        else:
            self._held_lines.append((line, attempt, now_ns))

    def _let_go_lines(self) -> None:
        """Queue the lines that waited to learn their trace, which is settled at the end of their invocation.

        The oldest go in any case where more wait than may.
        """
        if self._logs is None or not self._held_lines:
            return
        beyond, held = len(self._held_lines) - _MOST_HELD_LINES, self._held_lines
        self._held_lines = []
        for number, (line, attempt, now_ns) in enumerate(held):
            if number >= beyond and attempt is not None and not (attempt.sent or attempt.told or attempt.closed):
                self._held_lines.append((line, attempt, now_ns))
            else:
                self._logs.add(otlp.log_record(self._lifecycle.log_of(line, attempt, now_ns)))

    def _queue(self, spans: list[Span]) -> None:
        if self._metrics is not None:
            self._metrics.on_spans(spans)
        if self._spans is not None:
            for span in spans:
                self._spans.add(otlp.span(span))
