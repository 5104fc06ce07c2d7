"""A sandbox: carries out what its state machine asks, with processes, sockets and timers."""

from emulator.sandbox.owner import Nobody, Owner
from emulator.sandbox.sandbox import Sandbox
from emulator.sandbox.settings import SandboxSettings

__all__ = ["Nobody", "Owner", "Sandbox", "SandboxSettings"]
