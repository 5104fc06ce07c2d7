"""Adds up what is measured, and writes it as OTLP metrics: opentelemetry/proto/metrics/v1/metrics.proto. Pure."""

from __future__ import annotations

from _struct import pack

from extension.instruments import COUNTER, GAUGE, HISTOGRAM, OBSERVED
from extension.otlp import attributes
from extension.protobuf import double, fixed64, integer, nested, string

TYPE_CHECKING = False
if TYPE_CHECKING:
    from extension.instruments import Instrument

    Labels = tuple[tuple[str, str], ...]

CUMULATIVE, DELTA, LOW_MEMORY = "cumulative", "delta", "lowmemory"
_DELTAS = {
    CUMULATIVE: frozenset[str](),
    DELTA: frozenset({COUNTER, OBSERVED, HISTOGRAM}),
    LOW_MEMORY: frozenset({COUNTER, HISTOGRAM}),
}
"""Which kinds are told by their change: "Metrics Exporter - OTLP" of OpenTelemetry's specification."""
_IS_DELTA, _IS_CUMULATIVE = 1, 2
_MOST_SERIES = 256
"""Far more than there are; another interface or trigger beyond it is left out."""


class _Series:
    """One metric with one set of attributes, since the start or since it was last written."""

    __slots__ = ("before", "changed", "counts", "greatest", "least", "start_ns", "total")

    def __init__(self, start_ns: int, buckets: int) -> None:
        self.start_ns = start_ns
        self.before: float | None = None
        self.begin_anew(start_ns, buckets)

    def begin_anew(self, start_ns: int, buckets: int) -> None:
        self.start_ns = start_ns
        self.total = 0.0
        self.counts = [0] * buckets
        self.least = self.greatest = 0.0
        self.changed = False


class Meter:
    """The metrics of one process of the extension."""

    __slots__ = ("_deltas", "_last_ns", "_series", "_start_ns")

    def __init__(self, temporality: str, start_ns: int) -> None:
        """`temporality`: CUMULATIVE, DELTA or LOW_MEMORY. `start_ns`: since when is counted."""
        self._deltas = _DELTAS[temporality]
        self._start_ns = self._last_ns = start_ns
        self._series: dict[tuple[Instrument, Labels], _Series] = {}

    def add(self, counter: Instrument, value: float, labels: Labels = ()) -> None:
        """Add to a counter."""
        series = self._of(counter, labels)
        if series is not None:
            series.total += value

    def record(self, histogram: Instrument, value: float, labels: Labels = ()) -> None:
        """Add a value to a distribution."""
        series = self._of(histogram, labels)
        if series is None:
            return
        first = not any(series.counts)
        series.counts[sum(1 for bound in histogram.bounds if value > bound)] += 1
        series.total += value
        series.least = value if first else min(series.least, value)
        series.greatest = value if first else max(series.greatest, value)

    def observe(self, instrument: Instrument, value: float, labels: Labels = (), since_ns: int | None = None) -> None:
        """Set a gauge, or the total of a counter that somebody else has kept since `since_ns`."""
        series = self._of(instrument, labels)
        if series is None:
            return
        if instrument.kind not in self._deltas:
            series.total = float(value)
            series.start_ns = since_ns or series.start_ns
            return
        if series.before is None or value < series.before:  # nothing to compare with, or it began anew
            series.changed = series.changed and series.before is not None
        else:
            series.total += value - series.before
        series.before = value

    def written(self, now_ns: int) -> list[bytes]:
        """What has changed since this was last asked for: a Metric each."""
        metrics = []
        for (instrument, labels), series in self._series.items():
            if series.changed:
                metrics.append(self._metric(instrument, labels, series, now_ns))
                series.changed = False
            if instrument.kind in self._deltas:
                series.begin_anew(now_ns, len(series.counts))
        self._last_ns = now_ns
        return metrics

    def _of(self, instrument: Instrument, labels: Labels) -> _Series | None:
        series = self._series.get((instrument, labels))
        if series is None:
            if len(self._series) >= _MOST_SERIES:
                return None
            start_ns = self._last_ns if instrument.kind in self._deltas else self._start_ns
            buckets = len(instrument.bounds) + 1 if instrument.kind == HISTOGRAM else 0
            series = self._series[instrument, labels] = _Series(start_ns, buckets)
        series.changed = True
        return series

    def _metric(self, instrument: Instrument, labels: Labels, series: _Series, now_ns: int) -> bytes:
        head = string(1, instrument.name) + string(2, instrument.description) + string(3, instrument.unit)
        if instrument.kind == GAUGE:
            return head + nested(5, nested(1, _number(labels, None, now_ns, series.total)))
        temporality = integer(2, _IS_DELTA if instrument.kind in self._deltas else _IS_CUMULATIVE)
        if instrument.kind == HISTOGRAM:
            return head + nested(9, nested(1, _distribution(labels, series, now_ns, instrument.bounds)) + temporality)
        point = _number(labels, series.start_ns, now_ns, series.total)
        return head + nested(7, nested(1, point) + temporality + integer(3, 1))


def _number(labels: Labels, start_ns: int | None, now_ns: int, value: float) -> bytes:
    """A NumberDataPoint: an integer where it is one."""
    start = b"" if start_ns is None else fixed64(2, start_ns)
    amount = fixed64(6, int(value)) if value.is_integer() else double(4, value)
    return attributes(7, dict(labels)) + start + fixed64(3, now_ns) + amount


def _distribution(labels: Labels, series: _Series, now_ns: int, bounds: tuple[float, ...]) -> bytes:
    """A HistogramDataPoint."""
    return b"".join(
        (
            attributes(9, dict(labels)),
            fixed64(2, series.start_ns),
            fixed64(3, now_ns),
            fixed64(4, sum(series.counts)),
            double(5, series.total),
            nested(6, pack(f"<{len(series.counts)}Q", *series.counts)),
            nested(7, pack(f"<{len(bounds)}d", *bounds)),
            double(11, series.least),
            double(12, series.greatest),
        )
    )
