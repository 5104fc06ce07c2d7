"""What /proc says of the whole sandbox: processor time, memory, /tmp, file descriptors, threads, network.

Each is read on its own: what is not to be had (another user's process, a file that is not there) is left out. In Lambda
the sandbox is a virtual machine, so that what the kernel says of its machine is said of the sandbox.
"""

from __future__ import annotations

import posix
from time import CLOCK_BOOTTIME, clock_gettime_ns, time_ns

from extension import instruments as i

TYPE_CHECKING = False
if TYPE_CHECKING:
    from extension.meter import Meter

_MODES = ("user", "nice", "system", "idle", "iowait", "interrupt", "softirq", "steal")
_KIB = 1024
_MOST_BYTES = 65536
_HEADER_LINES = 2
_LOOPBACK = "lo"
_RECEIVED, _SENT = 0, 8
_THREADS = 17
"""Number of a field in /proc/PID/stat, counted from 0 behind the name."""


def sample(meter: Meter, root: str = "/proc", folder: str = "/tmp") -> None:  # noqa: S108 - Lambda's one writable folder
    """Read all of it. Never raises for what cannot be read."""
    boot_ns = time_ns() - clock_gettime_ns(CLOCK_BOOTTIME)
    for read in (_processor, _memory, _network, _processes):
        try:
            read(meter, root, boot_ns)
        except (OSError, ValueError, IndexError, KeyError):
            continue
    _filesystem(meter, folder)


def _processor(meter: Meter, root: str, boot_ns: int) -> None:
    ticks_per_s = posix.sysconf("SC_CLK_TCK")
    fields = _read(f"{root}/stat").partition(b"\n")[0].split()[1:]
    for mode, ticks in zip(_MODES, fields, strict=False):
        meter.observe(i.CPU_TIME, int(ticks) / ticks_per_s, (("cpu.mode", mode),), boot_ns)


def _memory(meter: Meter, root: str, _boot_ns: int) -> None:
    lines = (line.split() for line in _read(f"{root}/meminfo").splitlines())
    kib = {fields[0]: int(fields[1]) for fields in lines if len(fields) > 1}
    free = kib[b"MemAvailable:"]
    for state, amount in (("used", kib[b"MemTotal:"] - free), ("free", free)):
        meter.observe(i.MEMORY_USAGE, float(amount * _KIB), (("system.memory.state", state),))


def _network(meter: Meter, root: str, boot_ns: int) -> None:
    for line in _read(f"{root}/net/dev").splitlines()[_HEADER_LINES:]:
        name, _, rest = line.partition(b":")
        interface, fields = name.strip().decode("utf-8", "replace"), rest.split()
        if interface == _LOOPBACK:
            continue
        for direction, field in (("receive", _RECEIVED), ("transmit", _SENT)):
            labels = (("network.interface.name", interface), ("network.io.direction", direction))
            meter.observe(i.NETWORK_IO, float(fields[field]), labels, boot_ns)


def _processes(meter: Meter, root: str, _boot_ns: int) -> None:
    """Threads and file descriptors of all processes; one that ends meanwhile, or is another user's, adds nothing."""
    processes = threads = descriptors = 0
    for pid in filter(str.isdigit, posix.listdir(root)):
        try:
            threads += int(_read(f"{root}/{pid}/stat").rpartition(b")")[2].split()[_THREADS])
            processes += 1
            descriptors += len(posix.listdir(f"{root}/{pid}/fd"))
        except (OSError, ValueError, IndexError):
            continue
    meter.observe(i.PROCESSES, float(processes))
    meter.observe(i.THREADS, float(threads))
    meter.observe(i.FILE_DESCRIPTORS, float(descriptors))


def _filesystem(meter: Meter, folder: str) -> None:
    try:
        found = posix.statvfs(folder)
    except OSError:
        return
    used, free = found.f_blocks - found.f_bfree, found.f_bavail
    for state, blocks in (("used", used), ("free", free)):
        labels = (("system.filesystem.mountpoint", folder), ("system.filesystem.state", state))
        meter.observe(i.FILESYSTEM_USAGE, float(blocks * found.f_frsize), labels)


def _read(path: str) -> bytes:
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(fd, _MOST_BYTES)
    finally:
        posix.close(fd)
