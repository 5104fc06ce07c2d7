"""The sandbox's metrics, where they are asked for: of its invocations, from their spans; of its machine, from /proc."""

from __future__ import annotations

from time import time, time_ns

from extension import instruments as i
from extension.meter import Meter
from semconv import attributes as a
from semconv import phases

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from extension.batches import BatchQueue
    from extension.spans import Span

_NS_PER_S = 1_000_000_000
_BYTES_PER_MB = 1_048_576
_MOST_REMEMBERED = 64
_OUTCOMES = {"success": i.INVOCATIONS, "timeout": i.TIMEOUTS, "error": i.ERRORS, "failure": i.ERRORS}
_PERIOD_S = 10.0


class Metrics:
    """Counts as spans are made, reads /proc once in a period, and queues what has changed before each flush."""

    __slots__ = ("_counted", "_due_s", "_meter", "_of_invocations", "_of_sandbox", "_period_s", "_queue")

    def __init__(
        self, queue: BatchQueue, temporality: str, proc_period_s: float | None, *, of_invocations: bool
    ) -> None:
        """`proc_period_s`: between two looks at /proc; None for none. `temporality`: see :mod:`extension.meter`."""
        self._queue = queue
        self._of_sandbox = proc_period_s is not None
        self._meter = Meter(temporality, time_ns())
        self._of_invocations = of_invocations
        self._period_s = proc_period_s or _PERIOD_S
        self._due_s = 0.0
        self._counted: dict[bytes, bool] = {}

    def on_spans(self, spans: Iterable[Span]) -> None:
        """Spans have been made."""
        for span in spans if self._of_invocations else ():
            phase = span.attributes.get(a.PHASE)
            if phase == phases.INVOKE:
                self._count(span)
            elif phase in {phases.INIT, phases.RESTORE}:
                self._meter.record(i.INIT_DURATION, _seconds(span))
            elif phase == phases.POST_RUNTIME:
                used_mb = span.attributes.get(a.MAX_MEMORY_USED_MB)
                if isinstance(used_mb, (int, float)):
                    self._meter.record(i.MEM_USAGE, float(used_mb * _BYTES_PER_MB))

    def look(self) -> float:
        """Read /proc where that is due, and queue what has changed; in how many seconds it is due again."""
        now_s = time()
        if not self._due_s - self._period_s <= now_s < self._due_s:  # a clock set back counts as due
            self._due_s = now_s + self._period_s
            if self._of_sandbox:
                from extension.proc_sample import sample  # noqa: PLC0415 - for those who asked for it

                sample(self._meter)
            self.queue()
        return self._due_s - now_s

    def queue(self) -> None:
        """Queue what has changed since the last time: before a flush."""
        for metric in self._meter.written(time_ns()):
            self._queue.add(metric)

    def _count(self, span: Span) -> None:
        """An invocation; one whose span came before what is known of its init comes twice."""
        values = span.attributes
        if values.get(a.IN_FLIGHT):
            return
        trigger = values.get(a.FAAS_TRIGGER)
        labels = ((a.FAAS_TRIGGER, trigger),) if isinstance(trigger, str) else ()
        if values.get(a.FAAS_COLDSTART):
            self._meter.add(i.COLDSTARTS, 1, labels)
        if span.span_id in self._counted:
            return
        self._counted[span.span_id] = True
        if len(self._counted) > _MOST_REMEMBERED:
            del self._counted[next(iter(self._counted))]
        self._meter.record(i.INVOKE_DURATION, _seconds(span), labels)
        outcome = _OUTCOMES.get(str(values.get(a.STATUS)))
        if outcome is not None:
            self._meter.add(outcome, 1, labels)


def _seconds(span: Span) -> float:
    return (span.end_ns - span.start_ns) / _NS_PER_S
