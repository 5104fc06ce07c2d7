"""What the processes of a sandbox see as their file system.

A new root on a small tmpfs: the machine's own folders, read-only, and over them the sandbox's ``/tmp``, its layers at
``/opt``, its code at ``/var/task``, a ``/proc`` of its PID namespace and an ``/etc/hosts`` with its host names.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from emulator.isolation import linux

TASK_ROOT = "/var/task"
LAYER_ROOT = "/opt"
TMP = "/tmp"  # noqa: S108 - the folder of a sandbox, not a temporary file of ours
_OWN = frozenset({"proc", "tmp", "opt", "var"})


@dataclass(frozen=True, slots=True)
class View:
    """The folders of one sandbox, as paths of the machine."""

    mount_point: str
    """An empty folder. Only this sandbox's mount namespace has anything mounted there."""
    layer: str
    """Seen at /opt."""
    code: str
    """Seen at /var/task."""
    tmp: str
    """Seen at /tmp; the only writable one."""
    hosts: str
    """A file, seen at /etc/hosts."""
    visible: tuple[str, ...]
    """Folders that must stay where they are although one of the above may lie over them: the interpreter's."""


def enter(view: View) -> None:
    """Move this process, which has a mount namespace and a PID namespace of its own, into the view. Raises OSError."""
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
    root = Path(view.mount_point)
    linux.mount("lambda", view.mount_point, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=1m")
    linux.mount(None, view.mount_point, None, linux.MS_UNBINDABLE)
    _mirror(Path("/"), root, _OWN)
    for folder in _OWN:
        (root / folder).mkdir()
    _show_in_private_folders(view.visible, root)
    _mirror(Path("/var"), root / "var", frozenset({"task"}))
    _inside(root, TASK_ROOT).mkdir()
    _bind(view.layer, _inside(root, LAYER_ROOT))
    _bind(view.code, _inside(root, TASK_ROOT))
    if Path("/etc/hosts").exists():
        _bind(view.hosts, root / "etc" / "hosts")
    _keep_visible(view.visible, LAYER_ROOT, view.layer, root)
    linux.make_read_only(view.mount_point)
    _bind(view.tmp, _inside(root, TMP))
    for path in _keep_visible(view.visible, TMP, view.tmp, root):
        linux.make_read_only(str(path))
    linux.mount("proc", str(root / "proc"), "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    os.chdir(root)
    linux.mount(view.mount_point, "/", None, linux.MS_MOVE)
    os.chroot(".")
    os.chdir("/")


def _mirror(source: Path, target: Path, leave_out: frozenset[str]) -> None:
    """Show each entry of a folder of the machine under a folder of the new root."""
    for entry in source.iterdir():
        place = target / entry.name
        if entry.name in leave_out:
            continue
        if entry.is_symlink():
            place.symlink_to(entry.readlink())
        elif entry.is_dir():
            place.mkdir()
            _bind(str(entry), place)
        elif entry.is_file():
            place.touch()
            _bind(str(entry), place)


def _show_in_private_folders(visible: tuple[str, ...], root: Path) -> None:
    """Let everybody reach folders that lie below one of root's own: an empty folder takes that one's place."""
    covered: set[Path] = set()
    for path in map(Path, visible):
        private = next((above for above in reversed(path.parents) if not above.stat().st_mode & stat.S_IXOTH), None)
        if private is None or private.parts[1] in _OWN:
            continue
        if private not in covered:
            covered.add(private)
            place = str(_inside(root, str(private)))
            linux.mount("lambda", place, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=1m")
        target = _inside(root, str(path))
        target.mkdir(parents=True, exist_ok=True)
        _bind(str(path), target)


def _bind(source: str, target: Path) -> None:
    linux.mount(source, str(target), None, linux.MS_BIND | linux.MS_REC)


def _inside(root: Path, path: str) -> Path:
    return root / path.removeprefix("/")


def _keep_visible(visible: tuple[str, ...], covered: str, source: str, root: Path) -> list[Path]:
    """Bind folders that lie under a covered one to where they were. ``source`` is what covers it: ours to add to."""
    kept = []
    for path in visible:
        if path.startswith(covered + "/"):
            Path(source + path.removeprefix(covered)).mkdir(parents=True, exist_ok=True)
            _bind(path, _inside(root, path))
            kept.append(_inside(root, path))
    return kept
