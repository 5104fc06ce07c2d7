"""OTLP/gRPC: exports by a protocol of ours; health, reflection and anything unusual by the gRPC library.

The library serves exports too, of connections that are its own. Messages are left compressed by its core and
decompressed here: the core has no limit on what comes out.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from collector.errors import (
    MalformedError,
    RequestError,
    SetupError,
    ThrottledError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedTypeError,
)
from collector.otlp.signals import PROTOCOLS, Signal
from collector.receiver.compression import gunzip_if_gzip
from collector.receiver.connections import IDLE_S, STALLED_S, Connections
from collector.receiver.export_connection import ExportConnection
from collector.receiver.http import EXPORT_HEADERS
from collector.receiver.intake import Incoming
from collector.receiver.relay import Library
from collector.receiver.status import status
from collector.spool.record import ExportId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from collector.listener import Listener
    from collector.receiver.access import Gate
    from collector.receiver.intake import Intake

    Handler = Callable[[bytes, aio.ServicerContext[bytes, bytes]], Awaitable[bytes]]

CODES: Final = {
    MalformedError: grpc.StatusCode.INVALID_ARGUMENT,
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    UnsupportedTypeError: grpc.StatusCode.UNIMPLEMENTED,
    TooLargeError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ThrottledError: grpc.StatusCode.UNAVAILABLE,
    UnavailableError: grpc.StatusCode.UNAVAILABLE,
}
"""What each refusal is called in gRPC (OTLP specification, "Failures")."""

_IDENTITY_AND_GZIP: Final = 1 << 0 | 1 << 2
_FRAME_BYTES: Final = 1 << 14
_SERVICES: Final = tuple(protocol.service for protocol in PROTOCOLS.values())
_DESCRIPTORS: Final = (trace_service_pb2, logs_service_pb2, metrics_service_pb2)


class GrpcReceiver:
    """What answers on 4317. :meth:`start` once, :meth:`stop` once."""

    def __init__(self, intake: Intake, gate: Gate, listener: Listener) -> None:
        self._intake = intake
        self._gate = gate
        self._listener = listener
        self._library = Library(self._new_server)
        self._health = health_aio.HealthServicer()

    def _new_server(self) -> aio.Server:
        server = aio.server(
            options=[
                # A little above our own limit, so that it is ours, with its message, that is hit by most.
                ("grpc.max_receive_message_length", self._intake.settings.max_request_bytes + _FRAME_BYTES),
                ("grpc.per_message_decompression", 0),
                ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_AND_GZIP),
                # What our own connections are held to: a client that has gone, or says nothing, keeps no socket.
                ("grpc.max_connection_idle_ms", round(IDLE_S * 1000)),
                ("grpc.keepalive_time_ms", round(IDLE_S * 1000)),
                ("grpc.keepalive_timeout_ms", round(STALLED_S * 1000)),
            ]
        )
        server.add_generic_rpc_handlers(
            (*(self._service(signal) for signal in PROTOCOLS), _health_handlers(self._health))
        )
        described = [*_SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name]
        reflection.enable_server_reflection([*described, reflection.SERVICE_NAME], server)
        return server

    async def start(self) -> int:
        """Listen and serve; returns the port.

        Raises:
            SetupError: the port cannot be had, or the library cannot be started.
        """
        try:
            await self._library.start()
        except (OSError, RuntimeError) as error:
            raise SetupError(f"grpc port: cannot start what answers health checks: {error}") from None
        for name in ("", *_SERVICES):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self._connections = Connections()
        intake, gate, library, connections = self._intake, self._gate, self._library, self._connections
        return await self._listener.start(lambda: ExportConnection(intake, gate, library, connections))

    async def stop(self, grace_s: float) -> None:
        """Accept no new call, and wait for those that run. Also after a failed start."""
        await self._listener.close()
        await self._health.enter_graceful_shutdown()
        connections = [self._connections.close(grace_s)] if hasattr(self, "_connections") else []
        await asyncio.gather(self._library.stop(grace_s), *connections)

    def _service(self, signal: Signal) -> grpc.GenericRpcHandler:
        method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(self._export(signal))
        return grpc.method_handlers_generic_handler(PROTOCOLS[signal].service, {"Export": method})

    def _export(self, signal: Signal) -> Handler:
        async def export(body: bytes, context: aio.ServicerContext[bytes, bytes]) -> bytes:
            try:
                await self._accept(signal, body, context)
            except RequestError as error:
                self._intake.refused(error)
                await _abort(context, error)
            return b""  # an Export…ServiceResponse without partial_success: all is accepted

        return export

    async def _accept(self, signal: Signal, body: bytes, context: aio.ServicerContext[bytes, bytes]) -> None:
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        credential = self._gate.check(metadata.get("authorization", ""))
        with self._intake.admit(len(body)) as admission:
            plain = gunzip_if_gzip(body, self._intake.settings.max_decompressed_bytes)
            if plain is not body:
                admission.grow(len(plain))
            export_id = ExportId.from_headers(*(metadata.get(name) for name in EXPORT_HEADERS))
            await self._intake.accept(Incoming(signal, plain, export_id, credential))


async def _abort(context: aio.ServicerContext[bytes, bytes], error: RequestError) -> None:
    code = CODES[type(error)]
    retry_after_s = error.retry_after_s if isinstance(error, UnavailableError) else None
    details = status(code.value[0], str(error), retry_after_s)
    await context.abort(code, str(error), (("grpc-status-details-bin", details),))


def _health_handlers(servicer: health_aio.HealthServicer) -> grpc.GenericRpcHandler:
    """The health service with requests that may be gzip, as any message on this server may."""

    def read(body: bytes) -> health_pb2.HealthCheckRequest:
        return health_pb2.HealthCheckRequest.FromString(gunzip_if_gzip(body, _FRAME_BYTES))

    def write(response: health_pb2.HealthCheckResponse) -> bytes:
        return bytes(response.SerializeToString())

    name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    return grpc.method_handlers_generic_handler(
        name,
        {
            "Check": grpc.unary_unary_rpc_method_handler(
                servicer.Check, request_deserializer=read, response_serializer=write
            ),
            "Watch": grpc.unary_stream_rpc_method_handler(
                servicer.Watch, request_deserializer=read, response_serializer=write
            ),
        },
    )
