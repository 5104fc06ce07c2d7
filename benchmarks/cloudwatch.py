"""How many points of CloudWatch a collector takes through /firehose, from the socket to the stored row.

Deliveries are a fleet's, as Firehose makes them: gzip'd, of about 4 MiB, by a few connections at once. The figure is of
wall-clock time until the spool is empty, sender included, on the machine as it is; beside it, points per second of the
collector's own processor time, and the same in JSON format.
"""

from __future__ import annotations

import gzip
import http.client
import itertools
import os
import random
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import Measurement
from deploy.local.stack import Collector, Stack, wait_for
from emulator.metrics import FORMATS, Delivery, MetricPoint, MetricStream, deliveries, records

POINTS: Final = 400_000
FUNCTIONS: Final = 500
SENDERS: Final = 4
_METRICS: Final = ("Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions", "IteratorAge")
_BUFFER_BYTES: Final = 4 << 20
_MINUTE_NS: Final = 60_000_000_000
_START_NS: Final = 1_790_000_040_000_000_000
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Load:
    """What a stream of deliveries took."""

    points: int
    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A collector, and a key of its /firehose."""

    collector: Collector
    access_key: str


def measure() -> Iterator[Measurement]:
    """Yields ``cloudwatch.points_per_s``."""
    with tempfile.TemporaryDirectory(prefix="lambdascope-bench-") as folder, Stack(Path(folder) / "run") as stack:
        endpoint = Endpoint(stack.start_collector(), (Path(folder) / "run" / "firehose.key").read_text().strip())
        _send(endpoint, _bodies("json", 10_000, 0))  # the first inserts pay for the engine's start
        loads = {name: _send(endpoint, _bodies(name, POINTS, minute)) for minute, name in enumerate(FORMATS, 100)}
        otel, as_json = loads["opentelemetry1.0"], loads["json"]
        yield Measurement(
            "cloudwatch.points_per_s",
            round(otel.points / otel.wall_s),
            "points/s",
            {
                "needed": round(1_000_000 / 60),
                "per_cpu_s": round(otel.points / otel.cpu_s),
                "json": round(as_json.points / as_json.wall_s),
                "json_per_cpu_s": round(as_json.points / as_json.cpu_s),
                "points": otel.points,
            },
        )


def _bodies(name: str, points: int, first_minute: int) -> Sequence[Delivery]:
    """Deliveries of different points, made and compressed beforehand."""
    draw = random.Random(name)
    stream = MetricStream("123456789012", "eu-west-1")
    made = records(list(itertools.islice(_points(draw, first_minute), points)), stream, FORMATS[name])
    return [
        Delivery(delivery.request_id, gzip.compress(delivery.body, 1))
        for delivery in deliveries(made, lambda: str(uuid.uuid4()), 0, _BUFFER_BYTES)
    ]


def _points(draw: random.Random, first_minute: int) -> Iterator[MetricPoint]:
    for minute in itertools.count(first_minute * 10_000):
        for function, metric in itertools.product(range(FUNCTIONS), _METRICS):
            name = f"function-{function}"
            value = draw.random() * 100
            for dimensions in (
                (("FunctionName", name),),
                (("FunctionName", name), ("Resource", f"{name}:live")),
            ):
                yield MetricPoint(metric, dimensions, _START_NS + minute * _MINUTE_NS, 9, 9 * value, value, 2 * value)


def _send(endpoint: Endpoint, bodies: Sequence[Delivery]) -> Load:
    collector = endpoint.collector
    host, _, port = collector.http.rpartition(":")

    def post(share: Sequence[Delivery]) -> None:
        connection = http.client.HTTPConnection(host, int(port), timeout=180)
        for delivery in share:
            headers = {
                "X-Amz-Firehose-Request-Id": delivery.request_id,
                "X-Amz-Firehose-Access-Key": endpoint.access_key,
                "Content-Encoding": "gzip",
            }
            connection.request("POST", "/firehose", delivery.body, headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200:
                raise RuntimeError(f"{response.status}: {answer[:200]!r}")
        connection.close()

    before = _stored(collector)
    began_s, cpu_s = time.monotonic(), _cpu_s(collector.process.pid)
    with ThreadPoolExecutor(SENDERS) as senders:
        list(senders.map(post, [bodies[index::SENDERS] for index in range(SENDERS)]))
    wait_for(lambda: _value(collector, "queued_items") == 0, "the spool to be empty", timeout_s=300)
    wall_s, cpu_s = time.monotonic() - began_s, _cpu_s(collector.process.pid) - cpu_s
    return Load(round(_stored(collector) - before), wall_s, cpu_s)


def _stored(collector: Collector) -> float:
    return _value(collector, "stored_items_total")


def _value(collector: Collector, name: str) -> float:
    """A figure of the collector's own, of CloudWatch's points."""
    host, _, port = collector.http.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    lines = [line for line in text.splitlines() if line.startswith(f"lambdascope_collector_{name}{{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines if 'signal="cloudwatch"' in line)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
