"""Cold starts in the emulator: real runtimes in sandboxes with the processor share that Lambda gives for their memory.

Each cold start is a function of its own, called once, when no other sandbox has anything to do. All of a round are in
one emulator; what is compared follows one another within it.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks._cold_start import ColdStart

ROOT: Final = Path(__file__).resolve().parents[1]
ANSWER_S: Final = 60.0

_SHELL: Final = """#!/bin/bash
host=${AWS_LAMBDA_RUNTIME_API%:*} port=${AWS_LAMBDA_RUNTIME_API#*:} end=$'\\r\\n'
ask() { # METHOD PATH BODY: sets `id` and `body`
    exec 3<>"/dev/tcp/$host/$port"
    printf '%s' "$1 /2018-06-01/runtime/$2 HTTP/1.1${end}Host: a${end}Connection: close${end}" \\
        "Content-Length: ${#3}${end}${end}$3" >&3
    while IFS=$': \\r' read -r name value <&3 && [ -n "$name" ]; do
        case ${name,,} in lambda-runtime-aws-request-id) id=$value ;; content-length) length=$value ;; esac
    done
    read -r -N "${length:-0}" body <&3
    exec 3>&-
}
while ask GET invocation/next ''; do ask POST "invocation/$id/response" '{"ok":true}'; done
"""

_CODE: Final = {
    "python": ("app.py", "def handler(event, context):\n    return {'ok': True}\n"),
    "nodejs": ("app.mjs", "export const handler = async () => ({ ok: true });\n"),
    "shell": ("bootstrap", _SHELL),
}
_RUNTIME: Final = {"python": "python", "nodejs": "nodejs", "shell": "provided.al2023"}

RUNTIMES: Final = tuple(_CODE)


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cold start is of.

    Attributes:
        runtime: one of :data:`RUNTIMES`.
        extension: a key of the layers that are compared.
    """

    runtime: str
    memory_mb: int
    extension: str

    @property
    def function(self) -> str:
        """The name of its function."""
        return f"{self.runtime}-{self.memory_mb}-{self.extension}"


def cold_starts(
    layers: Mapping[str, Path | None], memory_mb: tuple[int, ...], rounds: int
) -> dict[Cell, list[ColdStart]]:
    """So many cold starts of every runtime with each of these sizes and layers (None: without any)."""
    cells = [Cell(runtime, size, name) for runtime in RUNTIMES for size in memory_mb for name in layers]
    taken: dict[Cell, list[ColdStart]] = {cell: [] for cell in cells}
    with tempfile.TemporaryDirectory(prefix="lambdascope-bench-") as name, throwaway_collector() as port:
        folder = Path(name)
        folder.chmod(0o755)  # sandboxes have another user
        scenario = _write_scenario(folder, cells, layers)
        for number in range(rounds):
            record = folder / f"record-{number}.jsonl"
            with running_emulator(scenario, record, port) as url:
                in_turn = cells if number % 2 else cells[::-1]  # what comes later in an emulator meets a warmer machine
                waited_ms = {cell: _call(url, cell.function) for cell in in_turn}
            init_ms = dict(_init_ms(record))
            for cell in cells:
                init = init_ms[cell.function]
                taken[cell].append(ColdStart(init, waited_ms[cell] - init))
    return taken


def medians(taken: Mapping[Cell, list[ColdStart]]) -> dict[Cell, ColdStart]:
    """The median of each cell's figures."""
    return {
        cell: ColdStart(statistics.median(c.init_ms for c in all_), statistics.median(c.answer_ms for c in all_))
        for cell, all_ in taken.items()
    }


def _write_scenario(folder: Path, cells: list[Cell], layers: Mapping[str, Path | None]) -> Path:
    for runtime, (file, text) in _CODE.items():
        code = folder / runtime / file
        code.parent.mkdir()
        code.write_text(text, encoding="utf-8")
        code.chmod(0o755)
    functions = {
        cell.function: {
            "runtime": _RUNTIME[cell.runtime],
            "handler": "app.handler",
            "code": cell.runtime,
            "memory_mb": cell.memory_mb,
            "timeout_s": 30,
            "layers": [str(layer)] if (layer := layers[cell.extension]) else [],
            "environment": {"LAMBDASCOPE_OTEL_EXPORTER_OTLP_ENDPOINT": "http://${relay:collector}"},
        }
        for cell in cells
    }
    scenario = folder / "scenario.yaml"  # JSON is YAML
    scenario.write_text(json.dumps({"resources": {"cpu": True, "memory": False}, "functions": functions}))
    return scenario


def _call(url: str, function: str) -> float:
    """Invoke once, and wait until its sandbox is frozen; how long the answer took, in ms."""
    request = urllib.request.Request(f"{url}/2015-03-31/functions/{function}/invocations", b"{}", method="POST")
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
        body = answer.read()
    waited_ms = (time.perf_counter() - started) * 1e3
    if json.loads(body) != {"ok": True}:
        raise RuntimeError(f"{function} answered {body!r}")
    end = time.monotonic() + ANSWER_S
    while any(sandbox["phase"] != "ready" for sandbox in _state(url)):
        if time.monotonic() > end:
            raise RuntimeError(f"{function} does not come to rest")
        time.sleep(0.02)
    return waited_ms


def _state(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/_lambdascope/state", timeout=ANSWER_S) as answer:
        sandboxes: list[dict[str, Any]] = json.load(answer)["sandboxes"]
    return sandboxes


def _init_ms(record: Path) -> Iterator[tuple[str, float]]:
    for line in record.read_text().splitlines():
        happened = json.loads(line)
        if happened["kind"] == "init":
            yield happened["function"], happened["duration_ms"]


@contextlib.contextmanager
def running_emulator(scenario: Path, record: Path, collector: int) -> Iterator[str]:
    command = [sys.executable, "-m", "emulator", "--port", "0", "--scenario", str(scenario), "--record", str(record)]
    command += ["--relay", f"collector=127.0.0.1:{collector}"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            said, url = [], None
            for line in process.stderr:
                said.append(line)
                if url := re.match(r"emulator: ready on (http://\S+)", line):
                    break
            if url is None:
                raise RuntimeError(f"the emulator does not start: {''.join(said)}")
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield url[1]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(ANSWER_S)


@contextlib.contextmanager
def throwaway_collector() -> Iterator[int]:
    """Takes every export and throws it away; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the standard library's
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
