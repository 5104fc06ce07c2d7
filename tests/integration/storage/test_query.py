"""``python -m collector query``: through the collector that runs, and from the store itself where none does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.collector import ROOT, CollectorProcess


def ask(data: Path, port: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collector", "query", "--data", str(data), "--sql-port", port, *arguments]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=data.parent, env=environ, timeout=120, check=False
    )


def test_a_store_is_asked_through_its_collector_and_without(tmp_path: Path) -> None:
    data = tmp_path / "data"
    collector = CollectorProcess(data)
    addresses = collector.start()
    port = addresses.sql.rpartition(":")[2]
    try:
        found = [ask(data, port, "--format", "csv", "SELECT 1 AS a, 'x' AS b")]
    finally:
        collector.stop()
    found.append(ask(data, port, "--format", "csv", "SELECT 1 AS a, 'x' AS b;"))
    assert [(answer.returncode, answer.stdout) for answer in found] == [(0, '"a","b"\n1,"x"\n')] * 2
    json = ask(data, port, "--format", "json", "SELECT 1 AS a")
    assert (json.returncode, json.stdout) == (0, '{"a":1}\n')
    table = ask(data, port, "SELECT count() AS Invocations FROM lambda_invocations")
    assert "Invocations" in table.stdout
    assert table.returncode == 0


@pytest.mark.parametrize(
    ("sql", "said"),
    [("DROP TABLE otel_logs", "readonly"), ("SELECT nothing", "nothing"), ("INSERT INTO otel_logs VALUES", "readonly")],
)
def test_what_cannot_be_answered_is_one_line(tmp_path: Path, sql: str, said: str) -> None:
    data = tmp_path / "data"
    made = [sys.executable, "-m", "collector", "migrate", "--data", str(data)]
    subprocess.run(made, cwd=ROOT, capture_output=True, timeout=120, check=True)
    answer = ask(data, "1", sql)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert said in answer.stderr
    assert answer.stderr.count("\n") == 1
