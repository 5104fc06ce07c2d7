"""The actions that a state machine has decided on, in order."""

from __future__ import annotations

from emulator.lifecycle import actions as do
from emulator.lifecycle.actions import Action
from emulator.telemetry.records import Record


class Outbox:
    """Collects actions until the event that caused them has been dealt with."""

    def __init__(self) -> None:
        self._actions: list[Action] = []

    def add(self, *actions: Action) -> None:
        """Something is to be done."""
        self._actions += actions

    def emit(self, time_ns: int, kind: str, record: Record) -> None:
        """The platform makes a record."""
        self._actions.append(do.Emit(time_ns, kind, record))

    def take(self) -> list[Action]:
        """All actions since the last call."""
        taken, self._actions = self._actions, []
        return taken
