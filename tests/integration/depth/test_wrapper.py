"""The wrapper as a process: what it says, what it sets, what it becomes."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from deploy.layer.launcher import WRAPPER
from extension.marks import MarksReader
from tests.support.depth import WAIT_S, programs
from tests.support.sanitized_launcher import assert_no_report, compile_sanitized

SHOW = "import json, os; print(json.dumps(dict(os.environ)))"
RUNTIME = [sys.executable, "-I", "-S", "-c", SHOW]


@pytest.fixture
def api():
    """An address that no other test has: it is a part of the sockets' names."""
    return f"127.0.0.1:{20000 + os.getpid() % 30000}"


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory):
    path = tmp_path_factory.mktemp("sanitized") / "lambdascope" / "wrapper"
    path.parent.mkdir()
    compile_sanitized(path, WRAPPER)
    return path


def wrapped(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    wrapper = programs() / "lambdascope" / "wrapper"
    return subprocess.run(
        [wrapper, *command], env=environment, capture_output=True, text=True, check=False, timeout=WAIT_S
    )


def environment_behind(**environment: str) -> dict[str, str]:
    done = wrapped(*RUNTIME, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return {name: value for name, value in found.items() if name != "LC_CTYPE"}


@contextmanager
def marks_of(api: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as marks:
        marks.bind(f"\0lambdascope/marks/{api}")
        marks.settimeout(WAIT_S)
        yield marks


def test_it_tells_when_the_runtime_starts_and_where_its_logs_go(api):
    told = {
        "AWS_LAMBDA_LOG_GROUP_NAME": "/g",
        "AWS_LAMBDA_LOG_STREAM_NAME": "s",
        "AWS_EXECUTION_ENV": "AWS_Lambda_java21",
    }
    with marks_of(api) as marks:
        before = time.time_ns()
        found = environment_behind(AWS_LAMBDA_RUNTIME_API=api, **told)
        first, *lines = marks.recv(4096).decode().split("\n")
    assert lines == ["/g", "s", "AWS_Lambda_java21"]
    kind, start_ns, ticks_ns = first.split(" ")
    assert kind == "runtime"
    assert before <= int(start_ns) <= time.time_ns()
    assert 0 < int(ticks_ns) <= time.monotonic_ns()
    assert found == {"AWS_LAMBDA_RUNTIME_API": api, **told}  # there is no probe for this runtime


def test_the_marks_of_an_init_wait_for_a_reader_without_loss(api, tmp_path):
    """Nobody reads before the function has answered: all three are there, with a hundred imports of long names."""
    names = [f"m{number:03d}_" + "n" * 190 for number in range(110)]
    (tmp_path / "app.py").write_text("".join(f"import {name}\n" for name in names))
    for name in names:
        (tmp_path / f"{name}.py").write_text("import time; time.sleep(0.0002)")
    with marks_of(api) as marks:
        done = wrapped(
            sys.executable, "-c", "import importlib; importlib.import_module('app')", AWS_LAMBDA_RUNTIME_API=api,
            AWS_EXECUTION_ENV="AWS_Lambda_python3.13", PYTHONPATH=str(tmp_path), _HANDLER="app.handler",
            LAMBDASCOPE_IMPORT_PROFILE="1", LAMBDASCOPE_IMPORT_PROFILE_MS="0.01",
            AWS_LAMBDA_LOG_GROUP_NAME="g" * 512, AWS_LAMBDA_LOG_STREAM_NAME="s" * 512,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        reader = MarksReader(marks.fileno())
        reader.read()
    assert len(reader.starts) == 1
    assert reader.starts[0].loaded_ns is not None
    assert len(reader.starts[0].imports) == 100


@pytest.mark.parametrize(("own", "expected"), [({}, "{probe}"), ({"PYTHONPATH": "/a:/b"}, "{probe}:/a:/b")])
def test_a_python_runtime_gets_the_probe_in_front_of_its_path(api, own, expected):
    with marks_of(api):
        found = environment_behind(AWS_LAMBDA_RUNTIME_API=api, AWS_EXECUTION_ENV="AWS_Lambda_python3.13", **own)
    assert found["PYTHONPATH"] == expected.format(probe=programs() / "lambdascope/probe/python")
    assert int(found["LAMBDASCOPE_MARKS"]) >= 3


@pytest.mark.parametrize(
    ("own", "expected"), [({}, "{probe}"), ({"NODE_OPTIONS": "--no-warnings"}, "--no-warnings {probe}")]
)
def test_a_node_runtime_gets_the_probe_behind_its_options(api, own, expected):
    with marks_of(api):
        found = environment_behind(AWS_LAMBDA_RUNTIME_API=api, AWS_EXECUTION_ENV="AWS_Lambda_nodejs22.x", **own)
    assert found["NODE_OPTIONS"] == expected.format(probe=f"--require={programs()}/lambdascope/probe/nodejs/probe.cjs")


@pytest.mark.parametrize("switched", [{}, {"LAMBDASCOPE_PROBE": "off"}])
def test_nothing_changes_where_nobody_listens_or_the_probe_is_off(api, switched):
    given = {
        "AWS_LAMBDA_RUNTIME_API": api,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "PYTHONPATH": "/a",
        **switched,
    }
    if not switched:
        assert environment_behind(**given) == given
    else:
        with marks_of(api):
            assert environment_behind(**given) == given


def environment_with_proxy(answer: bytes, listens_for: str, told: str) -> dict[str, str]:
    """What the runtime gets where a proxy answers so to who asks for it by the address `listens_for`."""

    def serve() -> None:
        with suppress(OSError):
            connection, _ = proxy.accept()
            connection.sendall(answer)
            connection.close()

    with socket.socket(socket.AF_UNIX) as proxy:
        proxy.bind(f"\0lambdascope/proxy/{listens_for}")
        proxy.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        found = environment_behind(AWS_LAMBDA_RUNTIME_API=told)
        proxy.shutdown(socket.SHUT_RDWR)
        thread.join()
    return found


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"127.0.0.1:9009 127.0.0.1:9001", "127.0.0.1:9009"),
        (b"127.0.0.1:9009 127.0.0.1:9100", "127.0.0.1:9009"),  # LAMBDASCOPE_PROXY_UPSTREAM: another one behind ours
        (b"", None),
        (b"nonsense", None),
    ],
)
def test_the_runtime_goes_to_the_proxy_only_where_it_answers(api, answer, expected):
    assert environment_with_proxy(answer, api, api)["AWS_LAMBDA_RUNTIME_API"] == (expected or api)


@pytest.mark.parametrize("usual", ["127.0.0.1:9001", "169.254.100.1:9001"])
def test_another_vendors_proxy_in_front_of_ours_stays_there(usual):
    """Its wrapper has replaced the address before ours runs; our launcher knows Lambda's own."""
    theirs = "127.0.0.1:8999"
    behind = environment_with_proxy(f"127.0.0.1:9009 {usual}".encode(), usual, theirs)
    assert behind["AWS_LAMBDA_RUNTIME_API"] == theirs
    in_front = environment_with_proxy(f"127.0.0.1:9009 {theirs}".encode(), usual, theirs)
    assert in_front["AWS_LAMBDA_RUNTIME_API"] == "127.0.0.1:9009"


def test_a_proxy_that_hangs_is_left_alone(api):
    with socket.socket(socket.AF_UNIX) as proxy:
        proxy.bind(f"\0lambdascope/proxy/{api}")
        proxy.listen()
        assert environment_behind(AWS_LAMBDA_RUNTIME_API=api)["AWS_LAMBDA_RUNTIME_API"] == api


def test_the_next_wrapper_gets_the_runtimes_command(tmp_path):
    following = tmp_path / "next"
    following.write_text('#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n')
    following.chmod(0o755)
    found = environment_behind(LAMBDASCOPE_NEXT_WRAPPER=str(following))
    assert found["WRAPPED"] == "yes"


def test_without_the_next_wrapper_the_runtime_starts_all_the_same():
    done = wrapped(*RUNTIME, LAMBDASCOPE_NEXT_WRAPPER="/nowhere")
    assert done.returncode == 0
    assert done.stderr == (
        "lambdascope: the runtime starts without LAMBDASCOPE_NEXT_WRAPPER, which cannot be executed: /nowhere\n"
    )


def test_arguments_pass_as_they_are_and_a_program_is_found_on_the_path():
    done = wrapped("printf", "%s|", "a b", "", "*", PATH="/nowhere:/usr/bin:/bin")
    assert (done.returncode, done.stdout) == (0, "a b||*|")


def test_what_cannot_be_executed_is_named():
    done = wrapped("/nowhere/runtime")
    assert (done.returncode, done.stderr) == (
        127,
        "lambdascope: the wrapper was to start what cannot be executed: /nowhere/runtime\n",
    )


def generated_environment(rng: random.Random, api: str) -> dict[str, str]:
    """Values as long as they get, and as many; among them those that the wrapper reads and changes."""
    text = "".join(rng.choices("abc=:/ \t%$'\"\\é", k=rng.choice([0, 1, 20, 3000, 20_000])))
    found = {f"V{number}": text[: rng.randrange(200)] for number in range(rng.choice([0, 10, 2040, 2100]))}
    chosen = {
        "AWS_LAMBDA_RUNTIME_API": rng.choice([api, "", text, "127.0.0.1:9001"]),
        "AWS_EXECUTION_ENV": rng.choice(["AWS_Lambda_python3.13", "AWS_Lambda_nodejs22.x", "AWS_Lambda_", text]),
        "AWS_LAMBDA_LOG_GROUP_NAME": text,
        "AWS_LAMBDA_LOG_STREAM_NAME": rng.choice(["s", text]),
        "PYTHONPATH": rng.choice(["", text, ":::"]),
        "NODE_OPTIONS": rng.choice(["", text]),
        "LAMBDASCOPE_PROBE": rng.choice(["", "off", "OFF", text]),
        "LAMBDASCOPE_NEXT_WRAPPER": rng.choice(["", "/nowhere", "/" + "n" * 5000]),
        "PATH": rng.choice(
            ["/nowhere:/usr/bin:/bin", ":" * 100 + "/bin:/usr/bin", "/" + "p" * 5000 + ":/bin:/usr/bin"]
        ),
    }
    return found | {name: value for name, value in chosen.items() if rng.random() < 0.8}


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(200 if os.environ.get("LAMBDASCOPE_SOAK") == "1" else 20))
def test_whatever_the_environment_the_runtime_starts_and_nothing_is_written_out_of_bounds(api, sanitized, seed):
    """AddressSanitizer and UndefinedBehaviorSanitizer end the wrapper at the first mistake."""
    rng = random.Random(seed)
    environment = generated_environment(rng, api)
    arguments = rng.choice([["x" * rng.choice([0, 1, 5000])] * 10, ["x"] * 1022, ["x"] * 1030])
    with marks_of(api):
        done = subprocess.run(
            [sanitized, "/usr/bin/printf", "%s|", *arguments],
            env=environment, capture_output=True, text=True, check=False, timeout=WAIT_S,
        )  # fmt: skip
    assert_no_report(done.stderr)
    assert (done.returncode, done.stdout) == (0, "".join(f"{argument}|" for argument in arguments))
