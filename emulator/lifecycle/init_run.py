"""One run of a sandbox's init, and the records that tell of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from emulator.clock import NS_PER_S, milliseconds
from emulator.lifecycle import actions as do
from emulator.lifecycle.extensions import Extension
from emulator.lifecycle.outbox import Outbox
from emulator.telemetry import records
from emulator.telemetry.records import FunctionIdentity

INIT_LIMIT_NS: Final = 10 * NS_PER_S
"""Of an init that stands for itself. One inside an invocation has the function's timeout."""
AHEAD_INIT_LIMIT_NS: Final = 130 * NS_PER_S
"""Of provisioned concurrency, SnapStart and Managed Instances, unless the function's timeout is longer."""
STANDALONE: Final = "init"
SNAPSHOT: Final = "snap-start"
"""Phase of an init whose result is a snapshot."""
SUPPRESSED: Final = "invoke"
"""Phase of an init inside an invocation: after a failed init, or after a reset."""


@dataclass(slots=True)
class InitRun:
    """An init under way."""

    function: FunctionIdentity
    phase: str
    start_ns: int
    is_runtime_done: bool = False

    @property
    def is_suppressed(self) -> bool:
        """Whether it runs inside an invocation."""
        return self.phase == SUPPRESSED

    def begin(self, out: Outbox) -> None:
        """``platform.initStart``."""
        out.emit(self.start_ns, records.INIT_START, records.init_start(self.function, self.phase))

    def runtime_done(self, status: str, error_type: str | None, now_ns: int, out: Outbox) -> None:
        """``platform.initRuntimeDone``, once."""
        if not self.is_runtime_done:
            self.is_runtime_done = True
            kind = self.function.initialization_type
            record = records.init_runtime_done(kind, self.phase, status, error_type)
            out.emit(now_ns, records.INIT_RUNTIME_DONE, record)

    def done(
        self, status: str, error_type: str | None, extensions: Iterable[Extension], now_ns: int, out: Outbox
    ) -> None:
        """``platform.extension`` of each extension that has registered, then ``platform.initReport``."""
        self.runtime_done(status, error_type, now_ns, out)
        for extension in extensions:
            if extension.is_registered:
                state = "Ready" if extension.is_asking else "Registered"
                record = records.extension(extension.name, state, list(extension.events), extension.error_type)
                out.emit(now_ns, records.EXTENSION, record)
        duration_ns = now_ns - self.start_ns
        kind = self.function.initialization_type
        record = records.init_report(kind, self.phase, status, error_type, duration_ns)
        out.emit(now_ns, records.INIT_REPORT, record)
        out.add(do.InitDone(self.phase, self.start_ns, now_ns, milliseconds(duration_ns), status, error_type))
