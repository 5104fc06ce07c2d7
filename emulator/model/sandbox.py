"""An execution environment, as far as scaling is concerned."""

from __future__ import annotations

from enum import Enum, StrEnum, auto


class InitType(StrEnum):
    """The platform's ``initializationType``, of which one sandbox at a time serves one request."""

    ON_DEMAND = "on-demand"
    PROVISIONED = "provisioned-concurrency"
    SNAP_START = "snap-start"


class SandboxState(Enum):
    """What a sandbox is doing."""

    STARTING = auto()
    """Its init runs and no request waits for it."""
    IDLE = auto()
    BUSY = auto()
    """A request has it: from the init that the request waits for until the last extension is done."""
    GONE = auto()


class Sandbox:
    """One execution environment. Only the model changes it."""

    __slots__ = (
        "created_ns", "function", "id", "idle_since_ns", "init_type", "invocations", "proactive", "state", "version"
    )  # fmt: skip

    def __init__(self, sandbox_id: str, function: str, version: str, init_type: InitType, created_ns: int) -> None:
        self.id = sandbox_id
        self.function = function
        self.version = version
        self.init_type = init_type
        self.created_ns = created_ns
        self.proactive = False
        """Whether it was started without a request."""
        self.invocations = 0
        """Requests that it was given, the present one included."""
        self.idle_since_ns = created_ns
        self.state = SandboxState.STARTING

    def __repr__(self) -> str:
        return f"Sandbox({self.id!r}, {self.function!r}, {self.version!r}, {self.state.name})"
