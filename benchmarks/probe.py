"""What wrapper and probe add to the init of a runtime, and how far their split is from the function's own clock.

The runtimes are AWS's clients for Python and Node.js, from the start of a process to its first request for an event;
with, without and with the wrapper alone take turns, and the least of each counts: what other work on the machine adds
is not theirs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import Measurement
from extension.marks import MarksReader
from tests.support.depth import programs

RUNS: Final = 30
SLEEP_MS: Final = 50
NODE_CLIENT: Final = Path(__file__).resolve().parents[1] / "build" / "nodejs" / "index.mjs"
PYTHON_SLEEPS: Final = f"""
import time
begun = time.time_ns()
time.sleep({SLEEP_MS / 1000})
print(begun, time.time_ns(), flush=True)
def handler(event, context): ...
"""
NODE_SLEEPS: Final = f"""
const now = process.hrtime.bigint;
const begun = now();
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, {SLEEP_MS});
process.stdout.write(begun + " " + now() + "\\n");
"""


@dataclass(frozen=True)
class Runtime:
    """A runtime and a function that sleeps while it is loaded."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    file: str
    text: str


@dataclass(frozen=True)
class Init:
    """One init: until the first request for an event, and what the function has measured of itself."""

    wall_ms: float
    processor_ms: float
    slept_ms: float


def runtimes() -> list[Runtime]:
    """Node.js where npm's client is installed."""
    python = [sys.executable, "-m", "awslambdaric", "app.handler"]
    found = [Runtime("python", python, {"AWS_EXECUTION_ENV": "AWS_Lambda_python3"}, "app.py", PYTHON_SLEEPS)]
    node = shutil.which("node")
    if node is None or not NODE_CLIENT.exists():
        print(
            "bench: probe's figures of Node.js are left out: make nodejs installs its runtime client", file=sys.stderr
        )
        return found
    environment = {"AWS_EXECUTION_ENV": "AWS_Lambda_nodejs"}
    for name, file, export in (
        ("nodejs", "app.js", "exports.handler = async () => {};"),
        ("nodejs_esm", "app.mjs", "export const handler = async () => {};"),
    ):
        found.append(Runtime(name, [node, str(NODE_CLIENT)], environment, file, NODE_SLEEPS + export))
    return found


def measure() -> Iterator[Measurement]:
    """Yields the figures whose names begin with ``probe.``."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as api:
        address = "{}:{}".format(*api.getsockname())
        wrapper = [str(programs() / "lambdascope" / "wrapper")]
        for runtime in runtimes():
            (Path(folder) / runtime.file).write_text(runtime.text, encoding="utf-8")
            environment = {**runtime.environment, "AWS_LAMBDA_RUNTIME_API": address, "_HANDLER": "app.handler",
                           "LAMBDA_TASK_ROOT": folder, "PATH": os.environ["PATH"]}  # fmt: skip
            yield from _compare(runtime, wrapper, environment, folder, api)
            (Path(folder) / runtime.file).unlink()


def _compare(
    runtime: Runtime, wrapper: list[str], environment: dict[str, str], folder: str, api: socket.socket
) -> Iterator[Measurement]:
    plain, alone, whole, errors = [], [], [], []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as marks:
        marks.bind(f"\0lambdascope/marks/{environment['AWS_LAMBDA_RUNTIME_API']}")
        for _ in range(RUNS):
            plain.append(_init(runtime.command, environment, folder, api))
            without_probe = {**environment, "LAMBDASCOPE_PROBE": "off"}
            alone.append(_init([*wrapper, *runtime.command], without_probe, folder, api))
            whole.append(_init([*wrapper, *runtime.command], environment, folder, api))
            reader = MarksReader(marks.fileno())
            reader.read()
            seen = reader.starts[-1]
            if seen.load_ns is None or seen.loaded_ns is None:
                raise RuntimeError(f"the probe of {runtime.name} saw no begin or end of loading")
            errors.append((seen.loaded_ns - seen.load_ns) / 1e6 - whole[-1].slept_ms)
    name = f"probe.{runtime.name}"
    for what in ("wall_ms", "processor_ms"):
        before, wrapped, probed = (
            statistics.median(getattr(one, what) for one in each) for each in (plain, alone, whole)
        )
        against = {"without": round(before, 2), "wrapper_alone": round(wrapped - before, 2)}
        yield Measurement(f"{name}.added_{what}", round(probed - before, 2), "ms", against)
    least = {"least": round(min(errors), 3), "most": round(max(errors), 3), "slept": SLEEP_MS}
    yield Measurement(f"{name}.split_error_ms", round(statistics.median(errors), 3), "ms", least)


def _init(command: Sequence[str], environment: Mapping[str, str], folder: str, api: socket.socket) -> Init:
    """From the start of a process to its first request, at which it is killed."""
    started_ns = time.perf_counter_ns()
    with subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        connection, _ = api.accept()
        with connection:
            request = connection.recv(65536)
            wall_ms = (time.perf_counter_ns() - started_ns) / 1e6
            if b"/invocation/next" not in request:
                raise RuntimeError(f"the runtime asked for something else: {request[:200]!r}")
            process.kill()
            with contextlib.suppress(ConnectionResetError):
                connection.recv(1)
        begun, ended = process.stdout.readline().split()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Init(wall_ms, (usage.ru_utime + usage.ru_stime) * 1000, (int(ended) - int(begun)) / 1e6)
