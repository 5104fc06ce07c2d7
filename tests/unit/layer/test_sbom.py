"""The bill of materials: every file is listed, and belongs to the component that names it most closely."""

from __future__ import annotations

import hashlib
import json
import re
import time

from deploy.layer.components import authorities_licence, components_of
from deploy.layer.interpreter import Interpreter, build_python
from deploy.layer.sbom import Component, document, owner_of

PYTHON = Component("cpython", "3.11.7", "pkg:generic/python@3.11.7", "PSF-2.0", ("lib/python3.11/", "bin/"))
OURS = Component("lambda scope", "0.1", "", "Apache-2.0", ("lib/python3.11/extension/",))
FILES = {"lib/python3.11/os.pyc": b"os", "lib/python3.11/extension/agent.pyc": b"agent", "openssl.cnf": b""}


def made(files=FILES, components=(PYTHON, OURS)) -> bytes:
    return document("arm64", "0.1", components, files, time.gmtime(315532800))


def test_the_longest_name_that_fits_tells_whose_a_file_is():
    assert owner_of("lib/python3.11/extension/agent.pyc", [PYTHON, OURS]) is OURS
    assert owner_of("lib/python3.11/os.pyc", [OURS, PYTHON]) is PYTHON
    assert owner_of("lib/python3.11", [OURS, PYTHON]) is None


def test_names_components_files_and_what_belongs_to_what():
    whole = json.loads(made())
    assert (whole["spdxVersion"], whole["dataLicense"], whole["SPDXID"]) == ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT")
    assert whole["creationInfo"]["created"] == "1980-01-01T00:00:00Z"
    assert [(each["name"], each["versionInfo"]) for each in whole["packages"]] == [
        ("lambdascope-layer-arm64", "0.1"),
        ("cpython", "3.11.7"),
        ("lambda scope", "0.1"),
    ]
    assert whole["packages"][1]["externalRefs"][0]["referenceLocator"] == PYTHON.purl
    names = {each["SPDXID"]: each["fileName"] for each in whole["files"]}
    owners = {
        names[r["relatedSpdxElement"]]: r["spdxElementId"]
        for r in whole["relationships"]
        if r["relatedSpdxElement"] in names
    }
    assert owners == {
        "./lib/python3.11/os.pyc": "SPDXRef-cpython",
        "./lib/python3.11/extension/agent.pyc": "SPDXRef-lambda-scope",
        "./openssl.cnf": "SPDXRef-Layer",
    }
    assert {"algorithm": "SHA256", "checksumValue": hashlib.sha256(b"os").hexdigest()} in whole["files"][1]["checksums"]


def test_identifiers_are_unique_and_of_the_letters_that_spdx_allows():
    whole = json.loads(made())
    identifiers = [each["SPDXID"] for each in (*whole["packages"], *whole["files"])]
    assert len(set(identifiers)) == len(identifiers)
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", each) for each in identifiers)


def test_the_same_contents_give_the_same_bytes_and_others_another_name():
    assert made() == made(dict(reversed(FILES.items())), (OURS, PYTHON))
    other = json.loads(made({**FILES, "openssl.cnf": b"#"}))
    assert other["documentNamespace"] != json.loads(made())["documentNamespace"]


def test_finds_packages_versions_and_the_list_of_authorities(tmp_path):
    root = tmp_path / "root"
    library = root / "usr/lib/libz.so.1.2"
    strange = root / "opt/libown.so"
    for file in (library, strange):
        file.parent.mkdir(parents=True)
        file.touch()
    (root / "var/lib/dpkg/info").mkdir(parents=True)
    (root / "var/lib/dpkg/info/zlib1g:arm64.list").write_text("/usr/lib/libz.so.1.2\n")
    (root / "var/lib/dpkg/status").write_text(
        "Package: zlib1g\nStatus: x\nVersion: 1:1.2+b1\n\nPackage: other\nVersion: 9\n"
    )
    bundle = tmp_path / "site/certifi/cacert.pem"
    licence = tmp_path / "site/certifi-2026.1.2.dist-info/licenses/LICENSE"
    for file in (bundle, licence):
        file.parent.mkdir(parents=True)
        file.touch()
    python = Interpreter(library, "3.11", "3.11.2-6", library, library, library, compiler=build_python(), root=root)
    found = components_of(python, {"libz.so.1": library, "libown.so": strange}, bundle, "0.1", "arm64")
    assert [(each.name, each.version, each.purl) for each in found] == [
        ("lambdascope", "0.1", ""),
        ("cpython", "3.11.2-6", "pkg:generic/python@3.11.2-6"),
        ("certifi", "2026.1.2", "pkg:pypi/certifi@2026.1.2"),
        ("zlib1g", "1:1.2+b1", "pkg:deb/debian/zlib1g@1:1.2%2Bb1?arch=arm64"),
        ("libown.so", "NOASSERTION", ""),
    ]
    assert found[3].files == ("lambdascope/lib/libz.so.1", "lambdascope/licenses/zlib1g.txt")
    assert authorities_licence(bundle) == {"certifi.txt": licence}
    assert authorities_licence(tmp_path / "elsewhere/certifi/cacert.pem") == {}
