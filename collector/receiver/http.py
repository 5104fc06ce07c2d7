"""OTLP/HTTP, and the pages that tell how the collector is: /healthz, /readyz, /metrics."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from collector.errors import (
    MalformedError,
    RequestError,
    ThrottledError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedTypeError,
)
from collector.otlp.signals import PROTOCOLS, Signal
from collector.receiver.access import SCHEME
from collector.receiver.compression import ENCODINGS, decompress
from collector.receiver.intake import Incoming
from collector.receiver.status import status, status_json
from collector.spool.record import ExportId
from semconv import attributes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from collector.receiver.access import Gate
    from collector.receiver.intake import Admission, Intake

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"

EXPORT_HEADERS: Final = (
    attributes.EXPORT_INSTANCE_HEADER,
    attributes.EXPORT_SEQUENCE_HEADER,
    attributes.EXPORT_TOTAL_HEADER,
    attributes.EXPORT_DROPPED_HEADER,
)
"""The layer's headers, in the order of :meth:`ExportId.from_headers`."""

STATUSES: Final = {
    MalformedError: (400, 3),
    UnauthenticatedError: (401, 16),
    UnsupportedTypeError: (415, 12),
    TooLargeError: (413, 8),
    ThrottledError: (429, 14),
    UnavailableError: (503, 14),
}
"""HTTP status and gRPC code of each refusal (OTLP specification, "Failures")."""

BODY_WITHIN_S: Final = 120.0
"""How long a client may take to send a body."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a request is refused over HTTP.

    Attributes:
        code: gRPC's.
        body: a google.rpc.Status as protobuf.
    """

    http_status: int
    code: int
    headers: dict[str, str]
    retry_after_s: float | None
    body: bytes

    @classmethod
    def of(cls, error: RequestError) -> Refusal:
        """Of any of our errors."""
        http_status, code = STATUSES[type(error)]
        headers = {}
        retry_after_s = None
        if isinstance(error, UnavailableError):
            retry_after_s = error.retry_after_s
            headers["Retry-After"] = str(max(1, math.ceil(retry_after_s)))
        if isinstance(error, UnsupportedTypeError):
            headers["Accept-Encoding"] = ", ".join(ENCODINGS)
        if isinstance(error, UnauthenticatedError):
            headers["WWW-Authenticate"] = SCHEME
        return cls(http_status, code, headers, retry_after_s, status(code, str(error), retry_after_s))


@dataclass(frozen=True, slots=True)
class Pages:
    """What the pages show.

    Attributes:
        not_ready: why requests that come now may not be stored soon; empty when all is well.
        metrics: the text of /metrics.
    """

    not_ready: Callable[[], str]
    metrics: Callable[[], str]


def application(intake: Intake, gate: Gate, pages: Pages) -> web.Application:
    """The application on 4318."""
    app = web.Application()
    for signal, protocol in PROTOCOLS.items():
        app.router.add_post(protocol.path, _export(intake, gate, signal))
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz(pages))
    app.router.add_get("/metrics", _metrics(pages))
    return app


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def _readyz(pages: Pages) -> Handler:
    async def readyz(_: web.Request) -> web.Response:
        reason = pages.not_ready()
        return web.Response(status=503 if reason else 200, text=(reason or "ready") + "\n")

    return readyz


def _metrics(pages: Pages) -> Handler:
    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=pages.metrics().encode(), content_type="text/plain", charset="utf-8")

    return metrics


def _export(intake: Intake, gate: Gate, signal: Signal) -> Handler:
    async def export(request: web.Request) -> web.Response:
        try:
            await _accept(intake, gate, signal, request)
        except RequestError as error:
            intake.refused(error)
            return _refusal(request, error)
        body = b"{}" if request.content_type == JSON else b""  # Export…ServiceResponse without partial_success
        return web.Response(body=body, content_type=request.content_type)

    return export


async def _accept(intake: Intake, gate: Gate, signal: Signal, request: web.Request) -> None:
    credential = gate.check(request.headers.get("Authorization", ""))
    if request.content_type not in {PROTOBUF, JSON}:
        raise UnsupportedTypeError(f"content type {request.content_type!r}: send {PROTOBUF} or {JSON}")
    with intake.admit(request.content_length or 0) as admission:
        body = await read_body(request, intake.settings.max_request_bytes, admission)
        plain = decompress(body, request.headers.get("Content-Encoding", ""), intake.settings.max_decompressed_bytes)
        if plain is not body:
            admission.grow(len(plain))
        export_id = ExportId.from_headers(*(request.headers.get(name) for name in EXPORT_HEADERS))
        await intake.accept(Incoming(signal, plain, export_id, credential, is_json=request.content_type == JSON))


async def read_body(request: web.Request, max_bytes: int, admission: Admission) -> bytes:
    """The body, and not a byte more than is allowed, whatever its length was said to be."""
    announced = request.content_length
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for piece in request.content.iter_any():
                body += piece
                if announced is None:
                    admission.grow(len(piece))
                if len(body) > max_bytes:
                    raise TooLargeError(f"the request is larger than {max_bytes} bytes")
    except TimeoutError:
        raise MalformedError(f"the body did not come within {BODY_WITHIN_S:g} s") from None
    return bytes(body)


def _refusal(request: web.Request, error: RequestError) -> web.Response:
    """The body is a google.rpc.Status, in the format of the request (protobuf where that is not known)."""
    refusal = Refusal.of(error)
    if request.content_type == JSON:
        body = status_json(refusal.code, str(error), refusal.retry_after_s)
        return web.json_response(body, status=refusal.http_status, headers=refusal.headers)
    return web.Response(body=refusal.body, status=refusal.http_status, headers=refusal.headers, content_type=PROTOBUF)
