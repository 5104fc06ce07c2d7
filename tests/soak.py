"""``make soak [ONLY=name]``: the tests marked ``soak`` at the full sizes, one JSON line each.

Each test runs in a pytest of its own with LAMBDASCOPE_SOAK=1. What has passed on this very content of the tree is
remembered in ``build/soak/passed.json`` and not run again, so an interrupted soak goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "soak"


def main(arguments: list[str]) -> int:
    """Runs every soak test whose name contains the first argument; the exit status."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    tests = collect(arguments[0] if arguments else "")
    if not tests:
        print(
            f"soak: no test marked soak is named like {arguments[0]!r}" if arguments else "soak: no tests",
            file=sys.stderr,
        )
        return 2
    passed = Passed(FOLDER / "passed.json", content_of_the_tree())
    failures = 0
    for test in tests:
        line = {"name": test, "passed": True, "seconds": 0.0, "again": False}
        if test not in passed:
            line = run(test)
            failures += not line["passed"]
            if line["passed"]:
                passed.add(test)
        print(json.dumps(line), flush=True)
    return 1 if failures else 0


def collect(only: str) -> list[str]:
    """The node ids of the tests that have a full size."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "soak", *(["-k", only] if only else [])]
    environ = {**os.environ, "LAMBDASCOPE_SOAK": "1"}
    run = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    if run.returncode not in {0, 5}:
        sys.exit(f"soak: pytest could not collect the tests:\n{run.stdout}{run.stderr}")
    return [line for line in run.stdout.splitlines() if "::" in line]


def run(test: str) -> dict[str, object]:
    """Runs one test at its full size; its log stays in build/soak."""
    log = FOLDER / (test.replace("/", "_").replace("::", "-") + ".log")
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        status = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-s", "-o", "timeout=7200", test],
            cwd=ROOT,
            env={**os.environ, "LAMBDASCOPE_SOAK": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    seconds = round(time.monotonic() - started, 1)
    line: dict[str, object] = {"name": test, "passed": status == 0, "seconds": seconds, "again": True}
    return line if status == 0 else {**line, "log": str(log.relative_to(ROOT))}


def content_of_the_tree() -> str:
    """A name for what is tested: the commit, with the uncommitted changes."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    changes = subprocess.run(["git", "stash", "create"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    tree = subprocess.run(
        ["git", "rev-parse", f"{changes.strip() or commit.strip()}^{{tree}}"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return tree.stdout.strip()


class Passed:
    """The tests that have passed on one content of the tree, kept in a file."""

    def __init__(self, path: Path, content: str) -> None:
        self._path = path
        self._content = content
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self._tests: set[str] = set(known.get("tests", [])) if known.get("content") == content else set()

    def __contains__(self, test: str) -> bool:
        return test in self._tests

    def add(self, test: str) -> None:
        """Remembers one more."""
        self._tests.add(test)
        self._path.write_text(json.dumps({"content": self._content, "tests": sorted(self._tests)}), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
