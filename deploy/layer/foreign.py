"""A Python of the other architecture, from Debian's packages: unpacked, never installed, never run.

apt gets a root of its own (lists, cache, an empty list of installed packages), so that the machine's own packages are
left alone, and no right beyond writing to a folder is needed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy.layer.errors import InterpreterError
from deploy.layer.interpreter import DPKG_LISTS, Interpreter, build_python

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.layer.modules import Module

VERSION: Final = "3.11"

PACKAGES: Final = (
    f"python{VERSION}-minimal", f"libpython{VERSION}-minimal", f"libpython{VERSION}-stdlib",
    "libc6", "libexpat1", "libgcc-s1", "libssl3", "zlib1g",
    "gcc-12-base",  # has the licence of libgcc-s1
)  # fmt: skip
"""Debian 12's: the interpreter, its modules and every library that they load."""

_DEBIAN: Final = {"x86_64": ("amd64", "x86_64-linux-gnu"), "arm64": ("arm64", "aarch64-linux-gnu")}
"""Debian's names of an architecture: of packages, and of folders."""


def debian_interpreter(architecture: str, folder: Path) -> Interpreter:
    """Unpack Debian 12's Python for `architecture` below `folder`.

    Raises:
        InterpreterError: apt or the packages are not there, or the running Python is of another minor version, whose
            compiled modules it would not load.
    """
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if running != VERSION:
        raise InterpreterError(
            f"Debian's Python for {architecture} is {VERSION} and loads only modules that a Python {VERSION} compiled; "
            f"this one is {running}: make layer PYTHON=python{VERSION}"
        )
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise InterpreterError(
                f"{program} is missing: the layer for {architecture} needs Debian's packages, or a build there"
            )
    name, triplet = _DEBIAN[architecture]
    shutil.rmtree(folder, ignore_errors=True)
    root = folder / "root"
    versions = dict(_unpack(package, root) for package in _download(name, folder))
    loaders = sorted((root / "lib").glob("**/ld-linux-*.so.*"))
    if not loaders:
        raise InterpreterError(f"Debian's libc6 for {architecture} has no loader")
    return Interpreter(
        executable=root / "usr/bin" / f"python{VERSION}",
        version=VERSION,
        full_version=versions[PACKAGES[0]],
        standard_library=root / "usr/lib" / f"python{VERSION}",
        loader=loaders[0],
        licence=root / "usr/share/doc" / f"python{VERSION}-minimal" / "copyright",
        compiler=build_python(),
        root=root,
        library_folders=(root / "lib" / triplet, root / "usr/lib" / triplet),
    )


def modules_of(interpreter: Interpreter, modules: Iterable[Module], own: tuple[str, ...]) -> tuple[Module, ...]:
    """The same modules as files of `interpreter`, but for the packages of our `own`; built-in ones are left out.

    Raises:
        InterpreterError: it does not have one of them.
    """
    program = interpreter.executable.read_bytes()
    found = []
    for module in modules:
        if module.name.partition(".")[0] in own:
            found.append(module)
        elif module.native:
            files = sorted((interpreter.standard_library / "lib-dynload").glob(f"{module.name}.cpython-*.so"))
            if files:
                found.append(replace(module, file=files[0]))
            elif f"PyInit_{module.name}\0".encode() not in program:
                raise InterpreterError(f"Debian's Python has no module {module.name}")
        else:
            file = interpreter.standard_library / module.path().removesuffix("c")
            if not file.is_file():
                raise InterpreterError(f"Debian's Python has no {file.name} for the module {module.name}")
            found.append(replace(module, file=file))
    return tuple(found)


def _download(architecture: str, folder: Path) -> list[Path]:
    for part in ("state/lists/partial", "cache/archives/partial", "packages"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()
    options = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Dir::State": folder.resolve() / "state",
        "Dir::State::status": folder.resolve() / "status",
        "Dir::Cache": folder.resolve() / "cache",
    }
    apt = ["apt-get", "-qq", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    _run([*apt, "update"], folder, architecture)
    _run([*apt, "download", *PACKAGES], folder / "packages", architecture)
    return sorted((folder / "packages").glob("*.deb"))


def _unpack(package: Path, root: Path) -> tuple[str, str]:
    """Unpack a package, and list its files where dpkg would; its name and version."""
    subprocess.run(["dpkg-deb", "-x", package, root], check=True, capture_output=True)
    fields = ("Package", "Version")
    shown = subprocess.run(["dpkg-deb", "-f", package, *fields], check=True, capture_output=True, text=True).stdout
    about = dict(line.split(": ", 1) for line in shown.splitlines())
    listed = subprocess.run(["dpkg-deb", "-c", package], check=True, capture_output=True, text=True).stdout
    names = [line.split(maxsplit=5)[5].partition(" -> ")[0].removeprefix(".") for line in listed.splitlines()]
    lists = root / DPKG_LISTS.relative_to("/")
    lists.mkdir(parents=True, exist_ok=True)
    (lists / f"{about['Package']}.list").write_text("\n".join(names) + "\n")
    with (lists.parent / "status").open("a") as status:
        status.write(f"Package: {about['Package']}\nStatus: install ok installed\nVersion: {about['Version']}\n\n")
    return about["Package"], about["Version"]


def _run(command: list[str], folder: Path, architecture: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InterpreterError(
            f"Debian's packages for {architecture} cannot be had; they are of Debian 12, whose sources apt must know:\n"
            f"{done.stderr.strip()}"
        )
