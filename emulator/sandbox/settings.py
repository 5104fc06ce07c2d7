"""What all sandboxes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emulator.clock import Clock
from emulator.isolation.cgroups import ControlGroups
from emulator.isolation.client import Zygote
from emulator.relay import RelayConfig

RUNTIME: Final = "/runtime"
"""The runtime's name among the programs of a sandbox: no extension's file can be called so."""
SANDBOX_ADDRESS: Final = "169.254.100.1"
"""Of ``sandbox.localdomain``. Not 127.0.0.1, as in Lambda: a listener there would not be reached."""
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """What all sandboxes share."""

    clock: Clock
    zygote: Zygote
    has_namespaces: bool
    started_s: float
    """When the emulator started, by the loop's clock."""
    relays: tuple[RelayConfig, ...]
    folder: Path
    """Where each sandbox gets a folder of its own."""
    mount_point: Path
    control_groups: ControlGroups
    user: tuple[int, int] | None
    """User and group of functions and extensions; None: those of the emulator."""
    show_log: Callable[[str, str, str], None]
    """Gets function, source (``function`` or an extension's name) and line."""
