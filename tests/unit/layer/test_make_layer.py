"""The layer's virtual environment follows the Python that is named: another Python is another layer."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.support.layer import REPOSITORY

STAMP = "build/layer-venv/.installed"


@pytest.fixture
def make(tmp_path):
    """Asks make for the environment, whose making is only told of; what was told."""
    for name in ("deploy/locks/layer.txt", "deploy/setup/venv"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    shutil.copyfile(REPOSITORY / "Makefile", tmp_path / "Makefile")
    (tmp_path / "deploy/setup/venv").write_text(
        '#!/bin/sh\necho "made with $PYTHON"; mkdir -p $1; touch $1/.installed\n'
    )
    (tmp_path / "deploy/setup/venv").chmod(0o755)
    for number in (1, 2):
        python = tmp_path / f"python{number}"
        python.write_text(f"#!/bin/sh\necho version {number}\n")
        python.chmod(0o755)

    def run(*arguments: str) -> str:
        return subprocess.run(
            ["make", "-s", STAMP, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True,
            env={"PATH": os.environ["PATH"]},
        ).stdout  # fmt: skip

    return run


def test_is_made_again_where_another_python_is_named(make):
    assert make("PYTHON=./python1") == "made with ./python1\n"
    assert make("PYTHON=./python1") == ""
    assert make("PYTHON=./python2") == "made with ./python2\n"
    assert make() == ""
