"""``python -m emulator replay``, with a real extension. The records are a real cold start's (shortened)."""

import json
import subprocess
import sys

from tests.support.emulator import PATIENCE_S, REPOSITORY

COLD_START = [
    {
        "time": "2024-05-20T16:29:44.833Z",
        "type": "platform.initStart",
        "record": {"initializationType": "on-demand", "phase": "init", "functionName": "f"},
    },
    {
        "time": "2024-05-20T16:29:45.007Z",
        "type": "platform.initReport",
        "record": {
            "initializationType": "on-demand",
            "phase": "init",
            "status": "success",
            "metrics": {"durationMs": 173.778},
        },
        "batch": "late",
    },
    {"eventType": "INVOKE", "requestId": "r1", "invokedFunctionArn": "arn:f"},
    {"time": "2024-05-20T16:29:45.008Z", "type": "platform.start", "record": {"requestId": "r1"}, "deliverAt": 50},
    {"time": "2024-05-20T16:29:45.010Z", "type": "extension", "record": "nobody subscribed to this"},
    {"eventType": "SHUTDOWN", "shutdownReason": "timeout"},
]


def said(output, kind):
    lines = [json.loads(line.partition("] ")[2]) for line in output.splitlines() if line.startswith("[replayed/probe]")]
    return [line["value"] for line in lines if line["kind"] == kind]


def replay(*arguments):
    command = [sys.executable, "-m", "emulator", "replay", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_records_and_events_reach_the_extension_as_the_file_has_them(layer, tmp_path):
    file = tmp_path / "cold.jsonl"
    file.write_text("\n".join(map(json.dumps, COLD_START)), encoding="utf-8")

    done = replay(file, "--layer", layer, "--logs")

    assert done.returncode == 0, done.stderr
    batches = [[record["type"] for record in batch] for batch in said(done.stderr, "telemetry")]
    assert batches == [["platform.initStart"], ["platform.initReport"], ["platform.start"]]
    invoke, shutdown = said(done.stderr, "event")
    assert (invoke["requestId"], invoke["invokedFunctionArn"]) == ("r1", "arn:f")
    assert shutdown["shutdownReason"] == "timeout"
    assert said(done.stderr, "leaving") == [None]


def test_a_bad_file_is_one_line_and_code_2(layer, tmp_path):
    file = tmp_path / "bad.jsonl"
    file.write_text("{", encoding="utf-8")

    done = replay(file, "--layer", layer)

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_fleet_is_a_command_too():
    command = [sys.executable, "-m", "emulator", "fleet", "--help"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    assert done.returncode == 0
    assert "fleet" in done.stdout
