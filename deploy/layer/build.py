"""Puts the layer together. The whole of what is in it is decided here; ``docs/layer.md`` tells why.

::

    extensions/lambdascope            the launcher: static, the only file that Lambda starts
    lambdascope/wrapper               opt-in: what AWS_LAMBDA_EXEC_WRAPPER names
    lambdascope/proxy                 opt-in: the Runtime API proxy, which the launcher starts
    lambdascope/probe/                opt-in: what the wrapper puts into Python and Node.js runtimes
    lambdascope/bin/python3           the interpreter
    lambdascope/bin/python3._pth      its module search path, which nothing else can change
    lambdascope/lib/*.so*             every library that it loads, C library and loader included
    lambdascope/lib/python3.N/        modules: .pyc without source, lib-dynload/ with the native ones
    lambdascope/ca/                   certificate authorities, as a hashed directory
    lambdascope/openssl.cnf           empty: OpenSSL shall not read the one of the function's image
    lambdascope/licenses/             licences of what is bundled
    lambdascope/sbom.spdx.json        bill of materials: what is bundled, of which version, and every file's checksum
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy.layer import certificates, elf, sbom
from deploy.layer.archive import moment, write_zip
from deploy.layer.components import authorities_licence, components_of
from deploy.layer.errors import LayerError
from deploy.layer.interpreter import DPKG_LISTS, libraries_of
from deploy.layer.launcher import EXTENSION, PROXY, WRAPPER, compile_launcher, compile_program
from deploy.layer.licences import DOCUMENTATION, licences_of
from deploy.layer.modules import Module, compile_modules
from extension import __version__

if TYPE_CHECKING:
    from deploy.layer.interpreter import Interpreter

NAME: Final = "lambdascope"

_OPENSSL_CONFIG: Final = "# Empty on purpose: without this file OpenSSL reads the one of the function's image.\n"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the layer is built from.

    Attributes:
        interpreter: the Python that goes into it.
        modules: what the extension imports, directly or not.
        ca_bundle: PEM file of certificate authorities.
        licences: licence texts by file name.
        work: a folder for intermediate files.
    """

    interpreter: Interpreter
    modules: tuple[Module, ...]
    ca_bundle: Path
    licences: dict[str, Path]
    work: Path


def build(inputs: Inputs, target: Path) -> list[Path]:
    """Write the layer for the architecture of its interpreter to `target`.

    Returns:
        Libraries in it whose licence is not to be found on this machine.

    Raises:
        LayerError: it cannot be built; the message says why.
    """
    interpreter = inputs.interpreter
    architecture = elf.read(interpreter.executable.read_bytes()).architecture
    root = inputs.work / "root"
    shutil.rmtree(root, ignore_errors=True)
    compile_launcher(root / "extensions" / NAME, architecture, inputs.work / "zig")
    compile_program(root / NAME / "wrapper", architecture, inputs.work / "zig", WRAPPER)
    compile_program(root / NAME / "proxy", architecture, inputs.work / "zig", PROXY)
    _add_probe(root / NAME / "probe")
    libraries = _add_python(root / NAME, interpreter, inputs.modules)
    _add_certificates(root / NAME, inputs.ca_bundle)
    without = _add_licences(root / NAME / "licenses", inputs, libraries)
    components = components_of(interpreter, libraries, inputs.ca_bundle, __version__, architecture)
    contents = {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}
    bill = sbom.document(architecture, __version__, components, contents, moment())
    (root / NAME / sbom.NAME).write_bytes(bill)
    write_zip(target, {str(file.relative_to(root)): file for file in root.rglob("*") if file.is_file()})
    return without


def _add_python(folder: Path, interpreter: Interpreter, modules: tuple[Module, ...]) -> dict[str, Path]:
    """Add the interpreter and its modules; the libraries that came with them, by their names in the layer."""
    library = folder / "lib" / f"python{interpreter.version}"
    native = [module for module in modules if module.native]
    compile_modules(interpreter, (module for module in modules if not module.native), library)
    (library / "lib-dynload").mkdir(exist_ok=True)
    for module in native:
        _add_elf(module.file, library / module.path())
    _add_elf(interpreter.executable, folder / "bin" / "python3", executable=True)
    # Without this file the interpreter looks for its library in every folder above, which belong to others.
    search_path = "".join(f"../lib/{library.name}{part}\n" for part in ("", "/lib-dynload"))
    (folder / "bin" / "python3._pth").write_text(search_path)
    libraries = libraries_of(interpreter, [module.file for module in native])
    for name, file in libraries.items():
        _add_elf(file, folder / "lib" / name, executable=name == interpreter.loader.name)
    return libraries


def _add_probe(folder: Path) -> None:
    """As sources: they run in whatever version the function's runtime has."""
    for source in sorted((EXTENSION / "probe").glob("*/*")):
        if source.suffix in {".py", ".cjs"}:
            (folder / source.parent.name).mkdir(parents=True, exist_ok=True)
            (folder / source.parent.name / source.name).write_bytes(source.read_bytes())


def _add_licences(folder: Path, inputs: Inputs, libraries: dict[str, Path]) -> list[Path]:
    root = inputs.interpreter.root
    lists, documentation = root / DPKG_LISTS.relative_to("/"), root / DOCUMENTATION.relative_to("/")
    others = [file for name, file in libraries.items() if not name.startswith("libpython")]
    found, without = licences_of(others, lists, documentation, root)
    folder.mkdir()
    known = {"python.txt": inputs.interpreter.licence, **authorities_licence(inputs.ca_bundle), **inputs.licences}
    for name, text in {**found, **known}.items():
        (folder / name).write_bytes(text.read_bytes())
    return without


def _add_elf(source: Path, target: Path, *, executable: bool = False) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(elf.without_search_paths(elf.stripped(source.read_bytes())))
    target.chmod(0o755 if executable else 0o644)


def _add_certificates(folder: Path, bundle: Path) -> None:
    files = certificates.hashed_directory(bundle.read_text(encoding="utf-8"))
    if not files:
        raise LayerError(f"{bundle} holds no certificate")
    (folder / "ca").mkdir()
    for name, content in files.items():
        (folder / "ca" / name).write_bytes(content)
    (folder / "openssl.cnf").write_text(_OPENSSL_CONFIG)


def find_ca_bundle() -> Path:
    """The authorities that certifi brings, or else pip, which every virtual environment has.

    Raises:
        LayerError: neither is there.
    """
    for folder in map(Path, sys.path):
        for candidate in (folder / "certifi" / "cacert.pem", folder / "pip" / "_vendor" / "certifi" / "cacert.pem"):
            if candidate.is_file():
                return candidate
    raise LayerError("no certificate authorities to bundle: neither certifi nor pip has its cacert.pem")
