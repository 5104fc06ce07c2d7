"""A replay file, line by line."""

import json

import pytest

from emulator.errors import StartupError
from emulator.replay.script import Batch, Event, read


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
        ("[]", "line 1: must be an object"),
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
