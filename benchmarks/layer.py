"""What the layer costs a cold start: how soon it asks for the first event, and what processor time Python then takes.

``next_ms`` and ``cpu_ms_to_ready`` are medians of interleaved runs against an API in this process that answers at once.
``init_added_ms`` and ``first_answer_added_ms`` are taken from cold starts of real runtimes in the emulator, interleaved
with those of the least extension in C and of none. A cold start scatters by more than what is looked for: so each is
compared with the one beside it, the median of the differences is taken with its standard error, and the runtime with
the largest one counts. ``function_of_20_ms`` is the same with a process in place of the runtime, which needs 20 ms of
processor time for its init and for its answer: that one's medians do not scatter. ``cpu_ms_to_next`` is what the
extension alone takes of the processor that an init shares with it.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import Measurement
from benchmarks._cold_start import ColdStart, cold_start
from benchmarks._emulated import RUNTIMES, Cell, cold_starts
from benchmarks._extension_process import REGISTERED, SUBSCRIBED, processor_share, request_of, run, run_in, undisturbed
from deploy.layer.launcher import SOURCES, TARGETS, host_architecture, zig_cc

RUNS: Final = 25
RUNS_OF_A_SMALL_FUNCTION: Final = 9
"""Of cold starts, which take seconds each."""
ROUNDS: Final = 25
"""Of cold starts in the emulator."""
SMALL_MB, FULL_SPEED_MB = 128, 1769
LAYER_ZIP: Final = Path(__file__).resolve().parents[1] / "dist" / "layer.zip"
SHARE_OF_128_MB: Final = 128 / 1769
"""A function has one processor at 1769 MB, and its share of one below (AWS, "Configure Lambda function memory")."""


def measure() -> Iterator[Measurement]:
    """Yields the figures whose names begin with ``layer.``."""
    with tempfile.TemporaryDirectory(prefix="lambdascope-bench-") as folder, undisturbed():
        launcher = _unpacked(Path(folder))
        least = _least_extension(Path(folder))
        zip_mb = round(LAYER_ZIP.stat().st_size / 1e6, 2)
        yield Measurement("layer.zip_mb", zip_mb, "MB", {"at_most": 8})
        yield Measurement("layer.zip_mb_grpc", zip_mb, "MB", {"at_most": 15})  # one layer has both
        yield from _time_to_next(launcher, least)
        in_emulator = _in_emulator()
        yield from _added("", in_emulator, FULL_SPEED_MB, _cold_starts(launcher, least, RUNS))
        try:
            with processor_share(SHARE_OF_128_MB) as group:
                yield from _time_to_next_of_a_small_function(launcher, least, group)
                small = _cold_starts(launcher, least, RUNS_OF_A_SMALL_FUNCTION, group)
                yield from _added("_128mb", in_emulator, SMALL_MB, small)
        except OSError as error:
            print(f"bench: layer.*_128mb is left out, for lack of a cgroup to limit: {error}", file=sys.stderr)
        ready = [_start(launcher).cpu_ms_to_ready() for _ in range(RUNS)]
        yield Measurement("layer.cpu_ms_to_ready", _ms(statistics.median(ready)), "ms", {"least": _ms(min(ready))})


def _time_to_next(launcher: Path, least: Path) -> Iterator[Measurement]:
    ours, theirs = _interleaved(launcher, least)
    mine, least_ms = (statistics.median(each.next_ms for each in all_) for all_ in (ours, theirs))
    fastest = min(each.next_ms for each in ours)
    yield Measurement("layer.next_ms", _ms(mine), "ms", {"least_c_extension": _ms(least_ms), "least": _ms(fastest)})
    yield Measurement("layer.next_ratio_to_c", round(mine / least_ms, 2), "ratio", {"least_c_extension": 1.0})
    cpu_ms, least_cpu_ms = (statistics.median(each.cpu_ms for each in all_) for all_ in (ours, theirs))
    yield Measurement("layer.cpu_ms_to_next", _ms(cpu_ms), "ms", {"least_c_extension": _ms(least_cpu_ms)})


def _time_to_next_of_a_small_function(launcher: Path, least: Path, group: Path) -> Iterator[Measurement]:
    ours, theirs = _interleaved(launcher, least, group)
    mine, least_ms = (statistics.median(each.next_ms for each in all_) for all_ in (ours, theirs))
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


def _in_emulator() -> dict[Cell, list[ColdStart]]:
    """Cold starts of each runtime, at both sizes, without an extension, with the least one, with the layer."""
    with tempfile.TemporaryDirectory(prefix="lambdascope-bench-") as name:
        Path(name).chmod(0o755)  # sandboxes have another user
        layers = {"layer": LAYER_ZIP, "least_c_extension": least_layer(Path(name)), "without_extension": None}
        return cold_starts(layers, (SMALL_MB, FULL_SPEED_MB), ROUNDS)


_PARTS: Final[tuple[tuple[str, Callable[[ColdStart], float]], ...]] = (
    ("init", lambda each: each.init_ms),
    ("first_answer", lambda each: each.answer_ms),
)


def _added(
    suffix: str, in_emulator: Mapping[Cell, list[ColdStart]], memory_mb: int, alone: Mapping[str, ColdStart]
) -> Iterator[Measurement]:
    """What the layer adds to init and to the first answer, in comparison with the least extension."""
    for name, of in _PARTS:
        figures: dict[str, float] = {}
        added: list[float] = []
        for runtime in RUNTIMES:
            ms = {
                kind: [of(each) for each in in_emulator[Cell(runtime, memory_mb, kind)]]
                for kind in ("layer", "least_c_extension", "without_extension")
            }
            differences = [ours - theirs for ours, theirs in zip(ms["layer"], ms["least_c_extension"], strict=True)]
            added.append(statistics.median(differences))
            figures |= {f"{runtime}_{kind}": _ms(statistics.median(all_)) for kind, all_ in ms.items()}
            figures[f"{runtime}_added"] = _ms(added[-1])
            figures[f"{runtime}_added_standard_error"] = _ms(_standard_error_of_median(differences))
        figures |= {f"function_of_20_ms_{kind}": _ms(of(median)) for kind, median in alone.items()}
        yield Measurement(f"layer.{name}_added_ms{suffix}", _ms(max(added)), "ms", figures)


def _standard_error_of_median(values: list[float]) -> float:
    """From the quartiles, which outliers do not move: 1.253 times that of the mean for a normal distribution."""
    low, _, high = statistics.quantiles(values, n=4)
    return 1.253 * (high - low) / 1.349 / math.sqrt(len(values))


def _interleaved(launcher: Path, least: Path, group: Path | None = None) -> tuple[list[_Started], list[_Started]]:
    """Starts of both, in turn, each stopped before the next."""
    ours: list[_Started] = []
    theirs: list[_Started] = []
    for _ in range(RUNS):
        for program, taken in ((launcher, ours), (least, theirs)):
            taken.append(_start(program, group))
            taken[-1].stop()
    return ours, theirs


@dataclass
class _Started:
    """An extension that has just asked for its first event."""

    pid: int
    next_ms: float
    cpu_ms: float
    port: int
    connection: socket.socket

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
        cpu_ms = _processor_ns(pid) / 1e6
    port = int(subscription.rpartition(b"localdomain:")[2].rstrip(b'"}'))
    return _Started(pid, next_ms, cpu_ms, port, connection)


def _unpacked(folder: Path) -> Path:
    with zipfile.ZipFile(LAYER_ZIP) as archive:
        for entry in archive.infolist():
            archive.extract(entry, folder)
            (folder / entry.filename).chmod(entry.external_attr >> 16 & 0o777)
    return folder / "extensions" / "lambdascope"


def least_layer(folder: Path) -> Path:
    """A layer below `folder` with nothing but the least extension."""
    layer = folder / "least-layer"
    (layer / "extensions").mkdir(parents=True)
    _least_extension(folder).rename(layer / "extensions" / "least")
    return layer


def _least_extension(folder: Path) -> Path:
    target = folder / "least"
    flags = ["-ffreestanding", "-nostdlib", "-static", "-fno-stack-protector", "-fno-sanitize=all", "-Os", "-Wl,-s"]
    sources = [str(Path(__file__).with_name("least_extension.c")), str(SOURCES / "freestanding.c")]
    include = ["-I", str(SOURCES), "-target", TARGETS[host_architecture()]]
    zig_cc([*flags, *include, "-o", str(target), *sources], cwd=folder, cache=folder / "zig")
    return target


def _ms(value: float) -> float:
    return round(value, 3)
