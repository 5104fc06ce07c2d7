"""What Lambda's documentation asks of a layer, and what the project promises of its own (docs/layer.md).

Sources: "Managing Lambda dependencies with layers" and "Working with Lambda extensions" in AWS's developer guide.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import zipfile
from pathlib import PurePosixPath

import pytest

from deploy.doctor import LAYER_UNZIPPED_MB
from deploy.layer import elf
from deploy.layer.launcher import host_architecture
from tests.support.layer import ENTRY, layer_zip

pytestmark = pytest.mark.layer

MOST_ZIPPED_MB = 8
LIBC_OF_AMAZON_LINUX_2 = (2, 26)
PROBE = "lambdascope/probe/"
"""Sources: they run in whatever version the function's runtime has."""
OWN_MODULES = re.compile(r"lambdascope/lib/python3\.\d+/(extension|semconv)/.*")


@pytest.fixture(scope="module")
def layer():
    with zipfile.ZipFile(layer_zip()) as archive:
        yield archive


@pytest.fixture(scope="module")
def elf_files(layer):
    data = {entry.filename: layer.read(entry) for entry in layer.infolist()}
    return {name: elf.read(content) for name, content in data.items() if elf.is_elf(content)}


def test_lambda_starts_exactly_one_file(layer):
    """Every file of /opt/extensions is started as an extension."""
    assert [name for name in layer.namelist() if name.startswith("extensions/")] == [ENTRY]


def test_everything_else_has_a_folder_of_its_own(layer):
    """What lies in /opt/lib, /opt/bin, /opt/python and the like lands on the search paths of the function's runtime."""
    assert {name.partition("/")[0] for name in layer.namelist()} == {"extensions", "lambdascope"}


def test_modes_let_everyone_read_and_start(layer):
    modes = {entry.filename: entry.external_attr >> 16 for entry in layer.infolist()}
    assert all(stat.S_ISREG(mode) for mode in modes.values())
    executable = {name for name, mode in modes.items() if stat.S_IMODE(mode) == 0o755}
    names = {PurePosixPath(name).name.partition(".")[0] for name in executable}
    loader = {name for name in names if name.startswith("ld-linux")}
    assert len(loader) == 1
    assert names - loader == {"lambdascope", "python3", "wrapper", "proxy"}
    assert {stat.S_IMODE(mode) for mode in modes.values()} == {0o755, 0o644}


def test_it_is_small_and_as_large_as_the_doctor_reckons(layer):
    assert layer_zip().stat().st_size < MOST_ZIPPED_MB * 10**6
    assert sum(entry.file_size for entry in layer.infolist()) < LAYER_UNZIPPED_MB * 10**6


def test_entries_are_in_order_and_dated_alike(layer):
    names = layer.namelist()
    assert names == sorted(set(names))
    assert len({entry.date_time for entry in layer.infolist()}) == 1


def test_the_same_file_lies_under_the_name_of_its_architecture():
    named = layer_zip().with_name(f"layer-{host_architecture()}.zip")
    assert named.read_bytes() == layer_zip().read_bytes()


def test_every_program_is_of_the_architecture_that_the_layer_is_for(elf_files):
    assert {about.architecture for about in elf_files.values()} == {host_architecture()}


def test_the_launcher_needs_nothing(elf_files):
    launcher = elf_files[ENTRY]
    assert (launcher.interpreter, launcher.needed, launcher.versions_needed) == ("", (), frozenset())


def test_every_library_that_is_needed_is_in_the_layer(elf_files):
    bundled = {PurePosixPath(name).name for name in elf_files if PurePosixPath(name).parent.name == "lib"}
    needed = {library for about in elf_files.values() for library in about.needed}
    assert needed <= bundled


def test_the_library_that_glibc_loads_by_name_is_in_the_layer(elf_files):
    """Without it glibc ends the process when a thread is ended ("libgcc_s.so.1 must be installed for pthread_exit")."""
    assert "lambdascope/lib/libgcc_s.so.1" in elf_files


def test_every_library_gives_the_symbol_versions_that_the_others_want(elf_files):
    """So no version of glibc is needed from outside, and Amazon Linux 2 with its 2.26 is as good as any."""
    given = {PurePosixPath(name).name: about.versions_defined for name, about in elf_files.items()}
    wanted = {pair for about in elf_files.values() for pair in about.versions_needed}
    assert any(version.startswith("GLIBC_") for _, version in wanted)
    assert [(library, version) for library, version in sorted(wanted) if version not in given[library]] == []


def highest_glibc_from_outside(elf_files, without: str = "") -> tuple[int, ...]:
    """The newest version of glibc of which a symbol is needed that no file of the layer has; (0,) where there is none.

    Outside is what the layer does not bring: its loader is called by its path, and given the layer's own libraries.
    """
    given = {
        (PurePosixPath(name).name, version)
        for name, about in elf_files.items()
        if PurePosixPath(name).name != without
        for version in about.versions_defined
    }
    needed = {pair for about in elf_files.values() for pair in about.versions_needed} - given
    numbers = [version.removeprefix("GLIBC_") for _, version in needed if re.fullmatch(r"GLIBC_[0-9.]+", version)]
    return max((tuple(map(int, number.split("."))) for number in numbers), default=(0,))


def test_no_newer_glibc_is_needed_than_the_oldest_that_lambda_has(elf_files):
    """Every ELF file is read. That this can fail is to be seen from what would be needed without the C library."""
    assert len(elf_files) > 10
    assert highest_glibc_from_outside(elf_files) <= LIBC_OF_AMAZON_LINUX_2
    assert highest_glibc_from_outside(elf_files, without="libc.so.6") > LIBC_OF_AMAZON_LINUX_2


def test_no_program_looks_for_libraries_where_it_was_built(elf_files):
    assert {name: about.search_paths for name, about in elf_files.items() if about.search_paths} == {}


def test_modules_are_compiled_and_not_checked_against_sources(layer):
    """PEP 552: flags 1 is a hash that nobody checks."""
    ours = [name for name in layer.namelist() if not name.startswith(PROBE)]
    modules = [name for name in ours if re.search(r"\.py[co]?$", name)]
    assert len(modules) > 20
    assert {PurePosixPath(name).suffix for name in modules} == {".pyc"}
    assert {layer.read(name)[4:16] for name in modules} == {(1).to_bytes(4, "little") + bytes(8)}


def test_our_own_modules_do_not_say_where_they_were_built(layer):
    own = [name for name in layer.namelist() if OWN_MODULES.fullmatch(name)]
    assert any("/extension/__main__" in name for name in own)
    assert any("/semconv/" in name for name in own)
    here = str(layer_zip().parents[1]).encode()
    assert [name for name in layer.namelist() if here in layer.read(name)] == []


def test_the_licences_of_what_is_bundled_are_there(layer):
    texts = {name: layer.read(name).decode() for name in layer.namelist() if name.startswith("lambdascope/licenses/")}
    assert "PYTHON SOFTWARE FOUNDATION LICENSE" in texts["lambdascope/licenses/python.txt"].upper()
    assert "Apache License" in texts["lambdascope/licenses/lambdascope.txt"]


def test_certificate_authorities_are_a_hashed_directory(layer):
    files = [name for name in layer.namelist() if name.startswith("lambdascope/ca/")]
    assert len(files) > 50
    assert all(re.fullmatch(r"lambdascope/ca/[0-9a-f]{8}\.\d+", name) for name in files)


@pytest.fixture(scope="module")
def bill(layer):
    return json.loads(layer.read("lambdascope/sbom.spdx.json"))


def test_the_bill_of_materials_lists_every_file_with_its_checksum(layer, bill):
    listed = {
        file["fileName"].removeprefix("./"): {each["algorithm"]: each["checksumValue"] for each in file["checksums"]}
        for file in bill["files"]
    }
    assert listed.keys() == set(layer.namelist()) - {"lambdascope/sbom.spdx.json"}
    assert {name: sums["SHA256"] for name, sums in listed.items()} == {
        name: hashlib.sha256(layer.read(name)).hexdigest() for name in listed
    }


def test_every_library_and_module_belongs_to_software_of_a_known_version(bill):
    names = {file["SPDXID"]: file["fileName"] for file in bill["files"]}
    of_the_layer = {
        names[relation["relatedSpdxElement"]]
        for relation in bill["relationships"]
        if relation["spdxElementId"] == "SPDXRef-Layer" and relation["relatedSpdxElement"] in names
    }
    assert of_the_layer == {"./lambdascope/openssl.cnf"}
    assert [package["name"] for package in bill["packages"] if package["versionInfo"] == "NOASSERTION"] == []


def test_the_licence_of_all_that_is_bundled_is_in_it(layer, bill):
    bundled = {package["name"] for package in bill["packages"] if package["SPDXID"] != "SPDXRef-Layer"}
    texts = {PurePosixPath(name).stem for name in layer.namelist() if name.startswith("lambdascope/licenses/")}
    assert {"python" if name == "cpython" else name for name in bundled} == texts
