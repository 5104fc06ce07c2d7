"""Every telemetry record that the documents or real sandboxes know. Source: "Telemetry API Event schema reference" of
the AWS Lambda Developer Guide (schema versions 2022-07-01 to 2025-01-29), and records that real functions have sent."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extension import records as r
from extension.errors import MalformedRecord
from extension.parsing import parse_batch, parse_event, parse_record
from extension.timestamps import parse_time_ns

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.json"))


def recorded(name):
    """The records of a fixture; none of them may be malformed."""
    batch = parse_batch((FIXTURES / f"{name}.json").read_bytes())
    assert batch.malformed == 0
    return batch.records


def at(text):
    ns = parse_time_ns(text)
    assert ns is not None
    return ns


def test_cold_start():
    id_ = "4b140000-0000-4000-8000-000000000001"
    init_start, init_done, init_report, start, done, report = recorded("on_demand_cold_start")
    assert init_start == r.InitStart(
        time_ns=at("2024-05-20T16:29:44.833Z"),
        restore=False,
        initialization_type="on-demand",
        phase="init",
        function_name="f",
        function_version="$LATEST",
        runtime_version="nodejs:18.v28",
        runtime_version_arn="arn:aws:lambda:eu-west-3::runtime:"
        "b475b23763329123d9e6f79f51886d0e1054f727f5b90ec945fcb2a3ec09afdd",
    )
    same = {"restore": False, "initialization_type": "on-demand", "phase": "init", "status": "success"}
    assert init_done == r.InitRuntimeDone(time_ns=at("2024-05-20T16:29:45.006Z"), **same)
    assert init_report == r.InitReport(time_ns=at("2024-05-20T16:29:45.007Z"), duration_ms=173.778, **same)
    assert start == r.Start(time_ns=at("2024-05-20T16:29:45.008Z"), request_id=id_, version="$LATEST")
    assert done == r.RuntimeDone(
        time_ns=at("2024-05-20T16:29:45.019Z"),
        request_id=id_,
        status="success",
        duration_ms=11.185,
        produced_bytes=40.0,
        spans=(
            r.PlatformSpan(name="responseLatency", start_ns=at("2024-05-20T16:29:45.008Z"), duration_ms=2.215),
            r.PlatformSpan(name="responseDuration", start_ns=at("2024-05-20T16:29:45.010Z"), duration_ms=0.056),
            r.PlatformSpan(name="runtimeOverhead", start_ns=at("2024-05-20T16:29:45.010Z"), duration_ms=8.686),
        ),
    )
    assert report == r.Report(
        time_ns=at("2024-05-20T16:29:45.022Z"),
        request_id=id_,
        status="success",
        duration_ms=11.642,
        billed_duration_ms=12.0,
        memory_size_mb=128.0,
        max_memory_used_mb=67.0,
        init_duration_ms=174.055,
        spans=(),
    )


def test_the_platforms_own_sums_hold():
    """initStart + initReport.durationMs is initReport's time, start + runtimeDone.durationMs is runtimeDone's."""
    init_start, _, init_report, start, done, _ = recorded("on_demand_cold_start")
    assert abs(init_start.time_ns + init_report.duration_ms * 1e6 - init_report.time_ns) <= 1e6
    assert abs(start.time_ns + done.duration_ms * 1e6 - done.time_ns) <= 1e6


def test_xray_header():
    [start] = recorded("start_with_xray_tracing")
    assert start.tracing == "Root=1-6352a70e-1e2c502e358361800241fd45;Parent=35465b3a9e2f7c6a;Sampled=1"


def test_timeout():
    _, done, report = recorded("timeout")
    assert (done.status, done.error_type, done.duration_ms) == ("timeout", None, 3000.0)
    assert (report.status, report.max_memory_used_mb) == ("timeout", 94.0)


def test_restore():
    start, done, restored, report = recorded("snap_start_restore")
    assert (start.restore, start.runtime_version, start.initialization_type) == (True, "java:21.v4", None)
    assert (done.restore, done.status) == (True, "success")
    assert (restored.restore, restored.duration_ms) == (True, 150.5)
    assert (report.restore_duration_ms, report.billed_restore_duration_ms) == (500.795, 53.0)
    [failed] = recorded("snap_start_restore_failed")
    assert (failed.status, failed.error_type, failed.duration_ms) == ("failure", "RestoreError", None)


def test_managed_instances():
    init_start, start, report, timed_out = recorded("managed_instances")
    assert (init_start.instance_id, init_start.max_memory) == ("$LATEST", 536870912.0)
    assert start.function_arn == "arn:aws:lambda:eu-west-1:123456789012:function:f:3"
    assert [span.name for span in report.spans] == ["responseLatency", "responseDuration"]
    assert (timed_out.status, timed_out.error_type) == ("timeout", "Sandbox.Timedout")


def test_the_rest():
    state, subscription = recorded("extension_states_and_subscription")
    assert (state.name, state.state) == ("my-extension", "Ready")
    assert (subscription.name, subscription.state) == ("my-extension", "Subscribed")
    [dropped] = recorded("logs_dropped")
    assert (dropped.dropped_records, dropped.dropped_bytes) == (123.0, 12345.0)
    assert [type(line) for line in recorded("function_logs")] == [r.FunctionLog] * 4
    assert [event.type for event in recorded("unknown_kinds")] == ["platform.fault", "platform.teleported"]


def test_numbers_may_be_text_and_times_malformed():
    [report] = recorded("numbers_as_text_and_malformed_times")
    assert (report.duration_ms, report.billed_duration_ms) == (694.25, 694.0)
    assert (report.memory_size_mb, report.max_memory_used_mb) == (256.0, None)
    assert report.time_ns == at("2022-10-12T12:01:23.521Z")


def test_each_invalid_record_costs_itself_only():
    items = json.loads((FIXTURES / "invalid_records.json").read_text())
    [good] = json.loads((FIXTURES / "logs_dropped.json").read_text())
    batch = parse_batch(json.dumps([good, *items, good]).encode())
    assert [type(record) for record in batch.records] == [r.LogsDropped, r.LogsDropped]
    assert batch.malformed == len(items)


@pytest.mark.parametrize("body", [b"", b"[", b"{}x", b"null", b"7", b'"text"', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_batch_is_one_malformed_item(body):
    batch = parse_batch(body)
    assert (batch.records, batch.malformed) == ([], 1)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
)


@given(st.data())
def test_no_mutilated_record_raises_anything_else(data):
    """Fuzz: any record of the fixtures, any of its values replaced by any JSON."""
    name = data.draw(st.sampled_from(NAMES))
    item = data.draw(st.sampled_from(json.loads((FIXTURES / f"{name}.json").read_text())))
    if isinstance(item, dict):
        target = data.draw(st.sampled_from([d for d in (item, item.get("record")) if isinstance(d, dict)]))
        if target:
            target[data.draw(st.sampled_from(sorted(target)))] = data.draw(json_values)
    try:
        record = parse_record(item)
    except MalformedRecord:
        return
    assert isinstance(record, r.Record)


@given(st.binary())
def test_no_bytes_raise(body):
    batch = parse_batch(body)
    assert batch.records or batch.malformed or body.strip() == b"[]"


# Events of the Extensions API ----------------------------------------------------------------------------------------


def test_invoke_event():
    body = {
        "eventType": "INVOKE",
        "deadlineMs": 676051,
        "requestId": "3da1f2dc-3222-475e-9205-e2e6c6318895",
        "invokedFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f",
        "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-5f35ae12-0c0fec141ab77a00bc047aa2"},
    }
    assert parse_event(json.dumps(body).encode()) == r.Invoke(
        request_id=body["requestId"],
        deadline_ms=676051.0,
        invoked_arn=body["invokedFunctionArn"],
        tracing="Root=1-5f35ae12-0c0fec141ab77a00bc047aa2",
    )


@pytest.mark.parametrize(
    ("said", "meant"),
    [("spindown", "spindown"), ("SPINDOWN", "spindown"), ("Timeout", "timeout"), ("failure", "failure"),
     ("SandboxTerminated", "failure"), (None, "failure")],
)  # fmt: skip
def test_shutdown_reasons_are_compared_without_case_and_unknown_ones_are_failures(said, meant):
    body = json.dumps({"eventType": "SHUTDOWN", "shutdownReason": said, "deadlineMs": 676051}).encode()
    assert parse_event(body) == r.Shutdown(reason=meant, deadline_ms=676051.0)


def test_other_events():
    assert parse_event(b'{"eventType":"REBOOT"}') is None
    for body in (b"", b"[]", b'{"eventType":"INVOKE"}', b"\x00"):
        with pytest.raises(MalformedRecord):
            parse_event(body)
