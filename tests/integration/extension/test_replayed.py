"""Recorded telemetry of each kind of sandbox, replayed to the built layer: what a real collector then says of it.

The records are those of real sandboxes, and the samples of "Telemetry API Event schema reference" (AWS Lambda Developer
Guide), of all three schema versions. Each file is one sandbox.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.collector import running_collector, wait_for_rows
from tests.support.emulator import PATIENCE_S, REPOSITORY

pytestmark = pytest.mark.layer

ARN = "arn:aws:lambda:eu-west-3:123456789012:function:f"
XRAY = "Root=1-6352a70e-1e2c502e358361800241fd45;Parent=35465b3a9e2f7c6a;Sampled=1"
ON_DEMAND = {"initializationType": "on-demand", "phase": "init"}
OK = {"status": "success"}


def record(time, kind, **fields):
    """`time`: of 2025-09-19, or a whole one."""
    return {"time": time if "T" in time else f"2025-09-19T{time}Z", "type": f"platform.{kind}", "record": fields}


def invoke(id_, **more):
    return {"eventType": "INVOKE", "requestId": id_, "invokedFunctionArn": ARN, **more}


def shutdown(reason="spindown"):
    return {"eventType": "SHUTDOWN", "shutdownReason": reason}


def start(time, id_, **more):
    return record(time, "start", requestId=id_, version="$LATEST", **more)


def done(time, id_, duration_ms, status="success", **more):
    return record(time, "runtimeDone", requestId=id_, status=status, metrics={"durationMs": duration_ms}, **more)


def report(time, id_, duration_ms, status="success", error=None, spans=None, **metrics):
    metrics = {"durationMs": duration_ms, "billedDurationMs": 1, "memorySizeMB": 128, "maxMemoryUsedMB": 67, **metrics}
    more = {key: value for key, value in (("errorType", error), ("spans", spans)) if value}
    return record(time, "report", requestId=id_, status=status, metrics=metrics, **more)


def init(begin, over, duration_ms, kind="on-demand", phase="init", **more):
    of = {"initializationType": kind, "phase": phase}
    return [
        record(begin, "initStart", **of, functionName="f", functionVersion="$LATEST", **more),
        record(over, "initRuntimeDone", **of, **OK),
        record(over, "initReport", **of, **OK, metrics={"durationMs": duration_ms}),
    ]


PROVISIONED, SNAP, MANAGED = "provisioned-concurrency", "snap-start", "lambda-managed-instances"

RECORDINGS = {
    "on-demand, traced, two invocations": [
        *init("16:29:44.833", "16:29:45.007", 173.778),
        invoke("cold", tracing={"type": "X-Amzn-Trace-Id", "value": XRAY}),
        [start("16:29:45.008", "cold",
               tracing={"spanId": "24cd7d670fa455f0", "type": "X-Amzn-Trace-Id", "value": XRAY}),
         done("16:29:45.019", "cold", 11.185, spans=[
             {"name": "responseLatency", "start": "2025-09-19T16:29:45.008Z", "durationMs": 2.215},
             {"name": "responseDuration", "start": "2025-09-19T16:29:45.010Z", "durationMs": 0.056},
             {"name": "runtimeOverhead", "start": "2025-09-19T16:29:45.010Z", "durationMs": 8.686}])],
        invoke("warm"),
        [report("16:29:45.022", "cold", 11.642, billedDurationMs=12.0, initDurationMs=174.055),
         start("16:29:46.000", "warm"), done("16:29:46.005", "warm", 5.0)],
        report("16:29:46.006", "warm", 6.0),
        shutdown(),
    ],
    "proactive": [*init("10:00:00.000", "10:00:00.100", 100.0), invoke("proactive"), start("10:05:00.000", "proactive"),
                  done("10:05:00.010", "proactive", 10.0), report("10:05:00.011", "proactive", 11.0), shutdown()],
    "provisioned, its init's report during the invocation": [
        *init("10:00:00.000", "10:00:00.100", 100.0, PROVISIONED)[:2], invoke("provisioned"),
        start("10:00:03.000", "provisioned"), init("10:00:00.000", "10:00:00.100", 100.0, PROVISIONED)[2],
        done("10:00:03.010", "provisioned", 10.0), report("10:00:03.011", "provisioned", 11.0), shutdown(),
    ],
    "a snapshot's init of days ago, delivered after the restore": [
        record("10:00:00.000", "restoreStart", functionName="f", functionVersion="3", runtimeVersion="java:21.v4"),
        invoke("restored"),
        *init("2025-09-16T08:00:00.000Z", "2025-09-16T08:00:03.000Z", 3000.0, SNAP, SNAP),
        record("10:00:00.150", "restoreRuntimeDone", **OK),
        record("10:00:00.151", "restoreReport", **OK, metrics={"durationMs": 150.5}),
        start("10:00:00.152", "restored"), done("10:00:00.299", "restored", 147.156),
        report("10:00:00.300", "restored", 147.156, billedDurationMs=201, memorySizeMB=512, maxMemoryUsedMB=91,
               restoreDurationMs=500.795, billedRestoreDurationMs=53), shutdown(),
    ],
    "a failed init, and the suppressed one": [
        record("10:00:00.000", "initStart", **ON_DEMAND),
        record("10:00:00.050", "initRuntimeDone", **ON_DEMAND, status="error", errorType="Runtime.ExitError"),
        record("10:00:00.051", "initReport", **ON_DEMAND, status="error", metrics={"durationMs": 51.0}),
        invoke("suppressed"), start("10:00:00.060", "suppressed"),
        record("10:00:00.061", "initStart", initializationType="on-demand", phase="invoke"),
        record("10:00:00.090", "initReport", initializationType="on-demand", phase="invoke", **OK,
               metrics={"durationMs": 29.0}),
        done("10:00:00.140", "suppressed", 80.0), report("10:00:00.141", "suppressed", 81.0), shutdown(),
    ],
    "requests side by side": [
        record("10:00:00.000", "initStart", initializationType=MANAGED, phase="init", functionName="f",
               instanceId="$LATEST", instanceMaxMemory=536870912),
        *init("10:00:00.000", "10:00:00.100", 100.0, MANAGED)[1:],
        start("10:00:01.000", "side-1", functionArn=f"{ARN}:3"),
        start("10:00:01.001", "side-2", functionArn=f"{ARN}:3"),
        record("10:00:01.003", "report", requestId="side-2", **OK, metrics={"durationMs": 1.148},
               spans=[{"name": "responseLatency", "start": "2025-09-19T10:00:01.001Z", "durationMs": 0.847}]),
        record("10:00:04.003", "report", requestId="side-1", status="timeout", errorType="Sandbox.Timedout",
               metrics={"durationMs": 3002.562}),
    ],
    "a timeout, its retry in the same sandbox, and one that fails": [
        *init("10:00:00.000", "10:00:00.100", 100.0), invoke("again"), start("10:00:00.101", "again"),
        done("10:00:03.101", "again", 3000.0, "timeout"), shutdown("timeout"),
        report("10:00:03.101", "again", 3000.0, "timeout"),
        record("10:01:00.000", "initStart", initializationType="on-demand", phase="invoke"),
        invoke("again"), start("10:01:00.000", "again"), done("10:01:00.300", "again", 300.0, "error",
                                                              errorType="Runtime.ExitError"),
        invoke("again"), report("10:01:00.301", "again", 301.0, "error", error="Runtime.ExitError"),
        start("10:03:00.000", "again"), done("10:03:00.010", "again", 10.0), report("10:03:00.011", "again", 11.0),
        shutdown(),
    ],
    "another retry of it elsewhere": [
        *init("10:09:00.000", "10:09:00.100", 100.0), invoke("again"), start("10:09:00.101", "again"),
        done("10:09:00.111", "again", 10.0), report("10:09:00.112", "again", 11.0), shutdown(),
    ],
    "ends that never come, unknown kinds, and records that lack what they may": [
        *init("10:00:00.000", "10:00:00.100", 100.0), invoke("lost", deadlineMs=1758276002000),
        start("10:00:00.101", "lost"),
        record("10:00:00.102", "teleported", how="far"), {"time": "?", "type": "platform.report", "record": {}},
        invoke("bare"), record("10:00:02.000", "start", requestId="bare"),
        record("10:00:02.007", "runtimeDone", requestId="bare", status="success"),
        invoke("killed", deadlineMs=1758276010000), record("2025-09-19T10:00:03:000Z", "start", requestId="killed"),
        shutdown("failure"),
    ],
}  # fmt: skip


def replay(steps, folder, address):
    file = folder / "recorded.jsonl"
    folder.mkdir()
    file.write_text("\n".join(json.dumps(step) for step in steps), encoding="utf-8")
    command = [sys.executable, "-m", "emulator", "replay", str(file), "--layer", "dist/layer.zip", "--logs"]
    command += ["--relay", f"collector={address}"]
    command += ["--env", "LAMBDASCOPE_OTEL_EXPORTER_OTLP_ENDPOINT=http://${relay:collector}"]
    command += ["--env", "LAMBDASCOPE_METRICS=on", "--env", "LAMBDASCOPE_PROC_METRICS=on"]
    played = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert played.returncode == 0, played.stderr
    return played.stderr


@pytest.fixture(scope="module")
def sql(tmp_path_factory):
    """Rows of a collector that has heard of all the recordings."""
    folder = tmp_path_factory.mktemp("recorded")
    with running_collector("--linger-ms", "50") as collector:
        with ThreadPoolExecutor(3) as several:
            played = [
                several.submit(replay, steps, folder / str(number), collector.addresses.http)
                for number, steps in enumerate(RECORDINGS.values())
            ]
        said = [one.result() for one in played]
        client = collector.sql()
        try:
            wait_for_rows(client, "SELECT * FROM lambda_invocations WHERE NOT isNull(DurationMs)", 15)
            wait_for_rows(client, "SELECT * FROM lambda_phases WHERE Phase = 'shutdown'", len(RECORDINGS) + 1)
            yield lambda query: [tuple(row) for row in client.query(query).result_rows]
        finally:
            client.close()
    assert [
        line for text in said for line in text.splitlines() if "lambdascope:" in line and "understood" not in line
    ] == []


def test_labels(sql):
    rows = sql("SELECT RequestId, InitType, ColdStart, ProactiveInit FROM lambda_invocations ORDER BY Start")
    labels = {row[0]: row[1:] for row in rows if row[0] != "again"}
    assert labels == {
        "cold": ("on-demand", 1, 0),
        "warm": ("on-demand", 0, 0),
        "proactive": ("on-demand", 0, 1),
        "provisioned": (PROVISIONED, 0, 0),
        "restored": (SNAP, 1, 0),
        "suppressed": ("on-demand", 1, 0),
        "side-1": (MANAGED, 0, 0),
        "side-2": (MANAGED, 0, 0),
        "lost": ("on-demand", 1, 0),
        "bare": ("on-demand", 0, 0),
        "killed": ("on-demand", 0, 0),
    }


def test_ends(sql):
    rows = sql(
        "SELECT RequestId, Status, ErrorType, DurationMs, BilledDurationMs, EndEstimated FROM lambda_invocations"
    )
    ends = {row[0]: row[1:] for row in rows if row[0] != "again"}
    assert ends["cold"] == ("success", None, 11.642, 12.0, 0)
    assert ends["restored"] == ("success", None, 147.156, 201.0, 0)
    assert ends["side-1"] == ("timeout", "Sandbox.Timedout", 3002.562, None, 0)
    assert ends["side-2"] == ("success", None, 1.148, None, 0)
    assert ends["lost"] == (None, None, 1899.0, None, 1)
    assert ends["bare"] == ("success", None, 7.0, None, 1)
    assert ends["killed"] == ("error", "error", 7000.0, None, 1)


def test_two_retries_in_one_sandbox_and_one_in_another_are_four_rows(sql):
    rows = sql(
        "SELECT Attempt, Status, ErrorType, toUnixTimestamp64Milli(Start) % 86400000 AS ms, InstanceId"
        " FROM lambda_invocations WHERE RequestId = 'again' ORDER BY Start"
    )
    assert [row[:3] for row in rows] == [
        (1, "timeout", "timeout"),
        (2, "error", "Runtime.ExitError"),
        (3, "success", None),
        (1, "success", None),
    ]
    assert len({row[4] for row in rows}) == 2
    assert len({row[4] for row in rows[:3]}) == 1


def test_phases(sql):
    rows = sql(
        "SELECT ifNull(RequestId, '') AS Id, Phase, round(DurationMs, 3) FROM lambda_phases"
        " WHERE Phase NOT IN ('shutdown', 'invoke', 'post_runtime') AND Id != 'again'"
    )
    assert sorted(rows) == sorted([
        ("cold", "init", 173.778), ("cold", "response_latency", 2.215), ("cold", "response_duration", 0.056),
        ("cold", "runtime_overhead", 8.686),
        ("", "init", 100.0), ("", "init", 100.0), ("", "init", 100.0),
        ("restored", "restore", 150.5),
        ("suppressed", "init", 51.0), ("suppressed", "init", 29.0),
        ("side-2", "response_latency", 0.847),
        ("lost", "init", 100.0),
    ])  # fmt: skip


def test_each_span_is_there_once_and_joins_the_trace_of_tracing(sql):
    assert sql("SELECT SpanId, count() FROM otel_traces GROUP BY SpanId HAVING count() > 1") == []
    traced = sql("SELECT DISTINCT TraceId FROM otel_traces WHERE SpanAttributes['faas.invocation_id'] = 'cold'")
    assert traced == [("6352a70e1e2c502e358361800241fd45",)]
    [(parent,)] = sql(
        "SELECT ParentSpanId FROM otel_traces WHERE SpanAttributes['faas.invocation_id'] = 'cold'"
        " AND SpanAttributes['lambda.phase'] = 'invoke'"
    )
    assert parent == "35465b3a9e2f7c6a"


def test_metrics(sql):
    """The last total of each process of a sandbox; durations and memory are distributions."""
    totals = sql(
        "SELECT MetricName, toInt64(sum(last)) FROM (SELECT MetricName, argMax(Value, TimeUnix) AS last"
        " FROM otel_metrics_sum WHERE MetricName LIKE 'faas.%' AND AggregationTemporality = 2 AND IsMonotonic"
        " GROUP BY MetricName, ResourceAttributes['faas.instance'], StartTimeUnix)"
        " GROUP BY MetricName ORDER BY MetricName"
    )
    assert totals == [("faas.coldstarts", 7), ("faas.errors", 2), ("faas.invocations", 10), ("faas.timeouts", 2)]
    counts = sql(
        "SELECT MetricName, MetricUnit, toInt64(sum(last)) FROM (SELECT MetricName, MetricUnit,"
        " argMax(Count, TimeUnix) AS last FROM otel_metrics_histogram"
        " GROUP BY MetricName, MetricUnit, ResourceAttributes['faas.instance'], StartTimeUnix)"
        " GROUP BY ALL ORDER BY MetricName"
    )
    assert counts == [("faas.init_duration", "s", 11), ("faas.invoke_duration", "s", 15), ("faas.mem_usage", "By", 10)]
    [(kinds,)] = sql("SELECT uniqExact(MetricName) FROM otel_metrics_gauge")
    assert kinds == 5
    assert sql("SELECT count() > 0 FROM otel_metrics_sum WHERE MetricName = 'system.cpu.time'") == [(1,)]


def test_an_init_that_nobody_waited_for_is_linked_from_the_invocation_after_it(sql):
    rows = sql(
        "SELECT i.RequestId, init.TraceId = i.Trace, init.SpanId = i.Span FROM (SELECT"
        " SpanAttributes['faas.invocation_id'] AS RequestId, Links.TraceId[1] AS Trace, Links.SpanId[1] AS Span,"
        " ResourceAttributes['faas.instance'] AS Instance FROM otel_traces WHERE length(Links.SpanId) = 1) AS i"
        " JOIN (SELECT *, ResourceAttributes['faas.instance'] AS Instance FROM otel_traces"
        " WHERE SpanAttributes['lambda.phase'] = 'init') AS init USING (Instance)"
    )
    assert sorted(rows) == [("proactive", 1, 1), ("provisioned", 1, 1), ("side-1", 1, 1)]
