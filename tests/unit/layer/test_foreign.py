"""A Python that was unpacked and cannot run: whose modules are taken, and what is said where it cannot be had."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deploy.layer import foreign
from deploy.layer.errors import CompilerError, InterpreterError
from deploy.layer.interpreter import Interpreter, build_python
from deploy.layer.launcher import host_architecture, wanted_architecture
from deploy.layer.modules import Module


@pytest.fixture
def unpacked(tmp_path):
    """Debian's layout: ``math`` is a part of the program, ``_ssl`` a file of its own."""
    library = tmp_path / "usr/lib/python3.11"
    (library / "lib-dynload").mkdir(parents=True)
    (library / "json").mkdir()
    for name in ("os.py", "json/__init__.py", "lib-dynload/_ssl.cpython-311-aarch64-linux-gnu.so"):
        (library / name).touch()
    program = tmp_path / "python3.11"
    program.write_bytes(b"\x7fELF...\0PyInit_math\0PyInit__socketpair\0")
    return Interpreter(program, "3.11", "3.11.2-6", library, program, program, compiler=build_python(), root=tmp_path)


def module(name: str, *, is_package: bool = False, native: bool = False) -> Module:
    return Module(name, Path(f"/host/{name}"), is_package=is_package, native=native)


def test_takes_its_own_files_and_leaves_ours_and_built_in_modules(unpacked):
    ours = module("extension.agent")
    given = [
        ours,
        module("os"),
        module("json", is_package=True),
        module("_ssl", native=True),
        module("math", native=True),
    ]
    found = foreign.modules_of(unpacked, given, ("extension",))
    library = unpacked.standard_library
    assert [(each.name, each.file) for each in found] == [
        ("extension.agent", ours.file),
        ("os", library / "os.py"),
        ("json", library / "json/__init__.py"),
        ("_ssl", library / "lib-dynload/_ssl.cpython-311-aarch64-linux-gnu.so"),
    ]
    assert found[-1].path() == "lib-dynload/_ssl.cpython-311-aarch64-linux-gnu.so"


@pytest.mark.parametrize(
    "missing",
    [module("zlib", native=True), module("_socket", native=True), module("re"), module("os", is_package=True)],
)
def test_names_the_module_that_it_does_not_have(unpacked, missing):
    with pytest.raises(InterpreterError, match=missing.name):
        foreign.modules_of(unpacked, [missing], ("extension",))


def test_refuses_a_python_whose_compiled_modules_it_would_not_load(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign, "VERSION", "3.10")
    with pytest.raises(
        InterpreterError, match=rf"this one is 3\.{sys.version_info.minor}: make layer PYTHON=python3\.10"
    ):
        foreign.debian_interpreter("arm64", tmp_path)


def test_says_what_is_missing_where_there_is_no_apt(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign, "VERSION", f"3.{sys.version_info.minor}")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InterpreterError, match=r"layer for arm64 .*: apt-get is missing"):
        foreign.debian_interpreter("arm64", tmp_path)


def test_says_why_apt_does_not_give_the_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign, "VERSION", f"3.{sys.version_info.minor}")
    for name in ("apt-get", "dpkg-deb"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'E: no such package' >&2\nexit 100\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(InterpreterError, match=r"(?s)Debian 12's packages.*E: no such package"):
        foreign.debian_interpreter("arm64", tmp_path / "work")


def test_the_architecture_is_one_of_lambdas():
    assert (wanted_architecture(""), wanted_architecture("arm64")) == (host_architecture(), "arm64")
    with pytest.raises(CompilerError, match="Lambda runs on x86_64 and arm64, not on riscv64"):
        wanted_architecture("riscv64")
