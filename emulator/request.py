"""An invocation under way, as its caller sees it."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field

from emulator import wire
from emulator.errors import InvokeError
from emulator.faults import NO_FAULTS, InvocationFaults
from emulator.lifecycle.actions import Invocation, InvocationDone
from emulator.response_stream import ResponseStream


@dataclass(frozen=True, slots=True)
class InvokeInput:
    """A request for a function, from HTTP, the traffic generator or an event source."""

    function: str
    payload: bytes
    invoked_arn: str
    trace_header: str
    client_context: str | None = None
    reads_stream: bool = False
    """Whether its caller reads an answer that is streamed."""
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True, slots=True)
class FunctionAnswer:
    """What the function answered, or what went wrong in its place."""

    payload: bytes
    is_error: bool
    stream: ResponseStream | None = None
    """What is still being written, in place of the payload."""


class Request:
    """An invocation with what its caller waits for."""

    def __init__(
        self, invocation: Invocation, faults: InvocationFaults = NO_FAULTS, *, reads_stream: bool = False
    ) -> None:
        loop = asyncio.get_running_loop()
        self.invocation = invocation
        self.faults = faults
        self.answered: asyncio.Future[FunctionAnswer] = loop.create_future()
        self.done: asyncio.Future[InvocationDone] = loop.create_future()
        self._log = b""
        self._reads_stream = reads_stream
        """Whether its caller reads an answer that is streamed, or only waits for the end."""
        self._stream: ResponseStream | None = None

    @property
    def id(self) -> str:
        """The request id."""
        return self.invocation.request_id

    def refuse(self, error: InvokeError) -> None:
        """Fail the caller: the invocation never began."""
        for future in (self.answered, self.done):
            if not future.done():
                future.set_exception(error)
                future.exception()  # not every caller waits for both

    def add_log(self, line: str) -> None:
        """A line for the answer's log tail."""
        self._log = (self._log + line.encode() + b"\n")[-wire.LOG_TAIL_BYTES :]

    @property
    def log_tail(self) -> bytes:
        """The last 4 KB of the log."""
        return self._log

    def answer(self, payload: bytes, *, is_error: bool) -> None:
        """Answer the caller, or end the answer that is being streamed."""
        if self._stream is not None:
            self._stream.finish(payload if is_error else None)
        if not self.answered.done():
            self.answered.set_result(FunctionAnswer(payload, is_error))

    def begin_stream(self, content_type: str) -> ResponseStream:
        """The function begins to write its answer."""
        self._stream = ResponseStream(content_type, is_read=self._reads_stream)
        if not self.answered.done():
            self.answered.set_result(FunctionAnswer(b"", is_error=False, stream=self._stream))
        return self._stream

    def finish(self, outcome: InvocationDone, version: str) -> None:
        """The invocation is over: complete the log tail."""
        identity = f"RequestId: {outcome.request_id}"
        start = f"START {identity} Version: {version}\n".encode()
        report = (
            f"REPORT {identity}\tDuration: {outcome.duration_ms:.2f} ms\tBilled Duration: {outcome.billed_ms or 0} ms\t"
            f"Memory Size: {outcome.memory_mb} MB\tMax Memory Used: {outcome.max_memory_used_mb} MB\t"
        )
        if outcome.init_ms is not None:
            report += f"Init Duration: {outcome.init_ms:.2f} ms\t"
        if outcome.restore_ms is not None:
            billed = f"Billed Restore Duration: {outcome.billed_restore_ms} ms"
            report += f"Restore Duration: {outcome.restore_ms:.2f} ms\t{billed}\t"
        self._log = (start + self._log + f"END {identity}\n{report}\n".encode())[-wire.LOG_TAIL_BYTES :]
        if not self.done.done():
            self.done.set_result(outcome)
