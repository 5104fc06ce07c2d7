"""SnapStart, rule by rule.

Sources: "Improving startup performance with Lambda SnapStart" (below: SnapStart), "Monitoring for Lambda SnapStart"
(monitoring), "Understanding the Lambda execution environment lifecycle" (lifecycle), the Telemetry API's Event schema
reference (schema), and the Invoke API's errors (Invoke).
"""

import dataclasses
import signal

import pytest

from emulator.lifecycle import actions as do
from emulator.lifecycle.extensions import Extensions
from emulator.lifecycle.phases import Phase
from emulator.lifecycle.snapshot import SnapshotLifecycle
from tests.support.emulator_machine import FUNCTION, Sandbox, invocation, ms

IDENTITY = dataclasses.replace(FUNCTION, version="3", initialization_type="snap-start", instance_id="snapshot")


class Snapshot(Sandbox):
    """A snapshot whose runtime waits at ``restore/next``, made from 0 to 200 ms."""

    def __init__(self, *names, load_ms=100):
        super().__init__(*names)
        self.extensions = Extensions(names, new_identifier=lambda: f"{len(self.done):032d}")
        self.machine = SnapshotLifecycle(IDENTITY, ms(3000), self.extensions, lambda: 64, lambda: "5" * 16, ms(load_ms))
        self(self.machine.start(None, 0))
        for name in names:
            self.register(name, "INVOKE", "SHUTDOWN")
            self.asks(name, 150)
        self(self.machine.runtime_asks_restore(ms(200)))

    def restore(self, at_ms=1000):
        self.done.clear()
        self(self.machine.restore(invocation(), "sandbox", ms(at_ms)))

    def timer(self, at_ms):
        return self(self.machine.timer_fired(ms(at_ms)))


def test_the_init_ends_at_the_snapshot():
    """SnapStart: "Lambda initializes your function when you publish a function version" and takes a snapshot then."""
    snapshot = Snapshot("a")

    assert [emit.record["phase"] for emit in snapshot.emitted("platform.initReport")] == ["snap-start"]
    assert snapshot.emitted("platform.initReport")[0].record["metrics"] == {"durationMs": 200.0}
    assert snapshot.is_in(Phase.SNAPSHOT)
    assert snapshot.done[-1] == do.Freeze()


def test_an_init_for_a_snapshot_has_more_time_than_ten_seconds():
    """Lifecycle, "Init phase": "the initialization code can run for up to 15 minutes" (130 s or the timeout)."""
    assert do.SetTimer(ms(130_000)) in Snapshot().done


def test_a_restore_is_told_in_the_order_of_the_schema():
    """Schema: restoreStart, restoreRuntimeDone, restoreReport; then the invocation begins."""
    snapshot = Snapshot("a")
    snapshot.restore(1000)
    snapshot.timer(1100)
    snapshot.runtime_asks(1150)

    kinds = [emit.kind.partition(".")[2] for emit in snapshot.emitted()]
    assert kinds == ["restoreStart", "restoreRuntimeDone", "restoreReport", "start"]
    assert snapshot.emitted("platform.restoreStart")[0].record["instanceId"] == "sandbox"
    assert snapshot.emitted("platform.restoreReport")[0].record == {
        "status": "success",
        "metrics": {"durationMs": 150.0},
    }
    assert snapshot.of(do.RestoreDone)[0].billed_ms == 50


def test_only_the_runtimes_part_of_a_restore_is_billed():
    """Monitoring: Billed Restore Duration is the time "to load the runtime and run any after-restore runtime hooks".

    A report with these figures has billedDurationMs 201 = ceil(147.156 + 53).
    """
    snapshot = Snapshot()
    snapshot.restore(1000)
    snapshot.timer(1447.795)
    snapshot.runtime_asks(1500.795)
    snapshot.answers(1600)
    snapshot.runtime_asks(1500.795 + 147.156)

    metrics = snapshot.emitted("platform.report")[0].record["metrics"]
    assert metrics == {
        "durationMs": 147.156,
        "billedDurationMs": 201,
        "memorySizeMB": 128,
        "maxMemoryUsedMB": 64,
        "restoreDurationMs": 500.795,
        "billedRestoreDurationMs": 53,
    }


def test_a_cold_start_is_the_restore_and_has_no_init_duration():
    """Monitoring: "the REPORT doesn't include the Init Duration field"."""
    snapshot = Snapshot()
    snapshot.restore(1000)
    snapshot.timer(1100)
    snapshot.runtime_asks(1150)
    snapshot.answers(1160)
    snapshot.runtime_asks(1161)

    outcome = snapshot.of(do.InvocationDone)[0]
    assert (outcome.cold_start, outcome.init_ms, outcome.busy_start_ns) == (True, None, ms(1000))
    assert (outcome.start_ns, outcome.restore_ms) == (ms(1150), 150.0)


def test_a_runtime_without_hooks_is_restored_too():
    """SnapStart: runtime hooks are optional. Such a runtime waits for an invocation when the snapshot is taken."""
    snapshot = Snapshot()
    snapshot.machine = SnapshotLifecycle(IDENTITY, ms(3000), Extensions((), str), lambda: 64, lambda: "5" * 16, ms(100))
    snapshot(snapshot.machine.start(None, 0))
    snapshot.runtime_asks(200)
    snapshot.restore(1000)
    snapshot.timer(1100)

    assert snapshot.of(do.DeliverRestore) == []
    assert snapshot.of(do.DeliverInvocation)[0].deadline_ns == ms(4100)


@pytest.mark.parametrize(
    ("trouble", "status", "error"),
    [
        ("hook", "error", (400, "SnapStartException")),
        ("exit", "failure", (400, "SnapStartException")),
        ("timeout", "timeout", (408, "SnapStartTimeoutException")),
    ],
)
def test_a_restore_that_fails_is_an_error_of_the_invoke_api(trouble, status, error):
    """Invoke: SnapStartException, SnapStartTimeoutException. Lifecycle, "Restore phase": the limit is 10 seconds."""
    snapshot = Snapshot("a")
    snapshot.restore(1000)
    snapshot.timer(1100)
    if trouble == "hook":
        snapshot(snapshot.machine.restore_failed(ms(1150)))
    elif trouble == "exit":
        snapshot(snapshot.machine.runtime_exited(1, ms(1150)))
    else:
        assert do.SetTimer(ms(11_100)) in snapshot.done
        snapshot.timer(11_101)

    assert snapshot.emitted("platform.restoreReport")[0].record["status"] == status
    refusal = snapshot.of(do.Refuse)[0]
    assert (refusal.request_id, refusal.status, refusal.error_type) == ("r1", *error)
    assert snapshot.of(do.InvocationDone) == []
    assert snapshot.of(do.BeginShutdown) == [do.BeginShutdown("failure")]


def test_a_snapshot_that_crashes_is_given_up():
    """It never was a sandbox that could be reset."""
    snapshot = Snapshot()
    snapshot.done.clear()

    snapshot(snapshot.machine.runtime_exited(-signal.SIGKILL, ms(500)))

    assert snapshot.is_in(Phase.ENDED)
    assert snapshot.emitted() == []
