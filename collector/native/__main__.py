"""``python -m collector.native``: builds the library beside its sources, for this machine's kind of processor.

With the compiler of the package ``ziglang`` where that is installed, else with ``CC`` or ``cc``.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from collector.native.library import PATH, load, sources, sources_digest

_FLAGS: Final = (
    "-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden",
    "-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Wshadow",
)  # fmt: skip


def compile_library(target: Path, *flags: str) -> None:
    """Compile the sources beside this file.

    Args:
        target: written whole or not at all.
        flags: for the compiler, behind its usual ones.

    Raises:
        subprocess.CalledProcessError: the compiler failed, and said why on stderr.
        FileNotFoundError: there is none.
    """
    files = [str(path) for path in sources() if path.suffix == ".c"]
    digest = f'-DLAMBDASCOPE_SOURCES="{sources_digest()}"'
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".native-") as folder:
        built = Path(folder, target.name)
        subprocess.run(
            [*_compiler(), *_FLAGS, *flags, digest, "-o", str(built), *files], env=_environ(folder), check=True
        )
        built.replace(target)


def _compiler() -> list[str]:
    if find_spec("ziglang"):
        # For any processor of the kind, as other compilers do by default; and without traps, which are for tests.
        # Of this compiler all warnings are known.
        return [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline", "-fno-sanitize=all", "-Werror"]
    return shlex.split(os.environ.get("CC", "cc"))


def _environ(cache: str) -> dict[str, str]:
    return {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}


def main() -> int:
    """Build and load it. Returns the exit code."""
    command = _compiler()
    if not shutil.which(command[0]):
        sys.stderr.write(f"{command[0]}: no such compiler; install the package ziglang, or name one in CC\n")
        return 2
    try:
        compile_library(PATH)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"{shlex.join(command)} failed with {error.returncode}\n")
        return 1
    load()
    return 0


if __name__ == "__main__":
    sys.exit(main())
