"""The layer's programs under AddressSanitizer and UndefinedBehaviorSanitizer, which end them at the first mistake."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

from deploy.layer.launcher import program_sources
from tests.support.layer import LAUNCHER_SOURCES, REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

MAIN: Final = REPOSITORY / "tests/integration/layer/hosted_main.c"
FLAGS: Final = ("-std=gnu11", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
REPORTS: Final = ("AddressSanitizer", "runtime error")
"""Words of what the sanitizers write."""


def compile_sanitized(target: Path, program: tuple[Path, tuple[str, ...]] | None = None) -> None:
    """Write the launcher, or another program, with sanitizers, to `target`; gcc is installed where it is missing."""
    subprocess.run(["deploy/setup/debian-package", "gcc", "build-essential"], cwd=REPOSITORY, check=True, timeout=600)
    names = program_sources(program) if program else sorted(file.name for file in LAUNCHER_SOURCES.glob("*.c"))
    sources = [LAUNCHER_SOURCES / name for name in names if name != "freestanding.c"]
    command = ["gcc", *FLAGS, "-I", str(LAUNCHER_SOURCES), "-o", str(target), str(MAIN), *map(str, sources)]
    subprocess.run(command, check=True)
    target.chmod(0o755)


def assert_no_report(stderr: str) -> None:
    """Nothing of the sanitizers is in what was written to standard error."""
    assert not [word for word in REPORTS if word in stderr], stderr
