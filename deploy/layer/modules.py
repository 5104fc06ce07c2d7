"""Which Python modules go into the layer, and in what form: compiled, without source, without paths of this machine."""

from __future__ import annotations

import ast
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from deploy.layer.errors import ModulesError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.layer.interpreter import Interpreter

OWN_PACKAGES: Final = ("extension", "semconv")

EXCLUDED: Final = (
    # Tools for people, and what only they need.
    "ast", "bdb", "cmd", "code", "codeop", "dis", "doctest", "getopt", "getpass", "inspect", "opcode", "pdb", "pprint",
    "profile", "py_compile", "pydoc", "sysconfig", "timeit", "tkinter", "token", "tokenize", "trace", "tracemalloc",
    "unittest", "argparse", "gettext", "optparse",
    # What the standard library offers and a function of it that we never call imports.
    "_pydatetime", "_pydecimal", "_pyio", "_strptime", "asyncio", "bz2", "calendar", "cgi", "concurrent", "csv",
    "ctypes", "curses", "dataclasses", "decimal", "difflib", "email", "fnmatch", "fractions", "ftplib", "glob", "html",
    "http", "importlib.metadata", "importlib.readers", "importlib.resources", "logging", "lzma", "mimetypes",
    "multiprocessing", "netrc", "nturl2path", "pathlib", "pickle", "pkgutil", "quopri", "readline", "runpy", "shutil",
    "sqlite3", "statistics", "subprocess", "tarfile", "tempfile", "textwrap", "tomllib", "typing", "urllib.request",
    "uu", "webbrowser", "xml", "xmlrpc", "zipfile",
    # Third-party packages that a build machine may have.
    "_distutils_hack", "pip", "pkg_resources", "setuptools",
)  # fmt: skip
"""Left out of the analysis. The build fails where a module of ours imports one of these."""

_ENCODINGS: Final = frozenset({"aliases", "ascii", "idna", "latin_1", "punycode", "utf_8"})
"""What Python starts with, and what names of hosts need."""

_ALWAYS: Final = ("encodings", "encodings.idna", "os")
"""Imported by the interpreter itself, or looked for by it as the mark of its library."""


@dataclass(frozen=True, slots=True)
class Module:
    """A module found by the analysis: its dotted name and its file; `native` where that is a shared object."""

    name: str
    file: Path
    is_package: bool
    native: bool

    def path(self) -> str:
        """Where it goes, relative to the folder of the layer's modules."""
        if self.native:
            return f"lib-dynload/{self.file.name}"
        return self.name.replace(".", "/") + ("/__init__.pyc" if self.is_package else ".pyc")


def hidden_imports() -> list[str]:
    """Modules to analyse beside the entry point."""
    return ["extension.__main__", *_ALWAYS, *(f"encodings.{name}" for name in sorted(_ENCODINGS))]


def wanted(module: Module) -> bool:
    """Whether a module that is reachable goes into the layer."""
    package, _, name = module.name.partition(".")
    return package != "encodings" or not name or name in _ENCODINGS


_COMPILE: Final = """
import importlib.util, json, marshal, sys
header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
for source, name, target in json.load(sys.stdin):
    with open(source, "rb") as file:
        code = compile(file.read(), name, "exec", dont_inherit=True, optimize=2)
    with open(target, "wb") as file:
        file.write(header + marshal.dumps(code))
"""
"""The header of a file that nobody checks against a source (PEP 552): magic number, flags, hash of the source."""


def compile_modules(interpreter: Interpreter, modules: Iterable[Module], folder: Path) -> None:
    """Write the ``.pyc`` files of `modules` below `folder`.

    A fresh interpreter compiles them, in a fixed order and with a fixed hash seed: what else has happened in a process
    shows in the bytes (shared strings are marked). The files say that they need not be checked against a source.

    Raises:
        ModulesError: the compiler does not take one.
    """
    work = []
    for module in sorted(modules, key=lambda module: module.name):
        target = folder / module.path()
        target.parent.mkdir(parents=True, exist_ok=True)
        work.append((str(module.file), module.path().removesuffix("c"), str(target)))
    done = subprocess.run(
        [interpreter.compiler, "-S", "-s", "-c", _COMPILE],
        input=json.dumps(work),
        env={"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ModulesError(f"the modules cannot be compiled:\n{done.stderr}")


class Node(Protocol):
    """A node of PyInstaller's module graph."""

    @property
    def identifier(self) -> str:
        """The module's dotted name."""

    @property
    def filename(self) -> str | None:
        """Its file, where it has one."""


class Graph(Protocol):
    """As much of PyInstaller's module graph as is used here."""

    def find_node(self, name: str) -> Node | None:
        """The node of a module."""

    def outgoing(self, fromnode: str) -> Iterable[Node | None]:
        """What a module imports."""


_PURE: Final = frozenset({"SourceModule"})
_PACKAGE: Final = frozenset({"Package"})
_NATIVE: Final = frozenset({"Extension"})


def reachable(graph: Graph) -> tuple[Module, ...]:
    """The modules that our entry point reaches through imports, in order of their names.

    (The graph as a whole also holds what PyInstaller's own start-up would need.)

    Raises:
        ModulesError: a module of ours imports an excluded one, or is not to be found.
    """
    found: dict[str, Module] = {}
    seen: set[str] = set()
    todo = hidden_imports()
    while todo:
        name = todo.pop()
        node = graph.find_node(name)
        if node is None:
            raise ModulesError(f"{name} is not to be found")
        if name in seen:
            continue
        seen.add(name)
        imported = [other for other in graph.outgoing(name) if other is not None]
        _refuse_excluded(node, imported)
        module = _module_of(node)
        if module is not None and wanted(module):
            found[name] = module
            todo += [other.identifier for other in imported]
    return tuple(found[name] for name in sorted(found))


def _refuse_excluded(node: Node, imported: list[Node]) -> None:
    if node.identifier.partition(".")[0] not in OWN_PACKAGES or node.filename is None:
        return
    absent = {other.identifier for other in imported if type(other).__name__ in {"ExcludedModule", "MissingModule"}}
    for name in sorted(absent & needed_imports(Path(node.filename).read_text(encoding="utf-8"))):
        message = f"{node.identifier} imports {name}, which the layer leaves out (deploy/layer/modules.py)"
        raise ModulesError(message)


def needed_imports(source: str) -> set[str]:
    """The modules without which a source does not run.

    Those are all that it imports, but for what stands under ``if TYPE_CHECKING:`` or in a ``try`` that goes on without
    it. ``from a import b`` counts as both ``a`` and ``a.b``, since b may be a module.
    """
    found: set[str] = set()
    todo: list[ast.AST] = [ast.parse(source)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            todo += node.orelse
        elif isinstance(node, ast.Try) and any(map(_catches_import_error, node.handlers)):
            todo += [*node.handlers, *node.orelse, *node.finalbody]
        else:
            todo += ast.iter_child_nodes(node)
    return found


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    return handler.type is not None and "ImportError" in ast.unparse(handler.type)


def _module_of(node: Node) -> Module | None:
    kind = type(node).__name__
    if kind not in _PURE | _PACKAGE | _NATIVE or node.filename is None:
        return None
    return Module(node.identifier, Path(node.filename), is_package=kind in _PACKAGE, native=kind in _NATIVE)
