"""What every trigger works with: time, invocations, and where things are told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from emulator.api import streaming
from emulator.api.lambda_api import trace_header
from emulator.clock import Clock
from emulator.errors import InvokeError
from emulator.metering import ServiceMeter
from emulator.request import InvokeInput
from emulator.service import LambdaService
from emulator.sources import Outcome
from emulator.truth import Ledger


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an invocation ended for who asked for it."""

    outcome: Outcome
    answer: bytes = b""
    """The function's, or the error in its place; empty where it was never invoked."""


class Destinations(Protocol):
    """Where records of what became of events go."""

    def deliver(
        self, to: str, body: str, *, attributes: Mapping[str, str], source: str, metric: str, function: str
    ) -> None:
        """Send a record to ``sqs:NAME`` and the like. A failure is a sample of ``metric``."""


class Host:
    """Time, invocations and tasks for the triggers of one emulator."""

    def __init__(self, service: LambdaService, clock: Clock, meter: ServiceMeter, ledger: Ledger) -> None:
        self.service = service
        self.clock = clock
        self.meter = meter
        self.ledger = ledger
        self._tasks: set[asyncio.Task[None]] = set()

    def now_ns(self) -> int:
        """The time."""
        return self.clock.now_ns()

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something without waiting for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def asked(self, function: str, payload: bytes) -> InvokeInput:
        """A request for a function of the scenario."""
        arn = self.service.deployments[function].arn
        return InvokeInput(function, payload, arn, trace_header(), reads_stream=True)

    async def run(self, asked: InvokeInput) -> Attempt:
        """Invoke, and wait for the answer. Throttles and faults of the service are ``NOT_INVOKED``."""
        try:
            answer = await (await self.service.invoke(asked)).answered
            if answer.stream is not None:
                answer = await streaming.collect(answer.stream)
        except InvokeError:
            return Attempt(Outcome.NOT_INVOKED)
        return Attempt(Outcome.FUNCTION_ERROR if answer.is_error else Outcome.SUCCESS, answer.payload)

    async def close(self) -> None:
        """Forget what still runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Alarm:
    """Calls back when something is due; setting it again takes the place of what was set."""

    def __init__(self, clock: Clock, action: Callable[[], None]) -> None:
        self._clock = clock
        self._action = action
        self._timer: asyncio.TimerHandle | None = None

    def set(self, due_ns: int | None) -> None:
        """Ring at a time, or not at all."""
        self.cancel()
        if due_ns is not None:
            # A little late, so that rounding makes it never early: it would ring again and again until it is due.
            at_s = self._clock.to_loop_time(due_ns) + 0.0005
            self._timer = asyncio.get_running_loop().call_at(at_s, self._action)

    def cancel(self) -> None:
        """Do not ring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def text_of(answer: bytes) -> Any:
    """A function's answer as JSON, or as text where it is none."""
    with contextlib.suppress(ValueError):
        return json.loads(answer)
    return answer.decode(errors="replace")
