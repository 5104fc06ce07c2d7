"""The kinds of sandbox with the real Python runtime client: provisioned, proactive, SnapStart, Managed Instances."""

import datetime as dt
import json
import threading
import urllib.request

import pytest

from tests.support.emulator import wait_for

HOOKS = """
import os, time
from snapshot_restore_py import register_after_restore, register_before_snapshot

SEEN = ["init"]
register_before_snapshot(lambda: SEEN.append("before"))

def restored():
    SEEN.append("after")
    if os.environ.get("FAIL_AFTER_RESTORE"):
        raise RuntimeError("no")
    time.sleep(0.05)

register_after_restore(restored)

def handler(event, context):
    time.sleep(event.get("sleep", 0))
    if event.get("raise"):
        raise ValueError("x")
    if event.get("exit"):
        os._exit(event["exit"])
    return {"seen": SEEN, "pid": os.getpid(), "environment": dict(os.environ)}
"""


@pytest.fixture
def start_hooked(start, tmp_path):
    (tmp_path / "code" / "app.py").write_text(HOOKS, encoding="utf-8")
    return start


def time_of(record):
    return dt.datetime.fromisoformat(record["time"])


def in_parallel(emulator, events):
    answers = [None] * len(events)

    def ask(number):
        answers[number] = emulator.invoke("f", events[number])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(events))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_a_restore_runs_the_hooks_and_is_told_after_a_day_old_init(start_hooked, layer):
    snap_start = {"age_s": 86_400, "load_ms": 100}
    emulator = start_hooked("--layer", layer, version="3", snap_start=snap_start)

    body = emulator.invoke("f", {})[2]
    emulator.wait_idle()
    again = emulator.invoke("f", {})[2]
    emulator.stop()

    assert body["seen"] == again["seen"] == ["init", "before", "after"]
    assert body["environment"]["AWS_LAMBDA_INITIALIZATION_TYPE"] == "snap-start"
    assert "AWS_LAMBDA_LOG_STREAM_NAME" not in body["environment"]
    told = [record["type"].partition(".")[2] for record in emulator.telemetry()]
    assert [kind for kind in told if kind.startswith(("init", "restore", "start"))][:7] == [
        "initStart",
        "initRuntimeDone",
        "initReport",
        "restoreStart",
        "restoreRuntimeDone",
        "restoreReport",
        "start",
    ]
    init, restore = (emulator.telemetry(f"platform.{kind}")[0] for kind in ("initStart", "restoreStart"))
    assert abs((time_of(restore) - time_of(init)).total_seconds() - 86_400) < 60
    metrics = emulator.telemetry("platform.report")[0]["record"]["metrics"]
    assert metrics["restoreDurationMs"] >= metrics["billedRestoreDurationMs"] - 1 + 100
    assert metrics["billedRestoreDurationMs"] >= 50
    assert "initDurationMs" not in metrics
    assert "restoreDurationMs" not in emulator.telemetry("platform.report")[1]["record"]["metrics"]


def test_each_sandbox_is_a_restore_of_the_one_snapshot(start_hooked, layer):
    emulator = start_hooked("--layer", layer, version="3", snap_start={"load_ms": 0})

    in_parallel(emulator, [{"sleep": 1}, {"sleep": 1}])
    emulator.stop()

    inits = {record["record"]["instanceId"] for record in emulator.telemetry("platform.initStart")}
    restores = {record["record"]["instanceId"] for record in emulator.telemetry("platform.restoreStart")}
    assert (len(inits), len(restores)) == (1, 2)
    assert {record["time"] for record in emulator.telemetry("platform.initStart")} == {
        emulator.telemetry("platform.initStart")[0]["time"]
    }


def test_a_hook_that_fails_is_an_error_of_the_api(start_hooked, layer):
    emulator = start_hooked(
        "--layer", layer, version="3", snap_start={"load_ms": 0}, environment={"FAIL_AFTER_RESTORE": "1"}
    )

    status, headers, body = emulator.invoke("f", {})
    emulator.stop()

    assert (status, headers["x-amzn-errortype"]) == (400, "SnapStartException")
    assert body["Message"].startswith("The afterRestore() runtime hook encountered an error.")
    assert emulator.telemetry("platform.restoreReport")[0]["record"]["status"] == "error"
    assert emulator.telemetry("platform.start") == []


def test_credentials_are_fetched_where_a_snapshot_would_keep_them(start_hooked, layer):
    emulator = start_hooked("--isolation", "none", version="3", snap_start={"load_ms": 0})
    environment = emulator.invoke("f", {})[2]["environment"]
    assert "AWS_ACCESS_KEY_ID" not in environment

    request = urllib.request.Request(environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    request.add_header("Authorization", environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
    with urllib.request.urlopen(request) as answer:
        given = json.load(answer)

    assert set(given) == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}


def managed(start_hooked, layer, *, probe=None, **config):
    return start_hooked("--layer", layer, managed_instances=config, probe=probe or {"events": ["SHUTDOWN"]})


def test_one_sandbox_serves_several_requests_at_once(start_hooked, layer):
    emulator = managed(start_hooked, layer, max_concurrency=3)
    emulator.invoke("f", {})

    answers = in_parallel(emulator, [{"sleep": 1}] * 3)
    summary = emulator.summary()
    emulator.stop()

    assert [answer[0] for answer in answers] == [200] * 3
    assert len({answer[2]["pid"] for answer in answers}) == 3
    assert answers[0][2]["environment"]["AWS_LAMBDA_MAX_CONCURRENCY"] == "3"
    assert (summary["sandboxes_started"], summary["peak_concurrency"], summary["cold_starts"]) == (1, 3, 0)
    assert len(emulator.telemetry("platform.report")) == 4
    assert emulator.telemetry("platform.runtimeDone") == []
    assert [event["eventType"] for event in emulator.said("event")] == ["SHUTDOWN"]


def test_more_requests_than_it_serves_are_throttled(start_hooked, layer):
    emulator = managed(start_hooked, layer, max_concurrency=1)
    emulator.invoke("f", {})

    answers = in_parallel(emulator, [{"sleep": 1}] * 2)

    assert sorted(answer[0] for answer in answers) == [200, 429]
    assert emulator.summary()["throttles"] == 1


def test_an_extension_that_asks_for_invoke_is_refused(start_hooked, layer):
    emulator = managed(start_hooked, layer, probe={"events": ["INVOKE"]}, max_concurrency=1)

    status, headers, _ = emulator.invoke("f", {})

    assert emulator.said("registered")[0][0] == 403
    assert (status, headers["x-amzn-errortype"]) == (409, "ResourceConflictException")


def test_a_sandbox_that_crashes_is_replaced(start_hooked, layer):
    emulator = managed(start_hooked, layer, max_concurrency=1)
    emulator.invoke("f", {})
    first = emulator.sandboxes()[0]["instance_id"]

    emulator.invoke("f", {"exit": 3})
    wait_for(
        lambda: [one for one in emulator.sandboxes() if one["phase"] == "ready" and one["instance_id"] != first],
        "another sandbox",
    )

    assert emulator.invoke("f", {})[0] == 200


def test_a_provisioned_sandbox_is_initialised_before_its_first_request(start_hooked, layer):
    emulator = start_hooked("--layer", layer, version="3", provisioned_concurrency=1)
    wait_for(lambda: emulator.sandboxes() and emulator.sandboxes()[0]["phase"] == "ready", "the provisioned sandbox")
    emulator.invoke("f", {})
    emulator.stop()

    assert emulator.telemetry("platform.initStart")[0]["record"]["initializationType"] == "provisioned-concurrency"
    metrics = emulator.telemetry("platform.report")[0]["record"]["metrics"]
    assert "initDurationMs" not in metrics


def test_a_proactive_init_is_not_billed_with_the_first_request(start_hooked, layer):
    emulator = start_hooked("--layer", layer, proactive_sandboxes=1)
    wait_for(lambda: emulator.sandboxes() and emulator.sandboxes()[0]["phase"] == "ready", "the proactive sandbox")
    emulator.invoke("f", {})
    emulator.stop()

    assert emulator.telemetry("platform.initStart")[0]["record"]["initializationType"] == "on-demand"
    metrics = emulator.telemetry("platform.report")[0]["record"]["metrics"]
    assert metrics["billedDurationMs"] <= metrics["durationMs"] + 1
