"""What the processes of a sandbox are waiting for: the runtime its invocations, the extensions their events."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from emulator.lifecycle.actions import Invocation
from emulator.lifecycle.extensions import INVOKE
from emulator.mailbox import Mailbox

_LATE_INVOKE_S: Final = 0.1
"""How long after ``platform.runtimeDone`` a late INVOKE comes: long enough for the record to be delivered before."""


@dataclass(frozen=True, slots=True)
class NextInvocation:
    """What the runtime gets for ``GET /runtime/invocation/next``."""

    invocation: Invocation
    deadline_ms: int


class Inboxes:
    """One mailbox for each process that asks; with ``is_shared``, one for all workers of the runtime.

    With ``late_invoke`` a fault holds INVOKE back from extensions.
    """

    def __init__(self, *, late_invoke: bool, is_shared: bool) -> None:
        self.runtime: Mailbox[NextInvocation] = Mailbox(is_shared=is_shared)
        self.restore: Mailbox[None] = Mailbox()
        """Answers the runtime's ``restore/next``."""
        self._is_shared = is_shared
        self._extensions: dict[str, Mailbox[dict[str, Any]]] = {}
        self._late_invoke = late_invoke
        self._held: list[tuple[str, dict[str, Any]]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, extension: str) -> None:
        """An extension has registered."""
        self._extensions[extension] = Mailbox()

    def of(self, extension: str) -> Mailbox[dict[str, Any]]:
        """An extension's."""
        return self._extensions[extension]

    def put(self, extension: str, event: dict[str, Any]) -> None:
        """Give an extension an event, or hold it back."""
        if self._late_invoke and event["eventType"] == INVOKE:
            self._held.append((extension, event))
        else:
            self._extensions[extension].put(event)

    @property
    def holds_events(self) -> bool:
        """Whether an INVOKE is held back."""
        return bool(self._held)

    def release_soon(self) -> None:
        """The runtime is done: hand out in a moment what is held back."""
        self._timer = asyncio.get_running_loop().call_later(_LATE_INVOKE_S, self._release)

    def _release(self) -> None:
        held, self._held = self._held, []
        for extension, event in held:
            self._extensions[extension].put(event)

    def forget_events(self) -> None:
        """Drop what no extension has asked for yet."""
        if self._timer is not None:
            self._timer.cancel()
        self._held.clear()
        for mailbox in self._extensions.values():
            mailbox.clear()

    def restart(self) -> None:
        """Forget who asked. A request of an earlier process, if one is still open, gets nothing any more."""
        self.forget_events()
        self._extensions.clear()
        self.runtime = Mailbox(is_shared=self._is_shared)
