"""The memory of acknowledged exports: exact within its bounds, and never sure without reason."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.otlp.signals import Signal
from collector.spool import repeats as repeats_module
from collector.spool.record import ExportId
from collector.spool.repeats import MAX_RANGES, Journal, Ranges, Repeats


@given(st.lists(st.integers(1, 60), max_size=80))
def test_ranges_are_a_set(numbers: list[int]) -> None:
    ranges = Ranges()
    for number in numbers:
        ranges.add(number)
    assert [number for number in range(70) if number in ranges] == sorted(set(numbers))
    pairs = list(ranges.pairs())
    assert all(first <= last for first, last in pairs)
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(pairs))


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 8)), max_size=30))
def test_ranges_take_runs(runs: list[tuple[int, int]]) -> None:
    ranges = Ranges()
    for first, length in runs:
        ranges.add(first, first + length)
    expected = {number for first, length in runs for number in range(first, first + length + 1)}
    assert {number for number in range(100) if number in ranges} == expected


def test_too_many_gaps_forget_the_oldest_run() -> None:
    ranges = Ranges()
    for number in range(1, 2 * MAX_RANGES + 3, 2):
        ranges.add(number)
    assert 1 not in ranges
    assert 3 in ranges
    assert len(list(ranges.pairs())) == MAX_RANGES


def export(sequence: int, instance: str = "a sandbox") -> tuple[Signal, ExportId]:
    return Signal.TRACES, ExportId(instance, sequence)


def test_signals_and_sandboxes_are_counted_apart() -> None:
    repeats = Repeats()
    repeats.add(*export(1))
    assert export(1) in repeats
    assert export(2) not in repeats
    assert export(1, "another") not in repeats
    assert (Signal.LOGS, ExportId("a sandbox", 1)) not in repeats


def test_the_journal_brings_the_memory_back(tmp_path: Path) -> None:
    """Torn and strange lines are skipped."""
    path = tmp_path / "journal"
    repeats = Repeats()
    journal = Journal(path)
    for sequence in (1, 2, 3, 9):
        repeats.add(*export(sequence))
        journal.append([export(sequence)], repeats)
    with path.open("a", encoding="utf-8") as file:
        file.write("nonsense\n7 1 1 unknown signal\n1 5 4 backwards\n1 77 77 to")
    for _ in range(2):
        loaded = Repeats()
        Journal(path).load(loaded)
        assert [number for number in range(1, 12) if export(number) in loaded] == [1, 2, 3, 9]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2  # it was rewritten as ranges


def test_the_longest_silent_sandbox_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats_module, "MAX_SANDBOXES", 1)  # times the four signals
    repeats = Repeats()
    for number in range(4):
        repeats.add(*export(1, f"sandbox {number}"))
    repeats.add(*export(2, "sandbox 0"))
    repeats.add(*export(1, "sandbox 4"))
    assert [number for number in range(5) if export(1, f"sandbox {number}") in repeats] == [0, 2, 3, 4]


def test_it_is_written_down_while_it_grows() -> None:
    """Each range is whole, whatever the receivers add meanwhile."""
    repeats = Repeats()
    done = threading.Event()

    def grow() -> None:
        for number in range(1, 20_000):
            repeats.add(*export(2 * number if number % 3 else number, f"sandbox {number % 50}"))
        done.set()

    thread = threading.Thread(target=grow)
    thread.start()
    while not done.is_set():
        for line in repeats.lines():
            _, first, last, _ = line.split(" ", 3)
            assert int(first) <= int(last)
    thread.join()
