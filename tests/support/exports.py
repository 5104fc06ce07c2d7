"""Takes the exports of a layer over each protocol, with or without TLS, and tells the spans by name."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GRPC_TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@dataclass
class Taken:
    """What has arrived.

    Attributes:
        environment: the settings that make a layer export to here.
    """

    environment: dict[str, str] = field(default_factory=dict)
    traces: list[ExportTraceServiceRequest] = field(default_factory=list)

    def take(self, path: str, body: bytes) -> None:
        """One export, by its path or method."""
        if path in {"/v1/traces", _GRPC_TRACES}:
            self.traces.append(ExportTraceServiceRequest.FromString(body))

    def span_names(self) -> set[str]:
        """Names of the spans that have arrived."""
        return {
            span.name
            for request in list(self.traces)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


@contextlib.contextmanager
def taking(protocol: str, certificate: Path | None = None) -> Iterator[Taken]:
    """Listen for exports by ``http/protobuf`` or ``grpc``; with TLS where there is a certificate."""
    taken = Taken()
    with (_taking_grpc if protocol == "grpc" else _taking_http)(taken, certificate) as port:
        scheme = "https" if certificate else "http"
        taken.environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{scheme}://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        }
        yield taken


@contextlib.contextmanager
def _taking_http(taken: Taken, certificate: Path | None) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.take(self.path, self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name is the standard library's
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def _taking_grpc(taken: Taken, certificate: Path | None) -> Iterator[int]:
    class EveryMethod(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
            def answer(body: bytes, _context: grpc.ServicerContext) -> bytes:
                taken.take(str(details.method), body)
                return b""

            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.server(ThreadPoolExecutor(2), handlers=[EveryMethod()], options=[("grpc.so_reuseport", 0)])
    if certificate:
        pem = certificate.read_bytes()
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(pem, pem)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


def certificate_for_this_host(folder: Path) -> Path:
    """A file with a key and a certificate for 127.0.0.1 that it signed itself."""
    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/O=Lambdascope  Tests/CN=Collector", "-addext", "subjectAltName=IP:127.0.0.1",
    ]  # fmt: skip
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both
