"""What AWS documents of failed inits, resets and the time a shutdown has, rule by rule.

Sources: "Understanding the Lambda execution environment lifecycle" (below: lifecycle), "Using the Lambda Extensions API
to create extensions" (extensions).
"""

import json
import signal

import pytest

from emulator.lifecycle import actions as do
from emulator.lifecycle.phases import Phase
from tests.support.emulator_machine import Sandbox, idle, invocation, kinds, ms, ready


def time_out(sandbox, at_ms):
    return sandbox(sandbox.machine.timer_fired(ms(at_ms)))


def crash(sandbox, at_ms):
    return sandbox(sandbox.machine.runtime_exited(1, ms(at_ms)))


def stop_extensions(sandbox, at_ms, *names):
    for name in names:
        sandbox(sandbox.machine.extension_exited(name, 0, ms(at_ms)))


@pytest.mark.parametrize(("trouble", "reason"), [(time_out, "timeout"), (crash, "failure")])
def test_a_reset_behaves_like_a_shutdown_and_tells_the_reason(trouble, reason):
    """Lifecycle, "Failures during the invoke phase": "The reset behaves like a Shutdown event."."""
    sandbox = ready("a", timeout_ms=1000)

    trouble(sandbox, 1100)
    if trouble is time_out:
        assert sandbox.done[-2:] == [do.SignalRuntime(signal.SIGTERM), do.SetTimer(ms(1400))]
        sandbox(sandbox.machine.runtime_exited(-15, ms(1110)))

    event = {"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": 3100}
    assert sandbox.of(do.DeliverEvent)[-1] == do.DeliverEvent("a", event)
    stop_extensions(sandbox, 1200, "a")
    assert kinds(sandbox.done[-2:]) == ["StopPrograms", "Freeze"]
    assert sandbox.is_in(Phase.RESET)
    assert sandbox.of(do.End) == []


def test_after_a_reset_the_next_invocation_contains_an_init():
    """Lifecycle, "Suppressed inits": the duration has the additional init, which has no Init Duration of its own."""
    sandbox = ready("a")
    crash(sandbox, 130)
    stop_extensions(sandbox, 140, "a")
    sandbox.done.clear()

    sandbox(sandbox.machine.invoke(invocation("r2"), ms(500)))
    assert [emit.kind for emit in sandbox.emitted()] == ["platform.start", "platform.initStart"]
    assert do.StartExtension("a") in sandbox.done
    sandbox.initialise(700, "a")
    assert sandbox.of(do.DeliverInvocation) == [do.DeliverInvocation(invocation("r2"), ms(3500))]
    sandbox.answers(710)
    sandbox.runtime_asks(711)
    sandbox.asks("a", 712)

    assert [emit.record["phase"] for emit in sandbox.emitted("platform.initReport")] == ["invoke"]
    outcome = sandbox.of(do.InvocationDone)[0]
    assert (outcome.start_ns, outcome.duration_ms, outcome.billed_ms) == (ms(500), 212.0, 212)
    assert (outcome.cold_start, outcome.init_ms) == (True, None)


def test_extensions_get_new_identifiers_after_a_reset():
    """Lifecycle: "extension and runtime are re-initialized together with the next invocation"."""
    sandbox = ready("a")
    first = sandbox.extensions["a"].identifier
    crash(sandbox, 130)
    stop_extensions(sandbox, 140, "a")

    assert not sandbox.extensions["a"].is_registered
    sandbox(sandbox.machine.invoke(invocation("r2"), ms(500)))
    sandbox.register("a", "INVOKE")
    assert sandbox.extensions["a"].identifier != first


@pytest.mark.parametrize("trouble", ["timeout", "init/error", "runtime exit", "extension exit", "launch"])
def test_a_failed_init_is_retried_inside_the_first_invocation(trouble):
    """Lifecycle, "Failures during the Init phase": Lambda retries the init at the time of the first invocation."""
    sandbox = Sandbox("a")
    sandbox.start()
    machine = sandbox.machine
    if trouble == "timeout":
        time_out(sandbox, 10_000)
    elif trouble == "init/error":
        sandbox.register("a", "INVOKE", "SHUTDOWN")
        sandbox(machine.runtime_init_error(b"{}", "Runtime.ImportModuleError", ms(50)))
        sandbox(machine.runtime_exited(1, ms(51)))
    elif trouble == "runtime exit":
        sandbox.register("a", "INVOKE", "SHUTDOWN")
        crash(sandbox, 50)
    elif trouble == "extension exit":
        sandbox(machine.extension_exited("a", 1, ms(50)))
    else:
        sandbox(machine.start_failed("a", "Exec format error", ms(50)))
    stop_extensions(sandbox, 60, *(["a"] if sandbox.is_in(Phase.STOP_EXTENSIONS) else []))

    assert sandbox.of(do.Answer) == []
    sandbox.initialise(20_000, "a")
    sandbox.answers(20_010)
    sandbox.runtime_asks(20_011)
    sandbox.asks("a", 20_012)

    inits = [(init.phase, init.status) for init in sandbox.of(do.InitDone)]
    assert inits == [("init", "timeout" if trouble == "timeout" else "error"), ("invoke", "success")]
    outcome = sandbox.of(do.InvocationDone)[0]
    assert (outcome.status, outcome.cold_start, outcome.busy_start_ns) == ("success", True, 0)


def test_a_suppressed_init_has_the_functions_timeout_and_not_ten_seconds():
    """Lifecycle: the retried init runs "with the function's configured timeout"."""
    sandbox = ready(timeout_ms=1000)
    crash(sandbox, 130)
    sandbox.done.clear()
    sandbox(sandbox.machine.invoke(invocation("r2"), ms(500)))
    assert sandbox.of(do.SetTimer) == [do.SetTimer(ms(1500))]

    time_out(sandbox, 1503)

    assert sandbox.of(do.InitDone)[0].duration_ms == 1000
    assert sandbox.of(do.InvocationDone)[0].status == "timeout"
    assert sandbox.of(do.BeginReset) == [do.BeginReset("timeout")]
    body = json.loads(sandbox.of(do.Answer)[0].payload)
    assert body["errorMessage"] == "RequestId: r2 Error: Task timed out after 1.00 seconds"


@pytest.mark.parametrize(
    ("names", "internal", "runtime_ms", "all_ms"),
    [((), False, None, 0), ((), True, 500, 500), (("a",), False, 300, 2000), (("a",), True, 300, 2000)],
)
def test_what_time_a_shutdown_has(names, internal, runtime_ms, all_ms):
    """Lifecycle, "Shutdown phase": 0 ms without extensions, 500 ms with internal ones, 2,000 ms with external ones."""
    sandbox = Sandbox(*names)
    sandbox.start()
    for name in names:
        sandbox.register(name, "INVOKE", "SHUTDOWN")
        sandbox.asks(name, 50)
    if internal:
        sandbox.register("inside", "INVOKE")
        sandbox.asks("inside", 50)
    sandbox.runtime_asks(100)
    sandbox.answers(101)
    sandbox.runtime_asks(102)
    for name in [*names, *(["inside"] if internal else [])]:
        sandbox.asks(name, 103)
    sandbox.done.clear()

    sandbox(sandbox.machine.shut_down("spindown", ms(1000)))

    assert sandbox.of(do.SetTimer) == ([] if runtime_ms is None else [do.SetTimer(ms(1000 + runtime_ms))])
    if runtime_ms is not None:
        time_out(sandbox, 1000 + runtime_ms)
        assert do.SignalRuntime(signal.SIGKILL) in sandbox.done
    if names:
        assert sandbox.of(do.DeliverEvent)[0].body["deadlineMs"] == 1000 + all_ms
        time_out(sandbox, 1000 + all_ms)
    assert sandbox.is_in(Phase.ENDED)


@pytest.mark.parametrize("error_type", ["Extension.InitError", "Extension.ExitError"])
def test_an_extension_that_reports_an_error_fails_the_invocation(error_type):
    """Extensions, "Init error" and "Exit error": the extension reports, and exits then."""
    sandbox = ready("a")

    extension = sandbox.extensions["a"]
    sandbox(sandbox.machine.extension_failed(extension, error_type, "Extension.NoConfiguration", ms(200)))
    sandbox(sandbox.machine.runtime_exited(-15, ms(210)))
    stop_extensions(sandbox, 220, "a")

    assert json.loads(sandbox.of(do.Answer)[0].payload)["errorType"] == error_type
    assert sandbox.of(do.InvocationDone)[0].error_type == error_type
    assert sandbox.is_in(Phase.RESET)


def test_an_extension_that_ends_between_invocations_resets_the_sandbox():
    """Extensions, "Extension lifecycle": a crash makes Lambda restart the environment."""
    sandbox = idle("a", "b")

    sandbox(sandbox.machine.extension_exited("a", 1, ms(500)))

    assert kinds(sandbox.done) == ["CancelTimer", "BeginReset", "Thaw", "SignalRuntime", "SetTimer"]


def test_a_shutdown_during_a_reset_is_the_end_and_answers_who_waits():
    sandbox = Sandbox("a")
    sandbox.start()
    sandbox.register("a", "INVOKE", "SHUTDOWN")
    crash(sandbox, 50)
    assert sandbox.is_in(Phase.STOP_EXTENSIONS)

    sandbox(sandbox.machine.shut_down("spindown", ms(60)))
    stop_extensions(sandbox, 70, "a")

    assert len(sandbox.of(do.Answer)) == len(sandbox.of(do.InvocationDone)) == 1
    assert sandbox.of(do.BeginShutdown) == [do.BeginShutdown("spindown")]
    assert sandbox.of(do.StopPrograms) == []
    assert sandbox.is_in(Phase.ENDED)
