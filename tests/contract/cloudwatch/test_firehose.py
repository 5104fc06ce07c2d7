"""/firehose against "Understand HTTP endpoint delivery request and response specifications" of Firehose's guide.

Payloads are those of "Metric stream output" in CloudWatch's guide: JSON, and OpenTelemetry 1.0 written
byte by byte.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.collector import CollectorProcess, running_collector, wait_for_rows

KEY, PREVIOUS = "current-key", "previous-key"
MINUTE_MS = 1_795_000_020_000


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: dict[str, object]


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def pair(number: int, key: str, value: bytes) -> bytes:
    return field(number, field(1, key.encode()) + field(2, value))


def text(value: str) -> bytes:
    return field(1, value.encode())


def fixed64(number: int, value: int) -> bytes:
    return varint(number << 3 | 1) + value.to_bytes(8, "little")


ONE = bytes.fromhex("000000000000f03f")  # 1.0 as a double


def otlp(name: str, *, attributes: bytes | None = None) -> bytes:
    """One message with one point of count 2, sum 1, minimum 0 (an empty quantile) and maximum 1."""
    if attributes is None:
        dimensions = field(6, pair(1, "FunctionName", text("checkout")))
        attributes = pair(7, "Namespace", text("AWS/Lambda")) + pair(7, "MetricName", text(name))
        attributes += pair(7, "Dimensions", dimensions)
    point = fixed64(2, MINUTE_MS * 10**6) + fixed64(3, (MINUTE_MS + 60_000) * 10**6) + fixed64(4, 2)
    point += b"\x29" + ONE + field(6, b"") + field(6, b"\x09" + ONE + b"\x11" + ONE) + attributes
    metric = field(1, f"amazonaws.com/AWS/Lambda/{name}".encode()) + field(3, b"{Count}") + field(11, field(1, point))
    resource = pair(1, "cloud.account.id", text("123456789012")) + pair(1, "cloud.region", text("eu-west-1"))
    message = field(1, field(1, resource) + field(2, field(2, metric)))
    return varint(len(message)) + message


def line(name: str, **changes: object) -> bytes:
    document: dict[str, object] = {
        "metric_stream_name": "s",
        "account_id": "123456789012",
        "region": "eu-west-1",
        "namespace": "AWS/Lambda",
        "metric_name": name,
        "dimensions": {"FunctionName": "checkout"},
        "timestamp": MINUTE_MS,
        "value": {"max": 1.0, "min": 0.0, "sum": 1.0, "count": 2.0},
        "unit": "Count",
    }
    return json.dumps({**document, **changes}).encode()


def envelope(request_id: str, *records: bytes) -> bytes:
    data = [{"data": base64.b64encode(record).decode()} for record in records]
    return json.dumps({"requestId": request_id, "timestamp": MINUTE_MS, "records": data}).encode()


def post(collector: CollectorProcess, body: bytes, request_id: str | None, **headers: str | None) -> Answer:
    given = {"Content-Type": "application/json", "X-Amz-Firehose-Protocol-Version": "1.0"}
    given |= {"X-Amz-Firehose-Access-Key": KEY}
    if request_id is not None:
        given["X-Amz-Firehose-Request-Id"] = request_id
    for name, value in headers.items():
        given.pop(name.replace("_", "-"), None)
        if value is not None:
            given[name.replace("_", "-")] = value
    host, _, port = collector.addresses.http.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    try:
        connection.request("POST", "/firehose", body, given)
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), json.loads(response.read()))
    finally:
        connection.close()


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"{KEY}\n{PREVIOUS}\n", encoding="utf-8")
    with running_collector("--linger-ms", "50", "--firehose-keys", str(keys)) as process:
        yield process


def stored(collector: CollectorProcess, *names: str) -> list[tuple[object, ...]]:
    """(name, dimension set, time, period, sum, min, max, count, unit) of these points, in order of name."""
    query = (
        "SELECT MetricName, DimensionSet, toUnixTimestamp(Time), PeriodS, Sum, Min, Max, SampleCount, Unit "
        f"FROM lambda_metrics WHERE MetricName IN ({', '.join(map(repr, names))}) ORDER BY MetricName, DimensionSet"
    )
    with collector.sql() as client:
        return wait_for_rows(client, query, len(names))


def point(name: str, dimension_set: str = "FunctionName") -> tuple[object, ...]:
    return (name, dimension_set, MINUTE_MS // 1000, 60, 1.0, 0.0, 1.0, 2.0, "Count")


ZERO_SEVEN = field(1, field(1, b"FunctionName") + field(2, b"checkout"))

RECORDS = {
    "json": ([line("{n}0") + b"\n"], ["{n}0"]),
    "ndjson without the last newline": ([line("{n}0") + b"\n" + line("{n}1")], ["{n}0", "{n}1"]),
    "opentelemetry, minimum 0 omitted": ([otlp("{n}0")], ["{n}0"]),
    "several messages in a record": ([otlp("{n}0") + otlp("{n}1")], ["{n}0", "{n}1"]),
    "mixed formats": ([otlp("{n}0"), line("{n}1")], ["{n}0", "{n}1"]),
    "truncated in its second message": ([otlp("{n}0") + otlp("{n}1")[:-9], line("{n}2")], ["{n}0", "{n}2"]),
    "a bad line among good ones": ([line("{n}0") + b'\n{"metric_n\n' + line("{n}1")], ["{n}0", "{n}1"]),
    "NaN and huge numbers": (
        [line("{n}1", value={"sum": float("nan")}) + b"\n" + line("{n}2", value={"sum": 10**400}), line("{n}0")],
        ["{n}0"],
    ),
    "0.7 beside good ones": ([otlp("{n}1", attributes=ZERO_SEVEN), line("{n}0")], ["{n}0"]),
    "bytes of nothing known": ([b"\xff\xfe\x00", b"hello", line("{n}0")], ["{n}0"]),
    "an empty record": ([b"", line("{n}0")], ["{n}0"]),
}


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("case", RECORDS)
def test_good_points_are_stored_whatever_is_beside_them(
    collector: CollectorProcess, case: str, compressed: bool
) -> None:
    records, names = RECORDS[case]
    # Another for each, and as long as the placeholder, so that the lengths in the messages stay right.
    mark = f"m{2 * list(RECORDS).index(case) + compressed:02d}"
    request_id = str(uuid.uuid4())
    body = envelope(request_id, *(record.replace(b"{n}", mark.encode()) for record in records))
    answer = post(
        collector,
        gzip.compress(body) if compressed else body,
        request_id,
        Content_Encoding="gzip" if compressed else None,
    )
    assert (answer.status, answer.body["requestId"]) == (200, request_id)
    wanted = [name.replace("{n}", mark) for name in names]
    assert stored(collector, *wanted) == [point(name) for name in wanted]


def test_the_answer_is_exact(collector: CollectorProcess) -> None:
    """200, application/json without parameters, Content-Length, no Content-Encoding, requestId and timestamp alone."""
    answer = post(collector, envelope("exact"), "exact")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert int(answer.headers["Content-Length"]) > 0
    assert "Content-Encoding" not in answer.headers
    assert set(answer.body) == {"requestId", "timestamp"}
    assert type(answer.body["timestamp"]) is int


def test_a_repeated_request_is_stored_once_also_after_kill_9(tmp_path: Path) -> None:
    """The request id "stays the same if the same request is retried". It is of no sandbox, and counts as none."""
    process = CollectorProcess(tmp_path / "data", ["--linger-ms", "50"])
    process.start()
    body = envelope("again", otlp("Repeated"))
    assert post(process, body, "again").status == 200
    process.kill()
    process.start()
    try:
        assert post(process, body, "again").status == 200
        assert post(process, envelope("last", line("Last")), "last").status == 200
        stored(process, "Last")
        with process.sql() as client:
            assert client.query("SELECT count() FROM lambda_metrics WHERE MetricName = 'Repeated'").result_rows == [
                (1,)
            ]
            assert client.query("SELECT count() FROM lambda_deliveries").result_rows == [(0,)]
    finally:
        process.stop()


REFUSALS: dict[str, tuple[int, bytes, str | None, dict[str, str | None]]] = {
    "no key": (401, envelope("r"), "r", {"X_Amz_Firehose_Access_Key": None}),
    "wrong key": (401, envelope("r"), "r", {"X_Amz_Firehose_Access_Key": "guess"}),
    "no request id": (400, envelope("r"), None, {}),
    "ids differ": (400, envelope("other"), "r", {}),
    "not JSON": (400, b"{", "r", {}),
    "no records": (400, b'{"requestId":"r"}', "r", {}),
    "not gzip": (400, envelope("r"), "r", {"Content_Encoding": "gzip"}),
    "beyond the limit": (400, b" " * (66 << 20), "r", {}),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_refused_says_why(collector: CollectorProcess, case: str) -> None:
    """Never 413, at which Firehose drops the batch for good; errorMessage has at most 8,192 characters."""
    status, body, request_id, headers = REFUSALS[case]
    try:
        answer = post(collector, body, request_id, **headers)
    except (BrokenPipeError, ConnectionResetError):
        pytest.fail("the connection was cut before the answer")
    assert answer.status == status
    assert answer.body["requestId"] == (request_id or "")
    assert 0 < len(str(answer.body["errorMessage"])) <= 8192
    assert KEY not in json.dumps(answer.body)


def test_the_previous_key_is_good_while_both_stand_in_the_file(collector: CollectorProcess) -> None:
    assert post(collector, envelope("p"), "p", X_Amz_Firehose_Access_Key=PREVIOUS).status == 200


def test_opentelemetry_0_7_alone_is_refused_with_what_to_change(collector: CollectorProcess) -> None:
    answer = post(collector, envelope("old", otlp("Old", attributes=ZERO_SEVEN)), "old")
    assert answer.status == 400
    assert "opentelemetry1.0" in str(answer.body["errorMessage"])


def test_common_attributes_of_the_largest_size_are_taken(collector: CollectorProcess) -> None:
    attributes = {f"{number:0256}": "v" * 1024 for number in range(50)}
    header = json.dumps({"commonAttributes": attributes})
    assert post(collector, envelope("c"), "c", X_Amz_Firehose_Common_Attributes=header).status == 200
