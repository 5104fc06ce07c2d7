"""Lambda Managed Instances, rule by rule.

Sources: "Understanding the Lambda Managed Instances execution environment" (below: environment), "Using the Lambda
Extensions API" (extensions), "Telemetry API" (telemetry), and AWS's runtime interface emulator with
AWS_LAMBDA_MAX_CONCURRENCY set, as observed (observed).
"""

import dataclasses
import json

import pytest

from emulator.errors import SandboxApiError
from emulator.lifecycle import actions as do
from emulator.lifecycle.extensions import Extensions
from emulator.lifecycle.managed import ManagedLifecycle
from emulator.lifecycle.phases import Phase
from emulator.telemetry import subscription
from emulator.telemetry.records import ResponseTimes
from tests.support.emulator_machine import FUNCTION, Sandbox, invocation, kinds, ms

IDENTITY = dataclasses.replace(FUNCTION, initialization_type="lambda-managed-instances", memory_mb=512)


class Managed(Sandbox):
    """A sandbox whose init has taken 100 ms."""

    def __init__(self, *names, timeout_ms=3000):
        super().__init__(*names)
        self.extensions = Extensions(names, new_identifier=lambda: f"{len(self.done):032d}", is_managed=True)
        self.machine = ManagedLifecycle(IDENTITY, ms(timeout_ms), self.extensions, lambda: 64, lambda: "5" * 16)
        self(self.machine.start(None, 0))
        for name in names:
            self.register(name, "SHUTDOWN")
            self.asks(name, 50)
        self.runtime_asks(100)

    def invoke(self, request_id, at_ms):
        return self(self.machine.invoke(invocation(request_id), ms(at_ms)))

    def answer(self, request_id, first_ms, last_ms, error_type=None):
        times = ResponseTimes(ms(first_ms), ms(last_ms), 2)
        return self(self.machine.runtime_answered(request_id, b"ok", times, error_type=error_type))


def test_the_init_tells_the_kind_and_the_memory_in_bytes():
    """Observed: initializationType lambda-managed-instances, instanceMaxMemory 536870912 for 512 MB."""
    record = Managed().emitted("platform.initStart")[0].record

    assert (record["initializationType"], record["instanceMaxMemory"]) == ("lambda-managed-instances", 536_870_912)


@pytest.mark.parametrize(
    ("name", "events", "message"),
    [
        ("a", ["INVOKE"], "INVOKE: InvokeEventNotSupportedOnManagedInstances"),
        ("a", ["SHUTDOWN", "INVOKE"], "INVOKE: InvokeEventNotSupportedOnManagedInstances"),
        ("inside", ["INVOKE"], "No events allowed for internal extensions"),
    ],
)
def test_extensions_cannot_register_for_invoke(name, events, message):
    """Extensions: on Managed Instances only SHUTDOWN; observed: 403 Extension.InvalidEventType."""
    extensions = Extensions(("a",), new_identifier=str, is_managed=True)

    with pytest.raises(SandboxApiError, match=message) as error:
        extensions.register(name, events)

    assert (error.value.status, error.value.error_type) == (403, "Extension.InvalidEventType")


@pytest.mark.parametrize("version", ["2022-07-01", "2022-12-13"])
def test_older_schemas_are_refused(version):
    """Telemetry: 2025-01-29 is required; observed: 400 for the others."""
    body = {
        "schemaVersion": version,
        "types": ["platform"],
        "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243"},
    }

    with pytest.raises(SandboxApiError, match="must be one of 2025-01-29 but found"):
        subscription.parse(body, subscription.MANAGED_VERSIONS)


def test_several_invocations_run_at_once_and_the_sandbox_is_never_frozen():
    """Environment: "one execution environment can handle multiple invocations simultaneously", without freezing."""
    managed = Managed("a")
    managed.done.clear()
    for number in range(3):
        managed.invoke(f"r{number}", 200 + number)
    managed.answer("r1", 210, 210)
    managed.answer("r0", 220, 220)

    assert [given.invocation.request_id for given in managed.of(do.DeliverInvocation)] == ["r0", "r1", "r2"]
    assert [outcome.request_id for outcome in managed.of(do.InvocationDone)] == ["r1", "r0"]
    assert managed.machine.running == 1
    assert managed.of(do.Freeze) == []
    assert managed.of(do.DeliverEvent) == []


def test_a_report_comes_with_the_answer_and_there_is_no_runtime_done():
    """Observed: platform.start with functionArn, then platform.report with durationMs and two spans; no runtimeDone."""
    managed = Managed()
    managed.done.clear()
    managed.invoke("r1", 1000)
    managed.answer("r1", 1000.847, 1000.974)

    assert [(emit.kind, emit.record) for emit in managed.emitted()] == [
        ("platform.start", {"requestId": "r1", "version": "$LATEST", "functionArn": "arn:f"}),
        (
            "platform.report",
            {
                "requestId": "r1",
                "status": "success",
                "metrics": {"durationMs": 0.974},
                "spans": [
                    {"name": "responseLatency", "start": "1970-01-01T00:00:01.000Z", "durationMs": 0.847},
                    {"name": "responseDuration", "start": "1970-01-01T00:00:01.000Z", "durationMs": 0.127},
                ],
            },
        ),
    ]
    assert managed.of(do.InvocationDone)[0].billed_ms is None


def test_an_exception_is_an_error_of_its_invocation_alone():
    """Observed: report with status error and errorType Runtime.Unknown."""
    managed = Managed()
    managed.invoke("r1", 200)
    managed.invoke("r2", 201)
    managed.answer("r1", 210, 210, error_type="Runtime.Unknown")

    record = managed.emitted("platform.report")[0].record
    assert (record["status"], record["errorType"]) == ("error", "Runtime.Unknown")
    assert managed.machine.is_waiting_for("r2")


def test_a_timeout_ends_its_invocation_and_not_the_sandbox():
    """Observed: report with status timeout, errorType Sandbox.Timedout, a duration, no spans; others go on."""
    managed = Managed(timeout_ms=3000)
    managed.invoke("r1", 1000)
    managed.invoke("r2", 2000)
    assert managed.of(do.SetTimer)[-1] == do.SetTimer(ms(4000))

    managed(managed.machine.timer_fired(ms(4002)))

    assert managed.emitted("platform.report")[0].record == {
        "requestId": "r1",
        "status": "timeout",
        "errorType": "Sandbox.Timedout",
        "metrics": {"durationMs": 3000.0},
    }
    assert json.loads(managed.of(do.Answer)[0].payload)["errorType"] == "Sandbox.Timedout"
    assert managed.of(do.SetTimer)[-1] == do.SetTimer(ms(5000))
    assert not managed.machine.is_waiting_for("r1")
    assert managed.is_in(Phase.INVOKE)


@pytest.mark.parametrize("who", ["runtime", "extension"])
def test_a_crash_terminates_the_sandbox(who):
    """Extensions: a crash of an extension terminates the instance; so does the runtime's. Every caller is told."""
    managed = Managed("a")
    managed.invoke("r1", 200)
    managed.invoke("r2", 201)
    if who == "runtime":
        managed(managed.machine.runtime_exited(1, ms(300)))
    else:
        managed(managed.machine.extension_exited("a", 1, ms(300)))

    assert [answer.request_id for answer in managed.of(do.Answer)] == ["r1", "r2"]
    assert {emit.record["status"] for emit in managed.emitted("platform.report")} == {"failure"}
    assert managed.of(do.BeginShutdown) == [do.BeginShutdown("failure")]
    assert managed.of(do.BeginReset) == []


def test_the_runtime_has_600_ms_of_a_shutdown():
    """Observed: SIGTERM with 30 % of the 2,000 ms."""
    managed = Managed("a")
    managed.done.clear()
    managed(managed.machine.shut_down("spindown", ms(1000)))

    assert kinds(managed.done) == ["CancelTimer", "BeginShutdown", "SignalRuntime", "SetTimer"]
    assert managed.done[-1] == do.SetTimer(ms(1600))


def test_a_failed_init_ends_the_sandbox():
    """There is no invocation in which it could be tried again."""
    managed = Managed()
    managed.machine = ManagedLifecycle(IDENTITY, ms(3000), Extensions((), str), lambda: 64, lambda: "5" * 16)
    managed.done.clear()
    managed(managed.machine.start(None, 0))
    managed(managed.machine.runtime_init_error(b"{}", "Runtime.ImportModuleError", ms(50)))

    assert managed.emitted("platform.initReport")[0].record["status"] == "error"
    assert managed.of(do.BeginShutdown) == [do.BeginShutdown("failure")]
