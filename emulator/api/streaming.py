"""Answers that are streamed: to who asked for a stream, and to who did not."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from emulator import wire
from emulator.api import event_stream
from emulator.request import FunctionAnswer, Request
from emulator.response_stream import ResponseStream


async def respond(
    request: web.Request, answer: FunctionAnswer, headers: Mapping[str, str], tail: Request | None
) -> web.StreamResponse:
    """InvokeWithResponseStream's answer. A function that does not stream has answered in one chunk.

    Args:
        request: the caller's.
        answer: the function's.
        headers: of the answer.
        tail: the invocation, where its log is asked for.
    """
    response = web.StreamResponse(headers={**headers, "Content-Type": event_stream.CONTENT_TYPE})
    await response.prepare(request)
    stream, error = answer.stream, answer.payload if answer.is_error else None
    try:
        if stream is not None:
            async for chunk in stream.chunks():
                await response.write(event_stream.payload_chunk(chunk))
            error = stream.error
        elif error is None:
            await response.write(event_stream.payload_chunk(answer.payload))
        log_tail = None
        if tail is not None:
            await tail.done  # the tail ends with the report
            log_tail = tail.log_tail
        await response.write(event_stream.invoke_complete(error, log_tail))
        await response.write_eof()
    finally:
        if stream is not None:
            stream.abandon()  # who is gone reads nothing more
    return response


async def collect(stream: ResponseStream) -> FunctionAnswer:
    """A streamed answer for who asked for one in a piece."""
    payload = await stream.read(wire.MAX_PAYLOAD_BYTES)
    if stream.error is not None:
        return FunctionAnswer(stream.error, is_error=True)
    return FunctionAnswer(payload, is_error=False)
