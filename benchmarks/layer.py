"""What the layer costs a cold start: how soon it asks for the first event, and what processor time Python then takes.

Each figure of time is the median of interleaved runs against an API in this process that answers at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import statistics
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import Measurement
from deploy.layer.launcher import SOURCES, TARGETS, host_architecture, zig_cc

RUNS: Final = 25
LAYER_ZIP: Final = Path(__file__).resolve().parents[1] / "dist" / "layer.zip"
SHARE_OF_128_MB: Final = 128 / 1769
"""A function has one processor at 1769 MB, and its share of one below (AWS, "Configure Lambda function memory")."""

_PERIOD_US: Final = 20_000
_CGROUPS: Final = Path("/sys/fs/cgroup")


def measure() -> Iterator[Measurement]:
    """Yields the figures whose names begin with ``layer.``."""
    with tempfile.TemporaryDirectory(prefix="lambdascope-bench-") as folder:
        launcher = _unpacked(Path(folder))
        least = _least_extension(Path(folder))
        yield Measurement("layer.zip_mb", round(LAYER_ZIP.stat().st_size / 1e6, 2), "MB")
        yield from _time_to_next(launcher, least)
        yield from _time_to_next_of_a_small_function(launcher, least)
        ready = [_start(launcher).cpu_ms_to_ready() for _ in range(RUNS)]
        yield Measurement("layer.cpu_ms_to_ready", _ms(statistics.median(ready)), "ms", {"least": _ms(min(ready))})


def _time_to_next(launcher: Path, least: Path) -> Iterator[Measurement]:
    ours, theirs = _interleaved(launcher, least)
    mine, least_ms = statistics.median(ours), statistics.median(theirs)
    yield Measurement("layer.next_ms", _ms(mine), "ms", {"least_c_extension": _ms(least_ms), "least": _ms(min(ours))})
    yield Measurement("layer.next_ratio_to_c", round(mine / least_ms, 2), "ratio", {"least_c_extension": 1.0})


def _time_to_next_of_a_small_function(launcher: Path, least: Path) -> Iterator[Measurement]:
    with contextlib.ExitStack() as stack:
        try:
            group = stack.enter_context(_processor_share(SHARE_OF_128_MB))
        except OSError as error:
            print(f"bench: layer.next_ms_128mb is left out, for lack of a cgroup to limit: {error}", file=sys.stderr)
            return
        ours, theirs = _interleaved(launcher, least, group)
        mine, least_ms = statistics.median(ours), statistics.median(theirs)
        yield Measurement("layer.next_ms_128mb", _ms(mine), "ms", {"least_c_extension": _ms(least_ms)})


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


_REGISTERED: Final = (
    b"HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: 5d2a7c1e\r\nContent-Length: 56\r\n\r\n"
    b'{"functionName":"f","functionVersion":"1","handler":"h"}'
)
_SUBSCRIBED: Final = b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"OK"'


def _start(program: Path, group: Path | None = None) -> _Started:
    """Start `program`, answer it until it asks for the first event, and take the time from its start to there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        environment = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{listener.getsockname()[1]}"}
        pid, started = _run_in(group, program, environment) if group else _run(program, environment)
        connection, _ = listener.accept()
        _request(connection)
        connection.sendall(_REGISTERED)
        subscription = _request(connection)
        connection.sendall(_SUBSCRIBED)
        _request(connection)
        next_ms = (time.perf_counter() - started) * 1e3
    port = int(subscription.rpartition(b"localdomain:")[2].rstrip(b'"}'))
    return _Started(pid, next_ms, port, connection)


def _run(program: Path, environment: dict[str, str]) -> tuple[int, float]:
    """Start `program`; its process, and when it started."""
    quiet = [(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    started = time.perf_counter()
    return os.posix_spawn(program, [str(program)], environment, setpgroup=0, file_actions=quiet), started


def _run_in(group: Path, program: Path, environment: dict[str, str]) -> tuple[int, float]:
    """The same within a cgroup, which the process must have entered before it becomes the program."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            (group / "cgroup.procs").write_text("0")
            time.sleep(3 * _PERIOD_US / 1e6)  # what was used to get here must not count against the program
            os.write(writer, struct.pack("d", time.perf_counter()))
            os.execve(program, [str(program)], environment)
        finally:
            os._exit(127)
    (started,) = struct.unpack("d", os.read(reader, 8))
    os.close(reader)
    os.close(writer)
    return pid, started


def _request(connection: socket.socket) -> bytes:
    data = b""
    while True:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError(f"the extension has closed the connection after {data!r}")
        data += piece
        head, end, body = data.partition(b"\r\n\r\n")
        length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
        if end and len(body) >= int(length or b"0"):
            return data


@contextlib.contextmanager
def _processor_share(share: float) -> Iterator[Path]:
    """A cgroup whose processes get `share` of one processor; needs root."""
    first_version = (_CGROUPS / "cpu").is_dir()
    group = (_CGROUPS / "cpu" if first_version else _CGROUPS) / f"lambdascope-bench-{os.getpid()}"
    group.mkdir()
    try:
        quota_us = int(share * _PERIOD_US)
        if first_version:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota_us))
        else:
            (group / "cpu.max").write_text(f"{quota_us} {_PERIOD_US}")
        yield group
    finally:
        group.rmdir()


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
