"""Layers to start: the built one, and one whose Python reports what it was given."""

from __future__ import annotations

import ast
import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.layer import ENTRY, ExtensionsApi, Script, unpack, wait_until
from tests.support.sanitized_launcher import compile_sanitized

REPORTER = Path(__file__).with_name("reporter.py")


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory):
    """The built layer, unpacked once; nobody writes to it."""
    return unpack(tmp_path_factory.mktemp("layer") / "opt")


@pytest.fixture(scope="session", params=["as built", "with sanitizers"])
def reporting(request, tmp_path_factory):
    """The built layer with ``reporter.py`` in the place of the extension's Python modules.

    Once with its launcher as it is built, and once with one that ends with a report at the first mistake with memory.
    """
    root = unpack(tmp_path_factory.mktemp("reporting") / "opt")
    (package,) = root.glob("lambdascope/lib/python3.*/extension")
    shutil.rmtree(package)
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copyfile(REPORTER, package / "__main__.py")
    if request.param == "with sanitizers":
        (root / ENTRY).unlink()
        compile_sanitized(root / ENTRY)
    return root


@pytest.fixture
def layer_copy(tmp_path, unpacked):
    """A copy of the built layer to break things in."""
    return Path(shutil.copytree(unpacked, tmp_path / "copy" / "opt"))


@pytest.fixture
def serve():
    """Starts an Extensions API that answers as a script says."""
    with contextlib.ExitStack() as stack:

        def start(script: Script | None = None) -> ExtensionsApi:
            api = ExtensionsApi(script or Script())
            stack.callback(api.close)
            return api

        yield start


class Report:
    """What the Python in the place of the extension was given."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> dict[str, Any]:
        """The report, once it is written."""
        wait_until(self.is_there, "the report of the bundled Python")
        report = ast.literal_eval(self._file.read_text())
        assert isinstance(report, dict)
        return report

    def is_there(self) -> bool:
        """Whether it is written."""
        return self._file.is_file()

    def handoff(self) -> dict[str, str]:
        """The variable LAMBDASCOPE_HANDOFF as a dictionary, without the pipe, which every one has."""
        value = self.read()["environ"]["LAMBDASCOPE_HANDOFF"]
        handoff = dict(pair.split("=", 1) for pair in value.split(" "))
        assert int(handoff.pop("taken_over")) > 2
        return handoff

    def environment(self, *, exit_code: int | None = None) -> dict[str, str]:
        """What asks for the report, and for Python's end with this code after it."""
        then = {} if exit_code is None else {"LAMBDASCOPE_TEST_EXIT": str(exit_code)}
        return {"LAMBDASCOPE_TEST_REPORT": str(self._file), **then}


@pytest.fixture
def report(tmp_path):
    """Where the report goes."""
    return Report(tmp_path / "report.txt")
