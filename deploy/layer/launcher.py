"""Compiles the layer's programs: C for no operating system's library, so that they start in any root file system."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Final

from deploy.layer.errors import CompilerError

EXTENSION: Final = Path(__file__).resolve().parents[2] / "extension"
SOURCES: Final = EXTENSION / "launcher"

SHARED: Final = ("environment.c", "freestanding.c", "text.c")
"""What the other programs take from the launcher."""

WRAPPER: Final = (EXTENSION / "wrapper", (*SHARED, "connection.c", "http.c", "layout.c", "local.c"))
PROXY: Final = (EXTENSION / "runtime_proxy", SHARED)
"""Folder of a program, and which files of the launcher it takes."""

TARGETS: Final = {"x86_64": "x86_64-linux-none", "arm64": "aarch64-linux-none"}
"""Zig's name of each architecture that Lambda has."""

WARNINGS: Final = ("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Wshadow", "-Werror")

_FREESTANDING: Final = ("-ffreestanding", "-nostdlib", "-static", "-fno-stack-protector", "-fno-sanitize=all")


def host_architecture() -> str:
    """Lambda's name of this machine's architecture.

    Raises:
        CompilerError: Lambda has no such machines.
    """
    machine = platform.machine()
    for architecture, target in TARGETS.items():
        if target.startswith(f"{machine}-"):
            return architecture
    raise CompilerError(f"Lambda runs on {' and '.join(TARGETS)}, and this machine is {machine}")


def wanted_architecture(name: str | None) -> str:
    """The architecture to build for: this machine's where `name` is empty.

    Raises:
        CompilerError: Lambda has no such machines.
    """
    architecture = name or host_architecture()
    if architecture not in TARGETS:
        raise CompilerError(f"Lambda runs on {' and '.join(TARGETS)}, not on {architecture}")
    return architecture


def compile_launcher(target: Path, architecture: str, cache: Path) -> None:
    """Write the launcher for `architecture` (a key of :data:`TARGETS`) to `target`; the same bytes on every machine.

    Raises:
        CompilerError: with the compiler's words.
    """
    _compile(target, architecture, cache, sorted(path.name for path in SOURCES.glob("*.c")))


def compile_program(target: Path, architecture: str, cache: Path, program: tuple[Path, tuple[str, ...]]) -> None:
    """Write another program (:data:`WRAPPER`, :data:`PROXY`) likewise.

    Raises:
        CompilerError: with the compiler's words.
    """
    _compile(target, architecture, cache, program_sources(program))


def program_sources(program: tuple[Path, tuple[str, ...]]) -> list[str]:
    """The files of a program as they are seen from :data:`SOURCES`."""
    folder, shared = program
    return [*(f"../{folder.name}/{path.name}" for path in sorted(folder.glob("*.c"))), *shared]


def _compile(target: Path, architecture: str, cache: Path, sources: list[str]) -> None:
    flags = [*WARNINGS, *_FREESTANDING, "-Os", "-g0", "-Wl,-s", "-I", ".", "-target", TARGETS[architecture]]
    target.parent.mkdir(parents=True, exist_ok=True)
    zig_cc([*flags, "-o", str(target.resolve()), *sources], cwd=SOURCES, cache=cache)
    target.chmod(0o755)


def zig_cc(arguments: list[str], *, cwd: Path, cache: Path) -> None:
    """Run the C compiler of the package ``ziglang``, which needs no network and nothing of the machine.

    Raises:
        CompilerError: with the compiler's words.
    """
    cache = cache.resolve()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ZIG_", "PYTHON"))},
        "ZIG_GLOBAL_CACHE_DIR": str(cache / "global"),
        "ZIG_LOCAL_CACHE_DIR": str(cache / "local"),
    }
    command = [sys.executable, "-m", "ziglang", "cc", *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CompilerError(f"zig cc failed with {done.returncode}:\n{done.stderr or done.stdout}")
