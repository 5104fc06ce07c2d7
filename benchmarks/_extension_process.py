"""Runs an extension for a measurement, with a share of a processor where that is wanted."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

PERIOD_US: Final = 20_000
"""Of the scheduler: a process gets its share anew each time."""

_CGROUPS: Final = Path("/sys/fs/cgroup")

REGISTERED: Final = (
    b"HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: 5d2a7c1e-0000-4000-8000-000000000000\r\n"
    b"Content-Length: 56\r\n\r\n"
    b'{"functionName":"f","functionVersion":"1","handler":"h"}'
)
SUBSCRIBED: Final = b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"OK"'


def run(program: Path, environment: Mapping[str, str]) -> tuple[int, float]:
    """Start `program`; its process, and when it started."""
    quiet = [(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    started = time.perf_counter()
    return os.posix_spawn(program, [str(program)], environment, setpgroup=0, file_actions=quiet), started


def run_in(group: Path, program: Path, environment: Mapping[str, str]) -> tuple[int, float]:
    """The same within a cgroup, which the process must have entered before it becomes the program."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            (group / "cgroup.procs").write_text("0")
            time.sleep(3 * PERIOD_US / 1e6)  # what was used to get here must not count against the program
            os.write(writer, struct.pack("d", time.perf_counter()))
            os.execve(program, [str(program)], environment)
        finally:
            os._exit(127)
    (started,) = struct.unpack("d", os.read(reader, 8))
    os.close(reader)
    os.close(writer)
    return pid, started


def request_of(connection: socket.socket) -> bytes:
    """The next whole request."""
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


_MOST_SHARES: Final = "262144"
"""Of a cgroup, against 1024 of any other."""


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let what is measured, and all that it starts, go before other work on the machine.

    Does nothing without root, or where there are no cgroups of the first version.
    """
    parent = _CGROUPS / "cpu"
    group = parent / f"lambdascope-bench-ahead-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        yield
        return
    try:
        (group / "cpu.shares").write_text(_MOST_SHARES)
        (group / "cgroup.procs").write_text(str(os.getpid()))
        yield
    finally:
        (parent / "cgroup.procs").write_text(str(os.getpid()))
        _remove(group)


@contextlib.contextmanager
def processor_share(share: float) -> Iterator[Path]:
    """A cgroup whose processes get `share` of one processor; needs root."""
    first_version = (_CGROUPS / "cpu").is_dir()
    group = (_CGROUPS / "cpu" if first_version else _CGROUPS) / f"lambdascope-bench-{os.getpid()}"
    group.mkdir()
    try:
        quota_us = int(share * PERIOD_US)
        if first_version:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota_us))
            (group / "cpu.shares").write_text(_MOST_SHARES)
        else:
            (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        yield group
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    """Remove a cgroup, once the last of its processes, which are killed by now, is gone."""
    end = time.monotonic() + 10
    while True:
        try:
            return group.rmdir()
        except OSError:
            if time.monotonic() > end:
                raise
        time.sleep(0.02)
