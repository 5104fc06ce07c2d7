"""A replay file, line by line."""

import json

import pytest

from emulator.errors import StartupError
from emulator.replay.script import Batch, Cast, Event, cast, read


def record(kind="platform.start", **members):
    return {"time": "2024-05-20T16:29:44.833Z", "type": kind, "record": {}, **members}


def steps(tmp_path, *lines):
    path = tmp_path / "replay"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return read(path)


def test_neighbours_with_the_same_batch_and_time_go_together(tmp_path):
    found = steps(
        tmp_path,
        record(),
        record(),
        "",
        record(batch=2),
        {"eventType": "INVOKE", "requestId": "r"},
        record(batch=2),
        record(batch=2, deliverAt=500),
    )

    assert found == [
        Batch(None, (record(), record())),
        Batch(None, (record(),)),
        Event(None, {"eventType": "INVOKE", "requestId": "r"}),
        Batch(None, (record(),)),
        Batch(500, (record(),)),
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "line 1: is not JSON"),
        ("7", "line 1: must be an object, or a list of objects"),
        ("[7]", "line 1: must be an object, or a list of objects"),
        ('{"type": "x"}', "line 1: must have time, type and record, or an eventType"),
        ('{"eventType": "THAW"}', "line 1: eventType must be INVOKE or SHUTDOWN, not 'THAW'"),
        (json.dumps(record(deliverAt="soon")), "line 1: deliverAt must be a number of milliseconds, not 'soon'"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, complaint):
    with pytest.raises(StartupError, match=complaint):
        steps(tmp_path, line)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StartupError, match="nowhere"):
        read(tmp_path / "nowhere")


def test_a_list_is_a_delivery_as_it_was_posted(tmp_path):
    found = steps(tmp_path, record(), [record(), record("function", record="text")], [record()], "# a remark", record())

    assert [len(step.records) for step in found] == [1, 2, 1, 1]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], Cast("replayed", "$LATEST", "on-demand", 128)),
        (
            [
                record("platform.initStart", record={"initializationType": "snap-start", "functionName": "f"}),
                record("platform.report", record={"metrics": {"memorySizeMB": 512.0}}),
            ],
            Cast("f", "$LATEST", "snap-start", 512),
        ),
        ([record("platform.initStart", record="odd"), record("platform.report", record={"metrics": None})],
         Cast("replayed", "$LATEST", "on-demand", 128)),
    ],
)  # fmt: skip
def test_the_records_tell_which_sandbox_they_are_from(lines, expected, tmp_path):
    assert cast(steps(tmp_path, *lines)) == expected
