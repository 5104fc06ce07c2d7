"""The snapshots of functions with SnapStart: sandboxes whose init is over, frozen until a request needs one.

Lambda makes all sandboxes of a version from one snapshot. Here each has run the init itself, ahead of time and out of
sight; its records tell the time of publication, and the instance id of the one snapshot.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final

from emulator.api import sandbox_api
from emulator.clock import NS_PER_S
from emulator.deployment import Deployment
from emulator.errors import InvokeError, IsolationError
from emulator.functions import SnapStartConfig
from emulator.model import InitType
from emulator.sandbox import Nobody, Sandbox, SandboxSettings

_AGAIN_S: Final = 1.0
"""How long after an init that failed another is tried."""


class Snapshots(Nobody):
    """Those of one function's version."""

    def __init__(self, deployment: Deployment, config: SnapStartConfig, settings: SandboxSettings) -> None:
        self._deployment = deployment
        self._config = config
        self._settings = settings
        self._published_ns = settings.clock.now_ns() - round(config.age_s * NS_PER_S)
        self._instance_id = uuid.uuid4().hex
        self._being_made: set[Sandbox] = set()
        self._ready: deque[Sandbox] = deque()
        self._waiting: deque[asyncio.Future[Sandbox]] = deque()
        self._is_stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Publish the version: make as many as are to be kept."""
        self._make_enough()

    async def take(self) -> Sandbox:
        """The next snapshot, to be restored. Another is made in its place. Raises InvokeError at the end."""
        if self._is_stopping:
            raise InvokeError(503, "ServiceUnavailableException", "the emulator is stopping")
        future: asyncio.Future[Sandbox] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._hand_out()
        return await future

    async def stop(self) -> None:
        """Remove what nobody has taken: it never was a sandbox."""
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()
        for future in self._waiting:
            future.cancel()
        await asyncio.gather(*(sandbox.close() for sandbox in (*self._ready, *self._being_made)))

    # What the sandboxes tell ------------------------------------------------------------------------------------------

    def is_idle(self, sandbox: Sandbox) -> None:
        """See :class:`emulator.sandbox.Owner`: the snapshot is made."""
        self._being_made.discard(sandbox)
        self._ready.append(sandbox)
        self._hand_out()

    def has_ended(self, sandbox: Sandbox) -> None:
        """See :class:`emulator.sandbox.Owner`: it could not be made, or one of its processes has ended."""
        self._being_made.discard(sandbox)
        if sandbox in self._ready:
            self._ready.remove(sandbox)
        self._spawn(self._make_enough_later())

    # Parts ------------------------------------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        while self._ready and self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(self._ready.popleft())
        self._make_enough()

    def _make_enough(self) -> None:
        wanted = self._config.prepared + len(self._waiting) - len(self._ready) - len(self._being_made)
        for _ in range(0 if self._is_stopping else wanted):
            sandbox = Sandbox(self._deployment, self._settings, self, self._instance_id, InitType.SNAP_START)
            self._being_made.add(sandbox)
            self._spawn(self._make(sandbox))

    async def _make_enough_later(self) -> None:
        await asyncio.sleep(_AGAIN_S)
        self._make_enough()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"snapshot-{self._deployment.config.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _make(self, sandbox: Sandbox) -> None:
        try:
            await sandbox.open(sandbox_api.make(sandbox, self._deployment.account_id))
            sandbox.snapshot(self._published_ns)
        except IsolationError:
            await sandbox.close()
