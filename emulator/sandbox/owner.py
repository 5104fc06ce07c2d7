"""Who is told how a sandbox fares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from emulator.lifecycle import actions as do

if TYPE_CHECKING:
    from emulator.sandbox.sandbox import Sandbox


class Owner(Protocol):
    """Who is told how a sandbox fares."""

    def init_done(self, sandbox: Sandbox, outcome: do.InitDone) -> None:
        """An init is over, well or not."""

    def restore_done(self, sandbox: Sandbox, outcome: do.RestoreDone) -> None:
        """A restore from a snapshot is over, well or not."""

    def invocation_done(self, sandbox: Sandbox, outcome: do.InvocationDone) -> None:
        """An invocation is over, well or not."""

    def telemetry_posted(self, sandbox: Sandbox, extension: str, batch: list[bytes], *, is_accepted: bool) -> None:
        """A batch of encoded records was posted to an extension, once at least, and accepted or not."""

    def stop_done(self, sandbox: Sandbox, outcome: do.StopDone) -> None:
        """A shutdown or reset is over."""

    def invocation_refused(self, sandbox: Sandbox) -> None:
        """An invocation that the sandbox was given never began."""

    def is_idle(self, sandbox: Sandbox) -> None:
        """The sandbox can take an invocation; a snapshot can be restored."""

    def is_resetting(self, sandbox: Sandbox) -> None:
        """The sandbox takes no invocation until it is idle again."""

    def is_leaving(self, sandbox: Sandbox, reason: str) -> None:
        """The sandbox takes no more invocations."""

    def has_ended(self, sandbox: Sandbox) -> None:
        """Nothing of the sandbox is left."""


class Nobody:
    """An owner that keeps no books."""

    def init_done(self, sandbox: Sandbox, outcome: do.InitDone) -> None:
        """See :class:`Owner`."""

    def restore_done(self, sandbox: Sandbox, outcome: do.RestoreDone) -> None:
        """See :class:`Owner`."""

    def invocation_done(self, sandbox: Sandbox, outcome: do.InvocationDone) -> None:
        """See :class:`Owner`."""

    def telemetry_posted(self, sandbox: Sandbox, extension: str, batch: list[bytes], *, is_accepted: bool) -> None:
        """See :class:`Owner`."""

    def stop_done(self, sandbox: Sandbox, outcome: do.StopDone) -> None:
        """See :class:`Owner`."""

    def invocation_refused(self, sandbox: Sandbox) -> None:
        """See :class:`Owner`."""

    def is_idle(self, sandbox: Sandbox) -> None:
        """See :class:`Owner`."""

    def is_resetting(self, sandbox: Sandbox) -> None:
        """See :class:`Owner`."""

    def is_leaving(self, sandbox: Sandbox, reason: str) -> None:
        """See :class:`Owner`."""

    def has_ended(self, sandbox: Sandbox) -> None:
        """See :class:`Owner`."""
