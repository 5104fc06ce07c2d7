"""How runtimes are named, and what is said where one is missing."""

import pytest

from emulator import runtimes
from emulator.errors import StartupError


@pytest.mark.parametrize(
    ("name", "version"),
    [("python3.11", "python:3.11.v0"), ("nodejs20.x", "nodejs:20.v0"), ("provided.al2023", "provided:al2023.v0")],
)
def test_the_version_has_the_form_of_lambdas(name, version):
    assert runtimes.runtime_version(name) == version


def test_a_client_that_was_not_built_is_named_with_the_command_that_builds_it(monkeypatch, tmp_path):
    monkeypatch.setattr(runtimes, "NODEJS_CLIENT", tmp_path)

    with pytest.raises(StartupError, match=r"runtime nodejs: its client is not in .*; `make nodejs` builds it"):
        runtimes.find_runtime("nodejs")


def test_another_version_than_that_at_hand_is_refused(monkeypatch, tmp_path):
    (tmp_path / ".installed").touch()
    node = tmp_path / "bin" / "node"
    node.parent.mkdir()
    node.write_text("#!/bin/sh\necho v21.1.0\n", encoding="utf-8")
    node.chmod(0o755)
    monkeypatch.setattr(runtimes, "NODEJS_CLIENT", tmp_path)
    monkeypatch.setenv("PATH", str(node.parent), prepend=":")

    with pytest.raises(StartupError, match=r"runtime nodejs22\.x: the node of this machine is nodejs21\.x"):
        runtimes.find_runtime("nodejs22.x")
    assert runtimes.find_runtime("nodejs")[1].folders() == (str(tmp_path), str(tmp_path))
