"""The Lambda service: finds or starts a sandbox for each request, and looks after the idle ones."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from emulator.api import sandbox_api
from emulator.clock import NS_PER_MS
from emulator.concurrency import Limiter
from emulator.deployment import Deployment
from emulator.errors import InvokeError, IsolationError
from emulator.faults import InvocationFaults, draw
from emulator.lifecycle.actions import InitDone, Invocation, InvocationDone
from emulator.request import Request
from emulator.sandbox import Sandbox, SandboxSettings
from emulator.truth import Ledger

DRAIN_S: Final = 5.0
"""How long running invocations may take to finish when the emulator is asked to stop."""
_FIRST_EVENT_RETRY_S: Final = 1.0
_LAST_EVENT_RETRY_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class InvokeInput:
    """A request for a function, from HTTP or from the traffic generator."""

    function: str
    payload: bytes
    invoked_arn: str
    trace_header: str
    client_context: str | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class LambdaService:
    """All functions and their sandboxes."""

    def __init__(
        self,
        deployments: Mapping[str, Deployment],
        limiter: Limiter,
        idle_timeout_s: float,
        ledger: Ledger,
        seed: int,
    ) -> None:
        self.deployments = deployments
        self.ledger = ledger
        self._limiter = limiter
        self._idle_timeout_s = idle_timeout_s
        self._seed = seed
        self._admitted = dict.fromkeys(deployments, 0)
        self._settings: SandboxSettings | None = None
        self._sandboxes: dict[str, Sandbox] = {}
        self._idle: dict[str, list[Sandbox]] = {name: [] for name in deployments}
        self._reapers: dict[str, asyncio.TimerHandle] = {}
        self._reasons: dict[str, str] = {}
        self._events: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._running = 0

    def open(self, settings: SandboxSettings) -> None:
        """Begin to take requests."""
        self._settings = settings

    # Requests ---------------------------------------------------------------------------------------------------------

    async def invoke(self, asked: InvokeInput) -> Request:
        """Hand a request to a sandbox. Its answer and its end are futures of what is returned. Raises InvokeError."""
        self._check(asked.function)
        try:
            self._limiter.acquire(asked.function)
        except InvokeError as error:
            self.ledger.throttled(asked.function, self._now(), str(error.body["Reason"]))
            raise
        request = Request(_invocation(asked), self._draw_faults(asked.function))
        self._running += 1
        idle = self._idle[asked.function]
        if idle:
            self._take(idle.pop()).invoke(request)
        else:
            await self._start_sandbox(asked.function, request)
        return request

    def _draw_faults(self, function: str) -> InvocationFaults:
        number = self._admitted[function]
        self._admitted[function] += 1
        return draw(self.deployments[function].config.faults, self._seed, function, number)

    def invoke_event(self, asked: InvokeInput) -> str:
        """Queue an asynchronous request. Returns its request id. Raises InvokeError."""
        self._check(asked.function)
        task = asyncio.create_task(self._run_event(asked), name=f"event-{asked.function}")
        self._events.add(task)
        task.add_done_callback(self._events.discard)
        return asked.request_id

    async def _run_event(self, asked: InvokeInput) -> None:
        """Run a queued request. A throttled one is tried again, as Lambda's own queue does."""
        wait_s = _FIRST_EVENT_RETRY_S
        while not self._is_stopping:
            try:
                await (await self.invoke(asked)).done
            except InvokeError as error:
                if error.status != 429:
                    return
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _LAST_EVENT_RETRY_S)
            else:
                return

    def _check(self, function: str) -> None:
        if self._is_stopping:
            raise InvokeError(503, "ServiceUnavailableException", "the emulator is stopping")
        if function not in self.deployments:
            raise unknown_function(function)

    async def _start_sandbox(self, function: str, request: Request) -> None:
        if self._settings is None:
            raise InvokeError(503, "ServiceUnavailableException", "the emulator is starting")
        deployment = self.deployments[function]
        sandbox = Sandbox(deployment, self._settings, self)
        self._sandboxes[sandbox.instance_id] = sandbox
        self.ledger.sandbox_started(function, sandbox.instance_id, self._now())
        try:
            await sandbox.open(sandbox_api.make(sandbox, deployment.account_id))
        except IsolationError as error:
            self._finished(function)
            await sandbox.close()
            raise InvokeError(500, "ServiceException", str(error), Type="Service") from error
        sandbox.start(request)

    def _take(self, sandbox: Sandbox) -> Sandbox:
        self._reapers.pop(sandbox.instance_id).cancel()
        return sandbox

    def _finished(self, function: str) -> None:
        self._limiter.release(function)
        self._running -= 1

    def _now(self) -> int:
        if self._settings is None:
            raise InvokeError(503, "ServiceUnavailableException", "the emulator is starting")
        return self._settings.clock.now_ns()

    # What sandboxes tell ----------------------------------------------------------------------------------------------

    def init_done(self, sandbox: Sandbox, outcome: InitDone) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        self.ledger.init_done(sandbox.deployment.config.name, sandbox.instance_id, outcome)

    def invocation_done(self, sandbox: Sandbox, outcome: InvocationDone) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        function = sandbox.deployment.config.name
        self.ledger.invocation_done(function, sandbox.instance_id, outcome)
        self._finished(function)

    def is_idle(self, sandbox: Sandbox) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        if self._is_stopping:
            asyncio.get_running_loop().call_soon(sandbox.shut_down, "spindown")
            return
        self._idle[sandbox.deployment.config.name].append(sandbox)
        loop = asyncio.get_running_loop()
        self._reapers[sandbox.instance_id] = loop.call_later(self._idle_timeout_s, self._reap, sandbox)

    def _reap(self, sandbox: Sandbox) -> None:
        del self._reapers[sandbox.instance_id]
        self._idle[sandbox.deployment.config.name].remove(sandbox)
        sandbox.shut_down("spindown")

    def is_resetting(self, sandbox: Sandbox) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        self._withdraw(sandbox)

    def _withdraw(self, sandbox: Sandbox) -> None:
        """Give it no request."""
        idle = self._idle[sandbox.deployment.config.name]
        if sandbox in idle:
            idle.remove(sandbox)
            self._reapers.pop(sandbox.instance_id).cancel()

    def is_leaving(self, sandbox: Sandbox, reason: str) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        self._reasons[sandbox.instance_id] = reason
        self._withdraw(sandbox)

    def has_ended(self, sandbox: Sandbox) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        del self._sandboxes[sandbox.instance_id]
        reason = self._reasons.pop(sandbox.instance_id, "failure")
        function = sandbox.deployment.config.name
        self.ledger.sandbox_ended(function, sandbox.instance_id, self._now(), reason, sandbox.invocations)

    # The end ----------------------------------------------------------------------------------------------------------

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Refuse requests, let running ones finish for a while, and shut every sandbox down, all at the same time."""
        self._is_stopping = True
        for idle in self._idle.values():
            for sandbox in list(idle):
                sandbox.shut_down("spindown")
        loop = asyncio.get_running_loop()
        drained_by = loop.time() + drain_s
        while self._running and loop.time() < drained_by:  # noqa: ASYNC110 - bounded, and only while stopping
            await asyncio.sleep(0.02)
        sandboxes = list(self._sandboxes.values())
        for sandbox in sandboxes:
            sandbox.shut_down("spindown")
        await asyncio.gather(*(sandbox.wait_ended() for sandbox in sandboxes))
        for task in self._events:
            task.cancel()
        await asyncio.gather(*self._events, return_exceptions=True)

    async def kill(self) -> None:
        """End every sandbox at once, without SHUTDOWN."""
        self._is_stopping = True
        await asyncio.gather(*(sandbox.close() for sandbox in list(self._sandboxes.values())))

    def state(self) -> list[dict[str, Any]]:
        """The sandboxes there are."""
        return [
            {
                "function": sandbox.deployment.config.name,
                "instance_id": sandbox.instance_id,
                "phase": sandbox.machine.phase.value,
                "started_ms": sandbox.started_ns // NS_PER_MS,
                "invocations": sandbox.invocations,
            }
            for sandbox in self._sandboxes.values()
        ]


def unknown_function(name: str) -> InvokeError:
    """Lambda's answer for a function that is not there."""
    return InvokeError(404, "ResourceNotFoundException", f"Function not found: {name}", Type="User")


def _invocation(asked: InvokeInput) -> Invocation:
    return Invocation(
        request_id=asked.request_id,
        payload=asked.payload,
        invoked_arn=asked.invoked_arn,
        trace_header=asked.trace_header,
        client_context=asked.client_context,
    )
