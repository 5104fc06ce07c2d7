"""A Python of the other architecture, from Debian's packages: unpacked, never installed, never run."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from deploy.layer import debian
from deploy.layer.errors import DebianError, InterpreterError
from deploy.layer.interpreter import Interpreter, build_python

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from deploy.layer.modules import Module

VERSION: Final = "3.11"

PACKAGES: Final = (
    f"python{VERSION}-minimal", f"libpython{VERSION}-minimal", f"libpython{VERSION}-stdlib",
    "libc6", "libexpat1", "libgcc-s1", "libssl3", "zlib1g",
    "gcc-12-base",  # has the licence of libgcc-s1
)  # fmt: skip
"""Debian 12's: the interpreter, its modules and every library that they load."""


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
    triplet = debian.NAMES[architecture][1]
    shutil.rmtree(folder, ignore_errors=True)
    root = folder / "root"
    try:
        versions = dict(debian.unpack(package, root) for package in debian.download(PACKAGES, architecture, folder))
    except DebianError as error:
        raise InterpreterError(
            f"the layer for {architecture} takes Debian 12's packages, whose sources apt must know, or a build there: "
            f"{error}"
        ) from error
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
