"""A sandbox without a function: its extensions get what the replay file says, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from emulator.clock import NS_PER_MS
from emulator.errors import StartupError
from emulator.lifecycle import actions as do
from emulator.lifecycle.extensions import INVOKE, SHUTDOWN, Extension
from emulator.replay.script import Batch, Event, Step
from emulator.sandbox import Sandbox
from emulator.telemetry.delivery import Delivery
from emulator.telemetry.subscription import Subscription

INIT_S: Final = 10.0
"""How long the extensions may take until each has asked for its first event, and an extension for any other."""
SHUTDOWN_MS: Final = 2000
INVOKE_MS: Final = 3000
"""Until the deadline of an INVOKE that names none."""
_POLL_S: Final = 0.005


class Stage(Sandbox):
    """Starts the extensions as a sandbox does. What its state machine asks beyond that is not carried out."""

    def _apply(self, actions: list[do.Action]) -> None:
        for action in actions:
            if isinstance(action, do.StartExtension):
                self._perform(action)

    def _program_exited(self, name: str, status: int) -> None:
        del status
        self._drain_log(name)
        extension = self.machine.extensions[name]
        extension.is_alive = extension.is_asking = False

    def subscribe(self, extension: Extension, subscription: Subscription) -> None:
        """Take a subscription at any time; a file that is played has no init that could be over."""
        self._receivers.append((subscription, self._outlet.open_delivery(extension.name, subscription)))

    async def play(self, steps: Sequence[Step]) -> None:
        """Start the extensions, deliver the steps in order, and end with a SHUTDOWN. Raises StartupError.

        After a SHUTDOWN that more steps follow, the extensions are started again, as by a reset.
        """
        self._receivers: list[tuple[Subscription, Delivery]] = []
        self.start(None)
        await self._wait_until_ready()
        begin = asyncio.get_running_loop().time()
        for number, step in enumerate(steps, start=1):
            if step.at_ms is not None:
                await asyncio.sleep(max(0.0, begin + step.at_ms / 1000 - asyncio.get_running_loop().time()))
            if isinstance(step, Batch):
                await self._deliver(step.records)
            else:
                await self._tell(step)
                if step.body["eventType"] == SHUTDOWN and number == len(steps):
                    return
                if step.body["eventType"] == SHUTDOWN:
                    await self._start_again()
        await self._tell(Event(None, {"eventType": SHUTDOWN}))

    async def _wait_until_ready(self) -> None:
        await self._wait(lambda: all(one.has_asked for one in self._external()), "its first event")

    async def _start_again(self) -> None:
        self._stop_programs()
        self._receivers.clear()
        self.machine.extensions.restart()
        for name in self.deployment.extensions:
            self._perform(do.StartExtension(name))
        await self._wait_until_ready()

    def _external(self) -> list[Extension]:
        return self.machine.extensions.external

    async def _deliver(self, records: Iterable[dict[str, Any]]) -> None:
        """Send one batch to each subscriber that wants any of it, and wait for the answers."""
        for subscription, delivery in self._receivers:
            for record in records:
                if record["type"].partition(".")[0] in subscription.types:
                    delivery.add(json.dumps(record, separators=(",", ":")).encode())
            delivery.flush()
        for _, delivery in self._receivers:
            await delivery.wait_sent()

    async def _tell(self, event: Event) -> None:
        """Give each extension the event as soon as it asks; after SHUTDOWN, wait for it to end."""
        kind = event.body["eventType"]
        defaults = self._invoke_defaults() if kind == INVOKE else self._shutdown_defaults()
        receivers = [extension for extension in self._external() if extension.wants(kind)]
        await self._wait(lambda: all(one.is_asking or not one.is_alive for one in receivers), f"an {kind}")
        for extension in receivers:
            extension.is_asking = False
            self._inboxes.put(extension.name, {**defaults, **event.body})
        if kind == SHUTDOWN:
            with contextlib.suppress(StartupError):  # who stays is killed with the sandbox, as in Lambda
                await self._wait(lambda: not any(one.is_alive for one in receivers), "", SHUTDOWN_MS / 1000)

    def _invoke_defaults(self) -> dict[str, Any]:
        return {
            "deadlineMs": self.now_ns() // NS_PER_MS + INVOKE_MS,
            "requestId": "",
            "invokedFunctionArn": self.deployment.arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": ""},
        }

    def _shutdown_defaults(self) -> dict[str, Any]:
        return {"shutdownReason": "spindown", "deadlineMs": self.now_ns() // NS_PER_MS + SHUTDOWN_MS}

    async def _wait(self, condition: Any, what: str, patience_s: float = INIT_S) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        while not condition():
            if loop.time() > until:
                raise StartupError(f"an extension has not asked for {what} within {patience_s:g} s")
            await asyncio.sleep(_POLL_S)
