"""How fast fleet mode makes load: it has to outrun the collector that it is used against."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from benchmarks import Measurement
from emulator.fleet.config import build, load
from emulator.fleet.simulation import Simulation
from emulator.fleet.streams import MetricDeliveries, TraceStream

_START_US = 1_780_272_000_000_000
_FUNCTIONS = 200
_REQUESTS_PER_S = 20.0
_DAYS = 0.1


def measure() -> Iterator[Measurement]:
    """Spans per second of processor time, simulated and encoded; and the same with CloudWatch's metrics beside them."""
    spans, points, plain_s = _run(with_metrics=False)
    _, points, metered_s = _run(with_metrics=True)
    yield Measurement(
        "fleet.spans_per_cpu_s",
        round(spans / plain_s),
        "1/s",
        {"with_metrics": round(spans / metered_s), "spans": spans},
    )
    yield Measurement("fleet.points_per_cpu_s", round(points / (metered_s - plain_s)), "1/s", {"points": points})


def _run(*, with_metrics: bool) -> tuple[int, int, float]:
    """Spans, points, and seconds of processor time."""
    config = replace(load(None), functions=_FUNCTIONS, requests_per_s=_REQUESTS_PER_S, days=_DAYS)
    fleet = build(config, seed=1)
    traces, metrics = TraceStream(fleet, 2000), MetricDeliveries(fleet, "opentelemetry1.0")
    spans = points = 0
    began_s = time.process_time()
    for minute in Simulation(fleet, _START_US, with_metrics=with_metrics).minutes():
        spans += sum(request.spans for request in traces.add(minute.facts))
        points += len(minute.points)
        for _ in metrics.add(minute.points, minute.end_us):
            pass
    spans += sum(request.spans for request in traces.rest())
    return spans, points, time.process_time() - began_s
