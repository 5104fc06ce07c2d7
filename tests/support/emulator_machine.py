"""Drives the state machine of a sandbox with short words and a clock of its own."""

from __future__ import annotations

import itertools
from typing import Any, TypeVar

from emulator.clock import NS_PER_MS
from emulator.lifecycle import actions as do
from emulator.lifecycle.actions import Action, Invocation
from emulator.lifecycle.extensions import Extensions
from emulator.lifecycle.phases import Phase
from emulator.lifecycle.single import SingleLifecycle
from emulator.telemetry.records import FunctionIdentity, ResponseTimes

T = TypeVar("T")
FUNCTION = FunctionIdentity("f", "$LATEST", 128, "i1", "on-demand", "python:3.11.v0", "arn")


def ms(value: float) -> int:
    """Milliseconds as the machine takes them."""
    return round(value * NS_PER_MS)


def invocation(request_id: str = "r1", trace: str = "Root=1-a;Parent=b;Sampled=0") -> Invocation:
    """A request."""
    return Invocation(request_id, b"{}", "arn:f", trace)


class Sandbox:
    """A state machine with extensions, which keeps what it was asked to do. Times are in milliseconds."""

    def __init__(self, *names: str, timeout_ms: float = 3000) -> None:
        ids = itertools.count()
        self.extensions = Extensions(names, new_identifier=lambda: f"{next(ids):032d}")
        self.machine: Any = SingleLifecycle(FUNCTION, ms(timeout_ms), self.extensions, lambda: 64, lambda: "5" * 16)
        self.done: list[Action] = []
        self.request_id = "r1"

    def __call__(self, actions: list[Action]) -> list[Action]:
        self.done += actions
        return actions

    def start(self, at_ms: float = 0) -> list[Action]:
        """The first init, for r1."""
        return self(self.machine.start(invocation(), ms(at_ms)))

    def register(self, name: str, *events: str) -> list[Action]:
        """An extension registers."""
        self.extensions.register(name, list(events))
        return self(self.machine.extension_registered())

    def asks(self, name: str, at_ms: float) -> list[Action]:
        """An extension asks for the next event."""
        return self(self.machine.extension_asks(self.extensions[name], ms(at_ms)))

    def runtime_asks(self, at_ms: float) -> list[Action]:
        """The runtime asks for the next invocation."""
        return self(self.machine.runtime_asks(ms(at_ms)))

    def answers(self, at_ms: float, error_type: str | None = None, request_id: str | None = None) -> list[Action]:
        """The runtime answers the invocation at hand, or the one named."""
        times = ResponseTimes(ms(at_ms), ms(at_ms), 2)
        given = [action.invocation.request_id for action in self.of(do.DeliverInvocation)]
        self.request_id = given[-1] if given else self.request_id
        answered = request_id or self.request_id
        return self(self.machine.runtime_answered(answered, b"ok", times, error_type=error_type))

    def initialise(self, at_ms: float, *names: str) -> list[Action]:
        """The extensions register and ask, then the runtime asks: the end of an init."""
        for name in names:
            self.register(name, "INVOKE", "SHUTDOWN")
            self.asks(name, at_ms)
        return self.runtime_asks(at_ms)

    def emitted(self, kind: str | None = None) -> list[do.Emit]:
        """The records, of one kind or all."""
        return [action for action in self.done if isinstance(action, do.Emit) and kind in (None, action.kind)]

    def of(self, kind: type[T]) -> list[T]:
        """The actions of a kind."""
        return [action for action in self.done if isinstance(action, kind)]

    def is_in(self, phase: Phase) -> bool:
        """Where it is."""
        return self.machine.phase is phase


def ready(*names: str, timeout_ms: float = 3000) -> Sandbox:
    """A sandbox whose first invocation, r1, has begun at 100 ms."""
    sandbox = Sandbox(*names, timeout_ms=timeout_ms)
    sandbox.start()
    sandbox.initialise(100, *names)
    return sandbox


def idle(*names: str, timeout_ms: float = 3000) -> Sandbox:
    """A sandbox that has served r1 until 112 ms."""
    sandbox = ready(*names, timeout_ms=timeout_ms)
    sandbox.answers(110)
    sandbox.runtime_asks(111)
    for name in names:
        sandbox.asks(name, 112)
    sandbox.done.clear()
    return sandbox


def kinds(actions: list[Action]) -> list[str]:
    """The names of actions."""
    return [type(action).__name__ for action in actions]
