"""How much memory a sandbox has used."""

from __future__ import annotations

from pathlib import Path


def peak_memory_mb(holder_pid: int) -> int:
    """The sum of the peak resident sets (VmHWM) of the processes below a sandbox's holder, in MB, rounded up.

    Pages that processes share are counted for each of them, so this is an upper bound.
    """
    total_kb = 0
    waiting = [holder_pid]
    while waiting:
        pid = waiting.pop()
        try:
            below = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
            if pid != holder_pid:
                total_kb += _peak_kb(pid)
        except OSError:
            continue  # it has ended meanwhile
        waiting.extend(map(int, below))
    return -(-total_kb // 1024)


def _peak_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0
