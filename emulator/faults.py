"""What a scenario lets go wrong on purpose: late and missing telemetry, dying processes, a broken network. Seeded."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from emulator.fields import Fields

USUAL: Final = "usual"
NEXT: Final = "next"
NEVER: Final = "never"
REFUSE: Final = "refuse"
DROP: Final = "drop"
DELAY: Final = "delay"
_MANY: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class RelayFault:
    """Trouble of every relay for some time. Times count from the emulator's start."""

    kind: str
    """``refuse`` resets connections, ``drop`` lets nothing through and says nothing, ``delay`` slows each chunk."""
    start_s: float
    for_s: float | None
    """None: to the end."""
    delay_ms: float

    def is_active(self, at_s: float) -> bool:
        """Whether it is the time."""
        return self.start_s <= at_s and (self.for_s is None or at_s < self.start_s + self.for_s)


@dataclass(frozen=True, slots=True)
class FaultsConfig:
    """The faults of a function. The default is none."""

    late_init: bool = False
    """Records of the init are delivered only after the first INVOKE."""
    report: str = USUAL
    """``platform.report`` comes as it happens, only during the next invocation or the shutdown, or never."""
    late_invoke: bool = False
    """Extensions get INVOKE only after ``platform.runtimeDone`` was sent."""
    batch_invocations: int = 1
    """Records are held back until so many invocations are over."""
    close_idle_connections: bool = False
    """The far ends of relayed connections close them while the sandbox is frozen."""
    kill_extension: float = 0.0
    """Share of invocations in which an extension gets SIGKILL."""
    out_of_memory: float = 0.0
    """Share in which the runtime ends as if the kernel had killed it for want of memory."""
    time_out: float = 0.0
    """Share in which the runtime does nothing until the function's timeout."""
    relay: tuple[RelayFault, ...] = ()


@dataclass(frozen=True, slots=True)
class InvocationFaults:
    """What goes wrong in one invocation."""

    kill_extension: bool = False
    out_of_memory: bool = False
    time_out: bool = False


NO_FAULTS: Final = InvocationFaults()


def parse(fields: Fields, default: FaultsConfig) -> FaultsConfig:
    """Read a ``faults`` section. What it does not name is as in ``default``. Raises ScenarioError."""
    relay = fields.items("relay")
    config = FaultsConfig(
        late_init=fields.truth("late_init", default=default.late_init),
        report=fields.choice("report", (USUAL, NEXT, NEVER), default.report),
        late_invoke=fields.truth("late_invoke", default=default.late_invoke),
        batch_invocations=fields.integer("batch_invocations", 1, 1000, default.batch_invocations),
        close_idle_connections=fields.truth("close_idle_connections", default=default.close_idle_connections),
        kill_extension=fields.number("kill_extension", 0, 1, default.kill_extension),
        out_of_memory=fields.number("out_of_memory", 0, 1, default.out_of_memory),
        time_out=fields.number("time_out", 0, 1, default.time_out),
        relay=tuple(_relay_fault(item) for item in relay) or default.relay,
    )
    fields.finish()
    return config


def _relay_fault(fields: Fields) -> RelayFault:
    fault = RelayFault(
        kind=fields.choice("kind", (REFUSE, DROP, DELAY)),
        start_s=fields.number("start_s", 0, _MANY, 0),
        for_s=fields.optional_number("for_s", 0, _MANY),
        delay_ms=fields.number("delay_ms", 0, _MANY, 100),
    )
    fields.finish()
    return fault


def draw(config: FaultsConfig, seed: int, function: str, number: int) -> InvocationFaults:
    """What goes wrong in a function's n-th request: the same for the same seed, whatever else happens."""
    source = random.Random(f"{seed}/{function}/{number}")
    return InvocationFaults(
        kill_extension=source.random() < config.kill_extension,
        out_of_memory=source.random() < config.out_of_memory,
        time_out=source.random() < config.time_out,
    )


def active(faults: Sequence[RelayFault], at_s: float) -> RelayFault | None:
    """The trouble of a moment: the first that is active."""
    return next((fault for fault in faults if fault.is_active(at_s)), None)
