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
from collector.spool.record import ExportId, Record
from collector.spool.repeats import MAX_RANGES, Journal, Ranges, RepeatKey, Repeats, repeat_key


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


def key(instance: str = "a sandbox", signal: Signal = Signal.TRACES) -> RepeatKey:
    return signal, instance


def record(sequence: int, instance: str = "a sandbox", *, items: int = 1, total: int | None = None) -> Record:
    export_id = ExportId(instance, sequence, total, None if total is None else 0)
    return Record(Signal.TRACES, items, 1_000 + sequence, export_id, b"")


def test_signals_and_sandboxes_are_counted_apart() -> None:
    repeats = Repeats()
    repeats.add(key(), 1)
    assert repeats.holds(key(), 1)
    assert not repeats.holds(key(), 2)
    assert not repeats.holds(key("another"), 1)
    assert not repeats.holds(key(signal=Signal.LOGS), 1)


def test_tenants_are_counted_apart() -> None:
    """A tenant's sandbox of the same name is another one."""
    mine = Record(Signal.TRACES, 1, 1, ExportId("a sandbox", 1), b"", "mine")
    assert repeat_key(mine) not in {key(), repeat_key(Record(Signal.TRACES, 1, 1, mine.export_id, b"", "yours"))}


def test_the_journal_brings_the_memory_back(tmp_path: Path) -> None:
    """Torn and strange lines are skipped."""
    path = tmp_path / "journal"
    repeats = Repeats()
    journal = Journal(path)
    for sequence in (1, 2, 3, 9):
        repeats.add(key(), sequence)
        journal.append([record(sequence, items=10, total=10 * sequence)], repeats)
    with path.open("a", encoding="utf-8") as file:
        file.write("nonsense\n7 1 1 unknown signal\n1 5 4 backwards\n+ 1 5 x a sandbox\n1 77 77 to")
    for _ in range(2):
        loaded = Repeats()
        Journal(path).load(loaded)
        assert [number for number in range(1, 12) if loaded.holds(key(), number)] == [1, 2, 3, 9]
        (arrival,) = loaded.changed(10)
        assert (arrival.tally.exports, arrival.tally.items, arrival.tally.sequence, arrival.tally.total) == (
            4,
            40,
            9,
            90,
        )
        assert arrival.missing == ((4, 8),)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 4  # rewritten: two ranges, the mark, the tally


def test_what_the_spool_still_holds_is_counted_once(tmp_path: Path) -> None:
    """A crash between the journal and the removal of the segment: the segment is stored, and journaled, again."""
    path = tmp_path / "journal"
    repeats = Repeats()
    repeats.add(key(), 1)
    Journal(path).append([record(1, items=7)], repeats)
    loaded = Repeats()
    journal = Journal(path)
    journal.load(loaded)
    for sequence in (1, 2):
        loaded.recovered(record(sequence, items=7))
    journal.append([record(1, items=7), record(2, items=7)], loaded)
    (arrival,) = loaded.changed(10)
    assert (arrival.tally.exports, arrival.tally.items) == (2, 14)


def test_what_was_told_is_not_told_again(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    repeats, journal = Repeats(), Journal(path)
    for sequence in (1, 2):
        repeats.add(key(), sequence)
    journal.append([record(1)], repeats)
    told = repeats.changed(10)
    journal.append([record(2)], repeats)
    assert not repeats.told(told), "it has changed meanwhile"
    assert repeats.told(repeats.changed(10))
    journal.all_told(repeats)
    for _ in range(2):
        loaded = Repeats()
        Journal(path).load(loaded)
        assert loaded.changed(10) == []


def test_the_longest_silent_sandbox_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats_module, "MAX_SANDBOXES", 1)  # times the four signals
    repeats = Repeats()
    for number in range(4):
        repeats.add(key(f"sandbox {number}"), 1)
    repeats.add(key("sandbox 0"), 2)
    repeats.add(key("sandbox 4"), 1)
    assert [number for number in range(5) if repeats.holds(key(f"sandbox {number}"), 1)] == [0, 2, 3, 4]


def request(request_id: str) -> Record:
    return Record(Signal.CLOUDWATCH, 3, 1_000, ExportId.of_request(request_id), b"")


def test_a_request_with_an_id_of_its_own_is_remembered_and_is_no_sandbox(tmp_path: Path) -> None:
    """Once its rows are stored by the journal, before that by the spool; nothing of it is told to ClickHouse."""
    path = tmp_path / "journal"
    repeats, journal = Repeats(), Journal(path)
    for name in ("stored", "in the spool"):
        repeats.add(repeat_key(request(name)), 0)
    journal.append([request("stored"), record(1)], repeats)
    for _ in range(2):  # as it was appended, and as the first load wrote it anew
        loaded = Repeats()
        Journal(path).load(loaded)
        assert loaded.holds(repeat_key(request("stored")), 0)
        assert not loaded.holds(repeat_key(request("in the spool")), 0)
        assert [arrival.instance for arrival in loaded.changed(10)] == ["a sandbox"]
    loaded.recovered(request("in the spool"))
    assert loaded.holds(repeat_key(request("in the spool")), 0)
    assert not loaded.holds(key("stored", Signal.CLOUDWATCH), 1), "a sandbox of that name is another thing"


def test_requests_push_out_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats_module, "MAX_SANDBOXES", 1)
    monkeypatch.setattr(repeats_module, "MAX_REQUESTS", 2)
    repeats = Repeats()
    repeats.add(key(), 1)
    for number in range(20):
        repeats.add(repeat_key(request(f"request {number}")), 0)
    assert repeats.holds(key(), 1)
    held = [number for number in range(20) if repeats.holds(repeat_key(request(f"request {number}")), 0)]
    assert held == [18, 19]


def test_it_is_written_down_while_it_grows() -> None:
    """Each range is whole, whatever the receivers add meanwhile."""
    repeats = Repeats()
    done = threading.Event()

    def grow() -> None:
        for number in range(1, 20_000):
            repeats.add(key(f"sandbox {number % 50}"), 2 * number if number % 3 else number)
        done.set()

    thread = threading.Thread(target=grow)
    thread.start()
    while not done.is_set():
        for line in repeats.lines():
            if line[0].isdigit():
                _, first, last, _ = line.split(" ", 3)
                assert int(first) <= int(last)
    thread.join()


@pytest.mark.parametrize("cut", [3, 12, 40])
def test_what_was_not_written_to_its_end_is_not_counted(tmp_path: Path, cut: int) -> None:
    """A full disk or a crash within the lines of a segment, which is then journaled again, with all behind it."""
    path = tmp_path / "journal"
    repeats, journal = Repeats(), Journal(path)
    journal.append([record(1, items=7)], repeats)
    good = path.stat().st_size
    journal.append([record(2, items=7), record(3, items=7)], repeats)
    with path.open("rb+") as file:
        file.truncate(good + cut)
    loaded = Repeats()
    again = Journal(path)
    again.load(loaded)
    for number in (2, 3):
        loaded.recovered(record(number, items=7))
    again.append([record(2, items=7), record(3, items=7)], loaded)
    (arrival,) = loaded.changed(10)
    assert (arrival.tally.exports, arrival.tally.items) == (3, 21)


def test_a_journal_that_was_cut_goes_on(tmp_path: Path) -> None:
    """Without a start in between, as after a disk that was full."""
    path = tmp_path / "journal"
    repeats, journal = Repeats(), Journal(path)
    journal.append([record(1)], repeats)
    good = path.stat().st_size
    journal.append([record(2)], repeats)
    with path.open("rb+") as file:
        file.truncate(good + 8)
    journal.append([record(2)], repeats)
    journal.append([record(3)], repeats)
    loaded = Repeats()
    Journal(path).load(loaded)
    (arrival,) = loaded.changed(10)
    assert arrival.tally.exports == 3


def test_what_the_journal_is_made_anew_with_is_what_is_stored(tmp_path: Path) -> None:
    """What is acknowledged and still in the spool is not: the next start would take it for counted."""
    path = tmp_path / "journal"
    repeats, journal = Repeats(), Journal(path)
    journal.append([record(1)], repeats)
    repeats.recovered(record(2))
    path.write_text("".join(repeats.lines()), encoding="utf-8")
    loaded = Repeats()
    again = Journal(path)
    again.load(loaded)
    loaded.recovered(record(2))
    again.append([record(2)], loaded)
    (arrival,) = loaded.changed(10)
    assert arrival.tally.exports == 2
