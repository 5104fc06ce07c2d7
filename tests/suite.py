"""``make test [ONLY=name]``: every test, in two runs of pytest side by side: most tests wait more than they compute.

What runs an emulator or an extension is one run: some of its tests look at the processes, mounts and control groups of
the whole machine. It is half as long as the rest, so the browser's tests follow in it. All else is the other, which
shows its progress; the first reports when both are done.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("unit", "contract", "integration", "browser")
WITH_SANDBOXES = ("deploy", "depth", "emulator", "emulator_model", "extension", "layer", "path")
NO_TESTS = 5
"""Pytest's exit status where nothing was selected."""


def folders() -> Iterator[tuple[str, bool]]:
    """Each folder or file of tests, and whether it belongs to the run of the sandboxes."""
    for kind in KINDS:
        for entry in sorted((ROOT / "tests" / kind).iterdir()):
            if (entry.is_dir() and entry.name != "__pycache__") or entry.match("test_*.py"):
                beside = kind == "browser" or (kind != "unit" and entry.name in WITH_SANDBOXES)
                yield str(entry.relative_to(ROOT)), beside


def main(selection: Sequence[str]) -> int:
    """Runs the tests that pytest's options select, all without any; the exit status, the worse of both."""
    found = list(folders())
    command = [sys.executable, "-m", "pytest", *selection]
    with tempfile.TemporaryFile() as report:
        beside = subprocess.Popen(
            [*command, *(path for path, is_beside in found if is_beside)], cwd=ROOT, stdout=report, stderr=report
        )
        try:
            shown = subprocess.run(
                [*command, *(path for path, is_beside in found if not is_beside)], cwd=ROOT, check=False
            )
        finally:
            status = beside.wait()
        report.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(report, sys.stdout.buffer)
    return max((one for one in (shown.returncode, status) if one != NO_TESTS), default=NO_TESTS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
