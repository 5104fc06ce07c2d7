"""The invoke API, as AWS's SDKs call it, and the emulator's own pages beside it."""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol
from urllib.parse import unquote

from aiohttp import web

from emulator import wire
from emulator.api import streaming
from emulator.errors import InvokeError
from emulator.request import InvokeInput
from emulator.service import LambdaService, unknown_function

_ARN: Final = re.compile(
    r"(arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):)?((?P<account>[0-9]{12}):)?(function:)?"
    r"(?P<name>[A-Za-z0-9_-]+)(:(?P<qualifier>\$LATEST|[A-Za-z0-9_-]+))?"
)
_TYPES: Final = ("RequestResponse", "Event", "DryRun")
_STREAM_TYPES: Final = ("RequestResponse", "DryRun")


class Events(Protocol):
    """Takes what is not invoked at once."""

    def invoke_event(self, asked: InvokeInput) -> str:
        """Queue an asynchronous request. Returns its request id. Raises InvokeError."""

    def put(self, source: str, key: str, value: Any) -> str:
        """Append a record to a stream or send a message to a queue. Returns its number or id. Raises InvokeError."""

    def state(self) -> dict[str, Any]:
        """What waits."""


def make(service: LambdaService, events: Events) -> web.Application:
    """The application at the emulator's port."""
    api = _LambdaApi(service, events)
    application = web.Application(client_max_size=0, middlewares=[_errors_as_json])
    application.add_routes(
        [
            web.post(wire.INVOKE_PATH.replace("{name}", r"{name:[^/]+}"), api.invoke),
            web.post(wire.STREAM_PATH.replace("{name}", r"{name:[^/]+}"), api.invoke_with_response_stream),
            web.get("/_lambdascope/summary", api.summary),
            web.get("/_lambdascope/state", api.state),
            web.get("/_lambdascope/sources", api.sources),
            web.post("/_lambdascope/sources/{name}", api.put),
            web.get("/healthz", api.health),
        ]
    )
    return application


def trace_header(given: str | None = None) -> str:
    """The caller's X-Ray header, or a new one that is not sampled."""
    if given and "Root=" in given:
        return given
    root = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return f"Root={root};Parent={secrets.token_hex(8)};Sampled=0"


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except InvokeError as error:
        headers = {"x-amzn-ErrorType": error.error_type, "x-amzn-RequestId": str(uuid.uuid4())}
        if error.status == 429:
            headers["Retry-After"] = "1"
        return web.json_response(error.body, status=error.status, headers=headers)


class _LambdaApi:
    def __init__(self, service: LambdaService, events: Events) -> None:
        self._service = service
        self._events = events

    async def invoke(self, request: web.Request) -> web.Response:
        kind = _kind(request, _TYPES)
        asked = await self._asked(request, kind)
        if kind == "DryRun":
            return web.Response(status=204, headers={"x-amzn-RequestId": str(uuid.uuid4())})
        if kind == "Event":
            return web.Response(status=202, headers={"x-amzn-RequestId": self._events.invoke_event(asked)})
        return await self._answer(asked, tail=request.headers.get("X-Amz-Log-Type") == "Tail")

    async def invoke_with_response_stream(self, request: web.Request) -> web.StreamResponse:
        kind = _kind(request, _STREAM_TYPES)
        asked = await self._asked(request, kind)
        if kind == "DryRun":
            return web.Response(status=204, headers={"x-amzn-RequestId": str(uuid.uuid4())})
        running = await self._service.invoke(asked)
        answer = await running.answered
        tail = running if request.headers.get("X-Amz-Log-Type") == "Tail" else None
        return await streaming.respond(request, answer, self._headers(asked), tail)

    async def _asked(self, request: web.Request, kind: str) -> InvokeInput:
        function, qualifier = self._function(request)
        payload = await _payload(request, kind)
        arn = self._service.deployments[function].arn
        return InvokeInput(
            function=function,
            payload=payload,
            invoked_arn=arn if qualifier is None else f"{arn}:{qualifier}",
            trace_header=trace_header(request.headers.get(wire.TRACE_HEADER)),
            client_context=_client_context(request),
            reads_stream=kind == "RequestResponse",
        )

    def _headers(self, asked: InvokeInput) -> dict[str, str]:
        return {
            "x-amzn-RequestId": asked.request_id,
            "X-Amz-Executed-Version": self._service.deployments[asked.function].config.version,
            wire.TRACE_HEADER: asked.trace_header,
        }

    def _function(self, request: web.Request) -> tuple[str, str | None]:
        asked = unquote(request.match_info["name"])
        match = _ARN.fullmatch(asked)
        name = asked if match is None else match["name"]
        qualifier = request.query.get("Qualifier") or (match["qualifier"] if match else None)
        deployed = self._service.deployments.get(name)
        home = deployed or next(iter(self._service.deployments.values()))
        region = (match and match["region"]) or home.region
        account = (match and match["account"]) or home.account_id
        is_here = deployed is not None and (region, account) == (home.region, home.account_id)
        if not is_here or qualifier not in (None, "$LATEST", home.config.version, *home.config.aliases):
            arn = f"arn:aws:lambda:{region}:{account}:function:{name}"
            raise unknown_function(arn if qualifier is None else f"{arn}:{qualifier}")
        return name, qualifier

    async def _answer(self, asked: InvokeInput, *, tail: bool) -> web.Response:
        running = await self._service.invoke(asked)
        answer = await running.answered
        if answer.stream is not None:
            answer = await streaming.collect(answer.stream)
        headers = self._headers(asked)
        if answer.is_error:
            headers["X-Amz-Function-Error"] = "Unhandled"
        if tail:
            await running.done  # the tail ends with the report, which is there when the extensions are done too
            headers["X-Amz-Log-Result"] = base64.b64encode(running.log_tail).decode()
        return web.Response(body=answer.payload, content_type="application/json", headers=headers)

    async def summary(self, _: web.Request) -> web.Response:
        return web.json_response(self._service.ledger.summary())

    async def state(self, _: web.Request) -> web.Response:
        return web.json_response({"sandboxes": self._service.state()})

    async def sources(self, _: web.Request) -> web.Response:
        return web.json_response(self._events.state())

    async def put(self, request: web.Request) -> web.Response:
        """Records or messages: a JSON object, or several as a list, each with ``data`` and, of streams, ``key``."""
        value = json.loads(await _payload(request, "Event"))
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, dict) and "data" in item for item in items):
            message = 'Each record must be an object with "data", and may have a "key"'
            raise InvokeError(400, "InvalidRequestContentException", message, Type="User")
        name = request.match_info["name"]
        ids = [self._events.put(name, str(item.get("key", "")), item["data"]) for item in items]
        return web.json_response({"ids": ids})

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})


def _kind(request: web.Request, accepted: Sequence[str]) -> str:
    kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
    if kind not in accepted:
        message = f"Invocation type must be one of {', '.join(accepted)}, not {kind}"
        raise InvokeError(400, "InvalidParameterValueException", message, Type="User")
    return kind


async def _payload(request: web.Request, kind: str) -> bytes:
    most = wire.MAX_EVENT_PAYLOAD_BYTES if kind == "Event" else wire.MAX_PAYLOAD_BYTES
    announced = request.content_length or 0
    payload = b"" if announced > most else await request.read()
    size = max(announced, len(payload))
    if size > most:
        message = f"Request must be smaller than {most} bytes for the {kind} invocation type, not {size}"
        raise InvokeError(413, "RequestTooLargeException", message, Type="User")
    if not payload:
        return b"{}"
    try:
        json.loads(payload)
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise InvokeError(400, "InvalidRequestContentException", message, Type="User") from error
    return payload


def _client_context(request: web.Request) -> str | None:
    encoded = request.headers.get("X-Amz-Client-Context")
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except ValueError as error:
        message = "Client context must be a valid Base64-encoded JSON object."
        raise InvokeError(400, "InvalidRequestContentException", message, Type="User") from error
