"""The table of cold starts in the README: its form, and that it takes the place of the one before."""

from __future__ import annotations

import pytest

from benchmarks._cold_start import ColdStart
from benchmarks._cold_start_table import BEGIN, END, MEMORY_MB, table, with_table
from benchmarks._emulated import RUNTIMES, Cell, medians
from tests.support.layer import REPOSITORY

KINDS = ("without", "least", "layer")
CELLS = [Cell(runtime, size, kind) for runtime in RUNTIMES for size in MEMORY_MB for kind in KINDS]


def test_has_a_row_for_each_runtime_and_size_with_init_and_the_whole_call():
    cells = {cell: ColdStart(10.4 * (KINDS.index(cell.extension) + 1), 100.0) for cell in CELLS}
    lines = list(table(cells))
    assert len(lines) == 2 + len(RUNTIMES) * len(MEMORY_MB)
    assert lines[2] == "| Python | 128 MB | 10 | 21 | 31 | 110 | 121 | 131 |"
    assert lines[0].count("|") == lines[1].count("|") == lines[2].count("|")


def test_takes_the_medians_of_each_part():
    taken = {CELLS[0]: [ColdStart(1, 30), ColdStart(2, 20), ColdStart(9, 10)]}
    assert medians(taken) == {CELLS[0]: ColdStart(2, 20)}


def test_takes_the_place_of_the_table_before():
    text = f"a\n{BEGIN}\nold\n{END}\nb\n"
    assert with_table(text, iter(["new", "lines"])) == f"a\n{BEGIN}\nnew\nlines\n{END}\nb\n"
    with pytest.raises(ValueError, match="there is no"):
        with_table("a\nb\n", iter(["new"]))


def test_the_readme_has_the_table_that_is_measured():
    _, _, rest = (REPOSITORY / "README.md").read_text(encoding="utf-8").partition(BEGIN + "\n")
    rows = rest.partition(END)[0].splitlines()
    assert rows[:2] == list(table(dict.fromkeys(CELLS, ColdStart(0, 0))))[:2]
    assert len(rows) == 2 + len(RUNTIMES) * len(MEMORY_MB)
