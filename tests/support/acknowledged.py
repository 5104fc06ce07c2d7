"""Senders that know what was acknowledged to them, and whether that is what is stored, each item once."""

from __future__ import annotations

import http.client
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.support.collector import lambda_span, trace_request

Rows = Callable[[str], list[tuple[str, ...]]]
_DAY_NS = 86_400 * 10**9
_SIGNALS = ("traces", "logs", "metrics")


@dataclass
class Sender:
    """A sandbox that exports one request of each signal at a time, and repeats each until it is acknowledged.

    Attributes:
        items: spans and log records of a request. Batches of many are decoded by ClickHouse, others in Python.
        rest_s: what it waits between its exports.
    """

    name: str
    start_ns: int
    items: int = 1
    rest_s: float = 0.0
    acknowledged: list[str] = field(default_factory=list)

    def run(self, address: str, until: threading.Event, give_up: threading.Event) -> None:
        """Export until the end. What was begun is finished after it, unless the collector is gone for good."""
        while not until.is_set():
            number = len(self.acknowledged) + 1
            name = f"{self.name}/{number}"
            for signal, body in self._bodies(name, number).items():
                while not self._post(address, signal, number, body):
                    if give_up.wait(0.02):
                        return
            self.acknowledged.append(name)
            until.wait(self.rest_s)

    def _bodies(self, name: str, number: int) -> dict[str, bytes]:
        """Spans fall on two days, so that an insert has several parts. One of them is an invocation."""
        start_ns = self.start_ns + number % 2 * _DAY_NS
        invoke = lambda_span("invoke", start_ns=start_ns, duration_ns=10**6, request_id=name, instance=self.name,
                             trace_id=trace_id(name))  # fmt: skip
        others = [
            lambda_span(f"work {n}", start_ns=start_ns + n, duration_ns=n, request_id=name, instance=self.name,
                        trace_id=trace_id(name))
            for n in range(1, self.items)
        ]  # fmt: skip
        logs = ExportLogsServiceRequest()
        scope_logs = logs.resource_logs.add().scope_logs.add()
        for _ in range(self.items):
            scope_logs.log_records.add(time_unix_nano=start_ns).body.string_value = name
        metrics = ExportMetricsServiceRequest()
        metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name=name)
        metric.sum.data_points.add(as_int=number, time_unix_nano=start_ns)
        return {
            "traces": trace_request([invoke, *others], instance=self.name).SerializeToString(),
            "logs": logs.SerializeToString(),
            "metrics": metrics.SerializeToString(),
        }

    def _post(self, address: str, signal: str, number: int, body: bytes) -> bool:
        connection = http.client.HTTPConnection(address, timeout=5)
        headers = {"Content-Type": "application/x-protobuf", "x-lambdascope-instance": self.name}
        headers |= {"x-lambdascope-sequence": str(number), "x-lambdascope-total": str(number * self.items)}
        try:
            connection.request("POST", f"/v1/{signal}", body, headers)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def trace_id(name: str) -> bytes:
    """For a name, always the same."""
    return random.Random(name).randbytes(16)


@dataclass(frozen=True)
class Difference:
    """Where what is stored is not what was acknowledged, each item once.

    Attributes:
        query: what was asked: names, and how often each is there.
        lacking: how often more it should be.
        beyond: how often less.
    """

    query: str
    lacking: dict[str, int]
    beyond: dict[str, int]


def differences(rows: Rows, senders: Sequence[Sender]) -> list[Difference]:
    """Of every table and rollup; empty where all is well. ``rows`` answers a query."""
    names = {name: sender.items for sender in senders for name in sender.acknowledged}
    once = dict.fromkeys(names, 1)
    ids = {trace_id(name).hex(): 1 for name in names}
    of_sandboxes = {sender.name: len(sender.acknowledged) for sender in senders}
    ever = "from = toDateTime64('2000-01-01 00:00:00', 3, 'UTC'), to = now64(3, 'UTC')"
    expected = {
        "SELECT SpanAttributes['faas.invocation_id'] AS name, count() FROM otel_traces GROUP BY name": names,
        "SELECT Body, count() FROM otel_logs GROUP BY Body": names,
        "SELECT MetricName, count() FROM otel_metrics_sum GROUP BY MetricName": once,
        "SELECT RequestId, count() FROM lambda_invocations GROUP BY RequestId": once,
        "SELECT InstanceId, Invocations FROM lambda_sandboxes": of_sandboxes,
        "SELECT TraceId, uniqExact(Start) FROM otel_traces_trace_id_ts GROUP BY TraceId": ids,
        "SELECT 'all', sum(Invocations) FROM lambda_activity("
        f"{ever}, bucket_s = 86400) WHERE FunctionName = '*' AND FunctionVersion = ''": {"all": len(names)},
        "SELECT format('{} {}', InstanceId, Signal), Exports FROM lambda_deliveries WHERE NOT MissingExports": {
            f"{sender.name} {signal}": len(sender.acknowledged) for sender in senders for signal in _SIGNALS
        },
    }
    found = []
    for query, wanted in expected.items():
        stored = Counter({name: int(count) for name, count in rows(query)})
        lacking, beyond = Counter(wanted) - stored, stored - Counter(wanted)
        if lacking or beyond:
            found.append(Difference(query, dict(lacking), dict(beyond)))
    return found
