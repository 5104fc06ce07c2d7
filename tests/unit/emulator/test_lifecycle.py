"""The state machine of a sandbox, event by event, with a clock of our own."""

import json
import signal

import pytest

from emulator.lifecycle import actions as do
from emulator.lifecycle.phases import Phase
from tests.support.emulator_machine import Sandbox, idle, invocation, kinds, ms, ready


def test_the_runtime_starts_when_the_last_extension_has_registered():
    sandbox = Sandbox("a", "b")

    assert kinds(sandbox(sandbox.machine.start(invocation(), 0))) == [
        "Emit",
        "SetTimer",
        "StartExtension",
        "StartExtension",
    ]
    assert sandbox.register("a", "INVOKE") == []
    assert sandbox.register("b", "INVOKE") == [do.StartRuntime()]


def test_without_extensions_the_runtime_starts_at_once():
    assert Sandbox().machine.start(invocation(), 0)[-1] == do.StartRuntime()


def test_the_init_ends_when_the_runtime_and_every_extension_have_asked():
    sandbox = Sandbox("a")
    sandbox(sandbox.machine.start(invocation(), 0))
    sandbox.register("a", "INVOKE")
    sandbox.runtime_asks(80)
    assert sandbox.is_in(Phase.INIT)

    sandbox.asks("a", 90)

    assert sandbox.is_in(Phase.INVOKE)
    assert [(emit.time_ns, emit.kind) for emit in sandbox.emitted()] == [
        (0, "platform.initStart"),
        (ms(80), "platform.initRuntimeDone"),
        (ms(90), "platform.extension"),
        (ms(90), "platform.initReport"),
        (ms(90), "platform.start"),
    ]
    assert sandbox.of(do.InitDone) == [do.InitDone("init", 0, ms(90), 90.0, "success", None)]


def test_an_invocation_goes_to_those_who_asked_for_it_and_has_the_functions_time():
    sandbox = Sandbox("a", "quiet")
    sandbox(sandbox.machine.start(invocation(), 0))
    sandbox.register("a", "INVOKE")
    sandbox.register("quiet", "SHUTDOWN")
    for name in ("a", "quiet"):
        sandbox.asks(name, 10)
    begun = sandbox.runtime_asks(100)

    assert [action.extension for action in begun if isinstance(action, do.DeliverEvent)] == ["a"]
    assert do.DeliverInvocation(invocation(), ms(3100)) in begun
    assert do.SetTimer(ms(3100)) in begun


def test_the_answer_comes_first_the_report_last_and_then_the_freeze():
    sandbox = ready("a")

    assert sandbox.answers(110) == [do.Answer("r1", b"ok", is_error=False)]
    (done,) = sandbox.runtime_asks(112)
    assert isinstance(done, do.Emit)
    assert done.kind == "platform.runtimeDone"
    finished = sandbox.asks("a", 150.5)

    assert kinds(finished) == ["Emit", "InvocationDone", "CancelTimer", "Freeze"]
    report, outcome = finished[:2]
    assert isinstance(report, do.Emit)
    assert isinstance(outcome, do.InvocationDone)
    assert (outcome.duration_ms, outcome.runtime_done_ms, outcome.init_ms) == (50.5, 12.0, 100.0)
    assert outcome.billed_ms == 151  # ceil(50.5 + 100): the init of a cold start is billed
    assert (outcome.cold_start, outcome.busy_start_ns, outcome.start_ns) == (True, 0, ms(100))
    assert report.record["spans"] == [
        {"name": "extensionOverhead", "start": "1970-01-01T00:00:00.112Z", "durationMs": 38.5}
    ]


def test_the_second_invocation_is_warm_and_begins_with_a_thaw():
    sandbox = ready()
    sandbox.answers(110)
    sandbox.runtime_asks(111)

    begun = sandbox(sandbox.machine.invoke(invocation("r2"), ms(500)))
    sandbox.answers(505)
    sandbox.runtime_asks(506)

    assert begun[0] == do.Thaw()
    outcome = sandbox.of(do.InvocationDone)[1]
    assert (outcome.request_id, outcome.cold_start, outcome.init_ms) == ("r2", False, None)
    assert (outcome.busy_start_ns, outcome.duration_ms, outcome.billed_ms) == (ms(500), 6.0, 6)


def test_a_handler_error_is_an_error_and_no_end():
    sandbox = ready()

    assert sandbox.answers(110, error_type="Runtime.Unknown") == [do.Answer("r1", b"ok", is_error=True)]
    sandbox.runtime_asks(111)

    assert sandbox.is_in(Phase.READY)
    assert sandbox.emitted("platform.runtimeDone")[0].record["status"] == "error"
    assert sandbox.emitted("platform.report")[0].record["errorType"] == "Runtime.Unknown"


def test_a_timeout_is_as_long_as_the_limit_however_late_the_timer():
    sandbox = ready("a", timeout_ms=1000)

    sandbox(sandbox.machine.timer_fired(ms(1107.3)))

    answer = sandbox.of(do.Answer)[0]
    assert json.loads(answer.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: r1 Error: Task timed out after 1.00 seconds",
    }
    done, report = sandbox.emitted("platform.runtimeDone")[0], sandbox.emitted("platform.report")[0]
    assert done.time_ns == report.time_ns == ms(1100)
    assert report.record["metrics"]["durationMs"] == 1000
    assert done.record["status"] == report.record["status"] == "timeout"
    assert sandbox.of(do.BeginReset) == [do.BeginReset("timeout")]


def test_a_timeout_in_an_extension_comes_after_the_answer():
    sandbox = ready("a", timeout_ms=1000)
    sandbox.answers(110)
    sandbox.runtime_asks(111)

    sandbox(sandbox.machine.timer_fired(ms(1100)))

    assert [answer.is_error for answer in sandbox.of(do.Answer)] == [False]
    assert [emit.record["status"] for emit in sandbox.emitted("platform.runtimeDone")] == ["success"]
    assert [emit.record["status"] for emit in sandbox.emitted("platform.report")] == ["timeout"]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "Runtime exited without providing a reason"),
        (3, "Runtime exited with error: exit status 3"),
        (-9, "Runtime exited with error: signal: killed"),
    ],
)
def test_a_runtime_that_ends_fails_its_invocation(status, text):
    sandbox = ready("a")

    sandbox(sandbox.machine.runtime_exited(status, ms(130)))

    body = json.loads(sandbox.of(do.Answer)[0].payload)
    assert body == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: r1 Error: {text}"}
    assert sandbox.emitted("platform.runtimeDone")[0].record["status"] == "failure"
    assert sandbox.is_in(Phase.STOP_EXTENSIONS)


def test_an_init_that_takes_too_long_fails_after_ten_seconds():
    sandbox = Sandbox("a")
    sandbox(sandbox.machine.start(invocation(), 0))
    assert do.SetTimer(ms(10_000)) in sandbox.done

    sandbox(sandbox.machine.timer_fired(ms(10_003)))

    assert sandbox.of(do.InitDone)[0].duration_ms == 10_000
    assert sandbox.emitted("platform.initReport")[0].record["status"] == "timeout"
    assert sandbox.of(do.Answer) == []
    assert sandbox.is_in(Phase.INIT)  # nobody has registered, so nobody is waited for: the next init has begun
    assert [record.record["phase"] for record in sandbox.emitted("platform.initStart")] == ["init", "invoke"]


def test_an_init_error_of_the_runtime_is_the_answer_as_it_stands():
    sandbox = Sandbox()
    sandbox(sandbox.machine.start(invocation(), 0))

    for at_ms in (50, 120):  # the second time inside the invocation
        error = sandbox.machine.runtime_init_error(
            b'{"errorType": "ImportError"}', "Runtime.ImportModuleError", ms(at_ms)
        )
        sandbox(error)

    assert sandbox.of(do.Answer) == [do.Answer("r1", b'{"errorType": "ImportError"}', is_error=True)]
    assert sandbox.of(do.InvocationDone)[0].error_type == "Runtime.ImportModuleError"


@pytest.mark.parametrize("asked_first", [True, False])
def test_a_dying_extension_fails_the_invocation(asked_first):
    sandbox = ready("a") if asked_first else Sandbox("a")
    if not asked_first:
        sandbox(sandbox.machine.start(invocation(), 0))
        sandbox(sandbox.machine.extension_exited("a", 1, ms(100)))
        assert sandbox.of(do.Answer) == []

    sandbox(sandbox.machine.extension_exited("a", 1, ms(200)))

    assert json.loads(sandbox.of(do.Answer)[0].payload)["errorType"] == "Extension.Crash"
    assert len(sandbox.of(do.InvocationDone)) == 1


def test_a_program_that_cannot_be_started_is_told_by_its_name():
    sandbox = Sandbox("a")
    sandbox(sandbox.machine.start(invocation(), 0))

    for at_ms in (1, 2):
        sandbox(sandbox.machine.start_failed("a", "/opt/extensions/a: Exec format error", ms(at_ms)))

    body = json.loads(sandbox.of(do.Answer)[0].payload)
    assert body["errorType"] == "Extension.LaunchError"
    assert "Exec format error" in body["errorMessage"]


def test_shutdown_in_lambdas_order():
    """SIGTERM to the runtime, at most 300 ms; then SHUTDOWN; 2,000 ms in all."""
    sandbox = idle("a", "b")

    begun = sandbox(sandbox.machine.shut_down("spindown", ms(1000)))
    assert begun == [
        do.CancelTimer(),
        do.BeginShutdown("spindown"),
        do.Thaw(),
        do.SignalRuntime(signal.SIGTERM),
        do.SetTimer(ms(1300)),
    ]
    told = sandbox(sandbox.machine.runtime_exited(-15, ms(1050)))
    event = {"eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": 3000}
    assert told == [do.SetTimer(ms(3000)), do.DeliverEvent("a", event), do.DeliverEvent("b", event)]
    assert sandbox(sandbox.machine.extension_exited("a", 0, ms(1100))) == []
    stopped = do.StopDone(ms(1000), ms(1200), "spindown", (), is_final=True)
    assert sandbox(sandbox.machine.extension_exited("b", 0, ms(1200))) == [do.CancelTimer(), stopped, do.End()]


def test_a_runtime_that_ignores_sigterm_is_killed():
    sandbox = idle("a")
    sandbox(sandbox.machine.shut_down("spindown", ms(1000)))

    told = sandbox(sandbox.machine.timer_fired(ms(1300)))

    assert told[0] == do.SignalRuntime(signal.SIGKILL)
    assert sandbox.is_in(Phase.STOP_EXTENSIONS)


def test_an_extension_that_stays_is_ended_with_the_sandbox():
    sandbox = idle("a")
    sandbox(sandbox.machine.shut_down("spindown", ms(1000)))
    sandbox(sandbox.machine.runtime_exited(-15, ms(1001)))

    stopped = do.StopDone(ms(1000), ms(3000), "spindown", ("a",), is_final=True)
    assert sandbox(sandbox.machine.timer_fired(ms(3000))) == [do.CancelTimer(), stopped, do.End()]


def test_without_extensions_there_is_no_time_to_shut_down():
    sandbox = idle()

    assert do.End() in sandbox(sandbox.machine.shut_down("spindown", ms(1000)))
    assert sandbox.of(do.SignalRuntime) == []


def test_shutdown_during_an_invocation_fails_it_once():
    sandbox = ready("a")

    sandbox(sandbox.machine.shut_down("spindown", ms(200)))
    sandbox(sandbox.machine.shut_down("spindown", ms(201)))

    assert len(sandbox.of(do.InvocationDone)) == len(sandbox.of(do.Answer)) == 1


def test_only_a_sampled_request_has_tracing_in_its_records():
    header = "Root=1-a;Parent=b;Sampled=1"
    sandbox = Sandbox()
    sandbox(sandbox.machine.start(invocation(trace=header), 0))
    sandbox.runtime_asks(1)
    sandbox.answers(2)
    sandbox.runtime_asks(3)
    sandbox(sandbox.machine.invoke(invocation("r2"), ms(4)))

    tracing = {"spanId": "5" * 16, "type": "X-Amzn-Trace-Id", "value": header}
    starts = sandbox.emitted("platform.start")
    assert [start.record.get("tracing") for start in starts] == [tracing, None]
    assert sandbox.emitted("platform.report")[0].record["tracing"] == tracing
