"""/firehose against "Log group-level subscription filters" of CloudWatch Logs' guide, and the forms of Lambda's lines.

Lines are those that "Monitoring and troubleshooting Lambda functions" of Lambda's guide shows, in text and in JSON.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.collector import CollectorProcess, lambda_span, running_collector, trace_request, wait_for_rows

END_MS = 1_795_000_030_500
ARN = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/logs"
REPORT = (
    "REPORT RequestId: {id}\tDuration: 450.50 ms\tBilled Duration: 651 ms\tMemory Size: 256 MB\t"
    "Max Memory Used: 91 MB\t{more}\n"
)
COLUMNS = (
    "RequestId, Attempt, Source, FunctionName, FunctionVersion, AccountId, Region, "
    "toUnixTimestamp64Milli(toDateTime64(Start, 3)), DurationMs, BilledDurationMs, InitDurationMs, "
    "toUnixTimestamp64Milli(toDateTime64(BusyStart, 3)), ColdStart, Status, ErrorType, MemorySizeMB, MaxMemoryUsedMB, "
    "PostRuntimeMs, EndEstimated"
)


@pytest.fixture(scope="module")
def collector() -> Iterator[CollectorProcess]:
    with running_collector("--linger-ms", "50") as process:
        yield process


def message(*lines: str, stream: str = "2026/11/21/[7]0123456789abcdef0123456789abcdef", **changes: Any) -> bytes:
    events = [{"id": str(index), "timestamp": END_MS, "message": line} for index, line in enumerate(lines)]
    document = {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "/aws/lambda/orders",
        "logStream": stream,
        "subscriptionFilters": ["lambdascope"],
        "logEvents": events,
    }
    return json.dumps({**document, **changes}).encode()


def post(collector: CollectorProcess, *records: bytes) -> tuple[int, dict[str, Any]]:
    request_id = str(uuid.uuid4())
    data = [{"data": base64.b64encode(record).decode()} for record in records]
    body = json.dumps({"requestId": request_id, "timestamp": END_MS, "records": data}).encode()
    host, _, port = collector.addresses.http.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    try:
        headers = {"X-Amz-Firehose-Request-Id": request_id, "X-Amz-Firehose-Source-Arn": ARN}
        connection.request("POST", "/firehose", body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def invocations(collector: CollectorProcess, request_id: str, rows: int = 1) -> list[tuple[object, ...]]:
    with collector.sql() as client:
        query = f"SELECT {COLUMNS} FROM lambda_invocations WHERE RequestId = '{request_id}' ORDER BY Start, Attempt"
        return wait_for_rows(client, query, rows)


def row(request_id: str, **changes: Any) -> tuple[object, ...]:
    values: dict[str, Any] = {
        "id": request_id,
        "attempt": 1,
        "source": "logs",
        "function": "orders",
        "version": "7",
        "account": "123456789012",
        "region": "eu-west-1",
        "start": END_MS - 451,  # 450.5 ms, cut to a whole one
        "duration": 450.5,
        "billed": 651.0,
        "init": None,
        "busy": END_MS - 451,
        "cold": None,
        "status": "success",
        "error": None,
        "memory": 256,
        "used": 91,
        "post": None,
        "estimated": 0,
    }
    return tuple({**values, **changes}.values())


def as_json(request_id: str, status: str = "success", **metrics: float) -> str:
    figures = {"durationMs": 450.5, "billedDurationMs": 651, "memorySizeMB": 256, "maxMemoryUsedMB": 91}
    record = {"requestId": request_id, "status": status, "metrics": {**figures, **metrics}}
    return json.dumps({"time": "2026-11-18T12:27:10.500Z", "type": "platform.report", "record": record})


LINES: dict[str, tuple[str, dict[str, Any]]] = {
    "text": (REPORT.replace("{more}", ""), {}),
    "text, cold": (
        REPORT.replace("{more}", "Init Duration: 200.00 ms\t"),
        {"init": 200.0, "cold": 1, "busy": END_MS - 651},
    ),
    "text, timeout": (REPORT.replace("{more}", "Status: timeout"), {"status": "timeout"}),
    "text, crashed, with X-Ray": (
        REPORT.replace(
            "{more}",
            "Status: error\tError Type: Runtime.ExitError\nXRAY TraceId: 1-5759e988-bd862e3fe1be46a994272793\t"
            "SegmentId: 557abcec3ee5a047\tSampled: true",
        ),
        {"status": "error", "error": "Runtime.ExitError"},
    ),
    "json": (as_json("{id}"), {}),
    "json, cold": (as_json("{id}", initDurationMs=200.0), {"init": 200.0, "cold": 1, "busy": END_MS - 651}),
    "json, timeout": (as_json("{id}", status="timeout"), {"status": "timeout"}),
}


@pytest.mark.parametrize("packed", [True, False], ids=["gzip", "unpacked by Firehose"])
@pytest.mark.parametrize("case", LINES)
def test_a_report_is_a_row_of_lambda_invocations(collector: CollectorProcess, case: str, packed: bool) -> None:
    line, changes = LINES[case]
    request_id = str(uuid.uuid4())
    end_ms = 1_795_004_830_500 if "json" in case else END_MS  # the record's own time
    content = message(
        f"START RequestId: {request_id} Version: 7\n",
        "hello\n",
        line.replace("{id}", request_id),
        f"END RequestId: {request_id}\n",
    )
    assert post(collector, gzip.compress(content) if packed else content)[0] == 200
    shift = end_ms - END_MS
    wanted = row(request_id, **changes)
    moved = [
        value + shift if index in {7, 11} and isinstance(value, int) else value for index, value in enumerate(wanted)
    ]
    assert invocations(collector, request_id) == [tuple(moved)]


def test_what_the_layer_reported_is_not_doubled(collector: CollectorProcess) -> None:
    request_id = str(uuid.uuid4())
    start_ns = (END_MS - 450) * 1_000_000
    invoke = lambda_span("invoke", start_ns=start_ns, duration_ns=400_000_000, request_id=request_id)
    host, _, port = collector.addresses.http.rpartition(":")
    line = REPORT.format(id=request_id, more="")
    assert post(collector, gzip.compress(message(line)))[0] == 200
    assert invocations(collector, request_id)[0][2] == "logs"
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    body = trace_request([invoke], function="orders").SerializeToString()
    connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
    assert connection.getresponse().status == 200
    connection.close()
    with collector.sql() as client:
        query = f"SELECT Source FROM lambda_invocations WHERE RequestId = '{request_id}' AND Source = 'extension'"
        wait_for_rows(client, query, 1)
    assert [found[2] for found in invocations(collector, request_id)] == ["extension"]


def test_a_line_that_is_delivered_again_is_one_row_and_a_retry_is_another(collector: CollectorProcess) -> None:
    request_id = str(uuid.uuid4())
    line = REPORT.format(id=request_id, more="")
    events = [
        {"id": "1", "timestamp": END_MS, "message": line},
        {"id": "2", "timestamp": END_MS + 60_000, "message": line},
    ]
    for _ in range(2):
        assert post(collector, gzip.compress(message(logEvents=events)))[0] == 200
    assert [found[1] for found in invocations(collector, request_id, 2)] == [1, 2]


def test_a_shared_log_group_names_its_functions_in_its_streams(collector: CollectorProcess) -> None:
    request_id = str(uuid.uuid4())
    stream = "2026/11/21/billing[$LATEST]0123456789abcdef0123456789abcdef"
    content = message(REPORT.format(id=request_id, more=""), logGroup="everything", stream=stream)
    assert post(collector, gzip.compress(content))[0] == 200
    assert invocations(collector, request_id)[0][3:5] == ("billing", "$LATEST")


def test_control_messages_are_acknowledged_and_leave_nothing(collector: CollectorProcess) -> None:
    control = message("CWL CONTROL MESSAGE: Checking health of destination Firehose.", messageType="CONTROL_MESSAGE")
    assert post(collector, gzip.compress(control))[0] == 200
    assert not list(collector.data.glob("quarantine/firehose-*"))


BROKEN = {
    "cut off": gzip.compress(message("REPORT"))[:-12],
    "not JSON": gzip.compress(b"hello"),
    "no Lambda function": gzip.compress(message(REPORT, logGroup="/var/log/messages", stream="host-1")),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_log_of_lambda_is_put_aside_and_the_rest_stored(collector: CollectorProcess, case: str) -> None:
    request_id = str(uuid.uuid4())
    good = gzip.compress(message(REPORT.format(id=request_id, more="")))
    before = len(list(collector.data.glob("quarantine/firehose-*")))
    assert post(collector, BROKEN[case], good)[0] == 200
    assert len(invocations(collector, request_id)) == 1
    assert len(list(collector.data.glob("quarantine/firehose-*"))) == before + 1


def test_several_messages_in_one_record_are_read(collector: CollectorProcess) -> None:
    ids = [str(uuid.uuid4()) for _ in range(4)]
    parts = [message(REPORT.format(id=one, more="")) for one in ids]
    assert post(collector, gzip.compress(parts[0]) + gzip.compress(parts[1]), parts[2] + b"\n" + parts[3])[0] == 200
    for one in ids:
        assert len(invocations(collector, one)) == 1
