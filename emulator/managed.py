"""Functions on Managed Instances: a fixed number of sandboxes, each of which serves several requests at once."""

from __future__ import annotations

import asyncio
import uuid
from typing import Final

from emulator.api import sandbox_api
from emulator.deployment import Deployment
from emulator.errors import InvokeError, IsolationError
from emulator.functions import ManagedConfig
from emulator.lifecycle.actions import InitDone, InvocationDone, StopDone
from emulator.lifecycle.managed import ManagedLifecycle
from emulator.request import Request
from emulator.sandbox import Nobody, Owner, Sandbox, SandboxSettings
from emulator.telemetry.records import MANAGED, SUCCESS
from emulator.truth import Ledger

_FAILED: Final = (
    "The operation cannot be performed at this time. The function is currently in the following state: Failed: "
)
_FULL: Final = "ConcurrentInvocationLimitExceeded"
_AGAIN_S: Final = 1.0
"""How long after a sandbox that could not be initialised another is started in its place."""


class ManagedPool(Nobody):
    """The sandboxes of one function. One that ends is replaced. ``books`` is told of inits and invocations."""

    def __init__(
        self, deployment: Deployment, config: ManagedConfig, settings: SandboxSettings, ledger: Ledger, books: Owner
    ) -> None:
        self._deployment = deployment
        self._config = config
        self._settings = settings
        self._ledger = ledger
        self._books = books
        self._sandboxes: dict[str, Sandbox] = {}
        self._have_served: set[str] = set()
        """Sandboxes whose init has succeeded."""
        self._reasons: dict[str, str] = {}
        self._is_settled = asyncio.Event()
        """Set once a sandbox serves requests, or the init of one has failed."""
        self._is_stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def sandboxes(self) -> list[Sandbox]:
        """Those that there are."""
        return list(self._sandboxes.values())

    def start(self) -> None:
        """Start as many sandboxes as there are to be."""
        for _ in range(self._config.environments):
            self._start_one(0.0)

    def stop(self) -> None:
        """Replace no sandbox any more."""
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()

    async def invoke(self, request: Request) -> None:
        """Give a request to the sandbox that serves the fewest, once there is one.

        Raises InvokeError where every sandbox serves as many as it takes, and where none could be initialised.
        """
        await self._is_settled.wait()
        running = {sandbox.instance_id: _running(sandbox) for sandbox in self.sandboxes}
        free = {
            name: count for name, count in running.items() if count is not None and count < self._config.max_concurrency
        }
        if all(count is None for count in running.values()):
            raise InvokeError(409, "ResourceConflictException", _FAILED + self._deployment.arn, Type="User")
        if not free:
            message = "Rate Exceeded."
            raise InvokeError(
                429, "TooManyRequestsException", message, message_key="message", Reason=_FULL, Type="User"
            )
        self._sandboxes[min(free, key=lambda name: free[name])].invoke(request)

    # What the sandboxes tell ------------------------------------------------------------------------------------------

    def init_done(self, sandbox: Sandbox, outcome: InitDone) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        if outcome.status == SUCCESS:
            self._have_served.add(sandbox.instance_id)
        self._is_settled.set()
        self._books.init_done(sandbox, outcome)

    def invocation_done(self, sandbox: Sandbox, outcome: InvocationDone) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        self._books.invocation_done(sandbox, outcome)

    def telemetry_posted(self, sandbox: Sandbox, extension: str, batch: list[bytes], *, is_accepted: bool) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        self._books.telemetry_posted(sandbox, extension, batch, is_accepted=is_accepted)

    def stop_done(self, sandbox: Sandbox, outcome: StopDone) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        self._books.stop_done(sandbox, outcome)

    def is_leaving(self, sandbox: Sandbox, reason: str) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        self._reasons[sandbox.instance_id] = reason
        if sandbox.instance_id in self._have_served and all(_running(other) is None for other in self.sandboxes):
            self._is_settled.clear()  # another will be there soon
        if not self._is_stopping:
            self._start_one(0.0 if sandbox.instance_id in self._have_served else _AGAIN_S)

    def has_ended(self, sandbox: Sandbox) -> None:
        """See :class:`emulator.sandbox.Owner`."""
        instance_id = sandbox.instance_id
        del self._sandboxes[instance_id]
        self._have_served.discard(instance_id)
        reason = self._reasons.pop(instance_id, "failure")
        function = self._deployment.config.name
        now_ns = self._settings.clock.now_ns()
        self._ledger.sandbox_ended(function, instance_id, now_ns, reason, sandbox.invocations)

    # Parts ------------------------------------------------------------------------------------------------------------

    def _start_one(self, after_s: float) -> None:
        task = asyncio.create_task(self._open_one(after_s), name=f"managed-{self._deployment.config.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open_one(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        sandbox = Sandbox(self._deployment, self._settings, self, uuid.uuid4().hex, MANAGED)
        self._sandboxes[sandbox.instance_id] = sandbox
        self._ledger.sandbox_started(self._deployment.config.name, sandbox.instance_id, sandbox.started_ns)
        try:
            await sandbox.open(sandbox_api.make(sandbox, self._deployment.account_id))
            sandbox.start(None)
        except IsolationError:
            await sandbox.close()


def _running(sandbox: Sandbox) -> int | None:
    """How many requests a sandbox serves; None where it takes none."""
    machine = sandbox.machine
    return machine.running if isinstance(machine, ManagedLifecycle) and machine.is_serving else None
