"""The shared words: unique, cheap to import, and the only thing that the parts share."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from semconv import attributes, phases, tables

ROOT = Path(__file__).parents[2]
PARTS = ("collector", "dashboard", "emulator", "extension")


def constants(module) -> dict[str, str]:
    return {name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}


@pytest.mark.parametrize("module", [attributes, phases, tables], ids=lambda module: module.__name__)
def test_no_two_constants_share_a_value(module):
    values = list(constants(module).values())
    assert sorted(set(values)) == sorted(values)


def test_all_phases_are_listed():
    assert set(phases.ALL) == set(constants(phases).values())


def test_semconv_imports_nothing_that_costs_a_cold_start():
    program = (
        "import sys; before = set(sys.modules); import semconv.attributes, semconv.phases, semconv.tables;"
        "print(*sorted(set(sys.modules) - before - {'__future__'}))"
    )
    run = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.split() == ["semconv", "semconv.attributes", "semconv.phases", "semconv.tables"]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_imports_no_other_part(part):
    others = {*PARTS, "deploy", "tests", "benchmarks"} - {part}
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / part).rglob("*.py")
        for name in imported(path)
        if name.split(".")[0] in others
    }
    assert found == set()


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return names
