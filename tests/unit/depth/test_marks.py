"""Marks of the wrapper and the probe, the split that follows from them, and what of an event is recorded."""

from __future__ import annotations

import pytest

from extension.event_facts import Captured
from extension.init_runs import InitRun
from extension.init_split import split_of
from extension.marks import MarksReader
from extension.payload import payload_rule
from extension.records import InitRuntimeDone, InitStart

MS = 1_000_000
T0 = 1_700_000_000_000 * MS


def run_of(start_ms: int = 0, done_ms: int = 300) -> InitRun:
    run = InitRun("on-demand", restore=False)
    run.start = InitStart(time_ns=T0 + start_ms * MS, restore=False)
    run.done = InitRuntimeDone(time_ns=T0 + done_ms * MS, restore=False)
    return run


def reader(*marks: str) -> MarksReader:
    found = MarksReader(None)
    for mark in marks:
        found.take(mark)
    return found


def at(ms: float) -> int:
    return T0 + round(ms * MS)


FULL = (
    f"runtime {at(30)} 5000\n/g\nstream\nAWS_Lambda_python3.13",
    f"load {at(90)}",
    f"loaded {at(90)} {at(290)}\n1 2 a\nx\n3 1 b",
)


def test_marks_split_an_init():
    found = reader(*FULL)
    assert (found.starts[0].log_group, found.starts[0].log_stream) == ("/g", "stream")
    split = split_of(run_of(), found.starts, None, 0)
    assert split is not None
    assert (split.runtime_ns, split.load_ns, split.loaded_ns, split.source) == (at(30), at(90), at(290), "wrapper")
    assert [one.name for one in split.imports] == ["a"]


def test_marks_by_the_other_clock_are_the_same():
    ticks = (f"load_ticks {5000 + 60 * MS}", f"loaded_ticks {5000 + 60 * MS} {5000 + 260 * MS}\n5001 5002 a")
    found = reader(FULL[0], *ticks).starts[0]
    assert (found.load_ns, found.loaded_ns) == (at(90), at(290))
    assert [(one.begin_ns - at(30), one.end_ns - at(30)) for one in found.imports] == [(1, 2)]


def test_where_the_end_of_loading_was_not_seen_it_is_that_of_init():
    split = split_of(run_of(), reader(*FULL[:2]).starts, None, 0)
    assert split is not None
    assert (split.load_ns, split.loaded_ns) == (at(90), at(300))


@pytest.mark.parametrize("start_ms", [-2, 302])
def test_marks_of_another_init_count_for_nothing(start_ms):
    assert split_of(run_of(), reader(f"runtime {at(start_ms)} 1\n\n\n").starts, None, 0) is None


def test_each_init_of_a_sandbox_has_its_own_marks():
    starts = reader(*FULL, f"runtime {at(1030)} 1\n\n\n", f"load {at(1050)}").starts
    second = split_of(run_of(1000, 1200), starts, None, 0)
    first = split_of(run_of(), starts, None, 0)
    assert first is not None
    assert second is not None
    assert (first.load_ns, second.load_ns) == (at(90), at(1050))


@pytest.mark.parametrize(
    "mark", ["", "runtime", "runtime x", "load 5", "loaded 1 2", "runtime 1", "runtime 1 2 3", "\0" * 50, "runtime -1"]
)
def test_what_is_no_mark_is_left_out(mark):
    assert reader(mark).starts == []


def payload(text: str, most: int = 16384) -> str | None:
    captured = Captured(
        request_id="r",
        received_ns=0,
        untold=0,
        length=len(text),
        records=0,
        grouped=0,
        prefix=text,
        record="",
        suffix="",
    )
    return payload_rule(most, lambda given: given)(captured)


SECRETS = [
    '{"password": "s3cret"}',
    '{"Authorization":"Bearer s3cret"}',
    '{"x": {"db_password": "a\\"s3cret"}}',
    '{"body": "{\\"token\\": \\"s3cret\\", \\"a\\": 1}"}',
    '{"multiValueHeaders": {"Cookie": ["a=s3cret", "b=s3cret"]}}',
    '{"apiKey": "s3cret and no end',
    '{"body": "{\\"secret\\": \\"s3cret and no end',
    '{"x-api-key":"s3cret"}',
]


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_masked_wherever_they_are(text):
    recorded = payload(text)
    assert recorded is not None
    assert "s3cret" not in recorded
    assert "***" in recorded


def test_nothing_is_recorded_unless_asked_for_and_no_more_than_that():
    assert payload("x" * 100, 0) is None
    assert payload("x" * 100, 10) == "x" * 10
    assert payload('{"order": "A1", "n": 2}') == '{"order": "A1", "n": 2}'
