"""The build itself: the same bytes from the same sources, wherever and by whomever they are built."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.layer import elf
from deploy.layer.launcher import TARGETS, compile_launcher
from tests.support.layer import REPOSITORY

pytestmark = pytest.mark.layer

SOURCES = ("extension", "semconv", "deploy/layer", "layer.zip.spec", "LICENSE")


def copy_sources(target: Path) -> Path:
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target / name)
    return target


def build(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "PyInstaller", "--log-level", "WARN", "--noconfirm", "layer.zip.spec"]
    clean = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "0", "HOME": str(folder)}
    return subprocess.run(
        command, cwd=folder, env={**clean, **environment}, capture_output=True, text=True, check=False, timeout=120
    )


def test_two_builds_give_the_same_bytes(tmp_path):
    one = copy_sources(tmp_path / "one")
    two = copy_sources(tmp_path / "a longer path" / "two")
    for file in two.rglob("*"):
        os.utime(file, (10**9, 10**9))
    other = {"TZ": "Pacific/Apia", "LC_ALL": "C", "PYTHONHASHSEED": "77", "USER": "somebody"}
    done = [build(one), build(two, **other)]
    assert [process.returncode for process in done] == [0, 0], done
    assert (one / "dist/layer.zip").read_bytes() == (two / "dist/layer.zip").read_bytes()


def test_the_build_names_the_module_that_the_layer_leaves_out(tmp_path):
    folder = copy_sources(tmp_path / "tree")
    (folder / "extension/__main__.py").write_text("import logging\n")
    done = build(folder)
    assert done.returncode != 0
    assert "layer: extension.__main__ imports logging, which the layer leaves out" in done.stderr
    assert not (folder / "dist/layer.zip").exists()


@pytest.mark.parametrize("architecture", TARGETS)
def test_the_launcher_is_static_for_both_architectures(tmp_path, architecture):
    target = tmp_path / "launcher"
    compile_launcher(target, architecture, tmp_path / "cache")
    about = elf.read(target.read_bytes())
    assert (about.architecture, about.interpreter, about.needed) == (architecture, "", ())
    assert target.stat().st_size < 32 * 1024
    assert os.access(target, os.X_OK)
