"""How a sandbox's processes are stopped, for good or for a reset: who is told when, and how long each may take.

Sources: "Lambda execution environment lifecycle" (Shutdown phase, reset) and "Lambda Extensions API" of AWS.
"""

from __future__ import annotations

import signal
from typing import Final

from emulator.clock import NS_PER_MS
from emulator.lifecycle import actions as do
from emulator.lifecycle import messages
from emulator.lifecycle.extensions import SHUTDOWN, Extensions
from emulator.lifecycle.outbox import Outbox

EXTERNAL_SHUTDOWN_NS: Final = 2000 * NS_PER_MS
"""With an extension of its own process. The runtime has the first part of it."""
EXTERNAL_SHUTDOWN_RUNTIME_NS: Final = 300 * NS_PER_MS
MANAGED_SHUTDOWN_RUNTIME_NS: Final = 600 * NS_PER_MS
"""On Managed Instances: 30 % (as AWS's own runtime interface emulator has it)."""
INTERNAL_SHUTDOWN_NS: Final = 500 * NS_PER_MS
"""With extensions inside the runtime's process only."""


class Stopping:
    """One shutdown or reset under way. Without any registered extension it has no time at all."""

    def __init__(
        self, extensions: Extensions, reason: str, now_ns: int, runtime_share_ns: int, *, is_final: bool
    ) -> None:
        registered = [extension for extension in extensions if extension.is_registered]
        has_external = any(extension.is_external for extension in registered)
        self.is_final = is_final
        """Whether the sandbox ends; else it is reset."""
        self.has_time = bool(registered)
        self._extensions = extensions
        self._reason = reason
        self._began_ns = now_ns
        self._deadline_ns = now_ns + (EXTERNAL_SHUTDOWN_NS if has_external else INTERNAL_SHUTDOWN_NS)
        self._runtime_until_ns = now_ns + (runtime_share_ns if has_external else INTERNAL_SHUTDOWN_NS)

    def stop_runtime(self, out: Outbox) -> None:
        """First part: SIGTERM, and a limit."""
        out.add(do.SignalRuntime(signal.SIGTERM), do.SetTimer(self._runtime_until_ns))

    def stop_extensions(self, out: Outbox) -> None:
        """Second part: SHUTDOWN to those that registered for it; the others are killed."""
        out.add(do.SetTimer(self._deadline_ns))
        for extension in self._extensions.external:
            if extension.wants(SHUTDOWN):
                event = messages.shutdown_event(self._reason, self._deadline_ns)
                out.add(do.DeliverEvent(extension.name, event))
            elif extension.is_alive:
                out.add(do.KillExtension(extension.name))

    def outcome(self, now_ns: int) -> do.StopDone:
        """How it went: the extensions that have not ended by themselves are killed now."""
        killed = tuple(extension.name for extension in self._extensions.external if extension.is_alive)
        return do.StopDone(self._began_ns, now_ns, self._reason, killed, self.is_final)

    @property
    def is_over(self) -> bool:
        """Whether no extension's process is left to wait for."""
        return not any(extension.is_alive for extension in self._extensions.external)
