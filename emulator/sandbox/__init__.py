"""A sandbox: carries out what its state machine asks, with processes, sockets and timers."""

from emulator.sandbox.sandbox import Owner, Sandbox
from emulator.sandbox.settings import SandboxSettings

__all__ = ["Owner", "Sandbox", "SandboxSettings"]
