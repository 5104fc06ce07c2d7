"""What an extension sees of init, invocations, freezing and shutdown, with real processes."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.emulator import descendants, make_layer, wait_for

Record = dict[str, Any]


def by_type(records: list[Record]) -> dict[str, Record]:
    return {record["type"]: record for record in records}


def test_an_extension_sees_the_whole_life(start, layer):
    emulator = start("--layer", layer, memory_mb=256)

    request_id = emulator.invoke("f", {"print": "hello"})[1]["x-amzn-requestid"]
    emulator.stop()

    assert emulator.said("registered") == [
        [
            200,
            {"functionName": "f", "functionVersion": "$LATEST", "handler": "app.handler", "accountId": "123456789012"},
        ]
    ]
    assert emulator.said("subscribed") == [[200, "OK"]]
    invoke, shutdown = emulator.said("event")
    assert invoke["requestId"] == request_id
    assert invoke["tracing"]["value"].endswith("Sampled=0")
    assert (shutdown["eventType"], shutdown["shutdownReason"]) == ("SHUTDOWN", "spindown")
    assert emulator.said("leaving") == [None]
    types = [record["type"] for record in emulator.telemetry()]
    assert types == [
        "platform.initStart",
        "platform.telemetrySubscription",
        "function",
        "platform.initRuntimeDone",
        "platform.extension",
        "platform.initReport",
        "platform.start",
        "function",
        "platform.runtimeDone",
        "platform.report",
    ]
    assert [record["record"] for record in emulator.telemetry("function")] == ["loading", "hello"]


def test_sums_of_the_records_hold(start, layer):
    emulator = start("--layer", layer)
    for pause in (0, 0.05, 0.12):
        emulator.invoke("f", {"sleep": pause})
        emulator.wait_idle()
    emulator.stop()

    init = by_type(emulator.telemetry()[:6])
    assert_later_by(init["platform.initStart"], init["platform.initReport"], "durationMs")
    starts, dones, reports = (emulator.telemetry(f"platform.{kind}") for kind in ("start", "runtimeDone", "report"))
    assert len(starts) == len(dones) == len(reports) == 3
    for begin, done, report in zip(starts, dones, reports, strict=True):
        assert begin["record"]["requestId"] == done["record"]["requestId"] == report["record"]["requestId"]
        assert_later_by(begin, done, "durationMs")
        assert_later_by(begin, report, "durationMs")
        duration_ms = done["record"]["metrics"]["durationMs"]
        assert sum(span["durationMs"] for span in done["record"]["spans"]) == pytest.approx(duration_ms, abs=0.01)
        metrics = report["record"]["metrics"]
        waited_ms = metrics["durationMs"] + metrics.get("initDurationMs", 0)
        assert metrics["billedDurationMs"] - 1 < waited_ms <= metrics["billedDurationMs"]
    assert ["initDurationMs" in report["record"]["metrics"] for report in reports] == [True, False, False]


def assert_later_by(first: Record, second: Record, metric: str) -> None:
    gap = dt.datetime.fromisoformat(second["time"]) - dt.datetime.fromisoformat(first["time"])
    assert gap.total_seconds() * 1000 == pytest.approx(second["record"]["metrics"][metric], abs=1.001)


def test_the_caller_does_not_wait_for_an_extension_but_the_report_does(start, layer):
    emulator = start("--layer", layer, probe={"busy_s": 0.4})

    emulator.invoke("f", {})
    assert emulator.summary()["invocations"] == 0
    assert [sandbox["phase"] for sandbox in emulator.sandboxes()] == ["invoke"]
    wait_for(lambda: emulator.summary()["invocations"] == 1, "the end of the invocation")
    emulator.stop()

    done, report = (
        by_type(emulator.telemetry())["platform.runtimeDone"],
        by_type(emulator.telemetry())["platform.report"],
    )
    assert report["record"]["metrics"]["durationMs"] >= 400 > done["record"]["metrics"]["durationMs"]
    overhead = report["record"]["spans"][0]
    assert overhead["name"] == "extensionOverhead"
    assert overhead["durationMs"] == pytest.approx(
        report["record"]["metrics"]["durationMs"] - done["record"]["metrics"]["durationMs"], abs=0.01
    )


def test_an_extension_that_never_asks_again_times_the_invocation_out(start, layer):
    emulator = start("--layer", layer, probe={"busy_s": 60}, timeout_s=0.6)

    assert emulator.invoke("f", {})[0] == 200
    wait_for(lambda: emulator.summary()["invocations"] == 1, "the end of the invocation")

    assert emulator.summary()["errors"] == 1


def test_no_report_comes_before_the_freeze_and_all_comes_after_the_thaw(start, layer):
    emulator = start("--layer", layer)
    first = emulator.invoke("f", {})[1]["x-amzn-requestid"]
    wait_for(lambda: emulator.sandboxes()[0]["phase"] == "ready", "the freeze")
    seen_frozen = emulator.telemetry("platform.report")

    second = emulator.invoke("f", {"sleep": 0.3})[1]["x-amzn-requestid"]
    seen_in_second = emulator.telemetry("platform.report")
    emulator.stop()

    assert seen_frozen == []
    assert [report["record"]["requestId"] for report in seen_in_second] == [first]
    assert [report["record"]["requestId"] for report in emulator.telemetry("platform.report")] == [first, second]


def test_a_frozen_extension_does_not_run(start, layer):
    emulator = start("--layer", layer)
    emulator.invoke("f", {"spawn": 60})
    wait_for(lambda: emulator.sandboxes()[0]["phase"] == "ready", "the freeze")

    def states() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for pid in descendants(emulator.process.pid):
            lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
            status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
            found.setdefault(status["Name"], set()).add(status["State"][0])
        return found

    wait_for(lambda: states().get("sleep") == {"T"} and states().get("probe") == {"T"}, f"stopped: {states()}")


@pytest.mark.parametrize(
    ("event", "settings", "reason", "status"),
    [
        ({"sleep": 30}, {"timeout_s": 0.5}, "timeout", "timeout"),
        ({"exit": 1}, {}, "failure", "failure"),
    ],
)
def test_a_lost_invocation_is_told_to_extensions(start, layer, event, settings, reason, status):
    emulator = start("--layer", layer, **settings)

    emulator.invoke("f", event)
    wait_for(lambda: emulator.sandboxes()[0]["phase"] == "reset", "the end of the reset")

    assert emulator.said("event")[-1]["shutdownReason"] == reason
    done, report = emulator.telemetry("platform.runtimeDone")[0], emulator.telemetry("platform.report")[0]
    assert done["record"]["status"] == report["record"]["status"] == status
    if status == "timeout":
        assert report["record"]["metrics"]["durationMs"] == 500


def test_a_slow_extension_is_killed_after_two_seconds(start, layer, tmp_path):
    emulator = start("--layer", layer, "--record", tmp_path / "record", probe={"shutdown_s": 60})
    emulator.invoke("f", {})

    emulator.stop()

    shutdown = emulator.said("event")[-1]
    assert shutdown["eventType"] == "SHUTDOWN"
    assert emulator.said("leaving") == []
    lines = [json.loads(line) for line in (tmp_path / "record").read_text().splitlines()]
    assert lines[-1]["kind"] == "sandbox_end"
    assert lines[-1]["at_ms"] >= shutdown["deadlineMs"]


@pytest.mark.parametrize("moment", ["crash_in_init", "crash_in_invoke"])
def test_an_extension_that_crashes_takes_the_invocation_with_it(start, layer, moment):
    emulator = start("--layer", layer, probe={moment: True})

    body = emulator.invoke("f", {"sleep": 5})[2]

    assert body["errorType"] == "Extension.Crash"
    assert "Extension probe exited with error: exit status" in body["errorMessage"]


def test_subscriptions_close_with_the_init(start, layer):
    emulator = start("--layer", layer, probe={"subscribe_late": True})
    emulator.invoke("f", {})
    wait_for(lambda: emulator.said("late"), "the late subscription")

    assert emulator.said("late")[0] == [
        403,
        {"errorMessage": "Telemetry API subscription is closed", "errorType": "Telemetry.SubscriptionClosed"},
    ]


def test_a_refused_batch_is_sent_again(start, layer):
    emulator = start("--layer", layer, probe={"refuse": 2})
    emulator.invoke("f", {"sleep": 1})
    emulator.stop()

    types = [record["type"] for record in emulator.telemetry()]
    assert types[0] == "platform.initStart"
    assert types.count("platform.initStart") == 1
    assert types[-1] == "platform.report"


def test_what_an_extension_prints_is_telemetry_for_others(start, tmp_path):
    layer = make_layer(tmp_path / "two", "first", "second")
    emulator = start("--layer", layer, probe={"types": ["platform", "extension"], "shutdown_s": 0})
    emulator.invoke("f", {"sleep": 0.2})
    emulator.stop()

    records = [record for batch in emulator.said("telemetry", "first") for record in batch]
    printed = [record["record"] for record in records if record["type"] == "extension"]
    assert {"environment", "registered", "subscribed"} <= {line["kind"] for line in printed}


def test_extensions_do_not_see_what_lambda_hides(start, layer):
    emulator = start("--layer", layer)
    runtime = emulator.invoke("f", {})[2]["environment"]
    extension = emulator.said("environment")[0]

    hidden = {
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "_AWS_XRAY_DAEMON_ADDRESS",
        "_AWS_XRAY_DAEMON_PORT",
        "_HANDLER",
    }
    assert hidden <= set(runtime)
    assert hidden.isdisjoint(extension)
    assert runtime["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == extension["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "128"
    assert "PYTHONPATH" not in extension


def test_after_a_reset_the_same_sandbox_begins_anew_with_its_files(start, layer):
    emulator = start("--layer", layer)
    emulator.invoke("f", {"write": "kept"})
    emulator.wait_idle()
    emulator.invoke("f", {"exit": 1})
    wait_for(lambda: emulator.sandboxes()[0]["phase"] == "reset", "the end of the reset")

    assert emulator.invoke("f", {"read": "/tmp/kept"})[2] == ""
    emulator.wait_idle()
    emulator.stop()

    assert len(emulator.said("registered")) == 2
    starts = [record["record"] for record in emulator.telemetry("platform.initStart")]
    assert [record["phase"] for record in starts] == ["init", "invoke"]
    assert len({record["instanceId"] for record in starts}) == 1
    states = [record["record"]["state"] for record in emulator.telemetry("platform.telemetrySubscription")]
    assert states == ["Subscribed", "Already subscribed"]
    assert [event["eventType"] for event in emulator.said("event")] == [
        *("INVOKE", "INVOKE", "SHUTDOWN"),
        *("INVOKE", "SHUTDOWN"),
    ]


def test_a_failed_init_is_tried_again_inside_the_invocation(start, layer):
    emulator = start("--layer", layer, environment={"FAIL_IN_INIT": "1"})

    body = emulator.invoke("f", {})[2]
    emulator.stop()

    assert body["errorMessage"] == "cannot load"
    reports = [record["record"] for record in emulator.telemetry("platform.initReport")]
    assert [(report["phase"], report["status"]) for report in reports] == [("init", "error"), ("invoke", "error")]
    assert emulator.telemetry("platform.report")[0]["record"]["status"] == "error"


def test_an_extension_that_posts_an_error_takes_the_invocation_with_it(start, layer):
    emulator = start("--layer", layer, probe={"init_error": "Extension.NoKey"})

    body = emulator.invoke("f", {})[2]

    assert body["errorType"] == "Extension.InitError"
    assert "Extension.NoKey" in body["errorMessage"]
