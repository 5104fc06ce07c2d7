"""Whatever becomes of the bundled Python, the function goes on: the launcher asks for event after event."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.layer import (
    IDENTIFIER,
    INVOKE,
    REGISTERED,
    SHUTDOWN,
    SUBSCRIBED,
    ExtensionsApi,
    Launched,
    Reply,
    Request,
    Script,
    answer,
    launched,
    wait_until,
    whole,
)

HELD = Reply(hold=True)
LOADER = "lambdascope/lib/ld-linux-*"


def expect_ready(api: ExtensionsApi) -> Request:
    """The launcher does what must be done before the function's init may end; its last request."""
    api.expect("register")
    api.expect("telemetry")
    return api.expect("next")


def serve_two_events_and_shutdown(api: ExtensionsApi, launcher: Launched) -> None:
    """The launcher, without Python, must answer each event with the next request, and end at SHUTDOWN."""
    for event in (INVOKE, INVOKE, SHUTDOWN):
        request = api.expect("next")
        assert request.headers["lambda-extension-identifier"] == IDENTIFIER
        api.answer_held(event)
    assert launcher.exit_code() == 0
    api.expect_nothing_more()


def test_ends_with_its_python_at_shutdown(serve, unpacked):
    api = serve()
    with launched(unpacked, {"AWS_LAMBDA_RUNTIME_API": api.address}) as launcher:
        expect_ready(api)
        api.answer_held(SHUTDOWN)
        assert launcher.exit_code() == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_goes_on_where_python_is_killed(serve, unpacked, number):
    api = serve()
    with launched(unpacked, {"AWS_LAMBDA_RUNTIME_API": api.address}) as launcher:
        first = expect_ready(api)
        os.kill(launcher.python_in_charge(), number)
        request = api.expect("next")
        assert request.connection > first.connection
        api.answer_held(INVOKE)
        serve_two_events_and_shutdown(api, launcher)
        (line,) = launcher.stderr().splitlines()[-1:]
    assert line == (
        f"lambdascope: the bundled Python was ended by signal {int(number)}; "
        "the launcher goes on asking for events, without telemetry"
    )


def test_deliveries_are_refused_once_python_is_gone(serve, reporting, report):
    """Refused, rather than taken and never answered: the platform would wait for each."""
    import socket

    api = serve()
    environment = {"AWS_LAMBDA_RUNTIME_API": api.address, **report.environment()}
    with launched(reporting, environment) as launcher:
        port = int(report.handoff()["port"])
        os.kill(launcher.python_in_charge(), signal.SIGKILL)
        expect_ready(api)
        api.expect("next")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


def missing_loader(root):
    (loader,) = root.glob(LOADER)
    loader.unlink()


def loader_that_is_no_program(root):
    (loader,) = root.glob(LOADER)
    loader.write_bytes(b"no program")


def missing_interpreter(root):
    (root / "lambdascope/bin/python3").unlink()


def library_cut_off(root):
    os.truncate(root / "lambdascope/lib/libc.so.6", 1000)


def missing_modules(root):
    (module,) = root.glob("lambdascope/lib/python3.*/extension/__main__.pyc")
    module.unlink()


@pytest.mark.parametrize(
    "damage", [missing_loader, loader_that_is_no_program, missing_interpreter, library_cut_off, missing_modules]
)
def test_goes_on_where_python_does_not_start(serve, layer_copy, damage):
    damage(layer_copy)
    api = serve()
    with launched(layer_copy, {"AWS_LAMBDA_RUNTIME_API": api.address}) as launcher:
        expect_ready(api)
        wait_until(lambda: "the launcher goes on asking for events" in launcher.stderr(), "the launcher's line")
        serve_two_events_and_shutdown(api, launcher)


def test_starts_python_a_second_time_where_the_first_did_not_take_over(serve, reporting, report, tmp_path):
    """Whatever ended it may be gone (memory, processes), and the second finds all that the first had found."""
    api = serve()
    starts = tmp_path / "starts"
    environment = {"AWS_LAMBDA_RUNTIME_API": api.address, "LAMBDASCOPE_TEST_STARTS": str(starts)}
    with launched(reporting, {**environment, **report.environment(exit_code=0)}) as launcher:
        expect_ready(api)
        handoff, sockets = report.handoff(), report.read()["sockets"]
        assert launcher.exit_code() == 0
        assert launcher.stderr() == "lambdascope: the bundled Python ended with exit code 9; it is started once more\n"
    assert (handoff["stage"], handoff["id"]) == ("waiting", IDENTIFIER)
    assert {int(handoff["api"]), int(handoff["listener"])} <= set(sockets)
    assert starts.read_text() == "start\nstart\n"
    api.expect_nothing_more()


def test_starts_no_second_one_where_the_first_has_taken_over(serve, reporting, report):
    api = serve()
    with launched(reporting, {"AWS_LAMBDA_RUNTIME_API": api.address, **report.environment(exit_code=4)}) as launcher:
        expect_ready(api)
        serve_two_events_and_shutdown(api, launcher)
        assert "once more" not in launcher.stderr()


def test_goes_on_where_python_gives_up(serve, reporting, report):
    api = serve(Script(next=[Reply(close=True), HELD]))
    environment = {"AWS_LAMBDA_RUNTIME_API": api.address, **report.environment(exit_code=3)}
    with launched(reporting, environment) as launcher:
        expect_ready(api)
        serve_two_events_and_shutdown(api, launcher)
        assert "the bundled Python ended with exit code 3;" in launcher.stderr()


@pytest.mark.parametrize("refused", [False, True], ids=["subscribed", "subscription refused"])
def test_goes_on_where_python_gives_up_on_managed_instances(serve, reporting, report, refused):
    """Such a sandbox registers for SHUTDOWN alone, so the first event is the last."""
    api = serve(Script(telemetry=[whole(answer(403))] if refused else [whole(SUBSCRIBED)]))
    environment = {"AWS_LAMBDA_RUNTIME_API": api.address, **report.environment(exit_code=3)}
    with launched(reporting, {**environment, "AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances"}) as launcher:
        assert api.expect("register").json == {"events": ["SHUTDOWN"]}
        api.expect("telemetry")
        api.expect("next")
        assert ("listener" in report.handoff()) is not refused
        api.expect("next")
        api.answer_held(SHUTDOWN)
        assert launcher.exit_code() == 0
        assert "the bundled Python ended with exit code 3;" in launcher.stderr()
    api.expect_nothing_more()


def test_registers_in_the_end_where_neither_it_nor_python_could(serve, reporting, report):
    refused = whole(answer(500))
    api = serve(Script(register=[refused, refused, whole(REGISTERED)]))
    environment = {"AWS_LAMBDA_RUNTIME_API": api.address, **report.environment(exit_code=1)}
    with launched(reporting, environment) as launcher:
        for _ in range(3):
            api.expect("register")
        serve_two_events_and_shutdown(api, launcher)


FAILURES = {
    "refused": whole(answer(403)),
    "failed": whole(answer(500)),
    "closed": Reply(close=True),
    "not HTTP": Reply((b"nonsense\r\n",), close=True),
    "beyond all bounds": whole(answer(200, b"x" * 20000)),
    "no event": whole(answer(200, b"[]")),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_asks_again_whatever_the_answer_is(serve, reporting, report, failure):
    api = serve(Script(next=[Reply(close=True), failure, failure, failure, HELD]))
    environment = {"AWS_LAMBDA_RUNTIME_API": api.address, **report.environment(exit_code=3)}
    with launched(reporting, environment) as launcher:
        expect_ready(api)
        for _ in range(3):
            api.expect("next")
        serve_two_events_and_shutdown(api, launcher)


def test_python_ends_with_the_launcher(serve, unpacked):
    api = serve()
    with launched(unpacked, {"AWS_LAMBDA_RUNTIME_API": api.address}) as launcher:
        python = launcher.python_pid()
        os.kill(launcher.process.pid, signal.SIGKILL)
        launcher.process.wait()
        wait_until(lambda: is_gone(python), "the end of the bundled Python")


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"  # its new parent has not looked yet


IGNORE_SIGCHLD = (
    "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
)


def test_sees_how_python_ended_where_child_signals_are_ignored(serve, reporting, report):
    api = serve(Script(next=[Reply(close=True), HELD]))
    environment = {"AWS_LAMBDA_RUNTIME_API": api.address, **report.environment(exit_code=5)}
    entry = str(reporting / "extensions/lambdascope")
    with launched(reporting, environment, command=[sys.executable, "-c", IGNORE_SIGCHLD, entry]) as launcher:
        expect_ready(api)
        wait_until(lambda: "exit code 5" in launcher.stderr(), "the launcher's line")


CLOSE_ALL = "import os, sys; os.closerange(0, 3); os.execv(sys.argv[1], sys.argv[1:])"


def test_its_sockets_never_take_the_place_of_the_standard_streams(serve, reporting, report):
    api = serve()
    environment = {"AWS_LAMBDA_RUNTIME_API": api.address, **report.environment()}
    entry = str(reporting / "extensions/lambdascope")
    with launched(reporting, environment, command=[sys.executable, "-c", CLOSE_ALL, entry]):
        expect_ready(api)
        assert min(report.read()["sockets"]) >= 3
