"""What the layer costs a cold start: how soon it asks for the first event, and what processor time Python then takes.

Each figure of time is the median of interleaved runs against an API in this process that answers at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import Measurement
from benchmarks._cold_start import ColdStart, cold_start
from benchmarks._extension_process import REGISTERED, SUBSCRIBED, processor_share, request_of, run, run_in
from deploy.layer.launcher import SOURCES, TARGETS, host_architecture, zig_cc

RUNS: Final = 25
RUNS_OF_A_SMALL_FUNCTION: Final = 9
"""Of cold starts, which take seconds each."""
LAYER_ZIP: Final = Path(__file__).resolve().parents[1] / "dist" / "layer.zip"
SHARE_OF_128_MB: Final = 128 / 1769
"""A function has one processor at 1769 MB, and its share of one below (AWS, "Configure Lambda function memory")."""


def measure() -> Iterator[Measurement]:
    """Yields the figures whose names begin with ``layer.``."""
    with tempfile.TemporaryDirectory(prefix="lambdascope-bench-") as folder:
        launcher = _unpacked(Path(folder))
        least = _least_extension(Path(folder))
        yield Measurement("layer.zip_mb", round(LAYER_ZIP.stat().st_size / 1e6, 2), "MB")
        yield from _time_to_next(launcher, least)
        yield from _cold_start("", _cold_starts(launcher, least, RUNS))
        try:
            with processor_share(SHARE_OF_128_MB) as group:
                yield from _time_to_next_of_a_small_function(launcher, least, group)
                yield from _cold_start("_128mb", _cold_starts(launcher, least, RUNS_OF_A_SMALL_FUNCTION, group))
        except OSError as error:
            print(f"bench: layer.*_128mb is left out, for lack of a cgroup to limit: {error}", file=sys.stderr)
        ready = [_start(launcher).cpu_ms_to_ready() for _ in range(RUNS)]
        yield Measurement("layer.cpu_ms_to_ready", _ms(statistics.median(ready)), "ms", {"least": _ms(min(ready))})


def _time_to_next(launcher: Path, least: Path) -> Iterator[Measurement]:
    ours, theirs = _interleaved(launcher, least)
    mine, least_ms = statistics.median(ours), statistics.median(theirs)
    yield Measurement("layer.next_ms", _ms(mine), "ms", {"least_c_extension": _ms(least_ms), "least": _ms(min(ours))})
    yield Measurement("layer.next_ratio_to_c", round(mine / least_ms, 2), "ratio", {"least_c_extension": 1.0})


def _time_to_next_of_a_small_function(launcher: Path, least: Path, group: Path) -> Iterator[Measurement]:
    ours, theirs = _interleaved(launcher, least, group)
    mine, least_ms = statistics.median(ours), statistics.median(theirs)
    yield Measurement("layer.next_ms_128mb", _ms(mine), "ms", {"least_c_extension": _ms(least_ms)})


_AT_ONCE: Final = {"AWS_LAMBDA_INITIALIZATION_TYPE": "provisioned-concurrency"}
_WHEN_DONE: Final = {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}


def _cold_starts(launcher: Path, least: Path, runs: int, group: Path | None = None) -> dict[str, ColdStart]:
    """The median cold start without an extension, with the least one, and with the layer; runs are interleaved."""
    kinds: dict[str, tuple[Path | None, dict[str, str]]] = {
        "layer": (launcher, _WHEN_DONE),
        "least_c_extension": (least, {}),
        "without_extension": (None, {}),
        "python_at_once": (launcher, _AT_ONCE),
    }
    taken: dict[str, list[ColdStart]] = {kind: [] for kind in kinds}
    for _ in range(runs):
        for kind, (program, environment) in kinds.items():
            taken[kind].append(cold_start(program, environment, group))
    return {
        kind: ColdStart(statistics.median(c.init_ms for c in all_), statistics.median(c.answer_ms for c in all_))
        for kind, all_ in taken.items()
    }


def _cold_start(suffix: str, medians: dict[str, ColdStart]) -> Iterator[Measurement]:
    """What the layer adds to init and to the first answer, in comparison with the least extension."""
    init = {kind: _ms(median.init_ms) for kind, median in medians.items()}
    answer = {kind: _ms(median.answer_ms) for kind, median in medians.items()}
    added = _ms(init["layer"] - init["least_c_extension"])
    yield Measurement(f"layer.init_added_ms{suffix}", added, "ms", init)
    added = _ms(answer["layer"] - answer["least_c_extension"])
    yield Measurement(f"layer.first_answer_added_ms{suffix}", added, "ms", answer)


def _interleaved(launcher: Path, least: Path, group: Path | None = None) -> tuple[list[float], list[float]]:
    ours, theirs = [], []
    for _ in range(RUNS):
        ours.append(_start(launcher, group).next_ms_then_stop())
        theirs.append(_start(least, group).next_ms_then_stop())
    return ours, theirs


@dataclass
class _Started:
    """An extension that has just asked for its first event."""

    pid: int
    next_ms: float
    port: int
    connection: socket.socket

    def next_ms_then_stop(self) -> float:
        self.stop()
        return self.next_ms

    def cpu_ms_to_ready(self) -> float:
        """Processor time of all its processes when its listener has answered a delivery."""
        with socket.create_connection(("127.0.0.1", self.port)) as delivery:
            delivery.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n[]")
            delivery.recv(1000)
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        spent_ns = sum(_processor_ns(pid) for pid in (self.pid, *map(int, children)))
        self.stop()
        return spent_ns / 1e6

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.connection.close()


def _processor_ns(pid: int) -> int:
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks)


def _start(program: Path, group: Path | None = None) -> _Started:
    """Start `program`, answer it until it asks for the first event, and take the time from its start to there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        environment = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{listener.getsockname()[1]}"}
        pid, started = run_in(group, program, environment) if group else run(program, environment)
        connection, _ = listener.accept()
        request_of(connection)
        connection.sendall(REGISTERED)
        subscription = request_of(connection)
        connection.sendall(SUBSCRIBED)
        request_of(connection)
        next_ms = (time.perf_counter() - started) * 1e3
    port = int(subscription.rpartition(b"localdomain:")[2].rstrip(b'"}'))
    return _Started(pid, next_ms, port, connection)


def _unpacked(folder: Path) -> Path:
    with zipfile.ZipFile(LAYER_ZIP) as archive:
        for entry in archive.infolist():
            archive.extract(entry, folder)
            (folder / entry.filename).chmod(entry.external_attr >> 16 & 0o777)
    return folder / "extensions" / "lambdascope"


def _least_extension(folder: Path) -> Path:
    target = folder / "least"
    flags = ["-ffreestanding", "-nostdlib", "-static", "-fno-stack-protector", "-fno-sanitize=all", "-Os", "-Wl,-s"]
    sources = [str(Path(__file__).with_name("least_extension.c")), str(SOURCES / "freestanding.c")]
    include = ["-I", str(SOURCES), "-target", TARGETS[host_architecture()]]
    zig_cc([*flags, *include, "-o", str(target), *sources], cwd=folder, cache=folder / "zig")
    return target


def _ms(value: float) -> float:
    return round(value, 3)
