"""The Lambda service: finds or starts a sandbox for each request, and looks after the idle ones."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Coroutine, Mapping
from typing import Any, Final

from emulator import model
from emulator.api import sandbox_api
from emulator.clock import NS_PER_MS
from emulator.deployment import Deployment
from emulator.errors import InvokeError, IsolationError
from emulator.faults import InvocationFaults, draw
from emulator.functions import FunctionConfig
from emulator.lifecycle.actions import InitDone, Invocation, InvocationDone, RestoreDone, StopDone
from emulator.managed import ManagedPool
from emulator.metering import ServiceMeter
from emulator.model import FunctionLimits, Limits, Model, SandboxState, Throttled
from emulator.request import InvokeInput, Request
from emulator.sandbox import Sandbox, SandboxSettings
from emulator.snapshots import Snapshots
from emulator.truth import Ledger

DRAIN_S: Final = 5.0
"""How long running invocations may take to finish when the emulator is asked to stop."""
_REAP_LATE_S: Final = 0.001
"""Added to the time of a reaping, so that rounding makes no timer early."""


class LambdaService:
    """All functions and their sandboxes."""

    def __init__(
        self,
        deployments: Mapping[str, Deployment],
        limits: Limits,
        ledger: Ledger,
        meter: ServiceMeter,
        seed: int,
    ) -> None:
        self.deployments = deployments
        self.ledger = ledger
        self._meter = meter
        functions = [_limits_of(deployment.config) for deployment in deployments.values()]
        self._model = Model(limits, functions, new_id=lambda: uuid.uuid4().hex)
        self._seed = seed
        self._admitted = dict.fromkeys(deployments, 0)
        self._settings: SandboxSettings | None = None
        self._sandboxes: dict[str, Sandbox] = {}
        self._places: dict[str, model.Sandbox] = {}
        """What the model knows of each sandbox, by instance id."""
        self._reaper: asyncio.TimerHandle | None = None
        self._reasons: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._running = 0
        self._managed: dict[str, ManagedPool] = {}
        self._snapshots: dict[str, Snapshots] = {}

    def open(self, settings: SandboxSettings) -> None:
        """Begin to take requests."""
        self._settings = settings
        for name, deployment in self.deployments.items():
            if (managed := deployment.config.managed) is not None:
                self._managed[name] = ManagedPool(deployment, managed, settings, self.ledger, self)
            if (snap_start := deployment.config.snap_start) is not None:
                self._snapshots[name] = Snapshots(deployment, snap_start, settings)

    def start_ahead(self) -> None:
        """Start what no request waits for: provisioned concurrency, proactive inits, snapshots, Managed Instances."""
        for pool in self._managed.values():
            pool.start()
        for snapshots in self._snapshots.values():
            snapshots.start()
        for name, deployment in self.deployments.items():
            config = deployment.config
            places = self._model.provision(name, config.version, config.provisioned_concurrency, self._now())
            places += [self._model.warm(name, self._now()) for _ in range(config.proactive_sandboxes)]
            for place in places:
                self._background(self._start_unasked(place))

    async def _start_unasked(self, place: model.Sandbox) -> None:
        with contextlib.suppress(InvokeError):
            await self._start_sandbox(place, None)

    # Requests ---------------------------------------------------------------------------------------------------------

    async def invoke(self, asked: InvokeInput) -> Request:
        """Hand a request to a sandbox. Its answer and its end are futures of what is returned. Raises InvokeError."""
        self.check(asked.function)
        config = self.deployments[asked.function].config
        if asked.function in self._managed:
            return await self._invoke_managed(asked, config)
        decision = self._model.ask(asked.function, self._now())
        if isinstance(decision, Throttled):
            self.ledger.throttled(asked.function, self._now(), decision.reason)
            self._meter.throttled(asked, config, self._now())
            raise too_many_requests(decision.reason)
        self._meter.admitted(asked, config, decision, self._model, self._now())
        request = self._request(asked)
        if decision.cold:
            try:
                await self._start_sandbox(decision.sandbox, request)
            except InvokeError as error:
                self._meter.freed(config, self._model, self._now())
                request.refuse(error)
                raise
        else:
            self._sandboxes[decision.sandbox.id].invoke(request)
        return request

    async def _invoke_managed(self, asked: InvokeInput, config: FunctionConfig) -> Request:
        request = self._request(asked)
        try:
            await self._managed[asked.function].invoke(request)
        except InvokeError as error:
            self._running -= 1
            if error.status == 429:
                self.ledger.throttled(asked.function, self._now(), error.body["Reason"])
                self._meter.throttled(asked, config, self._now())
            raise
        self._meter.admitted_to_instance(asked, config)
        return request

    def _request(self, asked: InvokeInput) -> Request:
        faults = self._draw_faults(asked.function)
        request = Request(_invocation(asked), faults, reads_stream=asked.reads_stream)
        self._running += 1
        request.done.add_done_callback(lambda _: self._meter.forget(asked.request_id))
        return request

    def _draw_faults(self, function: str) -> InvocationFaults:
        number = self._admitted[function]
        self._admitted[function] += 1
        return draw(self.deployments[function].config.faults, self._seed, function, number)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def check(self, function: str) -> None:
        """Raises InvokeError where the function is not there, or the emulator is stopping."""
        if self._is_stopping:
            raise InvokeError(503, "ServiceUnavailableException", "the emulator is stopping")
        if function not in self.deployments:
            raise unknown_function(function)

    async def _start_sandbox(self, place: model.Sandbox, request: Request | None) -> None:
        if self._settings is None:
            raise InvokeError(503, "ServiceUnavailableException", "the emulator is starting")
        if request is not None and place.function in self._snapshots:
            await self._restore_sandbox(place, request)
            return
        deployment = self.deployments[place.function]
        sandbox = Sandbox(deployment, self._settings, self, place.id, place.init_type)
        self._sandboxes[place.id] = sandbox
        self._places[place.id] = place
        self.ledger.sandbox_started(place.function, place.id, self._now())
        try:
            await sandbox.open(sandbox_api.make(sandbox, deployment.account_id))
        except IsolationError as error:
            self._running -= request is not None
            self._model.lost(self._places.pop(place.id))
            await sandbox.close()
            raise InvokeError(500, "ServiceException", str(error), Type="Service") from error
        sandbox.start(request)

    async def _restore_sandbox(self, place: model.Sandbox, request: Request) -> None:
        try:
            sandbox = await self._snapshots[place.function].take()
        except InvokeError:
            self._running -= 1
            self._model.lost(place)
            raise
        self._sandboxes[place.id] = sandbox
        self._places[place.id] = place
        self.ledger.sandbox_started(place.function, place.id, self._now())
        sandbox.restore(request, place.id, self)

    def _now(self) -> int:
        if self._settings is None:
            raise InvokeError(503, "ServiceUnavailableException", "the emulator is starting")
        return self._settings.clock.now_ns()

    # What sandboxes tell ----------------------------------------------------------------------------------------------

    def init_done(self, sandbox: Sandbox, outcome: InitDone) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        self.ledger.init_done(sandbox.deployment.config.name, sandbox.instance_id, outcome)

    def restore_done(self, sandbox: Sandbox, outcome: RestoreDone) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        self.ledger.restore_done(sandbox.deployment.config.name, sandbox.instance_id, outcome)

    def telemetry_posted(self, sandbox: Sandbox, extension: str, batch: list[bytes], *, is_accepted: bool) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        function = sandbox.deployment.config.name
        self.ledger.telemetry_posted(function, sandbox.instance_id, extension, batch, is_accepted=is_accepted)

    def stop_done(self, sandbox: Sandbox, outcome: StopDone) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        self.ledger.stop_done(sandbox.deployment.config.name, sandbox.instance_id, outcome)

    def invocation_refused(self, sandbox: Sandbox) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        del sandbox
        self._running -= 1

    def invocation_done(self, sandbox: Sandbox, outcome: InvocationDone) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        self.ledger.invocation_done(sandbox.deployment.config.name, sandbox.instance_id, outcome)
        self._meter.ended(sandbox.deployment.config, outcome)
        self._running -= 1

    def is_idle(self, sandbox: Sandbox) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        place = self._places.get(sandbox.instance_id)
        if self._is_stopping or place is None:
            asyncio.get_running_loop().call_soon(sandbox.shut_down, "spindown")
            return
        if place.state is SandboxState.STARTING:
            self._model.ready(place, self._now())
        else:
            self._model.finished(place, self._now())
            self._meter.freed(sandbox.deployment.config, self._model, self._now())
        self._reap()

    def _reap(self) -> None:
        """Shut down what the model gives up, and come again when it will have something."""
        for retired in self._model.reap(self._now()):
            self._places.pop(retired.sandbox.id, None)
            sandbox = self._sandboxes.get(retired.sandbox.id)
            if sandbox is not None:
                asyncio.get_running_loop().call_soon(sandbox.shut_down, "spindown")
        if self._reaper is not None:
            self._reaper.cancel()
        due_ns = self._model.next_reap_ns()
        if due_ns is not None and self._settings is not None and not self._is_stopping:
            at_s = self._settings.clock.to_loop_time(due_ns) + _REAP_LATE_S
            self._reaper = asyncio.get_running_loop().call_at(at_s, self._reap)

    def is_resetting(self, sandbox: Sandbox) -> None:
        """See :class:`emulator.sandbox.Owner`. One that crashed while idle is not used again."""
        place = self._places.get(sandbox.instance_id)
        if place is not None and place.state is SandboxState.IDLE:
            self._lose(sandbox)

    def is_leaving(self, sandbox: Sandbox, reason: str) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        self._reasons[sandbox.instance_id] = reason
        self._lose(sandbox)

    def _lose(self, sandbox: Sandbox) -> None:
        """The sandbox serves no more requests. Lambda replaces provisioned ones."""
        place = self._places.pop(sandbox.instance_id, None)
        if place is None:
            return
        self._model.lost(place)
        self._meter.freed(sandbox.deployment.config, self._model, self._now())
        if not self._is_stopping:
            for other in self._model.replenish(place.function, place.version, self._now()):
                self._background(self._start_unasked(other))

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
        if self._reaper is not None:
            self._reaper.cancel()
        for sandbox in list(self._sandboxes.values()):
            if sandbox.machine.is_idle:
                sandbox.shut_down("spindown")
        loop = asyncio.get_running_loop()
        drained_by = loop.time() + drain_s
        while self._running and loop.time() < drained_by:  # noqa: ASYNC110 - bounded, and only while stopping
            await asyncio.sleep(0.02)
        for pool in self._managed.values():
            pool.stop()
        sandboxes = self._all_sandboxes()
        for sandbox in sandboxes:
            sandbox.shut_down("spindown")
        await asyncio.gather(*(snapshots.stop() for snapshots in self._snapshots.values()))
        await asyncio.gather(*(sandbox.wait_ended() for sandbox in sandboxes))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def kill(self) -> None:
        """End every sandbox at once, without SHUTDOWN."""
        self._is_stopping = True
        for pool in self._managed.values():
            pool.stop()
        await asyncio.gather(
            *(sandbox.close() for sandbox in self._all_sandboxes()),
            *(snapshots.stop() for snapshots in self._snapshots.values()),
        )

    def _all_sandboxes(self) -> list[Sandbox]:
        managed = (sandbox for pool in self._managed.values() for sandbox in pool.sandboxes)
        return [*self._sandboxes.values(), *managed]

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
            for sandbox in self._all_sandboxes()
        ]


def unknown_function(name: str) -> InvokeError:
    """Lambda's answer for a function that is not there."""
    return InvokeError(404, "ResourceNotFoundException", f"Function not found: {name}", Type="User")


def too_many_requests(reason: str) -> InvokeError:
    """Lambda's answer to a throttled request."""
    return InvokeError(
        429, "TooManyRequestsException", "Rate Exceeded.", message_key="message", Reason=reason, Type="User"
    )


def _limits_of(config: FunctionConfig) -> FunctionLimits:
    return FunctionLimits(config.name, config.version, config.reserved_concurrency)


def _invocation(asked: InvokeInput) -> Invocation:
    return Invocation(
        request_id=asked.request_id,
        payload=asked.payload,
        invoked_arn=asked.invoked_arn,
        trace_header=asked.trace_header,
        client_context=asked.client_context,
    )
