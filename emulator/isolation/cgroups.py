"""Control groups: the share of a processor and the memory that a sandbox's processes have together.

Versions 1 and 2 of the kernel's interface, each controller where this machine has it. A program enters its groups
between fork and exec, by descriptors of their ``cgroup.procs`` that it is given; the sandbox's holder stays outside, so
that no limit can end it. Groups lie below the emulator's own, in one folder per run; a later run removes those of a run
that was killed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emulator.errors import IsolationError

CPU: Final = "cpu"
MEMORY: Final = "memory"
MB_PER_PROCESSOR: Final = 1769
"""Memory with which a function has one whole processor ("Configure Lambda function memory")."""
_PERIOD_US: Final = 20_000
_LEAST_QUOTA_US: Final = 1000
_BYTES_PER_MB: Final = 1024 * 1024
_PREFIX: Final = "lambdascope-emulator-"


def quota_us(memory_mb: int) -> int:
    """How much of each 20 ms a function's processes may run, all together."""
    return max(_LEAST_QUOTA_US, round(_PERIOD_US * memory_mb / MB_PER_PROCESSOR))


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where one controller's groups can be made."""

    controller: str
    folder: Path
    version: int

    def settings(self, memory_mb: int) -> dict[str, str]:
        """What to write into which file of a sandbox's group. Swap is not memory that Lambda would give."""
        memory = str(memory_mb * _BYTES_PER_MB)
        quota = str(quota_us(memory_mb))
        return {
            (1, CPU): {"cpu.cfs_period_us": str(_PERIOD_US), "cpu.cfs_quota_us": quota},
            (1, MEMORY): {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory},
            (2, CPU): {"cpu.max": f"{quota} {_PERIOD_US}"},
            (2, MEMORY): {"memory.max": memory, "memory.swap.max": "0"},
        }[self.version, self.controller]


_OPTIONAL: Final = frozenset({"memory.memsw.limit_in_bytes", "memory.swap.max"})
_KILLS: Final = {1: "memory.oom_control", 2: "memory.events"}


class ControlGroup:
    """The groups of one sandbox, one per controller (or one for both, in version 2)."""

    def __init__(self, name: str, memory_mb: int, hierarchies: Iterable[Hierarchy]) -> None:
        self._folders: dict[Path, int] = {}
        """Folder to version."""
        self._kills: Path | None = None
        for hierarchy in hierarchies:
            folder = hierarchy.folder / name
            folder.mkdir(exist_ok=True)
            self._folders[folder] = hierarchy.version
            for file, value in hierarchy.settings(memory_mb).items():
                if file not in _OPTIONAL or (folder / file).exists():
                    (folder / file).write_text(value, encoding="ascii")
            if hierarchy.controller == MEMORY:
                self._kills = folder / _KILLS[hierarchy.version]

    def open_doors(self) -> list[int]:
        """Descriptors, the caller's to close. A process that writes ``0`` to each of them is in."""
        return [os.open(folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for folder in self._folders]

    def out_of_memory_kills(self) -> int:
        """How many processes the kernel has killed for want of memory."""
        if self._kills is None:
            return 0
        match = re.search(r"^oom_kill (\d+)$", self._kills.read_text(encoding="ascii"), re.MULTILINE)
        return 0 if match is None else int(match[1])

    def remove(self) -> None:
        """Remove what no process is in any more; the rest is removed with the run's folder."""
        for folder in self._folders:
            with contextlib.suppress(OSError):
                folder.rmdir()


class ControlGroups:
    """The groups of one run of the emulator."""

    def __init__(self, hierarchies: tuple[Hierarchy, ...]) -> None:
        self._hierarchies = hierarchies

    @classmethod
    def open(cls, controllers: Iterable[str]) -> ControlGroups:
        """Make the run's folders. Raises IsolationError where the machine has no such controller, or refuses."""
        opened: list[Hierarchy] = []
        try:
            for controller in controllers:
                opened.append(_open_hierarchy(controller))
                probe = ControlGroup("probe", 128, opened[-1:])
                probe.remove()
        except (OSError, IsolationError) as error:
            cls(tuple(opened)).close()
            raise IsolationError(str(error)) from error
        return cls(tuple(opened))

    def make(self, name: str, memory_mb: int) -> ControlGroup:
        """The groups of one sandbox. Raises OSError."""
        return ControlGroup(name, memory_mb, self._hierarchies)

    def close(self) -> None:
        """Remove the run's folders. May be called twice."""
        for hierarchy in self._hierarchies:
            _remove(hierarchy.folder)


def _open_hierarchy(controller: str) -> Hierarchy:
    groups = Path("/proc/self/cgroup").read_text(encoding="utf-8")
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    own, top, version = locate(controller, groups, mounts)
    parent = own if version == 1 else delegating(own, top, controller)
    _remove_abandoned(parent)
    folder = parent / f"{_PREFIX}{os.getpid()}"
    folder.mkdir(exist_ok=True)
    if version == 2:
        (folder / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")
    return Hierarchy(controller, folder, version)


def locate(controller: str, groups: str, mounts: str) -> tuple[Path, Path, int]:
    """A process's own group of a controller, the top of what it sees of that hierarchy, and the version.

    ``groups`` and ``mounts`` are its /proc/self/cgroup and /proc/self/mountinfo. Raises IsolationError where there is
    none.
    """
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        version = 1 if controllers else 2
        if controllers and controller not in controllers.split(","):
            continue
        found = _mounted(path, controller, version, mounts)
        if found is not None and (version == 1 or _has_controller(found[0], controller)):
            return *found, version
    raise IsolationError(f"this machine has no {controller} controller of control groups")


def delegating(own: Path, top: Path, controller: str) -> Path:
    """The nearest group of version 2, from ``own`` upwards, below which groups with the controller can be made.

    A group with processes of its own can't have such ones, but for the root. Raises OSError where none can.
    """
    refused: OSError | None = None
    for folder in (own, *own.parents):
        try:
            (folder / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")
        except OSError as error:
            refused = refused or error
        else:
            return folder
        if folder == top:
            break
    raise refused or OSError(errno.ENOENT, os.strerror(errno.ENOENT), str(own))


def _has_controller(folder: Path, controller: str) -> bool:
    return controller in (folder / "cgroup.controllers").read_text(encoding="ascii").split()


def _mounted(path: str, controller: str, version: int, mounts: str) -> tuple[Path, Path] | None:
    """Where a group, and the top of its hierarchy, are in the file system."""
    for line in mounts.splitlines():
        fields, _, kind = line.partition(" - ")
        root, place = fields.split()[3:5]
        kind_name, _, options = kind.split(" ", 2)
        is_it = kind_name == "cgroup2" if version == 2 else controller in options.split(",")
        if is_it and kind_name.startswith("cgroup") and path.startswith(root.rstrip("/")):
            return Path(place, path.removeprefix(root.rstrip("/")).lstrip("/")), Path(place)
    return None


def _remove_abandoned(parent: Path) -> None:
    """Remove the groups of runs whose process is no more: they were killed."""
    for folder in parent.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX)
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            _remove(folder)


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for below in folder.iterdir():
            if below.is_dir():
                below.rmdir()
        folder.rmdir()
