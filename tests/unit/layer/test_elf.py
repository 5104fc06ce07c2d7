"""Reading and shrinking ELF files, tried on libraries that the C compiler makes here."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

from deploy.layer import elf
from deploy.layer.errors import ElfError
from deploy.layer.launcher import host_architecture, zig_cc

SOURCE = """
static int answer_data[1000] = {42};
int lambdascope_answer(void) { return answer_data[0]; }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A shared library with debug information and a search path of this machine."""
    folder = tmp_path_factory.mktemp("elf")
    (folder / "answer.c").write_text(SOURCE)
    flags = [
        "-fno-sanitize=all",
        "-shared",
        "-fPIC",
        "-g",
        "-nostdlib",
        "-Wl,-soname,libanswer.so.1",
        "-Wl,-rpath,/home/someone/lib",
    ]
    zig_cc([*flags, "-o", "libanswer.so", "answer.c"], cwd=folder, cache=folder)
    return (folder / "libanswer.so").read_bytes()


def answer_of(data: bytes, folder: Path) -> int:
    file = folder / "loaded.so"
    file.write_bytes(data)
    return int(ctypes.CDLL(str(file)).lambdascope_answer())


def test_reads_what_a_library_says_about_itself(library):
    about = elf.read(library)
    assert (about.architecture, about.soname, about.interpreter) == (host_architecture(), "libanswer.so.1", "")
    assert about.search_paths == ("/home/someone/lib",)


def test_reads_what_a_program_needs_and_a_library_defines():
    about = elf.read(Path(sys.executable).resolve().read_bytes())
    assert about.interpreter.startswith("/lib")
    assert "libc.so.6" in about.needed
    assert any(library == "libc.so.6" and version.startswith("GLIBC_2.") for library, version in about.versions_needed)


def test_a_stripped_library_is_smaller_and_works(library, tmp_path):
    stripped = elf.stripped(library)
    assert len(stripped) < len(library) - 500
    assert b".debug_info" in library
    assert b".debug_info" not in stripped
    assert answer_of(stripped, tmp_path) == 42
    assert elf.read(stripped) == elf.read(library)


def test_stripping_twice_changes_nothing_more(library):
    once = elf.stripped(library)
    assert elf.stripped(once) == once


def test_search_paths_leave_no_trace(library, tmp_path):
    cleaned = elf.without_search_paths(library)
    assert elf.read(cleaned).search_paths == ()
    assert b"/home/someone" not in elf.stripped(cleaned)
    assert elf.read(cleaned).soname == "libanswer.so.1"
    assert answer_of(cleaned, tmp_path) == 42
    assert elf.without_search_paths(cleaned) == cleaned


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(100)])
def test_refuses_what_is_no_such_file(data):
    with pytest.raises(ElfError, match="not a 64-bit little-endian ELF file"):
        elf.read(data)


def test_refuses_a_file_that_is_cut_off(library):
    with pytest.raises(ElfError, match="cut off"):
        elf.read(library[:100])


def test_refuses_other_machines(library):
    changed = bytearray(library)
    changed[18] = 243  # RISC-V
    with pytest.raises(ElfError, match="neither x86_64 nor arm64"):
        elf.read(bytes(changed))
