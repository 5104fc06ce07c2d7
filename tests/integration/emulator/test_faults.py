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
