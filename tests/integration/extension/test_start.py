"""From process start to the first GET /next: by Python alone, or taken over from the launcher; and what goes wrong."""

import json
import socket
import sys
import time
from pathlib import Path

import pytest

from tests.support.extension import (
    IDENTIFIER,
    FakeCollector,
    FakeLambda,
    LambdaBehaviour,
    running_extension,
)


@pytest.fixture
def environ(collector: FakeCollector) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}


def finish(fake: FakeLambda, collector: FakeCollector, number: int = 1) -> None:
    """An invocation, its report and SHUTDOWN: whatever came before, this works."""
    invocation = fake.run_invocation("6f1c0000-0000-4000-8000-000000000001", number)
    fake.wait_for_next(number + 1)
    fake.push_shutdown()
    fake.deliver([invocation.report()])
    collector.wait_for_spans(3)


def test_answers_may_be_chunked(fake_lambda: FakeLambda, collector: FakeCollector, environ, tmp_path: Path) -> None:
    fake_lambda.behaviour.chunked = True
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        finish(fake_lambda, collector)
        assert (ext.wait(), ext.stderr) == (0, [])


def test_an_older_platform_gets_the_older_schema(
    fake_lambda: FakeLambda, collector: FakeCollector, environ, tmp_path: Path
) -> None:
    fake_lambda.behaviour.subscribe_statuses = [400]
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        finish(fake_lambda, collector)
        assert (ext.wait(), ext.stderr) == (0, [])
    assert [body["schemaVersion"] for _, body in fake_lambda.subscriptions] == ["2025-01-29", "2022-07-01"]


@pytest.mark.parametrize("statuses", [[400, 400], [403], [202]])
def test_without_a_subscription_the_loop_goes_on(
    fake_lambda: FakeLambda, collector: FakeCollector, environ, tmp_path: Path, statuses
) -> None:
    """Refused, or an emulator without telemetry: one line says so, and no invocation is waited for."""
    fake_lambda.behaviour.subscribe_statuses = statuses
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        for number in range(1, 6):
            fake_lambda.wait_for_next(number)
            fake_lambda.push_invoke(f"request-{number}")
        fake_lambda.wait_for_next(6)
        fake_lambda.push_shutdown()
        assert ext.wait() == 0
        [line] = ext.stderr
        assert line.startswith("lambdascope: no telemetry, so nothing will be recorded: telemetry subscription")
    assert collector.requests == []


@pytest.mark.parametrize(
    "behaviour",
    [LambdaBehaviour(register_status=403, register_body=b'{"errorType":"Extension.InvalidExtensionState"}'),
     LambdaBehaviour(register_identifier=None)],
    ids=["refused", "no-identifier"],
)  # fmt: skip
def test_a_refused_registration_ends_the_process_with_one_line(behaviour, environ, tmp_path: Path) -> None:
    fake = FakeLambda(behaviour)
    with running_extension(fake.address, tmp_path, environ) as ext:
        assert ext.wait() == 1
        [line] = ext.stderr
        assert line.startswith("lambdascope: stopped: register was answered with HTTP")
    assert len(fake.registrations) == 1
    fake.close()


def test_an_unreachable_platform_ends_the_process_with_one_line(environ, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with running_extension(address, tmp_path, environ) as ext:
            assert ext.wait() == 1
            [line] = ext.stderr
            assert address in line


@pytest.mark.parametrize("told", [True, False])
def test_managed_instances_are_registered_for_shutdown_only(
    fake_lambda: FakeLambda, collector: FakeCollector, environ, tmp_path: Path, told
) -> None:
    """By the variable, or after the platform refused INVOKE."""
    fake_lambda.behaviour.refuse_invoke_events = True
    kind = {"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances"} if told else {}
    with running_extension(fake_lambda.address, tmp_path, {**environ, **kind}) as ext:
        fake_lambda.wait_for_next(1)
        fake_lambda.push_shutdown()
        assert ext.wait() == 0
    asked = [body["events"] for _, body in fake_lambda.registrations]
    assert asked == ([] if told else [["INVOKE", "SHUTDOWN"]]) + [["SHUTDOWN"]]


def test_a_taken_port_is_told_and_another_one_used(
    fake_lambda: FakeLambda, collector: FakeCollector, environ, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with running_extension(fake_lambda.address, tmp_path, {**environ, "LAMBDASCOPE_LISTENER_PORT": port}) as ext:
            finish(fake_lambda, collector)
            assert ext.wait() == 0
            [line] = ext.stderr
            assert f"cannot listen on port {port}" in line


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b'{"eventType":"REBOOT"}', b'{"eventType":"INVOKE"}', b"[]"],
    ids=lambda b: b.decode() or "empty",
)
def test_an_event_that_cannot_be_understood_is_passed_over(
    fake_lambda: FakeLambda, collector: FakeCollector, environ, tmp_path: Path, body
) -> None:
    with running_extension(fake_lambda.address, tmp_path, environ) as ext:
        fake_lambda.wait_for_next(1)
        fake_lambda.push_raw(body)
        finish(fake_lambda, collector, 2)
        assert ext.wait() == 0
        assert len(ext.stderr) <= 1


def test_wrong_settings_cost_a_line_each_and_nothing_else(
    fake_lambda: FakeLambda, collector: FakeCollector, environ, tmp_path: Path
) -> None:
    wrong = {"LAMBDASCOPE_FLUSH": "never", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon", "LAMBDASCOPE_QUEUE_BYTES": "-1"}
    with running_extension(fake_lambda.address, tmp_path, {**environ, **wrong}) as ext:
        finish(fake_lambda, collector)
        assert ext.wait() == 0
        assert len(ext.stderr) == 3
        assert all(name in "".join(ext.stderr) for name in wrong)


def test_without_an_endpoint_nothing_is_waited_for(fake_lambda: FakeLambda, tmp_path: Path) -> None:
    with running_extension(fake_lambda.address, tmp_path, {}) as ext:
        for number in range(1, 4):
            fake_lambda.wait_for_next(number)
            fake_lambda.push_invoke(f"request-{number}")
        fake_lambda.wait_for_next(4)
        fake_lambda.push_shutdown()
        assert ext.wait() == 0
        assert ext.stderr == ["lambdascope: OTEL_EXPORTER_OTLP_ENDPOINT is not set: nothing is exported"]


# The launcher's hand-off ---------------------------------------------------------------------------------------------


def call(api: socket.socket, request: str, body: str = "") -> None:
    head = f"{request} HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: {IDENTIFIER}\r\n"
    api.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())


def answer(api: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data or not data.endswith((b'OK"', b"}")):
        data += api.recv(65536)


@pytest.mark.parametrize("stage", ["registered", "listening", "subscribed", "waiting"])
def test_python_goes_on_where_the_launcher_stopped(
    fake_lambda: FakeLambda, collector: FakeCollector, environ, tmp_path: Path, stage
) -> None:
    """This test does the launcher's part. Nothing of it is done again, and no delivery in the backlog is lost."""
    stages = ["registered", "listening", "subscribed", "waiting"]
    reached = stages.index(stage)
    host, _, port = fake_lambda.address.rpartition(":")
    with socket.create_connection((host, int(port))) as api, socket.socket() as listener:
        call(api, "POST /2020-01-01/extension/register", '{"events":["INVOKE","SHUTDOWN"]}')
        answer(api)
        value = f"stage={stage} api={api.fileno()} id={IDENTIFIER} account=000000000042 start_ns={time.time_ns()}"
        fds = [api.fileno()]
        if reached >= 1:
            listener.bind(("127.0.0.1", 0))
            listener.listen(128)
            value += f" listener={listener.fileno()} port={listener.getsockname()[1]}"
            fds.append(listener.fileno())
        if reached >= 2:
            uri = f"http://sandbox.localdomain:{listener.getsockname()[1]}"
            call(api, "PUT /2022-07-01/telemetry", json.dumps({"destination": {"URI": uri}}))
            answer(api)
        if reached >= 3:
            call(api, "GET /2020-01-01/extension/event/next")
        handoff = {**environ, "LAMBDASCOPE_HANDOFF": value}
        with running_extension(fake_lambda.address, tmp_path, handoff, pass_fds=tuple(fds)) as ext:
            finish(fake_lambda, collector)
            assert (ext.wait(), ext.stderr) == (0, [])
    assert len(fake_lambda.registrations) == 1
    assert len(fake_lambda.subscriptions) == 1
    assert fake_lambda.next_calls == 2
    resource = collector.trace_exports[0].traces.resource_spans[0].resource
    assert "000000000042" in {a.value.string_value for a in resource.attributes}


# What is loaded ------------------------------------------------------------------------------------------------------

_MODULES = """
import sys, posix
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
def loaded(path):
    names = sorted(n for n in set(sys.modules) - before if n.partition(".")[0] not in ("extension", "semconv"))
    with open(path, "w") as file:
        file.write(" ".join(names))
from extension import __main__ as entry, bootstrap
reach_next = bootstrap.reach_next
def observed(*arguments):
    started = reach_next(*arguments)
    loaded("before_next")
    return started
bootstrap.reach_next = observed
code = entry.main()
loaded("at_the_end")
with open("own", "w") as file:
    file.write(" ".join(name for name in sys.modules if name.startswith("extension.")))
sys.exit(code)
"""


def test_only_these_modules_are_loaded(
    fake_lambda: FakeLambda, collector: FakeCollector, environ, tmp_path: Path, monkeypatch
) -> None:
    """Each import is a part of the customer's cold start. To add to these lists is a decision, not an accident."""
    monkeypatch.chdir(tmp_path)
    with running_extension(fake_lambda.address, tmp_path, environ, code=_MODULES) as ext:
        finish(fake_lambda, collector)
        assert ext.wait() == 0
    assert (tmp_path / "before_next").read_text().split() == ["__future__", "_socket"]
    sha = "_sha256" if sys.version_info < (3, 12) else "_sha2"
    later = ["__future__", "_json", sha, "_socket", "_struct", "select"]
    assert (tmp_path / "at_the_end").read_text().split() == later
    own = set((tmp_path / "own").read_text().split())
    assert {"extension.lifecycle", "extension.otlp"} <= own
    switched_on = {"credentials", "events", "http2", "instruments", "metrics", "meter", "otlp_receiver", "payload",
                   "proc_sample", "proxy", "tls"}  # fmt: skip
    assert own & {f"extension.{name}" for name in switched_on} == set()
