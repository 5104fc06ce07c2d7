"""SnapStart: the init runs ahead of every request, and each sandbox is made from its result by a restore.

Sources: "Improving startup performance with Lambda SnapStart", "Monitoring for Lambda SnapStart", "Understanding the
Lambda execution environment lifecycle" (Restore phase, failures during it) and the Invoke API's errors.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final

from emulator.clock import NS_PER_S, milliseconds
from emulator.lifecycle import actions as do
from emulator.lifecycle.actions import Action, Invocation
from emulator.lifecycle.extensions import Extensions
from emulator.lifecycle.init_run import AHEAD_INIT_LIMIT_NS, SNAPSHOT
from emulator.lifecycle.machine import FAILURE_REASON
from emulator.lifecycle.phases import Phase, RuntimeState
from emulator.lifecycle.running import Restore
from emulator.lifecycle.single import SingleLifecycle
from emulator.telemetry import records
from emulator.telemetry.records import FunctionIdentity

RESTORE_LIMIT_NS: Final = 10 * NS_PER_S
"""For the runtime and its hooks after a restore."""
HOOK_FAILED: Final = (
    "The afterRestore() runtime hook encountered an error. For more information, check the Amazon CloudWatch logs."
)
TOOK_TOO_LONG: Final = "Lambda couldn't restore the snapshot within the timeout limit."


class SnapshotLifecycle(SingleLifecycle):
    """One sandbox of a function with SnapStart. It is given up, not reset, where something goes wrong in it."""

    def __init__(
        self,
        function: FunctionIdentity,
        timeout_ns: int,
        extensions: Extensions,
        used_memory_mb: Callable[[], int],
        new_span_id: Callable[[], str],
        load_ns: int,
    ) -> None:
        super().__init__(function, timeout_ns, extensions, used_memory_mb, new_span_id)
        self._load_ns = load_ns
        """How long it takes to load the snapshot, before the processes run again."""
        self._restore_start_ns = 0
        self._thawed_ns: int | None = None
        self._waits_at_restore = False

    # The init, whose result is the snapshot ---------------------------------------------------------------------------

    def start(self, invocation: Invocation | None, now_ns: int) -> list[Action]:
        """Begin the init. Nobody waits for it."""
        del invocation
        self._init_limit_ns = max(AHEAD_INIT_LIMIT_NS, self._timeout_ns)
        self._begin_init(SNAPSHOT, now_ns, now_ns + self._init_limit_ns)
        return self._out.take()

    def runtime_asks_restore(self, now_ns: int) -> list[Action]:
        """The runtime has asked to be told of its restore: it can be made a snapshot of."""
        self._waits_at_restore = True
        return self.runtime_asks(now_ns)

    def _initialised(self, now_ns: int) -> None:
        del now_ns
        self._rest(Phase.SNAPSHOT)

    def _fail_init(self, status: str, error_type: str, payload: bytes, now_ns: int) -> None:
        del payload  # nobody waits for it
        self._end_init(status, error_type, now_ns)
        self._begin_final_stop(FAILURE_REASON, now_ns)

    # Restore ----------------------------------------------------------------------------------------------------------

    def restore(self, invocation: Invocation, instance_id: str, now_ns: int) -> list[Action]:
        """Make this snapshot a sandbox, named so, for an invocation."""
        self.phase = Phase.RESTORE
        self._waiting = invocation
        self._function = dataclasses.replace(self._function, instance_id=instance_id)
        self._restore_start_ns = now_ns
        self._out.add(do.Restoring())
        self._out.emit(now_ns, records.RESTORE_START, records.restore_start(self._function))
        self._out.add(do.SetTimer(now_ns + self._load_ns))
        return self._out.take()

    def _snapshot_is_loaded(self, now_ns: int) -> None:
        self._thawed_ns = now_ns
        self._thaw()
        self._out.add(do.SetTimer(now_ns + RESTORE_LIMIT_NS))
        if self._waits_at_restore:
            self._runtime = RuntimeState.RUNNING
            self._out.add(do.DeliverRestore())
        else:
            self._finish_restore(now_ns)  # a runtime without hooks waits for its first invocation already

    def _runtime_asked(self, now_ns: int) -> None:
        if self.phase is Phase.RESTORE and self._thawed_ns is not None:
            self._runtime = RuntimeState.ASKING
            self._finish_restore(now_ns)
        else:
            super()._runtime_asked(now_ns)

    def _finish_restore(self, now_ns: int) -> None:
        waiting, self._waiting = self._waiting, None
        restore = self._end_restore(records.SUCCESS, None, now_ns)
        if waiting is not None:
            current = self._begin_invocation(waiting, now_ns, self._restore_start_ns, is_cold=True)
            current.restore = restore
            self._deliver(current)

    def _end_restore(self, status: str, error_type: str | None, now_ns: int) -> Restore:
        thawed_ns = now_ns if self._thawed_ns is None else self._thawed_ns
        restore = Restore(now_ns - self._restore_start_ns, now_ns - thawed_ns)
        self._out.emit(now_ns, records.RESTORE_RUNTIME_DONE, records.restore_runtime_done(status, error_type))
        report = records.restore_report(status, error_type, restore.duration_ns)
        self._out.emit(now_ns, records.RESTORE_REPORT, report)
        duration_ms = milliseconds(restore.duration_ns)
        self._out.add(
            do.CancelTimer(),
            do.RestoreDone(self._restore_start_ns, now_ns, duration_ms, restore.billed_ms, status, error_type),
        )
        return restore

    # What goes wrong --------------------------------------------------------------------------------------------------

    def restore_failed(self, now_ns: int) -> list[Action]:
        """The runtime has posted ``restore/error``: one of its hooks has failed."""
        if self.phase is Phase.RESTORE:
            refusal = (400, "SnapStartException", HOOK_FAILED)
            self._fail_restore(records.ERROR, "Runtime.AfterRestoreError", refusal, now_ns)
        return self._out.take()

    def _fail_restore(self, status: str, error_type: str, refusal: tuple[int, str, str], now_ns: int) -> None:
        self._end_restore(status, error_type, now_ns)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._out.add(do.Refuse(waiting.request_id, *refusal))
        self._begin_final_stop(FAILURE_REASON, now_ns)

    def _broke(self, error_type: str, message: str, now_ns: int) -> None:
        if self.phase is Phase.RESTORE:
            refusal = (400, "SnapStartException", message)
            self._fail_restore(records.FAILURE, error_type, refusal, now_ns)
        elif self.phase is Phase.SNAPSHOT:
            self._begin_final_stop(FAILURE_REASON, now_ns)
        else:
            super()._broke(error_type, message, now_ns)

    def _timed_out(self, now_ns: int) -> None:
        if self.phase is not Phase.RESTORE:
            super()._timed_out(now_ns)
        elif self._thawed_ns is None:
            self._snapshot_is_loaded(now_ns)
        else:
            at_ns = self._thawed_ns + RESTORE_LIMIT_NS
            refusal = (408, "SnapStartTimeoutException", TOOK_TOO_LONG)
            self._fail_restore(records.TIMEOUT, records.TIMED_OUT_TYPE, refusal, at_ns)

    def _begin_reset(self, reason: str, now_ns: int) -> None:
        self._begin_final_stop(reason, now_ns)

    def _abandon(self, now_ns: int) -> None:
        if self.phase is Phase.RESTORE:
            self._end_restore(records.FAILURE, "Sandbox.Failure", now_ns)
            waiting, self._waiting = self._waiting, None
            if waiting is not None:
                message = "the sandbox is being shut down"
                self._out.add(do.Refuse(waiting.request_id, 500, "ServiceException", message))
        else:
            super()._abandon(now_ns)
