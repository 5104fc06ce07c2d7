"""Faults of a scenario, with real processes."""

import socket
import threading

import pytest

from tests.support.emulator import wait_for

NAMESPACES = pytest.mark.root


def order_seen(emulator):
    """Records and events in the order in which the extension saw them."""
    seen = []
    for line in emulator.lines:
        if '"kind": "event"' in line:
            seen.append("INVOKE" if '"INVOKE"' in line else "SHUTDOWN")
        if '"kind": "telemetry"' in line:
            seen += [kind for kind in ("platform.initStart", "platform.runtimeDone") if f'"{kind}"' in line]
    return seen


def test_the_init_is_told_after_the_first_invoke(start, layer):
    emulator = start("--layer", layer, faults={"late_init": True})
    emulator.invoke("f", {"sleep": 0.2})
    emulator.stop()

    assert order_seen(emulator)[:2] == ["INVOKE", "platform.initStart"]


def test_the_end_is_told_before_the_invoke(start, layer):
    emulator = start("--layer", layer, faults={"late_invoke": True})
    emulator.invoke("f", {})
    emulator.wait_idle()
    emulator.stop()

    seen = order_seen(emulator)
    assert seen.index("platform.runtimeDone") < seen.index("INVOKE")


def test_a_report_that_never_comes(start, layer):
    emulator = start("--layer", layer, faults={"report": "never"})
    emulator.invoke("f", {})
    emulator.stop()

    assert emulator.telemetry("platform.runtimeDone")
    assert emulator.telemetry("platform.report") == []


def test_a_report_that_comes_with_the_next_invocation_or_the_end(start, layer):
    emulator = start("--layer", layer, faults={"report": "next"})
    for _ in range(2):
        emulator.invoke("f", {"sleep": 0.2})
        emulator.wait_idle()
    emulator.stop()

    ids = [record["record"]["requestId"] for record in emulator.telemetry("platform.start")]
    told = [(record["type"], record["record"]["requestId"]) for record in of_invocations(emulator.telemetry())]
    assert told.index(("platform.report", ids[0])) > told.index(("platform.runtimeDone", ids[0]))
    assert told.index(("platform.report", ids[0])) < told.index(("platform.runtimeDone", ids[1]))
    assert told[-1] == ("platform.report", ids[1])
    reports = [number for number, line in enumerate(emulator.lines) if '"platform.report"' in line]
    second = [number for number, line in enumerate(emulator.lines) if '"INVOKE"' in line and '"event"' in line][1]
    assert min(reports) > second


def of_invocations(records):
    return [record for record in records if "requestId" in record["record"] and record["type"] != "function"]


def test_several_invocations_in_one_batch(start, layer):
    """A batch ends with the start of the invocation after them."""
    emulator = start("--layer", layer, faults={"batch_invocations": 2})
    for _ in range(3):
        emulator.invoke("f", {"sleep": 0.1})
        emulator.wait_idle()
    emulator.stop()

    ids = [record["record"]["requestId"] for record in emulator.telemetry("platform.start")]
    whole = next(batch for batch in emulator.said("telemetry") if any(r["type"] == "platform.start" for r in batch))
    assert [record["record"]["requestId"] for record in of_invocations(whole)] == [ids[0]] * 3 + [ids[1]] * 3 + [ids[2]]


@pytest.mark.parametrize(
    ("fault", "error_type"),
    [("kill_extension", "Extension.Crash"), ("out_of_memory", "Runtime.OutOfMemory"), ("time_out", "Sandbox.Timedout")],
)
def test_what_dies_is_told_as_lambda_tells_it(start, layer, fault, error_type):
    emulator = start("--layer", layer, faults={fault: 1}, timeout_s=1)

    assert emulator.invoke("f", {"sleep": 0.5})[2]["errorType"] == error_type


@NAMESPACES
def test_connections_close_while_the_sandbox_is_frozen(start):
    closed = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(connection.recv(10).upper())
                if connection.recv(10) == b"":
                    closed.set()

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        emulator = start("--relay", f"far=127.0.0.1:{port}", faults={"close_idle_connections": True})
        assert emulator.invoke("f", {"connect": ["far", port], "keep": True})[2] == "PING"
        emulator.wait_idle()
        wait_for(closed.is_set, "the end of the connection")
        thread.join()

    assert emulator.invoke("f", {"kept": True})[2] == ""


@NAMESPACES
def test_a_relay_can_refuse_for_a_time(start):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        faults = {"relay": [{"kind": "refuse"}]}
        emulator = start("--relay", f"far=127.0.0.1:{port}", faults=faults)

        assert emulator.invoke("f", {"connect": ["far", port]})[2]["errorType"] == "ConnectionResetError"
