"""The opt-in parts as the extension has them: the marks of the wrapper and its probe, and the proxy's events."""

from __future__ import annotations

from extension.marks import MarksReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from extension.events import EventReader
    from extension.handoff import Handoff
    from extension.lifecycle import Lifecycle
    from extension.sandbox import SandboxEnvironment


class Depth:
    """Takes what has come, and gives it to whom it concerns.

    Attributes:
        events: None where there is no proxy.
    """

    __slots__ = ("_lifecycle", "_marks", "_sandbox", "events")

    def __init__(
        self,
        handoff: Handoff,
        lifecycle: Lifecycle,
        sandbox: SandboxEnvironment,
        payload_characters: int,
        redacted: Callable[[str], str],
    ) -> None:
        """`payload_characters`: how much of an event is recorded, after `redacted` has seen it; 0 for nothing."""
        self._marks = MarksReader(handoff.marks_fd)
        self._lifecycle = lifecycle
        self._sandbox = sandbox
        lifecycle.starts = self._marks.starts
        self.events: EventReader | None = None
        if handoff.events_fd is not None:
            from extension.events import EventReader  # noqa: PLC0415 - for those who switched the proxy on
            from extension.payload import payload_rule  # noqa: PLC0415

            self.events = EventReader(handoff.events_fd, payload_rule(payload_characters, redacted))

    def read(self) -> None:
        """Take what has come. Never waits."""
        self._marks.read()
        if self._marks.starts and not self._sandbox.log_group:
            latest = self._marks.starts[-1]
            self._sandbox.log_group, self._sandbox.log_stream = latest.log_group, latest.log_stream
        if self.events is not None:
            for request_id, facts, payload in self.events.read():
                self._lifecycle.on_event(request_id, facts, payload)
