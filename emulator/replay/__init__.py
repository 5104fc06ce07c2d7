"""Replay: recorded telemetry and events, delivered to the real extensions of a layer."""

from emulator.replay.command import main

__all__ = ["main"]
