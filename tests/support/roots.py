"""Root file systems to start the layer in: of Debian's packages, unpacked, and what enters them as a sandbox does.

They are built once and kept in build/roots. One that cannot be built, or is not what it should be, is an error.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy.layer import debian
from deploy.layer.launcher import host_architecture
from tests.support.layer import ENTRY, REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = REPOSITORY / "build" / "roots"
MOUNT_POINTS: Final = ("opt", "tmp", "proc")
BULLSEYE: Final = "bullseye"
"""Debian 11, which has glibc 2.31."""

_ESSENTIAL: Final = (
    "base-files", "bash", "dash", "coreutils", "debianutils", "sed", "grep", "openssl", "libssl1.1", "ca-certificates",
    "libc6", "libc-bin", "libcrypt1", "libgcc-s1", "libstdc++6", "libtinfo6", "libselinux1", "libpcre2-8-0", "libpcre3",
    "libacl1", "libattr1", "libgmp10", "zlib1g",
)  # fmt: skip
"""What a container image of Debian has that matters here."""


@dataclass(frozen=True, slots=True)
class Root:
    """A root file system.

    Attributes:
        packages: Debian's, of `release`; "" is the machine's own.
        proof: a command that must succeed in it, and words that its output must hold.
        absent: files that must not be there.
    """

    name: str
    packages: tuple[str, ...] = ()
    release: str = ""
    proof: tuple[tuple[str, ...], str] | None = None
    absent: tuple[str, ...] = ()


_NO_SHELL: Final = ("bin/sh", "bin/bash", "bin/busybox", "usr/bin/sh")
_LOADER: Final = {"x86_64": "lib64/ld-linux-x86-64.so.2", "arm64": "lib/ld-linux-aarch64.so.1"}[host_architecture()]
_LIBC: Final = f"lib/{debian.NAMES[host_architecture()][1]}/libc.so.6"

ROOTS: Final = {
    root.name: root
    for root in (
        Root("debian-11", _ESSENTIAL, BULLSEYE, (("/bin/bash", "-c", "/usr/bin/ldd --version"), "2.31")),
        Root("libc-2.31-only", ("libc6",), BULLSEYE, ((f"/{_LOADER}", f"/{_LIBC}"), "version 2.31"), _NO_SHELL),
        Root(
            "musl-only",
            ("musl", "busybox-static"),
            proof=(("/bin/busybox", "ash", "-c", "echo shell"), "shell"),
            absent=(_LOADER, _LIBC),
        ),
        Root("nothing", absent=(*_NO_SHELL, _LOADER)),
    )
}


def built(root: Root) -> Path:
    """The folder of `root`, which nobody writes to.

    Raises:
        LayerError: a package cannot be had.
        AssertionError: it is not what it should be.
    """
    folder = FOLDER / f"{root.name}-{host_architecture()}"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _build(root, folder)
    _prove(root, folder)
    return folder


def _build(root: Root, folder: Path) -> None:
    work = folder.with_suffix(".partial")
    shutil.rmtree(work, ignore_errors=True)
    target = work / "root"
    for name in MOUNT_POINTS:
        (target / name).mkdir(parents=True)
    if root.packages:
        for package in debian.download(root.packages, host_architecture(), work / "apt", root.release):
            debian.unpack(package, target)
    target.rename(folder)
    shutil.rmtree(work)


def _prove(root: Root, folder: Path) -> None:
    there = [name for name in root.absent if (folder / name).exists()]
    assert not there, f"the root {root.name} has {', '.join(there)}, which it must not have"
    if root.proof:
        command, words = root.proof
        done = subprocess.run(
            [_tool("chroot"), folder, *command], capture_output=True, text=True, env={"PATH": "/bin"}, check=False
        )
        assert (done.returncode, words in done.stdout) == (0, True), f"the root {root.name} does not work: {done}"


def sandbox_command(layer: Path, root: Path, *, proc: bool = True, memory_group: Path | None = None) -> list[str]:
    """What starts the launcher of `layer` in `root` as Lambda does.

    As an ordinary user, with all read-only but for /tmp, which is full.
    """
    wanted = {"proc": proc, "user": 993, "memory_group": str(memory_group or "")}
    return [_tool("unshare"), "--mount", "--propagation", "private", *_enter(layer, root, wanted)]


def emulated_command(layer: Path, root: Path, interpreter: str) -> list[str]:
    """The same for programs of another machine, which the kernel starts by `interpreter`, QEMU's path.

    It is told of that in a user namespace of its own, so that the machine's own list of formats stays as it is.
    """
    wanted = {"proc": True, "interpreter": interpreter}
    namespaces = ["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"]
    return [_tool("unshare"), *namespaces, *_enter(layer, root, wanted)]


def _enter(layer: Path, root: Path, wanted: dict[str, object]) -> list[str]:
    given = {"root": str(root), "layer": str(layer), "entry": f"/opt/{ENTRY}", "mount": _tool("mount"), **wanted}
    return [sys.executable, str(Path(__file__).with_name("enter_root.py")), json.dumps(given)]


def _tool(name: str) -> str:
    """The path of a command: the environment that the launcher gets has no PATH to find it by."""
    path = shutil.which(name)
    assert path is not None, f"{name} of util-linux or coreutils is missing"
    return path


_CGROUPS: Final = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def memory_limit(mib: int) -> Iterator[Path]:
    """A control group of this much memory; fails where anything in it was refused memory."""
    first_version = (_CGROUPS / "memory").is_dir()
    group = (_CGROUPS / "memory" if first_version else _CGROUPS) / f"lambdascope-test-{FOLDER.stat().st_ino}"
    group.mkdir()
    try:
        (group / ("memory.limit_in_bytes" if first_version else "memory.max")).write_text(str(mib << 20))
        yield group
        events = (group / ("memory.oom_control" if first_version else "memory.events")).read_text().splitlines()
        assert "oom_kill 0" in events, events
    finally:
        group.rmdir()
