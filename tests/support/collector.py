"""A real collector process for tests, and OTLP spans for it.

``with running_collector() as collector:`` starts one on free ports with a data folder of its own, waits until it is
ready, and stops it at the end. :class:`CollectorProcess` can also be killed and started again on the same folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

ROOT = Path(__file__).parents[2]
READY_WITHIN_S = 60.0
STOPPED_WITHIN_S = 40.0

_READY = re.compile(r"collector: ready grpc=(\S+) http=(\S+) sql=(\S+) store=(\S+)")


@dataclass(frozen=True)
class Addresses:
    """Where a collector listens, each as ``host:port``; ``sql`` is ``-`` where it has no SQL port."""

    grpc: str
    http: str
    sql: str
    store: str

    @property
    def http_url(self) -> str:
        """Base of OTLP/HTTP and of the pages."""
        return f"http://{self.http}"

    @property
    def sql_url(self) -> str:
        """Base of the SQL endpoint."""
        return f"http://{self.sql}"


class CollectorProcess:
    """One collector process. ``data`` survives it."""

    def __init__(
        self,
        data: Path,
        flags: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.data = data
        self._cwd = cwd or data.parent
        self._command = [sys.executable, "-m", "collector", "--data", str(data)]
        for name in ("grpc-port", "http-port", "sql-port"):
            if f"--{name}" not in flags:
                self._command += [f"--{name}", "0"]
        self._command += flags
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LAMBDASCOPE_")}
        self._environ = {**kept, "PYTHONPATH": str(ROOT), **(environ or {})}
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._lines: list[str] = []
        self._addresses: Addresses | None = None
        self._ready = threading.Event()

    @property
    def addresses(self) -> Addresses:
        """Of the running process."""
        assert self._addresses is not None
        return self._addresses

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def stderr(self) -> str:
        """All that it has written."""
        return "".join(self._lines)

    def launch(self) -> None:
        """Start the process and wait for nothing."""
        self._ready.clear()
        self._addresses = None
        # Not in the project's folder: nothing that the engine leaves in its working folder may end up there.
        self._cwd.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            self._command, env=self._environ, cwd=self._cwd, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._lines.append(line)
            if match := _READY.match(line):
                self._addresses = Addresses(*match.groups())
                self._ready.set()
        self._ready.set()

    def start(self) -> Addresses:
        """Start the process and wait until it is ready."""
        self.launch()
        assert self._ready.wait(READY_WITHIN_S), f"not ready within {READY_WITHIN_S} s: {self.stderr}"
        assert self._addresses is not None, f"ended at its start: {self.stderr}"
        return self._addresses

    def freeze(self) -> None:
        """Halt every thread of it where it is. Only :meth:`kill` comes after."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + STOPPED_WITHIN_S
        while any(
            " T " not in task.read_text(encoding="utf-8") for task in Path(f"/proc/{self.pid}/task").glob("*/stat")
        ):
            assert time.monotonic() < deadline, "it does not halt"
            time.sleep(0.001)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        return self._end(signal.SIGTERM)

    def wait(self) -> int:
        """The exit code of a process that ends by itself."""
        assert self._process is not None
        code = self._process.wait(STOPPED_WITHIN_S)
        self._release()
        return code

    def _end(self, number: int) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self._process.kill()
            self.wait()
            raise AssertionError(f"did not stop within {STOPPED_WITHIN_S} s: {self.stderr}") from None

    def _release(self) -> None:
        assert self._process is not None
        assert self._reader is not None
        self._reader.join(STOPPED_WITHIN_S)
        assert self._process.stderr is not None
        self._process.stderr.close()

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def sql(self) -> Client:
        """clickhouse-connect on the SQL port. The caller closes it."""
        host, _, port = self.addresses.sql.rpartition(":")
        return clickhouse_connect.get_client(host=host, port=int(port), autogenerate_session_id=False)


@contextlib.contextmanager
def running_collector(*flags: str, data: Path | None = None) -> Iterator[CollectorProcess]:
    """A collector that is ready, stopped and, without ``data``, forgotten at the end.

    Args:
        flags: further arguments of the command line, such as ``"--linger-ms", "50"``.
        data: its data folder; a temporary one where None.
    """
    with tempfile.TemporaryDirectory(prefix="lambdascope-collector-") as folder:
        process = CollectorProcess(data or Path(folder) / "data", flags)
        try:
            process.start()
            yield process
        finally:
            if process.running:
                process.stop()


def wait_for_rows(client: Client, query: str, rows: int, *, within_s: float = 90.0) -> list[tuple[object, ...]]:
    """Run a query until it gives at least so many rows; returns them. Fails after ``within_s``."""
    deadline = time.monotonic() + within_s
    while True:
        found = [tuple(row) for row in client.query(query).result_rows]
        if len(found) >= rows:
            return found
        assert time.monotonic() < deadline, f"{len(found)} of {rows} rows after {within_s} s: {query}"
        time.sleep(0.05)


def wait_for_causes(client: Client, *, within_s: float = 900.0) -> None:
    """Until the jobs have made the causes of all points that are stored."""
    waiting = (
        "SELECT 1 FROM (SELECT countIf(MadeOfArrivals != Arrivals) AS blocks FROM lambda_cause_blocks) WHERE blocks = 0"
    )
    wait_for_rows(client, waiting, 1, within_s=within_s)


def wait_for_rest(client: Client, *, within_s: float = 900.0) -> None:
    """Until what was loaded lies in one part per partition, some minutes after the last of it came."""
    scattered = (
        "SELECT 1 FROM system.parts "
        "WHERE active AND table IN ('otel_traces', 'lambda_invocation_parts', 'lambda_rollups', 'lambda_metrics') "
        "GROUP BY table, partition HAVING count() > 1"
    )
    wait_for_rows(
        client,
        f"SELECT 1 FROM (SELECT count() AS partitions FROM ({scattered})) WHERE partitions = 0",
        1,
        within_s=within_s,
    )


def lambda_span(
    phase: str,
    *,
    start_ns: int,
    duration_ns: int,
    request_id: str = "",
    instance: str = "sandbox-1",
    attempt: int = 1,
    trace_id: bytes = b"\x01" * 16,
    **attributes: str | float | bool,
) -> Span:
    """A span as the extension sends it. Attribute names are given with ``__`` for the dots."""
    digest = hashlib.sha256(f"{request_id}/{instance}/{attempt}/{phase}".encode()).digest()
    span = Span(
        trace_id=trace_id,
        span_id=digest[:8],
        name=phase,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + duration_ns,
    )
    everything: dict[str, str | int | float | bool] = {"lambda.phase": phase}
    if request_id:
        everything |= {"faas.invocation_id": request_id, "lambda.attempt": attempt}
    everything |= {name.replace("__", "."): value for name, value in attributes.items()}
    span.attributes.extend(key_values(everything))
    return span


def key_values(attributes: Mapping[str, str | int | float | bool]) -> list[KeyValue]:
    """OTLP attributes."""
    return [KeyValue(key=key, value=_any_value(value)) for key, value in attributes.items()]


def _any_value(value: str | float | bool) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(double_value=value) if isinstance(value, float) else AnyValue(string_value=value)


def trace_request(
    spans: Iterable[Span], *, function: str = "checkout", version: str = "1", instance: str = "sandbox-1"
) -> ExportTraceServiceRequest:
    """An export of one sandbox."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(
        key_values(
            {
                "cloud.provider": "aws",
                "cloud.account.id": "123456789012",
                "cloud.region": "eu-west-1",
                "faas.name": function,
                "faas.version": version,
                "faas.instance": instance,
                "faas.max_memory": 256 << 20,
                "host.arch": "arm64",
                "service.name": function,
            }
        )
    )
    scope = group.scope_spans.add()
    scope.scope.name = "lambdascope"
    scope.spans.extend(spans)
    return request
