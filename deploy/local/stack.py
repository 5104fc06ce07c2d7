"""Collector, emulator and dashboard as real processes, wired to one another."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import clickhouse_connect
import yaml
from clickhouse_connect.driver.client import Client

from deploy.local.processes import Process, ProcessError

ROOT = Path(__file__).resolve().parents[2]
LAYER = ROOT / "dist" / "layer.zip"

_COLLECTOR_READY = r"collector: ready grpc=(?P<grpc>\S+) http=(?P<http>\S+) sql=(?P<sql>\S+)"
_EMULATOR_READY = r"ready on (?P<url>http://\S+)"
_DASHBOARD_READY = r"(?P<url>http://\S+)"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the local stack listens; 0 takes a free port."""

    grpc: int = 0
    http: int = 0
    sql: int = 0
    emulator: int = 0
    dashboard: int = 0


DEFAULT_PORTS = Ports(grpc=4317, http=4318, sql=8123, emulator=3001, dashboard=8501)


@dataclass(frozen=True, slots=True)
class Collector:
    """A running collector and its addresses, each ``host:port``."""

    process: Process
    grpc: str
    http: str
    sql: str

    def client(self) -> Client:
        """A client of its SQL endpoint."""
        host, _, port = self.sql.rpartition(":")
        return clickhouse_connect.get_client(host=host, port=int(port))


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator."""

    process: Process
    url: str
    scenario: Path
    record: Path

    def summary(self) -> dict[str, Any]:
        """What the emulator itself counted: invocations, cold starts, sandboxes, peak concurrency."""
        answer: dict[str, Any] = get_json(f"{self.url}/_lambdascope/summary")
        return answer

    def settled(self, invocations: int) -> dict[str, Any]:
        """The summary, once this many invocations are over: a caller has its answer before the extensions are done."""
        wait_for(
            lambda: self.summary()["invocations"] >= invocations, f"{invocations} invocations to be over", timeout_s=30
        )
        return self.summary()

    def drained(self) -> None:
        """Waits until no source has records or messages left, and no batch is being processed."""

        def is_idle() -> bool:
            sources = get_json(f"{self.url}/_lambdascope/sources")["sources"].values()
            return not any(source["waiting"] or source["batches_in_flight"] for source in sources)

        wait_for(is_idle, "the streams to be read to their end", timeout_s=30)

    def functions(self) -> list[str]:
        """The names of the scenario's functions."""
        return sorted(yaml.safe_load(self.scenario.read_text(encoding="utf-8"))["functions"])

    def records(self, kind: str) -> list[dict[str, Any]]:
        """The truth it wrote down, one dictionary per record of this kind."""
        lines = self.record.read_text(encoding="utf-8").splitlines()
        return [record for record in map(json.loads, lines) if record["kind"] == kind]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A running dashboard."""

    process: Process
    url: str


class Stack:
    """Starts the parts one by one under ``folder`` and stops them in reverse.

    Sandboxes end first, so that what their extensions still hold reaches the collector; the collector ends last.
    """

    def __init__(self, folder: Path, ports: Ports = Ports()) -> None:
        self.folder = folder
        self.ports = ports
        self._started: list[Process] = []
        self._firehose_key = folder / "firehose.key"

    def __enter__(self) -> Self:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._firehose_key.write_text(secrets.token_urlsafe(32) + "\n", encoding="utf-8")
        self._firehose_key.chmod(0o600)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops everything, the last started first. May be called twice."""
        while self._started:
            self._started.pop().stop()

    def check_alive(self) -> None:
        """Raises :exc:`ProcessError` where a part has ended by itself."""
        for process in self._started:
            process.check_alive()

    def start_collector(self, *arguments: str) -> Collector:
        """Starts the collector with an embedded store of its own, and a key without which it takes no metrics."""
        process = self._start(
            "collector",
            ["--data", str(self.folder / "data"), "--grpc-port", str(self.ports.grpc), "--http-port",
             str(self.ports.http), "--sql-port", str(self.ports.sql),
             "--firehose-keys", str(self._firehose_key), *arguments],
            ready=_COLLECTOR_READY,
        )  # fmt: skip
        match = process.wait_ready(90)
        return Collector(process, match["grpc"], match["http"], match["sql"])

    def start_emulator(self, scenario: Path, collector_http: str, *arguments: str, layer: Path = LAYER) -> Emulator:
        """Starts the emulator with the built layer on every function of the scenario."""
        if not layer.exists():
            raise ProcessError(f"the layer {layer} is not there: run `make layer`")
        record = self.folder / "record.jsonl"
        process = self._start(
            "emulator",
            ["--scenario", str(scenario), "--layer", str(layer), "--port", str(self.ports.emulator),
             "--record", str(record), "--relay", f"collector:4318={collector_http}",
             "--firehose", f"http://{collector_http}/firehose", "--firehose-key", str(self._firehose_key), *arguments],
            ready=_EMULATOR_READY,
        )  # fmt: skip
        return Emulator(process, process.wait_ready(60)["url"], scenario, record)

    def start_dashboard(self, sql: str) -> Dashboard:
        """Starts the dashboard on the collector's SQL endpoint."""
        port = self.ports.dashboard or free_port()
        process = Process(
            "dashboard",
            [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "app.py"), "--server.port", str(port),
             "--server.address", "127.0.0.1", "--server.headless", "true", "--browser.gatherUsageStats", "false"],
            log=self.folder / "dashboard.log",
            ready=_DASHBOARD_READY,
            environ={"LAMBDASCOPE_SQL_URL": f"http://{sql}"},
            cwd=ROOT,
        )  # fmt: skip
        self._started.append(process)
        process.wait_ready()
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{url}/_stcore/health"), "the dashboard to answer", timeout_s=60)
        return Dashboard(process, url)

    def _start(self, part: str, arguments: Iterable[str], *, ready: str) -> Process:
        process = Process(
            part,
            [sys.executable, "-m", part, *arguments],
            log=self.folder / f"{part}.log",
            ready=ready,
            cwd=ROOT,
        )
        self._started.append(process)
        return process


def get_json(url: str) -> Any:
    """The JSON at ``url``."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def answers(url: str) -> bool:
    """Whether ``url`` answers with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def free_port() -> int:
    """A TCP port of the loopback address that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], bool], what: str, *, timeout_s: float) -> None:
    """Polls until ``condition`` holds.

    Raises:
        ProcessError: naming ``what``, after ``timeout_s``.
    """
    until = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until:
            raise ProcessError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(0.1)
