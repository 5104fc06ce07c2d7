"""Whatever fails, and whenever: what is stored is what was acknowledged, each once, in every table.

The store is a ClickHouse server behind a proxy, the spool is on a small disk. LAMBDASCOPE_SOAK=1 runs 100 rounds;
without, each fault once.
"""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import clickhouse_connect
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.support.clickhouse_server import ClickHouseServer, free_port
from tests.support.collector import CollectorProcess, lambda_span, trace_request
from tests.support.faulty_proxy import FaultyProxy
from tests.support.small_disk import SmallDisk

SOAK = os.environ.get("LAMBDASCOPE_SOAK") == "1"
ROUNDS = 100
SENDERS = 4
START_NS = time.time_ns() - 3 * 86_400 * 10**9  # recent: what is older than the retention is removed
DAY_NS = 86_400 * 10**9


def bodies(name: str, number: int) -> dict[str, bytes]:
    """A request of each signal; spans on two days, so that an insert has several parts."""
    start_ns = START_NS + number % 2 * DAY_NS
    trace_id = hash_id(name)
    span = lambda_span("invoke", start_ns=start_ns, duration_ns=10**6, request_id=name, instance=name.partition("/")[0],
                       trace_id=trace_id)  # fmt: skip
    logs = ExportLogsServiceRequest()
    logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=start_ns).body.string_value = name
    metrics = ExportMetricsServiceRequest()
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name=name)
    metric.sum.data_points.add(as_int=number, time_unix_nano=start_ns)
    return {
        "traces": trace_request([span], instance=name.partition("/")[0]).SerializeToString(),
        "logs": logs.SerializeToString(),
        "metrics": metrics.SerializeToString(),
    }


def hash_id(name: str) -> bytes:
    """A trace id for a name."""
    return random.Random(name).randbytes(16)


@dataclass
class Sender:
    """A sandbox that exports one item of each signal at a time, and repeats each until it is acknowledged."""

    name: str
    acknowledged: list[str] = field(default_factory=list)

    def run(self, address: Callable[[], str], until: threading.Event) -> None:
        while not until.is_set():
            number = len(self.acknowledged) + 1
            name = f"{self.name}/{number}"
            for signal, body in bodies(name, number).items():
                while not self._post(address(), signal, number, body):
                    time.sleep(0.02)  # also after the end: what was begun is finished
            self.acknowledged.append(name)

    def _post(self, address: str, signal: str, number: int, body: bytes) -> bool:
        connection = http.client.HTTPConnection(address, timeout=5)
        headers = {"Content-Type": "application/x-protobuf", "x-lambdascope-instance": self.name}
        headers |= {"x-lambdascope-sequence": str(number), "x-lambdascope-total": str(number)}
        try:
            connection.request("POST", f"/v1/{signal}", body, headers)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class World:
    """Everything that can fail."""

    def __init__(self, folder: Path, disk: SmallDisk) -> None:
        self.disk = disk
        self.server = ClickHouseServer(folder / "clickhouse", free_port())
        self.server.start()
        self.proxy = FaultyProxy(self.server.port)
        store = f"http://127.0.0.1:{self.proxy.port}/default"
        flags = ["--store", store, "--linger-ms", "20", "--store-timeout-s", "1", "--spool-min-free-bytes", "1"]
        self.collector = CollectorProcess(disk.path / "data", [*flags, "--http-port", str(free_port())], cwd=folder)
        self.collector.start()

    def kill_the_collector(self, pause: Callable[[], None]) -> None:
        self.collector.kill()
        pause()
        self.collector.start()

    def stop_the_collector(self, pause: Callable[[], None]) -> None:
        assert self.collector.stop() == 0
        pause()
        self.collector.start()

    def kill_the_store(self, pause: Callable[[], None]) -> None:
        self.server.kill()
        pause()
        self.server.start()

    def refuse(self, pause: Callable[[], None]) -> None:
        self.proxy.set("refuse")
        pause()
        self.proxy.set("pass")

    def hang(self, pause: Callable[[], None]) -> None:
        self.proxy.set("hang")
        pause()
        self.proxy.set("pass")

    def store_and_lose_the_answer(self, pause: Callable[[], None]) -> None:
        self.proxy.set("lose")
        pause()
        self.proxy.set("pass")

    def kill_between_insert_and_removal(self, pause: Callable[[], None]) -> None:
        """The server has stored a batch whose segment is still there."""
        self.proxy.set("lose")
        pause()
        self.collector.kill()
        self.proxy.set("pass")
        self.collector.start()

    def fill_the_disk(self, pause: Callable[[], None]) -> None:
        self.disk.fill()
        pause()
        self.disk.empty()

    def fill_the_disk_and_kill(self, pause: Callable[[], None]) -> None:
        self.disk.fill()
        pause()
        self.collector.kill()
        self.disk.empty()
        self.collector.start()

    def make_the_disk_read_only(self, pause: Callable[[], None]) -> None:
        """A start on it fails in one line; later it works."""
        self.collector.kill()
        self.disk.read_only(on=True)
        self.collector.launch()
        assert self.collector.wait() == 2
        pause()
        self.disk.read_only(on=False)
        self.collector.start()

    def cut_off_the_disk(self, pause: Callable[[], None]) -> None:
        """As a loss of power is to the disk: only what was synced is there afterwards."""
        self.disk.cut_off()
        pause()
        self.collector.kill()
        self.disk.unmount()
        self.disk.mount()
        self.collector.start()

    def close(self) -> None:
        if self.collector.running:
            self.collector.kill()
        self.proxy.close()
        self.server.kill()


FAULTS = (
    World.kill_the_collector,
    World.stop_the_collector,
    World.kill_the_store,
    World.refuse,
    World.hang,
    World.store_and_lose_the_answer,
    World.kill_between_insert_and_removal,
    World.fill_the_disk,
    World.fill_the_disk_and_kill,
    World.make_the_disk_read_only,
    World.cut_off_the_disk,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with SmallDisk(tmp_path, 64 << 20) as disk:
        made = World(tmp_path, disk)
        try:
            yield made
        finally:
            made.close()


def queued(collector: CollectorProcess) -> int:
    connection = http.client.HTTPConnection(collector.addresses.http, timeout=10)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    counts = [line for line in lines if line.startswith("lambdascope_collector_queued_items{")]
    return int(sum(float(line.rpartition(" ")[2]) for line in counts))


@pytest.mark.root
@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_what_is_stored_is_what_was_acknowledged(world: World) -> None:
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    faults = [*FAULTS, *rng.choices(FAULTS, k=ROUNDS - len(FAULTS))] if SOAK else list(FAULTS)
    until = threading.Event()
    senders = [Sender(f"sandbox-{number}") for number in range(SENDERS)]
    address = world.collector.addresses.http
    threads = [threading.Thread(target=sender.run, args=(lambda: address, until)) for sender in senders]
    for thread in threads:
        thread.start()
    try:
        for fault in faults:
            time.sleep(rng.uniform(0.05, 0.6))  # load in between; how long does not matter
            fault(world, lambda: time.sleep(rng.uniform(0.1, 1.2)))
    finally:
        until.set()
        for thread in threads:
            thread.join()
    deadline = time.monotonic() + 120
    while queued(world.collector):
        assert time.monotonic() < deadline, f"seed {seed}: still queued; {world.collector.stderr[-2000:]}"
        time.sleep(0.1)
    expected = sorted(name for sender in senders for name in sender.acknowledged)
    assert len(expected) > SENDERS * len(faults), f"seed {seed}: too little was sent to prove anything"
    check(world.server.port, expected, seed)
    assert world.collector.stop() == 0
    deliveries(world.server.port, senders, seed)


def column(port: int, query: str) -> list[str]:
    client = clickhouse_connect.get_client(host="127.0.0.1", port=port, autogenerate_session_id=False)
    try:
        return [str(row[0]) for row in client.query(query).result_rows]
    finally:
        client.close()


def check(port: int, expected: list[str], seed: int) -> None:
    tables = {
        "otel_traces": "SpanAttributes['faas.invocation_id']",
        "otel_logs": "Body",
        "otel_metrics_sum": "MetricName",
        "lambda_invocations": "RequestId",
    }
    for table, name in tables.items():
        stored = column(port, f"SELECT {name} AS name FROM {table} ORDER BY name")
        assert stored == expected, f"seed {seed}: {table}: {sorted(set(expected) ^ set(stored))[:10]}"
    traces = column(port, "SELECT TraceId FROM otel_traces_trace_id_ts GROUP BY TraceId ORDER BY TraceId")
    assert traces == sorted(hash_id(name).hex() for name in expected), f"seed {seed}"
    seconds = column(port, "SELECT uniqExact(Start) FROM otel_traces_trace_id_ts")
    assert int(seconds[0]) <= 2, f"seed {seed}"


def deliveries(port: int, senders: list[Sender], seed: int) -> None:
    """Nothing is missing, and each export counts once, however often it was sent and its segment was replayed."""
    rows = column(
        port, "SELECT format('{} {} {} {}', InstanceId, Signal, Exports, MissingExports) FROM lambda_deliveries"
    )
    assert sorted(rows) == sorted(
        f"{sender.name} {signal} {len(sender.acknowledged)} 0"
        for sender in senders
        for signal in ("traces", "logs", "metrics")
    ), f"seed {seed}"
