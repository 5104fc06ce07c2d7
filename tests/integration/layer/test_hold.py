"""Python starts when the function's first answer is done; what the launcher takes until then reaches it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from extension.handoff import Held, read_held
from tests.support.emulator import wait_for
from tests.support.layer import (
    INVOKE,
    SHUTDOWN,
    ExtensionsApi,
    Launched,
    Reply,
    Script,
    answer,
    chunked,
    launched,
    whole,
)

ON_DEMAND = {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}
START = b'[{"time":"2026-11-21T00:00:00.000Z","type":"platform.start","record":{"requestId":"r"}}]'
DONE = b'[{"time":"2026-11-21T00:00:00.000Z","type":"platform.runtimeDone","record":{"requestId":"r"}}]'
INIT_DONE = b'[{"time":"2026-11-21T00:00:00.000Z","type":"platform.initRuntimeDone","record":{}}]'
LOG = b'[{"time":"2026-11-21T00:00:00.000Z","type":"function","record":"\\"platform.runtimeDone\\" is a word"}]'


def invoke(left_s: float = 600.0) -> bytes:
    """An INVOKE event of a function with so much of its time left."""
    deadline_ms = int((time.time() + left_s) * 1000)
    body = f'{{"eventType":"INVOKE","deadlineMs":{deadline_ms},"requestId":"r","invokedFunctionArn":"a"}}'
    return answer(200, body.encode())


def request(body: bytes, *headers: str) -> bytes:
    """A delivery of telemetry."""
    head = "".join(f"{header}\r\n" for header in (f"Content-Length: {len(body)}", *headers))
    return f"POST / HTTP/1.1\r\nHost: sandbox.localdomain\r\n{head}\r\n".encode() + body


@dataclass
class Holding:
    """A launcher that holds Python back."""

    api: ExtensionsApi
    launcher: Launched
    port: int

    def connect(self) -> socket.socket:
        """A connection for deliveries."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def deliver(self, body: bytes) -> None:
        """Deliver `body` on a connection of its own; it must be accepted."""
        with self.connect() as connection:
            deliver(connection, body)


def deliver(connection: socket.socket, body: bytes, *headers: str) -> None:
    connection.sendall(request(body, *headers))
    assert connection.recv(1000) == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def bodies(held: bytes | None) -> list[bytes]:
    return parts(held).deliveries


def parts(held: bytes | None) -> Held:
    assert held is not None
    return read_held(held)


@pytest.fixture
def hold(serve, reporting, report):
    """Starts a launcher and brings it to where it waits for the first event."""

    @contextlib.contextmanager
    def start(script: Script | None = None, **environment: str):
        api = serve(script)
        variables = {"AWS_LAMBDA_RUNTIME_API": api.address, **ON_DEMAND, **report.environment(), **environment}
        with launched(reporting, variables) as launcher:
            api.expect("register")
            uri = api.expect("telemetry").json["destination"]["URI"]
            api.expect("next")
            yield Holding(api, launcher, int(uri.rpartition(":")[2]))

    return start


def test_python_starts_when_the_first_answer_is_done_and_gets_what_came_before(hold, report):
    with hold() as holding:
        holding.deliver(INIT_DONE)
        holding.api.answer_held(invoke())
        holding.deliver(START)
        holding.deliver(LOG)
        assert holding.launcher.has_no_python()
        before_ns = time.time_ns()
        holding.deliver(DONE)
        handoff, held = report.handoff(), report.read()["held"]
        holding.api.expect_nothing_more()
    assert bodies(held) == [INIT_DONE, START, LOG, DONE]
    assert handoff["stage"] == "waiting"
    assert 0 < int(handoff["event_ns"]) <= before_ns


def test_python_learns_when_the_runtime_started_even_where_it_has_ended_since(hold, report):
    with hold() as holding:
        environment = {"LAMBDA_TASK_ROOT": "/", "AWS_LAMBDA_RUNTIME_API": holding.api.address}
        holding.deliver(INIT_DONE)
        before_ns = time.time_ns()
        with subprocess.Popen(["sleep", "60"], env=environment) as runtime:
            # A process has its environment a moment after Popen returns: exec closes descriptors first.
            wait_for(Path(f"/proc/{runtime.pid}/environ").read_bytes, "its environment")
            holding.api.answer_held(invoke())
            holding.deliver(START)  # answered only after a look at the event, which came before it
            runtime.kill()
        holding.deliver(DONE)
        started_ns = int(report.handoff()["runtime_ns"])
    assert before_ns - 20_000_000 <= started_ns <= time.time_ns()


def test_the_event_stays_to_be_read_by_python(serve, unpacked):
    """The extension itself: it asks for the next event, which it can only do after it has read this one."""
    api = serve()
    with launched(unpacked, {"AWS_LAMBDA_RUNTIME_API": api.address, **ON_DEMAND}) as launcher:
        api.expect("register")
        port = int(api.expect("telemetry").json["destination"]["URI"].rpartition(":")[2])
        first = api.expect("next")
        holding = Holding(api, launcher, port)
        api.answer_held(invoke())
        holding.deliver(START)
        holding.deliver(DONE)
        assert api.expect("next").connection == first.connection
        api.answer_held(SHUTDOWN)
        assert launcher.exit_code() == 0


@pytest.mark.parametrize("kind", ["provisioned-concurrency", "snap-start", "lambda-managed-instances", "", "other"])
def test_python_starts_at_once_where_nobody_waits(hold, report, kind):
    with hold(AWS_LAMBDA_INITIALIZATION_TYPE=kind):
        assert "held" not in report.handoff()


@pytest.mark.parametrize(("receiver", "held"), [("on", False), ("4319", False), ("off", True), ("", True)])
def test_python_starts_at_once_where_the_functions_sdk_sends_to_it(hold, report, receiver, held):
    with hold(LAMBDASCOPE_OTLP_RECEIVER=receiver) as holding:
        if held:
            holding.deliver(DONE)
        assert ("held" in report.handoff()) is held


@pytest.mark.parametrize("reply", [whole(answer(403)), whole(answer(400)), Reply(close=True)])
def test_python_starts_at_once_where_the_end_could_not_be_seen(serve, reporting, report, reply):
    api = serve(Script(telemetry=[reply]))
    variables = {"AWS_LAMBDA_RUNTIME_API": api.address, **ON_DEMAND, **report.environment()}
    with launched(reporting, variables):
        assert "held" not in report.handoff()


ANSWERS = {
    "shutdown": whole(SHUTDOWN),
    "refusal": whole(answer(403)),
    "end of the connection": Reply(close=True),
    "nonsense": whole(b"nonsense\r\n"),
    "half an event": whole(INVOKE[:60]),
    "larger than all bounds": whole(answer(200, b"x" * 20000)),
}


@pytest.mark.parametrize("reply", ANSWERS.values(), ids=ANSWERS.keys())
def test_python_deals_with_every_answer_but_an_invocation(hold, report, reply):
    with hold(Script(next=[reply])):
        handoff = report.handoff()
        assert (handoff["stage"], "event_ns" in handoff) == ("waiting", False)


def test_an_event_may_come_in_pieces_and_chunks(hold, report):
    body = invoke().partition(b"\r\n\r\n")[2]
    whole_event = chunked(body, size=40)
    with hold(Script(next=[Reply((whole_event[:50], whole_event[50:]), pause_s=0.003)])) as holding:
        holding.deliver(START)
        holding.deliver(DONE)
        assert bodies(report.read()["held"]) == [START, DONE]


@pytest.mark.parametrize("left_s", [600.0, 0.5, 0.0, -5.0])
def test_python_starts_in_time_where_telemetry_does_not_come(hold, report, left_s):
    with hold() as holding:
        holding.api.answer_held(invoke(left_s))
        assert bodies(report.read()["held"]) == []


@pytest.mark.parametrize("left_s", [600.0, 3.0])
def test_python_starts_in_time_where_the_function_goes_on(hold, report, left_s):
    with hold() as holding:
        holding.api.answer_held(invoke(left_s))
        holding.deliver(START)
        assert bodies(report.read()["held"]) == [START]


def test_an_event_without_a_deadline_is_not_kept_waiting(hold, report):
    with hold() as holding:
        holding.api.answer_held(answer(200, b'{"eventType":"INVOKE","deadlineMs":1e13}'))
        holding.deliver(START)
        assert bodies(report.read()["held"]) == [START]


def test_a_connection_is_used_again_and_handed_over_open(hold, report):
    with hold() as holding, holding.connect() as connection:
        for body in (INIT_DONE, START, DONE):
            deliver(connection, body)
        held = report.read()["held"]
        _, _, peer = held.rpartition(b"\n")[0].rpartition(b"peer ")
        assert bodies(held) == [INIT_DONE, START, DONE]
        assert (int(peer.split()[0]) in report.read()["sockets"], peer.split()[1]) == (True, b"0")


def test_a_connection_is_closed_where_its_sender_wants_it(hold):
    with hold() as holding, holding.connect() as connection:
        deliver(connection, START, "Connection: close")
        assert connection.recv(1) == b""


def test_several_deliveries_may_come_at_once_and_one_in_single_bytes(hold, report):
    with hold() as holding, holding.connect() as connection, holding.connect() as slow:
        connection.sendall(request(INIT_DONE) + request(START))
        for byte in request(LOG):
            slow.sendall(bytes([byte]))
        assert slow.recv(1000).startswith(b"HTTP/1.1 200 ")
        deliver(slow, DONE)
        assert sorted(bodies(report.read()["held"])) == sorted([INIT_DONE, START, LOG, DONE])


def test_half_a_delivery_is_handed_over_unanswered(hold, report):
    with hold() as holding, holding.connect() as half:
        half.sendall(request(LOG)[:100])
        holding.deliver(START)
        holding.deliver(DONE)
        held = report.read()["held"]
        assert bodies(held) == [START, DONE]
        assert b" 100\n" + request(LOG)[:100] in held


NOT_PLAIN = {
    "chunks": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
    "an expectation": b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    "another method": b"GET / HTTP/1.1\r\n\r\n",
    "no HTTP": b"hello\r\n\r\n",
}


@pytest.mark.parametrize("given", NOT_PLAIN.values(), ids=NOT_PLAIN.keys())
def test_python_takes_over_where_a_delivery_is_not_plain(hold, report, given):
    with hold() as holding, holding.connect() as odd:
        odd.sendall(given)
        assert f" {len(given)}\n".encode() + given in report.read()["held"]


def test_python_takes_over_where_there_are_more_connections_than_places(hold, report):
    with hold() as holding, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(holding.connect()) for _ in range(5)]
        for connection in connections[:4]:
            connection.sendall(b"P")
        held = report.read()["held"]
        assert held.count(b"peer ") == 4


def accepts(connection: socket.socket, body: bytes, report) -> bool:
    """Whether a delivery is accepted, rather than left to Python."""
    connection.settimeout(20)
    connection.sendall(request(body))
    connection.settimeout(0.1)
    while not report.is_there():
        with contextlib.suppress(TimeoutError):
            return connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    return False


@pytest.mark.parametrize("size", [300_000, 700_000, 1_100_000])
def test_python_takes_over_where_the_room_is_used_up_and_nothing_is_lost(hold, report, size):
    big = b"[" + b" " * size + b"]"
    accepted = 0
    with hold() as holding, holding.connect() as connection:
        while accepts(connection, big, report):
            accepted += 1
        held = report.read()["held"]
    assert bodies(held) == [big] * accepted
    assert accepted == 1_048_576 // (len(big) + 20)
    assert b"peer " in held


def test_nothing_that_was_held_is_lost_where_python_starts_only_at_the_second_try(hold, report, tmp_path):
    with hold(LAMBDASCOPE_TEST_STARTS=str(tmp_path / "starts")) as holding, holding.connect() as half:
        holding.api.answer_held(invoke())
        half.sendall(request(LOG)[:100])
        holding.deliver(START)
        holding.deliver(DONE)
        found = report.read()
        peer = re.search(rb"peer (\d+) 100\n" + re.escape(request(LOG)[:100]), found["held"])
        holding.api.expect_nothing_more()
    assert bodies(found["held"]) == [START, DONE]
    assert peer is not None
    assert int(peer[1]) in found["sockets"]
    assert (tmp_path / "starts").read_text() == "start\nstart\n"


def test_goes_on_where_python_is_killed_after_it_was_held_back(hold, report):
    with hold(Script(next=[Reply(hold=True)])) as holding:
        holding.api.answer_held(invoke())
        holding.deliver(DONE)
        report.read()
        os.kill(holding.launcher.python_in_charge(), signal.SIGKILL)
        for event in (INVOKE, SHUTDOWN):
            holding.api.expect("next")
            holding.api.answer_held(event)
        assert holding.launcher.exit_code() == 0


def test_deliveries_are_refused_once_python_that_was_held_back_is_gone(hold, report):
    with hold() as holding, holding.connect() as kept:
        deliver(kept, DONE)
        report.read()
        os.kill(holding.launcher.python_in_charge(), signal.SIGKILL)
        holding.api.expect("next")
        assert kept.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            holding.connect()
