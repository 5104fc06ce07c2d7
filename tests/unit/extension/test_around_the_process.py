"""The hand-off from the launcher, /proc, the resource, the lines on standard error."""

import os
import subprocess
import sys
import time

import pytest

from extension import handoff, proc
from extension.diagnostics import Diagnostics
from extension.sandbox import SandboxEnvironment, function_arn, resource_attributes

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders"


@pytest.fixture
def fds():
    pair = os.pipe()
    yield pair
    for fd in pair:
        os.close(fd)


def test_a_whole_handoff(fds):
    found = handoff.parse(
        f"stage=waiting api={fds[0]} listener={fds[1]} port=41234 id=abc account=123456789012"
        " start_ns=5 registered_ns=7 x=y"
    )
    assert found.stage == handoff.WAITING
    assert (found.api_fd, found.listener_fd, found.port) == (fds[0], fds[1], 41234)
    assert (found.identifier, found.account_id, found.start_ns, found.registered_ns) == ("abc", "123456789012", 5, 7)


@pytest.mark.parametrize(
    "value", [None, "", "nonsense", "stage=none", "stage=waiting api=3 port=9", "=", "stage=registered id="]
)
def test_without_an_identifier_everything_is_still_to_be_done(value):
    found = handoff.parse(value)
    assert (found.stage, found.api_fd, found.listener_fd, found.identifier) == (handoff.NONE, None, None, "")


@pytest.mark.parametrize(
    ("value", "stage"),
    [
        ("id=abc", handoff.REGISTERED),
        ("id=abc stage=dancing", handoff.REGISTERED),
        ("id=abc stage=listening port=80", handoff.REGISTERED),
        ("id=abc stage=listening listener=99999 port=80", handoff.REGISTERED),
        ("id=abc stage=listening listener={fd} port=0", handoff.REGISTERED),
        ("id=abc stage=listening listener={fd} port=80", handoff.LISTENING),
        ("id=abc stage=subscribed", handoff.SUBSCRIBED),
        ("id=abc stage=waiting api=two", handoff.SUBSCRIBED),
        ("id=abc stage=waiting api={fd}", handoff.WAITING),
    ],
)
def test_with_an_identifier_it_is_never_registered_twice(value, stage, fds):
    assert handoff.parse(value.format(fd=fds[0])).stage == stage


def test_the_runtimes_process_is_the_first_of_those_with_its_variables():
    """A real process stands for the runtime; others, older and younger, differ in one thing each."""
    logs = {"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/orders", "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0a"}
    own = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1", "LAMBDA_TASK_ROOT": "/var/task", **logs}
    sleep = [sys.executable, "-S", "-c", "import sys; print('up', flush=True); sys.stdin.read()"]
    children = []
    try:
        for environ in (
            {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"},  # another extension
            {**own, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:2"},  # the runtime of another sandbox
            own,
            own,  # a child of the runtime
        ):
            before_ns = time.time_ns()
            child = subprocess.Popen(sleep, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            children.append((child, before_ns, time.time_ns()))
            assert child.stdout is not None
            child.stdout.readline()
        found = proc.runtime_start_ns("127.0.0.1:1")
        _, before_ns, after_ns = children[2]
        tick_ns = 10_000_000
        assert found is not None
        assert before_ns - 2 * tick_ns <= found <= after_ns + tick_ns
        assert proc.runtime_start_ns("127.0.0.1:3") is None
        assert proc.log_destination("127.0.0.1:1") == ("/aws/lambda/orders", "2026/01/01/[$LATEST]0a")
        assert proc.log_destination("127.0.0.1:3") is None
    finally:
        for child, _, _ in children:
            child.communicate()


@pytest.mark.parametrize("root", ["/nonexistent", "/dev/null"])
def test_a_proc_that_cannot_be_read_is_no_error(root):
    assert proc.runtime_start_ns("127.0.0.1:1", root) is None


def test_processes_that_vanish_or_lie_are_left_out(tmp_path):
    for pid, stat in (("10", None), ("11", b"garbage"), ("12", b"12 (a) b) S 1 2")):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "environ").write_bytes(b"LAMBDA_TASK_ROOT=/\0AWS_LAMBDA_RUNTIME_API=x\0")
        if stat is not None:
            (tmp_path / pid / "stat").write_bytes(stat)
    assert proc.runtime_start_ns("x", str(tmp_path)) is None
    (tmp_path / "11" / "stat").write_bytes(b"11 (a) S" + b" 1" * 30)
    assert proc.log_destination("x", str(tmp_path)) == ("", "")


def test_resource():
    environ = {
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "AWS_LAMBDA_FUNCTION_VERSION": "7",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_REGION": "eu-west-1",
    }
    found = resource_attributes(
        SandboxEnvironment(environ), "i-1", "", f"{ARN}:live", "", (("team", "a"), ("faas.name", "not this"))
    )
    assert found.pop("host.arch") in {"amd64", "arm64"}
    assert found.pop("telemetry.distro.version")
    assert found == {
        "team": "a", "service.name": "orders", "cloud.provider": "aws", "cloud.platform": "aws_lambda",
        "cloud.region": "eu-west-1", "cloud.account.id": "123456789012", "cloud.resource_id": f"{ARN}:7",
        "faas.name": "orders", "faas.version": "7", "faas.instance": "i-1", "faas.max_memory": 512 * 1048576,
        "telemetry.distro.name": "lambdascope",
    }  # fmt: skip


def test_log_group_and_stream_are_lists_of_one():
    sandbox = SandboxEnvironment({})
    sandbox.log_group, sandbox.log_stream = "/aws/lambda/orders", "stream"
    found = resource_attributes(sandbox, "i-1", "", None, "", ())
    assert (found["aws.log.group.names"], found["aws.log.stream.names"]) == (["/aws/lambda/orders"], ["stream"])


def test_what_is_unknown_is_left_out_of_the_resource():
    found = resource_attributes(SandboxEnvironment({}), "i-1", "", None, "", (("service.name", "mine"),))
    assert not {"cloud.resource_id", "faas.max_memory", "faas.name", "cloud.account.id"} & set(found)
    assert found["service.name"] == "mine"


def test_an_alias_is_no_part_of_the_functions_arn():
    assert function_arn(f"{ARN}:live", "$LATEST") == f"{ARN}:$LATEST"
    assert function_arn(ARN, "3") == f"{ARN}:3"
    assert function_arn(None, "3") == ""


def test_a_kind_of_trouble_is_told_once_in_one_line(fds):
    diagnostics = Diagnostics(fds[1])
    diagnostics.say("a", "first\nline\udc80 " + "x" * 1000)
    diagnostics.say("a", "again")
    diagnostics.say("b", "other")
    lines = os.read(fds[0], 10_000).decode().splitlines()
    assert [line[:28] for line in lines] == ["lambdascope: first line? xxx", "lambdascope: other"]
    assert len(lines[0]) == 400


def test_no_standard_error_is_no_trouble():
    Diagnostics(9999).say("a", "lost")
