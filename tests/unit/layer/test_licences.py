"""Licence texts are found by the package that a library came with."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.layer.licences import licences_of


@pytest.fixture
def debian(tmp_path):
    """Package lists and documentation as Debian has them: one package in the merged form, one in the old, one bare."""
    lists, documentation = tmp_path / "info", tmp_path / "doc"
    lists.mkdir()
    for name, file in {
        "libc6:amd64": "/lib/x86_64-linux-gnu/libc.so.6",
        "zlib1g:amd64": "/usr/lib/x86_64-linux-gnu/libz.so.1.2.13",
        "bare": "/usr/lib/x86_64-linux-gnu/libbare.so",
    }.items():
        (lists / f"{name}.list").write_text(f"/.\n/usr\n{file}\n")
        (documentation / name.partition(":")[0]).mkdir(parents=True)
    for name in ("libc6", "zlib1g"):
        (documentation / name / "copyright").write_text(f"licence of {name}")
    return {"lists": lists, "documentation": documentation}


def test_finds_the_licence_of_a_library_whether_listed_under_usr_or_not(debian):
    library = Path("/usr/lib/x86_64-linux-gnu")
    found, without = licences_of([library / "libc.so.6", library / "libz.so.1.2.13"], **debian)
    assert {name: text.read_text() for name, text in found.items()} == {
        "libc6.txt": "licence of libc6",
        "zlib1g.txt": "licence of zlib1g",
    }
    assert without == []


def test_names_the_libraries_that_it_knows_no_licence_of(debian):
    own, bare = Path("/opt/libown.so"), Path("/usr/lib/x86_64-linux-gnu/libbare.so")
    assert licences_of([own, bare], **debian) == ({}, [own, bare])


def test_a_machine_without_debian_packages_has_none(tmp_path):
    assert licences_of([Path("/usr/lib/libc.so.6")], tmp_path / "info", tmp_path / "doc") == (
        {},
        [Path("/usr/lib/libc.so.6")],
    )
