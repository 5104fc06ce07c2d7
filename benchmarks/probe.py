"""What wrapper and probe add to a Python runtime's start, and how far their split is from the function's own clock."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks import Measurement
from extension.marks import MarksReader
from tests.support.depth import programs

RUNS: Final = 40
RUNTIME: Final = 'import importlib; importlib.import_module("app")'
FUNCTION: Final = """
import time
begun = time.time_ns()
time.sleep(0.05)
print(begun, time.time_ns())
"""


def measure() -> Iterator[Measurement]:
    """Yields the figures whose names begin with ``probe.``."""
    api = f"127.0.0.1:{os.getpid()}"
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as marks:
        (Path(folder) / "app.py").write_text(FUNCTION, encoding="utf-8")
        marks.bind(f"\0lambdascope/marks/{api}")
        environment = {
            "AWS_LAMBDA_RUNTIME_API": api,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3",
            "_HANDLER": "app.handler",
            "PYTHONPATH": folder,
        }
        wrapper = str(programs() / "lambdascope" / "wrapper")
        plain, wrapped, errors = [], [], []
        for _ in range(RUNS):
            plain.append(_run([], environment)[0])
            took_ms, begun_ns, ended_ns = _run([wrapper], environment)
            wrapped.append(took_ms)
            reader = MarksReader(marks.fileno())
            reader.read()
            seen = reader.starts[-1]
            errors.append(((seen.loaded_ns or 0) - (seen.load_ns or 0) - (ended_ns - begun_ns)) / 1e6)
    added_ms = statistics.median(wrapped) - statistics.median(plain)
    yield Measurement("probe.added_ms", round(added_ms, 2), "ms", {"without": round(statistics.median(plain), 2)})
    yield Measurement(
        "probe.split_error_ms", round(statistics.median(errors), 3), "ms", {"most": round(max(errors), 3)}
    )


def _run(wrapper: list[str], environment: dict[str, str]) -> tuple[float, int, int]:
    """Processor milliseconds of the whole process, and the function's own times in nanoseconds."""
    command = [*wrapper, sys.executable, "-c", RUNTIME]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        begun_ns, ended_ns = map(int, process.stdout.read().split())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return (usage.ru_utime + usage.ru_stime) * 1000, begun_ns, ended_ns
