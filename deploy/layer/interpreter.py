"""The Python that goes into the layer, with every library that it loads: the one that builds it, or an unpacked one.

Lambda's own system libraries are older than those of most build machines (Amazon Linux 2 has glibc 2.26), and a
container image may have another C library or none. So the layer brings its own, loader included.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.layer import elf
from deploy.layer.errors import InterpreterError

_FOUND: Final = re.compile(r"^\s*(?P<name>\S+) => (?P<path>/.+) \(0x[0-9a-f]+\)$")
_MISSING: Final = re.compile(r"^\s*(?P<name>\S+) => not found$")
_UNWINDER: Final = "libgcc_s.so.1"
"""Loaded by glibc, by name, when a thread is ended from outside; without it the whole process ends instead."""

_NAME_SERVICES: Final = ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")
"""Parts of glibc before 2.34 that it loads by name; later ones have them built in."""


DPKG_LISTS: Final = Path("/var/lib/dpkg/info")
"""Debian: one file per package, which names every file of it."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of the build machine, or one that was unpacked there and cannot run.

    Attributes:
        executable: the program itself, no symbolic link and no virtual environment's.
        version: "3.11".
        full_version: "3.11.7", or the version of the package that it came with.
        standard_library: the folder of its modules.
        loader: the ELF interpreter that it asks for, ``/lib64/ld-linux-x86-64.so.2`` or the like.
        licence: the text of Python's licence.
        compiler: a Python of the same version that runs here and compiles modules for it.
        root: the file system that it is in.
        library_folders: where its libraries are; empty where its own loader can be asked.
    """

    executable: Path
    version: str
    full_version: str
    standard_library: Path
    loader: Path
    licence: Path
    compiler: Path
    root: Path = Path("/")
    library_folders: tuple[Path, ...] = ()


def build_python() -> Path:
    """The program of the Python that runs this: no symbolic link and no virtual environment's."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def running_interpreter() -> Interpreter:
    """The Python that runs this.

    Raises:
        InterpreterError: it is not one that can be packed.
    """
    executable = build_python()
    about = elf.read(executable.read_bytes())
    loader = Path(about.interpreter)
    if not loader.name.startswith("ld-linux"):
        raise InterpreterError(
            f"{executable} is not linked against glibc ({about.interpreter or 'static'}): use another"
        )
    standard_library = Path(sysconfig.get_path("stdlib"))
    return Interpreter(
        executable=executable,
        version=f"{sys.version_info.major}.{sys.version_info.minor}",
        full_version=platform.python_version(),
        standard_library=standard_library,
        loader=loader,
        licence=_licence_of(standard_library),
        compiler=executable,
    )


def libraries_of(interpreter: Interpreter, extensions: list[Path]) -> dict[str, Path]:
    """Every library that the interpreter or one of its extension modules loads, loader included: name to file.

    The loader itself is asked, so the answer is what happens at run time; where it cannot run, the files are read.

    Raises:
        InterpreterError: one is not to be found.
    """
    if interpreter.library_folders:
        return _read_from_folders(interpreter, extensions)
    found = {interpreter.loader.name: interpreter.loader.resolve()}
    for file in [interpreter.executable, *extensions]:
        found.update(_loaded_by(interpreter.loader, file))
    libc = found["libc.so.6"]
    for name in (_UNWINDER, *(_NAME_SERVICES if _glibc_version(libc) < (2, 34) else ())):
        found[name] = _beside(libc, name)
        found.update(_loaded_by(interpreter.loader, found[name]))
    return dict(sorted(found.items()))


def _read_from_folders(interpreter: Interpreter, extensions: list[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    wanted = {_UNWINDER, interpreter.loader.name}
    wanted.update(*(elf.read(file.read_bytes()).needed for file in (interpreter.executable, *extensions)))
    while missing := sorted(wanted - found.keys()):
        for name in missing:
            files = [folder / name for folder in interpreter.library_folders if (folder / name).is_file()]
            if not files:
                raise InterpreterError(f"{name} is in none of {', '.join(map(str, interpreter.library_folders))}")
            found[name] = files[0].resolve()
            wanted.update(elf.read(found[name].read_bytes()).needed)
    return dict(sorted(found.items()))


def _beside(libc: Path, name: str) -> Path:
    """A library that no file names as needed, from the folders in which the C library's own may be."""
    folders = (libc.parent, Path("/usr") / libc.parent.relative_to("/"), Path("/usr/lib64"), Path("/lib64"))
    for folder in folders:
        if (folder / name).is_file():
            return (folder / name).resolve()
    raise InterpreterError(f"{name} is in none of {', '.join(map(str, folders))}: install it (Debian: libgcc-s1)")


def _loaded_by(loader: Path, file: Path) -> dict[str, Path]:
    done = subprocess.run([loader, "--list", file], capture_output=True, text=True, env={}, check=False)
    found: dict[str, Path] = {}
    for line in done.stdout.splitlines():
        if match := _MISSING.match(line):
            raise InterpreterError(f"{file} needs {match['name']}, which is not on this machine")
        if match := _FOUND.match(line):
            found[match["name"]] = Path(match["path"]).resolve()
    if done.returncode != 0:
        raise InterpreterError(f"{loader} cannot load {file}: {done.stderr.strip() or done.stdout.strip()}")
    return found


def _glibc_version(libc: Path) -> tuple[int, ...]:
    versions = [name for name in elf.read(libc.read_bytes()).versions_defined if re.fullmatch(r"GLIBC_[\d.]+", name)]
    return max(tuple(map(int, name.removeprefix("GLIBC_").split("."))) for name in versions)


def _licence_of(standard_library: Path) -> Path:
    """Python's licence, where the installations that we know put it."""
    version = standard_library.name
    candidates = (standard_library / "LICENSE.txt", Path(f"/usr/share/doc/{version}/copyright"))
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise InterpreterError(f"Python's licence is not at {' or '.join(map(str, candidates))}")
