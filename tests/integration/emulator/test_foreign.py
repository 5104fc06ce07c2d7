"""What nobody here wrote, unmodified: AWS's runtime client for Go, which also registers an internal extension."""

import re

import pytest

from tests.support.emulator import REPOSITORY, wait_for

GO_RUNTIME = REPOSITORY / "build" / "foreign" / "go-runtime"


@pytest.fixture
def start_go(start):
    assert (GO_RUNTIME / "bootstrap").exists(), "`make foreign` builds it"
    return lambda *arguments, **settings: start(*arguments, runtime="provided.al2023", code=str(GO_RUNTIME), **settings)


def test_a_go_function_answers_and_is_told_of(start_go, layer):
    emulator = start_go("--layer", layer)

    body = emulator.invoke("f", {"a": 1})[2]
    emulator.stop()

    report = emulator.telemetry("platform.report")[0]["record"]
    assert body == {"event": {"a": 1}, "request_id": report["requestId"], "function": "f"}
    assert report["status"] == "success"
    assert emulator.telemetry("platform.initStart")[0]["record"]["runtimeVersion"] == "provided:al2023.v0"
    assert any("handling an event" in record["record"] for record in emulator.telemetry("function"))


def test_a_panic_is_an_error_and_the_next_invocation_has_another_runtime(start_go, layer):
    emulator = start_go("--layer", layer)

    _, headers, body = emulator.invoke("f", {"panic": True})
    wait_for(lambda: emulator.sandboxes()[0]["phase"] == "reset", "the reset")
    again = emulator.invoke("f", {})[2]
    emulator.stop()

    assert headers["x-amz-function-error"] == "Unhandled"
    assert (body["errorType"], body["errorMessage"]) == ("string", "as asked")
    assert again["function"] == "f"
    phases = [record["record"]["phase"] for record in emulator.telemetry("platform.initReport")]
    assert phases == ["init", "invoke"]


def test_its_internal_extension_has_it_told_of_the_end(start_go):
    """Lifecycle, "Shutdown phase": with a registered internal extension, SIGTERM and 500 ms."""
    emulator = start_go()
    emulator.invoke("f", {})
    emulator.stop()

    assert [line for line in emulator.lines if re.fullmatch(r"\[f/function\] told of the end", line)]
