"""The Telemetry API with a real extension: over TCP, to a receiver that is too slow, beside the Logs API."""

import json

import pytest

from tests.support.emulator import wait_for

BIG_LINES = """
def handler(event, context):
    for number in range(event.get("lines", 0)):
        print(f"{number:06d} " + "x" * 1000)
    return "done"
"""


def test_over_tcp_each_record_is_a_line(start, layer):
    """Telemetry API reference, "Destination protocols": TCP, newline-delimited JSON."""
    emulator = start("--layer", layer, probe={"tcp": True})
    emulator.invoke("f", {"print": "hello"})
    emulator.stop()

    assert emulator.said("subscribed") == [[200, "OK"]]
    kinds = [record["type"] for record in emulator.telemetry()]
    assert kinds[:2] == ["platform.initStart", "platform.telemetrySubscription"]
    assert kinds[-1] == "platform.report"
    assert "hello" in [record["record"] for record in emulator.telemetry("function")]


@pytest.mark.parametrize("probe", [{"tcp": True, "deaf_s": 6.0, "busy_s": 7.0}, {"refuse": 5, "busy_s": 3.0}])
def test_what_a_slow_receiver_lost_is_told(start, layer, tmp_path, probe):
    """Event schema reference, platform.logsDropped: records and bytes that an extension could not process."""
    (tmp_path / "code" / "app.py").write_text(BIG_LINES, encoding="utf-8")
    emulator = start("--layer", layer, probe=probe, memory_mb=512)
    emulator.invoke("f", {"lines": 20_000 if "tcp" in probe else 10})
    wait_for(lambda: emulator.telemetry("platform.logsDropped"), "what was lost")
    emulator.stop()

    dropped = [record["record"] for record in emulator.telemetry("platform.logsDropped")]
    lost = sum(one["droppedRecords"] for one in dropped)
    assert lost > 0
    assert sum(one["droppedBytes"] for one in dropped) >= lost * 10
    if "tcp" in probe:  # nothing is lost unseen: each line came, or was counted
        assert len(emulator.telemetry("function")) + lost >= 20_000


@pytest.mark.parametrize(("order", "logs", "telemetry"), [("before", 202, 403), ("after", 403, 200)])
def test_an_extension_has_the_logs_api_or_the_telemetry_api(start, layer, order, logs, telemetry):
    """Telemetry API, "Migrating from the Logs API": after one, an attempt to subscribe to the other is an error."""
    emulator = start("--layer", layer, probe={"logs_api": order})
    emulator.invoke("f", {})

    assert emulator.said("logs")[0][0] == logs
    assert emulator.said("subscribed")[0][0] == telemetry


@pytest.mark.parametrize(
    ("schema", "line", "expected"),
    [
        ("2022-07-01", {"level": "INFO", "message": "hi"}, '{"level": "INFO", "message": "hi"}'),
        ("2022-12-13", {"level": "INFO", "message": "hi"}, {"level": "INFO", "message": "hi"}),
        ("2025-01-29", {"level": "INFO", "message": "hi"}, {"level": "INFO", "message": "hi"}),
    ],
)
def test_a_json_line_is_an_object_from_the_second_schema_on(start, layer, schema, line, expected):
    """Event schema reference, function: "In JSON log format, the record is an object"."""
    emulator = start("--layer", layer, probe={"schema": schema})
    emulator.invoke("f", {"print": json.dumps(line)})
    emulator.stop()

    assert expected in [record["record"] for record in emulator.telemetry("function")]
    started = emulator.telemetry("platform.initStart")[0]["record"]
    assert ("functionName" in started, "instanceId" in started) == (schema >= "2022-12-13", schema >= "2025-01-29")
