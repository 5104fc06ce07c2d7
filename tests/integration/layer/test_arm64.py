"""The layer for arm64, built and run on another machine: from Debian's packages, under QEMU's user emulation.

Needs the network, root and a minute, so it runs in `make soak`; `make test` holds the parts of it (tests/unit/layer).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from deploy.layer import elf
from deploy.layer.certificates import hashed_directory
from deploy.layer.launcher import host_architecture
from tests.support.exports import certificate_for_this_host, taking
from tests.support.layer import ENTRY, IDENTIFIER, INVOKE, REPOSITORY, SHUTDOWN, launched
from tests.support.one_invocation import run_one_invocation
from tests.support.roots import ROOTS, built, emulated_command

pytestmark = [
    pytest.mark.layer,
    pytest.mark.soak,
    pytest.mark.skipif(os.environ.get("LAMBDASCOPE_SOAK") != "1", reason="needs the network and a minute: `make soak`"),
    pytest.mark.skipif(host_architecture() == "arm64", reason="here the layer itself is arm64"),
]

QEMU = "qemu-aarch64-static"


@pytest.fixture(scope="module")
def layer():
    """The path of the built layer."""
    subprocess.run(["make", "layer", "ARCH=arm64"], cwd=REPOSITORY, check=True, timeout=600)
    return REPOSITORY / "dist/layer-arm64.zip"


@pytest.fixture(scope="module")
def root(layer, tmp_path_factory):
    """The layer, unpacked as Lambda does, and QEMU installed."""
    subprocess.run(["deploy/setup/debian-package", QEMU, "qemu-user-static"], cwd=REPOSITORY, check=True, timeout=600)
    target = tmp_path_factory.mktemp("arm64") / "opt"
    with zipfile.ZipFile(layer) as archive:
        for entry in archive.infolist():
            archive.extract(entry, target)
            (target / entry.filename).chmod(entry.external_attr >> 16 & 0o777)
    return target


def test_every_program_and_library_is_for_arm64_and_brings_its_libraries(layer):
    with zipfile.ZipFile(layer) as archive:
        data = {name: archive.read(name) for name in archive.namelist()}
    found = {name: elf.read(content) for name, content in data.items() if elf.is_elf(content)}
    assert {about.architecture for about in found.values()} == {"arm64"}
    assert {name for about in found.values() for name in about.needed} <= {Path(name).name for name in found}
    assert not [name for name, about in found.items() if about.search_paths]


def test_has_the_modules_of_the_layer_that_is_built_here(layer):
    with zipfile.ZipFile(layer) as ours, zipfile.ZipFile(REPOSITORY / "dist/layer.zip") as theirs:
        modules = [{name for name in archive.namelist() if name.endswith(".pyc")} for archive in (ours, theirs)]
    assert modules[0] == modules[1]


def test_the_launcher_does_the_protocol_and_serves_events_until_shutdown(root, serve):
    """Where the kernel does not know QEMU, it starts no Python for another machine, and the launcher goes on alone."""
    api = serve()
    environment = {"AWS_LAMBDA_RUNTIME_API": api.address}
    with launched(root, environment, command=[shutil.which(QEMU) or QEMU, root / ENTRY]) as launcher:
        for path in ("register", "telemetry", "next"):
            request = api.expect(path)
        assert request.headers["lambda-extension-identifier"] == IDENTIFIER
        for event in (INVOKE, SHUTDOWN):
            api.answer_held(event)
        assert launcher.exit_code() == 0


@pytest.fixture(scope="module")
def trusting(root, tmp_path_factory):
    """A certificate, and a copy of the layer that has its authority among its own."""
    folder = tmp_path_factory.mktemp("trusting")
    certificate = certificate_for_this_host(folder)
    layer = Path(shutil.copytree(root, folder / "opt"))
    for name, content in hashed_directory(certificate.read_text()).items():
        (layer / "lambdascope/ca" / name).write_bytes(content)
    return layer, certificate


@pytest.mark.root
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_starts_reports_and_exports_where_there_is_nothing(root, trusting, serve, protocol, tls):
    """Launcher, loader and Python, each started by a kernel that knows QEMU for them, in an empty root."""
    layer, certificate = trusting if tls else (root, None)
    interpreter = shutil.which(QEMU)
    assert interpreter is not None
    with taking(protocol, certificate) as taken:
        run_one_invocation(serve(), taken, layer, emulated_command(layer, built(ROOTS["nothing"]), interpreter))


def test_two_builds_give_the_same_bytes():
    done = subprocess.run(
        ["make", "layer-verify", "ARCH=arm64"], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    digests = {line.split()[0] for line in done.stdout.splitlines() if line.endswith("layer-arm64.zip")}
    assert len(digests) == 1
