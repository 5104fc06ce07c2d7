"""The runtime's process, as /proc shows it: when did it start, and where do the function's logs go?

An extension is not given some variables that the runtime has (LAMBDA_TASK_ROOT among them), which tells the two apart.
What a function starts inherits them, so the runtime is the one that started first. Processes that belong to another
sandbox on the same machine (an emulator's) have another AWS_LAMBDA_RUNTIME_API, or another network namespace.
"""

from __future__ import annotations

import posix
from time import CLOCK_BOOTTIME, clock_gettime_ns, time_ns

_RUNTIME_ONLY = b"LAMBDA_TASK_ROOT="
_LOG_GROUP, _LOG_STREAM = b"AWS_LAMBDA_LOG_GROUP_NAME", b"AWS_LAMBDA_LOG_STREAM_NAME"
_MOST_BYTES = 131072
_START_TIME_FIELD = 22
_FIELDS_BEFORE_STATE = 2


def runtime_start_ns(runtime_api: str, root: str = "/proc") -> int | None:
    """When the runtime's process started, cut to a tick of the kernel's clock (10 ms); None where it is not to be seen.

    Nanoseconds since the epoch.
    """
    runtime = _first_runtime(runtime_api, root)
    if runtime is None:
        return None
    boot_ns = time_ns() - clock_gettime_ns(CLOCK_BOOTTIME)
    return boot_ns + runtime[0] * (1_000_000_000 // posix.sysconf("SC_CLK_TCK"))


def log_destination(runtime_api: str, root: str = "/proc") -> tuple[str, str] | None:
    """Log group and log stream, which an extension's own environment lacks; None where the runtime is not to be seen.

    Either is empty where the runtime's environment lacks it.
    """
    runtime = _first_runtime(runtime_api, root)
    if runtime is None:
        return None
    variables = dict(variable.partition(b"=")[::2] for variable in _environment(root, runtime[1]))
    group, stream = variables.get(_LOG_GROUP, b""), variables.get(_LOG_STREAM, b"")
    return group.decode("utf-8", "replace"), stream.decode("utf-8", "replace")


def _first_runtime(runtime_api: str, root: str) -> tuple[int, str] | None:
    """When the runtime's process started, in ticks, and its id: of the one that started first."""
    found = [(_start_ticks(root, pid), pid) for pid in _processes(root) if _is_runtime(root, pid, runtime_api.encode())]
    return min(((ticks, pid) for ticks, pid in found if ticks is not None), default=None)


def _processes(root: str) -> list[str]:
    try:
        return [name for name in posix.listdir(root) if name.isdigit() and name != str(posix.getpid())]
    except OSError:
        return []


def _is_runtime(root: str, pid: str, runtime_api: bytes) -> bool:
    variables = _environment(root, pid)
    return (
        any(variable.startswith(_RUNTIME_ONLY) for variable in variables)
        and b"AWS_LAMBDA_RUNTIME_API=" + runtime_api in variables
        and _network(root, pid) == _network(root, "self")
    )


def _environment(root: str, pid: str) -> list[bytes]:
    return (_read(f"{root}/{pid}/environ") or b"").split(b"\0")


def _network(root: str, pid: str) -> str:
    try:
        return posix.readlink(f"{root}/{pid}/ns/net")
    except OSError:
        return ""


def _start_ticks(root: str, pid: str) -> int | None:
    stat = _read(f"{root}/{pid}/stat") or b""
    fields = stat.rpartition(b")")[2].split()  # the name before it may hold blanks and parentheses
    index = _START_TIME_FIELD - _FIELDS_BEFORE_STATE - 1
    return int(fields[index]) if len(fields) > index and fields[index].isdigit() else None


def _read(path: str) -> bytes | None:
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return None
    try:
        return posix.read(fd, _MOST_BYTES)
    except OSError:
        return None
    finally:
        posix.close(fd)
