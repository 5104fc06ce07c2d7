"""``python -m collector quarantine``: what ClickHouse refused, listed, shown and stored after all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from collector import quarantine
from collector.otlp.signals import Signal
from collector.spool.record import ExportId, Record
from tests.support.collector import ROOT, lambda_span, running_collector, trace_request

TABLE = "otel_traces"
TOKEN = "00000000000000000001-0123456789abcdef-traces-0-7"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with one refused request."""
    folder = tmp_path / "data"
    quarantine.keep(folder / "quarantine", record("kept"), TOKEN, TABLE)
    return folder


def record(name: str) -> Record:
    body = trace_request([lambda_span(name, start_ns=10**9, duration_ns=1)]).SerializeToString()
    return Record(Signal.TRACES, 1, 1_700_000_000 * 10**9, ExportId("sandbox", 3), body)


def run(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LAMBDASCOPE_")}
    command = [sys.executable, "-m", "collector", "quarantine", *arguments, "--data", str(data)]
    return subprocess.run(
        command, env={**kept, "PYTHONPATH": str(ROOT)}, cwd=data, capture_output=True, text=True, check=False
    )


def test_what_is_kept_is_listed_and_shown(data: Path) -> None:
    listed = run(data, "list")
    size = str(len(record("kept").body))
    fields = [f"{TOKEN}-{TABLE}", "traces", "1", size, "2023-11-14T22:13:20+00:00", "3 sandbox"]
    assert (listed.returncode, listed.stdout.splitlines()) == (0, ["\t".join(fields)])
    assert '"name": "kept"' in run(data, "show", f"{TOKEN}-{TABLE}").stdout


def test_a_name_that_is_not_there(data: Path) -> None:
    result = run(data, "replay", "other")
    assert (result.returncode, "there is no other" in result.stderr) == (2, True)
    assert len(quarantine.read(data / "quarantine")) == 1


def test_a_file_that_a_crash_left_unfinished_is_passed_over(data: Path) -> None:
    (data / "quarantine" / f"{TOKEN}x-{TABLE}.segment").write_bytes(b"LSSP")
    assert [kept.record for kept in quarantine.read(data / "quarantine")] == [record("kept")]


def test_a_replay_stores_once_and_waits_for_a_store_that_is_in_use(data: Path) -> None:
    result = run(data, "replay")
    assert (result.returncode, "1 stored, 0 refused again" in result.stderr) == (0, True)
    assert quarantine.read(data / "quarantine") == []
    quarantine.keep(data / "quarantine", record("kept"), TOKEN, TABLE)  # as if it had died before it removed the file
    assert run(data, "replay").returncode == 0
    with running_collector(data=data) as collector:
        client = collector.sql()
        assert client.query("SELECT SpanName FROM otel_traces").result_rows == [("kept",)]
        client.close()
        quarantine.keep(data / "quarantine", record("later"), f"{TOKEN}1", TABLE)
        refused = run(data, "replay")
        assert (refused.returncode, "another process has it open" in refused.stderr) == (2, True)
    assert [kept.record for kept in quarantine.read(data / "quarantine")] == [record("later")]
