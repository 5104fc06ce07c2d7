"""The Runtime, Extensions and Telemetry APIs of one sandbox, over HTTP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from emulator import wire
from emulator.errors import SandboxApiError
from emulator.lifecycle.extensions import Extension
from emulator.sandbox import Sandbox
from emulator.telemetry import subscription
from emulator.telemetry.records import ResponseTimes
from emulator.telemetry.subscription import MANAGED_VERSIONS, SCHEMA_VERSIONS
from emulator.trailers import TRAILERS, Trailers

_ERROR_TYPE: Final = re.compile(r"(Runtime|Function)\.[A-Z][a-zA-Z]+")
_UNKNOWN_ERROR: Final = "Runtime.Unknown"


def make(sandbox: Sandbox, account_id: str) -> web.Application:
    """The application that a sandbox's processes talk to."""
    api = _SandboxApi(sandbox, account_id)
    application = web.Application(client_max_size=0, middlewares=[_errors_as_json])
    application[TRAILERS] = Trailers()
    application.add_routes(
        [
            web.get(f"{wire.RUNTIME_PATH}/invocation/next", api.next_invocation),
            web.post(f"{wire.RUNTIME_PATH}/invocation/{{request_id}}/response", api.response),
            web.post(f"{wire.RUNTIME_PATH}/invocation/{{request_id}}/error", api.error),
            web.post(f"{wire.RUNTIME_PATH}/init/error", api.init_error),
            web.get(f"{wire.RUNTIME_PATH}/restore/next", api.next_restore),
            web.post(f"{wire.RUNTIME_PATH}/restore/error", api.restore_error),
            web.get(wire.CREDENTIALS_PATH, api.credentials),
            web.post(f"{wire.EXTENSION_PATH}/register", api.register),
            web.get(f"{wire.EXTENSION_PATH}/event/next", api.next_event),
            web.post(f"{wire.EXTENSION_PATH}/init/error", api.extension_init_error),
            web.post(f"{wire.EXTENSION_PATH}/exit/error", api.extension_exit_error),
            web.put(wire.TELEMETRY_PATH, api.subscribe),
            web.put(wire.LOGS_PATH, api.subscribe_to_logs),
        ]
    )
    return application


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except SandboxApiError as error:
        return web.json_response(error.body, status=error.status)
    except web.HTTPNotFound:
        return web.Response(status=404, text="404 page not found")


class _SandboxApi:
    def __init__(self, sandbox: Sandbox, account_id: str) -> None:
        self._sandbox = sandbox
        self._account_id = account_id

    # Runtime API ------------------------------------------------------------------------------------------------------

    async def next_invocation(self, _: web.Request) -> web.Response:
        given = await self._sandbox.next_invocation()
        invocation = given.invocation
        headers = {
            wire.REQUEST_ID: invocation.request_id,
            wire.DEADLINE: str(given.deadline_ms),
            wire.INVOKED_ARN: invocation.invoked_arn,
            wire.TRACE_ID: invocation.trace_header,
        }
        if invocation.client_context is not None:
            headers[wire.CLIENT_CONTEXT] = invocation.client_context
        return web.Response(body=invocation.payload, content_type="application/json", headers=headers)

    async def response(self, request: web.Request) -> web.Response:
        if request.headers.get(wire.RESPONSE_MODE) == wire.STREAMING:
            return await self._streamed_response(request)
        times, body = await self._read_answer(request)
        if len(body) > wire.MAX_PAYLOAD_BYTES:
            return self._too_large(request, len(body), times, wire.MAX_PAYLOAD_BYTES)
        self._sandbox.runtime_answered(_request_id(request), body, times, None)
        return _accepted()

    async def _streamed_response(self, request: web.Request) -> web.Response:
        """Pass the answer on as it comes. An error after the first byte is told by trailers."""
        first_byte_ns = self._sandbox.now_ns()
        request_id = self._asked_request_id(request)
        stream = self._sandbox.begin_stream(request_id, request.headers.get("Content-Type", "application/octet-stream"))
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
            if size > wire.MAX_STREAM_BYTES:
                break
            await stream.write(chunk)
            if size > wire.FAST_STREAM_BYTES:
                await asyncio.sleep(len(chunk) / wire.SLOW_STREAM_BYTES_PER_S)
        times = ResponseTimes(first_byte_ns, self._sandbox.now_ns(), size)
        if size > wire.MAX_STREAM_BYTES:
            return self._too_large(request, size, times, wire.MAX_STREAM_BYTES)
        trailers = request.app[TRAILERS].of(request.transport)
        error_type = trailers.get(wire.FUNCTION_ERROR_TYPE.lower())
        payload = b"" if error_type is None else _streamed_error(error_type, trailers)
        self._sandbox.runtime_answered(request_id, payload, times, error_type and _known_error_type(error_type))
        return _accepted()

    async def error(self, request: web.Request) -> web.Response:
        times, body = await self._read_answer(request)
        self._sandbox.runtime_answered(_request_id(request), body, times, _error_type(request))
        return _accepted()

    async def init_error(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._sandbox.runtime_init_failed(body, _error_type(request))
        return _accepted()

    async def next_restore(self, _: web.Request) -> web.Response:
        await self._sandbox.next_restore()
        return web.Response()

    async def restore_error(self, request: web.Request) -> web.Response:
        await request.read()
        self._sandbox.restore_failed()
        return _accepted()

    async def credentials(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != wire.CREDENTIALS_TOKEN:
            raise SandboxApiError(403, "AccessDenied", "the Authorization header is not the token of the environment")
        expires = dt.datetime.now(dt.UTC) + dt.timedelta(hours=12)
        body = {
            "AccessKeyId": wire.ACCESS_KEY_ID,
            "SecretAccessKey": wire.SECRET,
            "Token": wire.SECRET,
            "Expiration": f"{expires:%Y-%m-%dT%H:%M:%SZ}",
        }
        return web.json_response(body)

    async def _read_answer(self, request: web.Request) -> tuple[ResponseTimes, bytes]:
        first_byte_ns = self._sandbox.now_ns()
        self._asked_request_id(request)
        body = await request.read()
        return ResponseTimes(first_byte_ns, self._sandbox.now_ns(), len(body)), body

    def _asked_request_id(self, request: web.Request) -> str:
        """Of the invocation that is answered. Raises SandboxApiError where nobody waits for that."""
        request_id = _request_id(request)
        if not self._sandbox.machine.is_waiting_for(request_id):
            raise SandboxApiError(400, "InvalidRequestID", "Invalid request ID")
        return request_id

    def _too_large(self, request: web.Request, size: int, times: ResponseTimes, most: int) -> web.Response:
        error_type = "Function.ResponseSizeTooLarge"
        message = f"Response payload size ({size} bytes) exceeded maximum allowed payload size ({most} bytes)."
        payload = {"errorType": error_type, "errorMessage": message}
        self._sandbox.runtime_answered(_request_id(request), json.dumps(payload).encode(), times, error_type)
        return web.json_response({"errorType": "RequestEntityTooLarge", "errorMessage": message}, status=413)

    # Extensions API ---------------------------------------------------------------------------------------------------

    async def register(self, request: web.Request) -> web.Response:
        name = request.headers.get(wire.EXTENSION_NAME, "")
        extension = self._sandbox.register(name, await _events(request))
        config = self._sandbox.deployment.config
        body = {"functionName": config.name, "functionVersion": config.version, "handler": config.handler}
        features = [feature.strip() for feature in request.headers.get(wire.EXTENSION_FEATURES, "").split(",")]
        if "accountId" in features:
            body["accountId"] = self._account_id
        return web.json_response(body, headers={wire.EXTENSION_ID: extension.identifier or ""})

    async def next_event(self, request: web.Request) -> web.Response:
        event = await self._sandbox.next_event(self._extension(request))
        return web.json_response(event, headers={wire.EXTENSION_EVENT_ID: str(uuid.uuid4())})

    async def extension_init_error(self, request: web.Request) -> web.Response:
        extension = self._extension(request)
        if extension.has_asked:
            message = f"State transition is not allowed for extension {extension.name}: its init is over"
            raise SandboxApiError(403, "Extension.InvalidExtensionState", message)
        return self._extension_failed(request, extension, "Extension.InitError")

    async def extension_exit_error(self, request: web.Request) -> web.Response:
        return self._extension_failed(request, self._extension(request), "Extension.ExitError")

    def _extension_failed(self, request: web.Request, extension: Extension, error_type: str) -> web.Response:
        told_type = request.headers.get(wire.EXTENSION_ERROR_TYPE)
        if not told_type:
            message = f"Missing {wire.EXTENSION_ERROR_TYPE} header"
            raise SandboxApiError(403, "Extension.MissingHeader", message)
        self._sandbox.extension_failed(extension, error_type, told_type)
        return _accepted()

    def _extension(self, request: web.Request) -> Extension:
        return self._sandbox.machine.extensions.identified(request.headers.get(wire.EXTENSION_ID))

    # Telemetry API ----------------------------------------------------------------------------------------------------

    async def subscribe(self, request: web.Request) -> web.Response:
        extension = self._extension(request)
        try:
            body: Any = json.loads(await request.read())
        except ValueError as error:
            raise SandboxApiError(400, "ValidationError", f"failed to parse JSON: {error}") from error
        versions = MANAGED_VERSIONS if self._sandbox.deployment.config.managed else SCHEMA_VERSIONS
        self._sandbox.subscribe(extension, subscription.parse(body, versions))
        return web.Response(text='"OK"', content_type="application/json")

    async def subscribe_to_logs(self, request: web.Request) -> web.Response:
        """The Logs API: remembered, since it shuts the Telemetry API out, and answered as where it is not offered."""
        extension = self._extension(request)
        await request.read()
        self._sandbox.subscribe_to_logs(extension)
        body = {"errorType": "Logs.NotSupported", "errorMessage": "Logs API is not supported"}
        return web.json_response(body, status=202)


async def _events(request: web.Request) -> list[str]:
    try:
        body = json.loads(await request.read() or b"{}")
        events = body.get("events") or []
    except (ValueError, AttributeError) as error:
        raise SandboxApiError(403, "InvalidRequestFormat", f"the body is not a JSON object: {error}") from error
    if not isinstance(events, list) or not all(isinstance(event, str) for event in events):
        raise SandboxApiError(403, "InvalidRequestFormat", "events must be a list of texts")
    return events


def _request_id(request: web.Request) -> str:
    return request.match_info["request_id"]


def _error_type(request: web.Request) -> str:
    """The error type that the platform tells: the runtime's where it has a known form, else unknown."""
    return _known_error_type(request.headers.get(wire.FUNCTION_ERROR_TYPE, ""))


def _known_error_type(told: str) -> str:
    if _ERROR_TYPE.match(told):
        return told
    return "Function.Unknown" if told.startswith("Function.") else _UNKNOWN_ERROR


def _streamed_error(error_type: str, trailers: dict[str, str]) -> bytes:
    """The error's JSON, which a trailer has in base64."""
    encoded = trailers.get(wire.FUNCTION_ERROR_BODY.lower(), "")
    with contextlib.suppress(ValueError):
        if decoded := base64.b64decode(encoded, validate=True):
            return decoded
    return json.dumps({"errorType": error_type, "errorMessage": ""}).encode()


def _accepted() -> web.Response:
    return web.json_response({"status": "OK"}, status=202)
