"""OTLP/HTTP, by opentelemetry-proto's docs/specification.md, "OTLP/HTTP"."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterator

import pytest
import urllib3
from google.protobuf.any_pb2 import Any
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.collector import CollectorProcess, lambda_span, trace_request, wait_for_rows

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


def one_span(request_id: str = "r") -> bytes:
    return trace_request(
        [lambda_span("invoke", start_ns=10**18, duration_ns=1, request_id=request_id)]
    ).SerializeToString()


@pytest.fixture(scope="module")
def http(collector: CollectorProcess) -> Iterator[urllib3.HTTPConnectionPool]:
    host, _, port = collector.addresses.http.partition(":")
    with urllib3.HTTPConnectionPool(host, int(port), retries=False, timeout=20) as pool:
        yield pool


def post(
    http: urllib3.HTTPConnectionPool,
    body: bytes,
    content_type: str = PROTOBUF,
    path: str = "/v1/traces",
    **headers: str,
) -> urllib3.BaseHTTPResponse:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.request("POST", path, body=body, headers={"Content-Type": content_type, **fields}, decode_content=False)


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
@pytest.mark.parametrize(("content_type", "body", "answer"), [(PROTOBUF, b"", b""), (JSON, b"{}", b"{}")])
def test_an_empty_request_succeeds(
    http: urllib3.HTTPConnectionPool, path: str, content_type: str, body: bytes, answer: bytes
) -> None:
    """ "Full Success": 200, the content type of the request, partial_success unset."""
    response = post(http, body, content_type, path)
    assert (response.status, response.headers["Content-Type"], response.data) == (200, content_type, answer)


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstd.compress),
        ("identity", bytes),
        ("GZIP", gzip.compress),
    ],
)
def test_compressed_requests_are_read(http: urllib3.HTTPConnectionPool, encoding: str, compress: object) -> None:
    assert callable(compress)
    assert post(http, compress(one_span()), Content_Encoding=encoding).status == 200


NOT_HEXADECIMAL = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}'
MALFORMED = [
    ("protobuf that is none", PROTOBUF, b"\xff\xff", "", 400, "ExportTraceServiceRequest"),
    ("text that is not UTF-8", PROTOBUF, one_span().replace(b"invoke", b"inv\xffke"), "", 400, "ExportTraceService"),
    ("JSON that is none", JSON, b"{", "", 400, "not JSON"),
    ("JSON that is a list", JSON, b"[]", "", 400, "not a JSON object"),
    ("an empty body as JSON", JSON, b"", "", 400, "not JSON"),
    ("a wrong type in JSON", JSON, b'{"resourceSpans": 3}', "", 400, "not an ExportTraceServiceRequest"),
    ("an id that is not hexadecimal", JSON, NOT_HEXADECIMAL, "", 400, "traceId"),
    ("JSON nested too deep", JSON, b'{"a":' * 5000 + b"1" + b"}" * 5000, "", 400, ""),
    ("gzip that is none", PROTOBUF, b"hello", "gzip", 400, "gzip"),
    ("gzip that ends too early", PROTOBUF, gzip.compress(one_span())[:-9], "gzip", 400, "gzip"),
    ("gzip with something behind it", PROTOBUF, gzip.compress(one_span()) + b"x", "gzip", 400, "gzip"),
    ("an unknown encoding", PROTOBUF, one_span(), "br", 415, "gzip"),
    ("a wrong content type", "text/plain", one_span(), "", 415, "application/x-protobuf"),
    ("no content type", "", one_span(), "", 415, "application/x-protobuf"),
    ("too large", PROTOBUF, bytes(65537), "", 413, "65536"),
    ("too large after decompression", PROTOBUF, gzip.compress(bytes(262145)), "gzip", 413, "262144"),
    ("a bomb", PROTOBUF, zstd.compress(bytes(1 << 27)), "zstd", 413, "262144"),
]  # fmt: skip
GRPC_CODES = {400: 3, 413: 8, 415: 12}


@pytest.mark.parametrize(
    ("content_type", "body", "encoding", "status", "message"),
    [row[1:] for row in MALFORMED],
    ids=[row[0] for row in MALFORMED],
)
def test_what_is_wrong_is_named(
    http: urllib3.HTTPConnectionPool, content_type: str, body: bytes, encoding: str, status: int, message: str
) -> None:
    """ "Failures": a google.rpc.Status in the body, as the request's content type; 400 is not retried."""
    response = post(http, body, content_type, Content_Encoding=encoding) if encoding else post(http, body, content_type)
    assert response.status == status
    if content_type == JSON:
        stated = json.loads(response.data)
        assert response.headers["Content-Type"].startswith(JSON)
        code, text = stated["code"], stated["message"]
    else:
        assert response.headers["Content-Type"] == PROTOBUF
        # google.rpc.Status and google.protobuf.Any differ in field 1 only, which is a varint here and skipped there.
        code, text = response.data[1], Any.FromString(response.data[2:]).value.decode()
    assert code == GRPC_CODES[status]
    assert message in text


def test_json_has_ids_in_hexadecimal(http: urllib3.HTTPConnectionPool, collector: CollectorProcess) -> None:
    """ "JSON Protobuf Encoding": traceId and spanId are hexadecimal, enumerations numbers, unknown fields ignored."""
    start = 10**18
    span = {
        "traceId": "5b8EFFF798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "parentSpanId": "eee19b7ec3c1b173",
        "name": "from JSON",
        "kind": 2,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": start + 5,
        "attributes": [{"key": "traceId", "value": {"stringValue": "zz"}}, {"key": "n", "value": {"intValue": "7"}}],
        "status": {"code": 2},
        "notInTheSchema": {"traceId": "00"},
    }
    assert post(http, json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode(), JSON).status == 200
    client = collector.sql()
    query = (
        "SELECT TraceId, SpanId, ParentSpanId, SpanKind, StatusCode, Duration, SpanAttributes FROM otel_traces "
        "WHERE SpanName = 'from JSON'"
    )
    (row,) = wait_for_rows(client, query, 1)
    client.close()
    ids = ("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174", "eee19b7ec3c1b173")
    assert row == (*ids, "Server", "Error", 5, {"n": "7", "traceId": "zz"})


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/traces", 405), ("POST", "/v1/spans", 404), ("PUT", "/v1/logs", 405)]
)
def test_other_methods_and_paths(http: urllib3.HTTPConnectionPool, method: str, path: str, status: int) -> None:
    assert http.request(method, path).status == status


def test_a_body_of_unannounced_length_is_limited_too(http: urllib3.HTTPConnectionPool) -> None:
    pieces = (bytes(8192) for _ in range(64))
    response = http.request("POST", "/v1/traces", body=pieces, headers={"Content-Type": PROTOBUF}, chunked=True)
    assert response.status == 413


def test_all_signals_are_stored(http: urllib3.HTTPConnectionPool, collector: CollectorProcess) -> None:
    logs = ExportLogsServiceRequest()
    record = (
        logs.resource_logs.add().scope_logs.add().log_records.add(observed_time_unix_nano=10**18, severity_number=9)
    )
    record.body.string_value = "a line"
    metrics = ExportMetricsServiceRequest()
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="a.metric")
    metric.sum.data_points.add(as_int=3, time_unix_nano=10**18)
    assert post(http, logs.SerializeToString(), path="/v1/logs").status == 200
    assert post(http, MessageToJson(metrics).encode(), JSON, path="/v1/metrics").status == 200
    client = collector.sql()
    assert wait_for_rows(client, "SELECT Body, SeverityNumber, toUnixTimestamp(Timestamp) FROM otel_logs", 1) == [
        ("a line", 9, 10**9)
    ]
    assert wait_for_rows(client, "SELECT MetricName, Value FROM otel_metrics_sum", 1) == [("a.metric", 3.0)]
    client.close()


def test_an_export_with_an_id_is_stored_once(http: urllib3.HTTPConnectionPool, collector: CollectorProcess) -> None:
    """The layer repeats an export under its number when the answer was lost. (docs/collector.md)"""
    body = ExportTraceServiceRequest.FromString(one_span("once"))
    data = body.SerializeToString()
    headers = {"x_lambdascope_instance": "sandbox", "x_lambdascope_sequence": "17"}
    for _ in range(3):
        assert post(http, data, **headers).status == 200
    assert post(http, one_span("another"), x_lambdascope_instance="sandbox", x_lambdascope_sequence="18").status == 200
    client = collector.sql()
    ids = "SELECT SpanAttributes['faas.invocation_id'] AS id FROM otel_traces WHERE id IN ('once', 'another')"
    wait_for_rows(client, ids, 2)
    assert sorted(row[0] for row in client.query(ids).result_rows) == ["another", "once"]
    client.close()
    page = http.request("GET", "/metrics").data.decode()
    assert 'lambdascope_collector_repeated_items_total{signal="traces"} 2.0\n' in page


def test_pages(http: urllib3.HTTPConnectionPool) -> None:
    assert http.request("GET", "/healthz").data == b"ok\n"
    assert (http.request("GET", "/readyz").status, http.request("GET", "/readyz").data) == (200, b"ready\n")
    assert http.request("GET", "/metrics").headers["Content-Type"] == "text/plain; charset=utf-8"


def test_the_sums_agree(http: urllib3.HTTPConnectionPool) -> None:
    """received = stored + rejected + queued, for each signal, at any moment."""
    post(http, one_span())
    values: dict[str, float] = {}
    for line in http.request("GET", "/metrics").data.decode().splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            values[name.removeprefix("lambdascope_collector_")] = float(value)
    for signal in ("traces", "logs", "metrics"):
        label = f'{{signal="{signal}"}}'
        parts = ("stored_items_total", "rejected_items_total", "queued_items")
        assert values[f"received_items_total{label}"] == sum(values[part + label] for part in parts)
    assert values['received_items_total{signal="traces"}'] > 0
