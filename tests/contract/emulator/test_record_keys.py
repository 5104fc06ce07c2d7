"""The keys of the platform's records in each schema version.

Source: "Lambda Telemetry API Event schema reference" of the Lambda developer guide, and recorded real telemetry.
"""

import pytest

from emulator.telemetry import records
from emulator.telemetry.hub import project
from emulator.telemetry.records import FunctionIdentity, ResponseTimes

FUNCTION = FunctionIdentity("f", "$LATEST", 256, "i1", "on-demand", "python:3.11.v0", "arn:aws:lambda:x::runtime:0")
NS = 1_000_000


@pytest.mark.parametrize(
    ("version", "extra"),
    [
        ("2022-07-01", set()),
        ("2022-12-13", {"functionName", "functionVersion"}),
        ("2025-01-29", {"functionName", "functionVersion", "instanceId", "instanceMaxMemory"}),
    ],
)
def test_init_start(version, extra):
    record = project(records.INIT_START, records.init_start(FUNCTION, "init"), version)

    assert isinstance(record, dict)
    assert set(record) == {"initializationType", "phase", "runtimeVersion", "runtimeVersionArn"} | extra


def test_init_records():
    done = records.init_runtime_done("on-demand", "init", "success", None)
    report = records.init_report("on-demand", "init", "error", "Runtime.ExitError", 173_778_000)

    assert done == {"initializationType": "on-demand", "phase": "init", "status": "success"}
    assert report == {
        "initializationType": "on-demand",
        "phase": "init",
        "status": "error",
        "errorType": "Runtime.ExitError",
        "metrics": {"durationMs": 173.778},
    }


def test_runtime_done_of_a_recorded_invocation():
    """The figures of a real cold start of 2024-05-20."""
    start_ns = 1_716_222_585_008 * NS
    first, last, end = (start_ns + us * 1000 for us in (2_215, 2_271, 11_185))

    record = records.runtime_done(
        request_id="4b14",
        status="success",
        error_type=None,
        start_ns=start_ns,
        end_ns=end,
        response=ResponseTimes(first, last, 40),
        tracing=None,
    )

    assert record == {
        "requestId": "4b14",
        "status": "success",
        "metrics": {"durationMs": 11.185, "producedBytes": 40},
        "spans": [
            {"name": "responseLatency", "start": "2024-05-20T16:29:45.008Z", "durationMs": 2.215},
            {"name": "responseDuration", "start": "2024-05-20T16:29:45.010Z", "durationMs": 0.056},
            {"name": "runtimeOverhead", "start": "2024-05-20T16:29:45.010Z", "durationMs": 8.914},
        ],
    }


def test_runtime_done_without_an_answer_has_no_spans():
    record = records.runtime_done(
        request_id="r",
        status="timeout",
        error_type="Sandbox.Timedout",
        start_ns=0,
        end_ns=NS,
        response=None,
        tracing=None,
    )

    assert record == {
        "requestId": "r",
        "status": "timeout",
        "errorType": "Sandbox.Timedout",
        "metrics": {"durationMs": 1.0},
    }


def test_report_of_a_traced_invocation():
    header = "Root=1-6352a70e-1e2c502e358361800241fd45;Parent=35465b3a9e2f7c6a;Sampled=1"
    record = records.report(
        request_id="r",
        status="success",
        error_type=None,
        duration_ms=11.642,
        billed_ms=186,
        memory_mb=128,
        max_memory_used_mb=67,
        init_ms=174.055,
        extension_overhead_ns=(0, 457_000),
        tracing=records.tracing(header, "24cd7d670fa455f0"),
    )

    assert record["metrics"] == {
        "durationMs": 11.642,
        "billedDurationMs": 186,
        "memorySizeMB": 128,
        "maxMemoryUsedMB": 67,
        "initDurationMs": 174.055,
    }
    assert record["spans"] == [{"name": "extensionOverhead", "start": "1970-01-01T00:00:00.000Z", "durationMs": 0.457}]
    assert record["tracing"] == {"spanId": "24cd7d670fa455f0", "type": "X-Amzn-Trace-Id", "value": header}


@pytest.mark.parametrize(
    ("version", "line", "record"),
    [
        ("2022-07-01", '{"message":"hi"}', '{"message":"hi"}'),
        ("2022-12-13", '{"message":"hi"}', {"message": "hi"}),
        ("2025-01-29", '{"message":"hi"}', {"message": "hi"}),
        ("2025-01-29", "{broken", "{broken"),
        ("2025-01-29", "plain", "plain"),
    ],
)
def test_json_lines_of_functions_are_objects_from_the_second_version_on(version, line, record):
    assert project("function", line, version) == record
