"""Where a sandbox, and the runtime in it, is in its life."""

from __future__ import annotations

import enum
from typing import Final


class Phase(enum.Enum):
    """Where a sandbox is in its life."""

    NEW = "new"
    INIT = "init"
    SNAPSHOT = "snapshot"
    """Initialised for a version of SnapStart, and frozen until a request needs a sandbox."""
    RESTORE = "restore"
    READY = "ready"
    """Idle and frozen."""
    INVOKE = "invoke"
    STOP_RUNTIME = "stop_runtime"
    """Shutdown or reset, first part: the runtime has got SIGTERM."""
    STOP_EXTENSIONS = "stop_extensions"
    """Shutdown or reset, second part: the extensions have got SHUTDOWN."""
    RESET = "reset"
    """Idle after a reset: no process is left, and the next invocation begins with an init."""
    ENDED = "ended"


IDLE: Final = frozenset({Phase.READY, Phase.RESET})


class RuntimeState(enum.Enum):
    """What the runtime's process does."""

    NOT_STARTED = 0
    RUNNING = 1
    ASKING = 2
    """It has asked for the next invocation."""
    EXITED = 3
