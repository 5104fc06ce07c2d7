"""An acknowledgement is a promise: kill -9, clean stops, torn files and an absent store lose and double nothing.

LAMBDASCOPE_SOAK=1 runs the kill loop at its full size.
"""

from __future__ import annotations

import os
import random
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from tests.support.collector import CollectorProcess, lambda_span, running_collector, trace_request, wait_for_rows

ROUNDS = 100 if os.environ.get("LAMBDASCOPE_SOAK") == "1" else 4
SENDERS = 4
DAY_NS = 86_400 * 10**9
START_NS = time.time_ns() - 3 * 86_400 * 10**9  # recent: what is older than the retention is removed


@dataclass
class Sender:
    """A sandbox that exports one span and one log record at a time, and repeats each until it is acknowledged.

    Every name is unique, and spans fall on two days, so that inserts touch several partitions.
    """

    name: str
    acknowledged: list[str] = field(default_factory=list)
    _sequence: int = 0

    def run(self, address: str, until: threading.Event) -> None:
        with grpc.insecure_channel(address) as channel:
            traces, logs = TraceServiceStub(channel), LogsServiceStub(channel)
            while not until.is_set():
                self._export(traces, logs, until)

    def _export(self, traces: TraceServiceStub, logs: LogsServiceStub, until: threading.Event) -> None:
        """Both signals of the next sequence number. An export in doubt keeps its number and its bytes."""
        sequence = self._sequence + 1
        name = f"{self.name}-{sequence}"
        metadata = (("x-lambdascope-instance", self.name), ("x-lambdascope-sequence", str(sequence)))
        span = lambda_span(name, start_ns=START_NS + sequence % 2 * DAY_NS, duration_ns=sequence)
        record = ExportLogsServiceRequest()
        record.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=START_NS).body.string_value = name
        while not until.is_set():
            try:
                traces.Export(trace_request([span]), metadata=metadata, timeout=5)
                logs.Export(record, metadata=metadata, timeout=5)
            except grpc.RpcError:
                until.wait(0.02)
            else:
                self._sequence = sequence
                self.acknowledged.append(name)
                return


def stored(collector: CollectorProcess) -> tuple[list[str], list[str], list[int]]:
    """Names in otel_traces and otel_logs once nothing is queued, and traces per lookup row."""
    client = collector.sql()
    names = [row[0] for row in client.query("SELECT SpanName FROM otel_traces ORDER BY ALL").result_rows]
    bodies = [row[0] for row in client.query("SELECT Body FROM otel_logs ORDER BY ALL").result_rows]
    lookups = [row[0] for row in client.query("SELECT uniqExact(TraceId) FROM otel_traces_trace_id_ts").result_rows]
    client.close()
    return names, bodies, lookups


def queued(collector: CollectorProcess) -> int:
    with urllib.request.urlopen(f"{collector.addresses.http_url}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    counts = [line for line in lines if line.startswith("lambdascope_collector_queued_items{")]
    return int(sum(float(line.rpartition(" ")[2]) for line in counts))


def drain(collector: CollectorProcess, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while queued(collector):
        assert time.monotonic() < deadline, f"still queued: {queued(collector)}; {collector.stderr}"
        time.sleep(0.05)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_kill_9_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Senders repeat what was not acknowledged; afterwards every span and record is there, once."""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    process = CollectorProcess(tmp_path / "data", ["--linger-ms", "20"])
    senders = [Sender(f"sandbox-{number}") for number in range(SENDERS)]
    for _ in range(ROUNDS):
        address = process.start().grpc
        until = threading.Event()
        threads = [threading.Thread(target=sender.run, args=(address, until)) for sender in senders]
        for thread in threads:
            thread.start()
        until.wait(rng.uniform(0.1, 1.5))
        process.kill()
        until.set()
        for thread in threads:
            thread.join()
    # What was in doubt at the last kill is sent again, as the layer does.
    address = process.start().grpc
    try:
        done = threading.Event()
        with grpc.insecure_channel(address) as channel:
            for sender in senders:
                sender._export(TraceServiceStub(channel), LogsServiceStub(channel), done)
        drain(process)
        expected = sorted(name for sender in senders for name in sender.acknowledged)
        names, bodies, _ = stored(process)
        assert len(expected) > SENDERS * ROUNDS, f"seed {seed}: too little was sent to prove anything"
        assert names == expected, f"seed {seed}"
        assert bodies == expected, f"seed {seed}"
    finally:
        process.stop()


def export_spans(collector: CollectorProcess, names: list[str]) -> None:
    with grpc.insecure_channel(collector.addresses.grpc) as channel:
        stub = TraceServiceStub(channel)
        for name in names:
            stub.Export(trace_request([lambda_span(name, start_ns=START_NS, duration_ns=1)]))


def test_a_clean_stop_loses_nothing_and_leaves_the_spool_empty(tmp_path: Path) -> None:
    process = CollectorProcess(tmp_path / "data", ["--linger-ms", "60000"])
    process.start()
    names = [f"span-{number:03}" for number in range(100)]
    export_spans(process, names)
    assert process.stop() == 0
    assert list((tmp_path / "data" / "spool").glob("*.segment")) == []
    process.start()
    assert stored(process)[0] == names
    assert process.stop() == 0


def test_the_same_bytes_without_an_id_are_two_exports(tmp_path: Path) -> None:
    """Not repeats: two sandboxes may well send equal spans. ClickHouse's own hashes must not drop the second."""
    with running_collector("--linger-ms", "20", data=tmp_path / "data") as process:
        client = process.sql()
        for number in range(1, 4):
            export_spans(process, ["same"])
            wait_for_rows(client, "SELECT 1 FROM otel_traces", number)
        assert client.query("SELECT count() FROM otel_traces").result_rows == [(3,)]
        client.close()


def test_a_torn_tail_is_cut_off_and_counted(tmp_path: Path) -> None:
    """A crash in the middle of a write: everything before it is stored."""
    process = CollectorProcess(tmp_path / "data", ["--linger-ms", "60000"])
    process.start()
    export_spans(process, ["one", "two"])
    process.kill()
    (segment,) = (tmp_path / "data" / "spool").glob("*.segment")
    with segment.open("ab") as file:
        file.write(b"\x40\x00\x00\x00half a record")
    process.start()
    try:
        drain(process)
        assert stored(process)[0] == ["one", "two"]
        with urllib.request.urlopen(f"{process.addresses.http_url}/metrics", timeout=10) as response:
            assert b"lambdascope_collector_spool_torn_bytes_total 17.0\n" in response.read()
    finally:
        process.stop()


def test_repeats_are_known_after_a_restart(tmp_path: Path) -> None:
    """Whether its rows are stored already or still in the spool."""
    process = CollectorProcess(tmp_path / "data", ["--linger-ms", "20"])
    metadata = (("x-lambdascope-instance", "sandbox"), ("x-lambdascope-sequence", "1"))
    request = trace_request([lambda_span("once", start_ns=START_NS, duration_ns=1)])
    for end in (process.stop, process.kill, process.stop):
        process.start()
        with grpc.insecure_channel(process.addresses.grpc) as channel:
            TraceServiceStub(channel).Export(request, metadata=metadata)
        drain(process)
        end()
    process.start()
    assert stored(process)[0] == ["once"]
    process.stop()
