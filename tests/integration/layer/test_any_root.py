"""The built layer in roots that others have built, or that have nothing at all; it starts, reports and exports."""

from __future__ import annotations

import shutil

import pytest

from deploy.layer.certificates import hashed_directory
from tests.support.exports import certificate_for_this_host, taking
from tests.support.one_invocation import run_one_invocation
from tests.support.roots import ROOTS, built, memory_limit, sandbox_command

pytestmark = [pytest.mark.layer, pytest.mark.root]

PROTOCOLS = ["http/protobuf", "grpc"]


@pytest.fixture(params=ROOTS)
def root(request):
    """A root file system that is what it should be; one that cannot be had fails its test."""
    return built(ROOTS[request.param])


@pytest.fixture(scope="module")
def trusting(tmp_path_factory, unpacked):
    """A copy of the layer that has one authority more among its own, and a certificate that it vouches for."""
    folder = tmp_path_factory.mktemp("trusting")
    layer = folder / "opt"
    shutil.copytree(unpacked, layer)
    certificate = certificate_for_this_host(folder)
    for name, content in hashed_directory(certificate.read_text()).items():
        (layer / "lambdascope/ca" / name).write_bytes(content)
        (layer / "lambdascope/ca" / name).chmod(0o644)
    return layer, certificate


def assert_only_tmp_is_told_of(said: str) -> None:
    """Whatever else is written to standard error lands in the customer's log."""
    assert [line for line in said.splitlines() if "/tmp" not in line or "No space left" not in line] == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_starts_reports_and_exports(serve, unpacked, root, protocol):
    with taking(protocol) as taken:
        said = run_one_invocation(serve(), taken, unpacked, sandbox_command(unpacked, root))
    assert_only_tmp_is_told_of(said)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_exports_over_tls_to_whom_an_authority_of_the_layer_vouches_for(serve, trusting, root, protocol):
    """OpenSSL must find the authority among the layer's by its hash, and ask no file of the image."""
    layer, certificate = trusting
    with taking(protocol, certificate) as taken:
        said = run_one_invocation(serve(), taken, layer, sandbox_command(layer, root))
    assert_only_tmp_is_told_of(said)


def test_does_without_proc(serve, unpacked):
    with taking("http/protobuf") as taken:
        run_one_invocation(serve(), taken, unpacked, sandbox_command(unpacked, built(ROOTS["nothing"]), proc=False))


def test_has_room_in_the_smallest_sandbox_with_a_thousand_variables(serve, trusting):
    """All is read-only, /tmp is full, PATH empty, and there is no shell; over TLS and gRPC, which take most memory."""
    layer, certificate = trusting
    many = {f"VARIABLE_{number}": "x" * 3 for number in range(1000)}
    with memory_limit(mib=128) as group, taking("grpc", certificate) as taken:
        command = sandbox_command(layer, built(ROOTS["nothing"]), memory_group=group)
        said = run_one_invocation(serve(), taken, layer, command, many)
    assert_only_tmp_is_told_of(said)
