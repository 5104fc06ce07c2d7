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
    lines = [json.loads(line.partition("/probe] ")[2]) for line in output.splitlines() if "/probe] " in line]
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


RECORDS = [
    ("platform.initStart", {"initializationType": "on-demand", "phase": "init", "functionName": "mine"}),
    ("platform.initRuntimeDone", {"initializationType": "on-demand", "status": "success"}),
    ("platform.initReport", {"initializationType": "on-demand", "phase": "init", "metrics": {"durationMs": 125.33}}),
    ("platform.restoreStart", {}),
    ("platform.restoreRuntimeDone", {"status": "success"}),
    ("platform.restoreReport", {"status": "failure", "errorType": "RestoreError"}),
    ("platform.start", {"requestId": "r1", "version": "$LATEST"}),
    ("platform.runtimeDone", {"requestId": "r1", "status": "success"}),
    ("platform.report", {"requestId": "r1", "metrics": {"durationMs": 1.5, "billedDurationMs": 694.0}}),
    ("platform.extension", {"name": "probe", "state": "Ready", "events": ["INVOKE"]}),
    ("platform.telemetrySubscription", {"name": "probe", "state": "Subscribed", "types": ["platform"]}),
    ("platform.logsDropped", {"reason": "slow", "droppedRecords": 1, "droppedBytes": 2}),
    ("platform.fault", "RequestId: r1 Process exited before completing request"),
    ("platform.end", {"requestId": "r1"}),
    ("platform.unheardOf", {"new": True}),
    ("function", "text"),
    ("function", {"timestamp": "2024-05-20T16:29:44.833Z", "level": "INFO", "message": "hi"}),
    ("extension", "text"),
]


def test_every_record_that_was_ever_documented_is_delivered_as_it_is(layer, tmp_path):
    """The types of the Event schema reference and of the Logs API, one that nobody knows, a malformed time."""
    records = [{"time": "2022-08-02T12:01:23:521Z", "type": kind, "record": record} for kind, record in RECORDS]
    file = tmp_path / "all.jsonl"
    file.write_text(json.dumps(records), encoding="utf-8")

    probe = json.dumps({"types": ["platform", "function", "extension"]})
    done = replay(file, "--layer", layer, "--logs", "--env", f"PROBE={probe}")

    assert done.returncode == 0, done.stderr
    assert said(done.stderr, "telemetry") == [records]
    assert "[mine/probe]" in done.stderr


def test_after_a_shutdown_amid_the_file_the_extensions_start_again(layer, tmp_path):
    start = {"time": "2024-05-20T16:29:45.008Z", "type": "platform.start", "record": {"requestId": "r1"}}
    lines = [
        {"eventType": "INVOKE", "requestId": "r1"},
        {"eventType": "SHUTDOWN", "shutdownReason": "timeout"},
        start,
        {"eventType": "INVOKE", "requestId": "r2"},
        {"eventType": "SHUTDOWN", "shutdownReason": "spindown"},
    ]
    file = tmp_path / "reset.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

    done = replay(file, "--layer", layer, "--logs")

    assert done.returncode == 0, done.stderr
    told = [event.get("requestId") or event["shutdownReason"] for event in said(done.stderr, "event")]
    assert told == ["r1", "timeout", "r2", "spindown"]
    assert len(said(done.stderr, "registered")) == 2
    assert said(done.stderr, "telemetry") == [[start]]


def test_a_file_of_managed_instances_makes_a_sandbox_of_those(layer, tmp_path):
    record = {"initializationType": "lambda-managed-instances", "phase": "init"}
    file = tmp_path / "managed.jsonl"
    file.write_text(json.dumps({"time": "2025-09-19T19:36:50.881Z", "type": "platform.initStart", "record": record}))

    done = replay(file, "--layer", layer, "--logs", "--env", f"PROBE={json.dumps({'events': ['SHUTDOWN']})}")

    assert done.returncode == 0, done.stderr
    assert said(done.stderr, "environment")[0]["AWS_LAMBDA_INITIALIZATION_TYPE"] == "lambda-managed-instances"
    assert [batch[0]["record"] for batch in said(done.stderr, "telemetry")] == [record]


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
