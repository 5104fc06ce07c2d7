"""OTLP/gRPC, by opentelemetry-proto's docs/specification.md, "OTLP/gRPC", with real stubs."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from tests.support.collector import CollectorProcess, lambda_span, trace_request, wait_for_rows

TRACE_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
SERVICES = (
    TRACE_SERVICE,
    "opentelemetry.proto.collector.logs.v1.LogsService",
    "opentelemetry.proto.collector.metrics.v1.MetricsService",
)


@pytest.fixture(scope="module")
def channel(collector: CollectorProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(collector.addresses.grpc) as opened:
        yield opened


def test_success_leaves_partial_success_unset(channel: grpc.Channel) -> None:
    stubs = (
        (trace_service_pb2_grpc.TraceServiceStub(channel), trace_service_pb2.ExportTraceServiceRequest()),
        (logs_service_pb2_grpc.LogsServiceStub(channel), logs_service_pb2.ExportLogsServiceRequest()),
        (metrics_service_pb2_grpc.MetricsServiceStub(channel), metrics_service_pb2.ExportMetricsServiceRequest()),
    )
    for stub, request in stubs:
        response = stub.Export(request)
        assert not response.HasField("partial_success")


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_gzip_is_supported(channel: grpc.Channel, collector: CollectorProcess, compression: grpc.Compression) -> None:
    name = f"compression {compression}"
    request = trace_request([lambda_span(name, start_ns=10**18, duration_ns=5)] * 3)
    trace_service_pb2_grpc.TraceServiceStub(channel).Export(request, compression=compression)
    client = collector.sql()
    assert len(wait_for_rows(client, f"SELECT SpanId FROM otel_traces WHERE SpanName = '{name}'", 3)) == 3
    client.close()


def export(channel: grpc.Channel) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
    """The method without its messages: bytes in, bytes out."""
    return channel.unary_unary(f"/{TRACE_SERVICE}/Export")


def raw(channel: grpc.Channel, body: bytes, compression: grpc.Compression | None = None) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as raised:
        export(channel)(body, compression=compression)
    return raised.value


def details(error: grpc.RpcError) -> bytes | None:
    """The google.rpc.Status beside the code."""
    values = (item.value for item in error.trailing_metadata() or () if item.key == "grpc-status-details-bin")
    status = next(values, None)
    assert status is None or isinstance(status, bytes)
    return status


@pytest.mark.parametrize(
    ("body", "compression", "code", "message"),
    [
        (b"\xff\xff", None, grpc.StatusCode.INVALID_ARGUMENT, "ExportTraceServiceRequest"),
        (b"\x1f\x8bnonsense", None, grpc.StatusCode.INVALID_ARGUMENT, "gzip"),
        (bytes(65537), None, grpc.StatusCode.RESOURCE_EXHAUSTED, "65536"),
        (bytes(200_000), None, grpc.StatusCode.RESOURCE_EXHAUSTED, "larger"),
        (bytes(262145), grpc.Compression.Gzip, grpc.StatusCode.RESOURCE_EXHAUSTED, "262144"),
        (bytes(1 << 25), grpc.Compression.Gzip, grpc.StatusCode.RESOURCE_EXHAUSTED, "262144"),
        (bytes(1000), grpc.Compression.Deflate, grpc.StatusCode.UNIMPLEMENTED, "deflate"),
    ],
    ids=["malformed", "not gzip", "too large", "far too large", "too large inside", "a bomb", "deflate"],
)
def test_refusals(
    channel: grpc.Channel, body: bytes, compression: grpc.Compression | None, code: grpc.StatusCode, message: str
) -> None:
    """ "Failures": what cannot succeed later carries no RetryInfo."""
    error = raw(channel, body, compression)
    assert error.code() is code
    assert message in str(error.details())
    assert b"RetryInfo" not in (details(error) or b"")


def test_a_refusal_carries_a_status(channel: grpc.Channel) -> None:
    error = raw(channel, b"\xff\xff")
    status = details(error)
    assert status is not None
    # google.rpc.Status and google.protobuf.Any differ in field 1 only: a varint, which is the code.
    assert status[:2] == b"\x08\x03"
    assert Any.FromString(status[2:]).value.decode() == error.details()


@pytest.mark.parametrize("service", ["", *SERVICES])
@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip])
def test_health(channel: grpc.Channel, service: str, compression: grpc.Compression | None) -> None:
    request = health_pb2.HealthCheckRequest(service=service)
    response = health_pb2_grpc.HealthStub(channel).Check(request, compression=compression)
    assert response.status == health_pb2.HealthCheckResponse.SERVING


def test_health_of_an_unknown_service(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def test_health_of_a_compressed_request(channel: grpc.Channel) -> None:
    """Clients with gzip on the whole channel compress these too, though the Python one finds it not worth it."""
    body = gzip.compress(health_pb2.HealthCheckRequest(service=TRACE_SERVICE).SerializeToString())
    check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/grpc.health.v1.Health/Check")
    answer = check(body)
    assert health_pb2.HealthCheckResponse.FromString(answer).status == health_pb2.HealthCheckResponse.SERVING


def test_reflection(channel: grpc.Channel) -> None:
    assert set(SERVICES) < set(ProtoReflectionDescriptorDatabase(channel).get_services())


def test_an_export_with_an_id_is_stored_once(channel: grpc.Channel, collector: CollectorProcess) -> None:
    stub = trace_service_pb2_grpc.TraceServiceStub(channel)
    metadata = (("x-lambdascope-instance", "sandbox"), ("x-lambdascope-sequence", "3"))
    for name in ("once", "once"):
        stub.Export(trace_request([lambda_span(name, start_ns=10**18, duration_ns=5)]), metadata=metadata)
    stub.Export(trace_request([lambda_span("later", start_ns=10**18, duration_ns=5)]))
    client = collector.sql()
    wait_for_rows(client, "SELECT 1 FROM otel_traces WHERE SpanName = 'later'", 1)
    assert client.query("SELECT count() FROM otel_traces WHERE SpanName = 'once'").result_rows == [(1,)]
    client.close()
