"""What the launcher took in Python's place, as Python reads it: the file's format, and connections in mid-delivery."""

from __future__ import annotations

import os
import socket

import pytest

from extension import handoff
from extension.listener import Listener
from extension.reactor import Reactor


@pytest.fixture
def held_file():
    """Writes a file without a name, as the launcher does, and gives its descriptor."""

    def write(data: bytes) -> int:
        fd = os.memfd_create("held")
        os.write(fd, data)
        return fd

    return write


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    with left, right:
        yield left, right


def test_reads_deliveries_in_their_order_and_open_connections(pair):
    fd = pair[0].fileno()
    held = handoff.read_held(b"delivery 2\n[]delivery 5\n1\n2\n3" + f"peer {fd} 4\nPOST".encode())
    assert held.deliveries == [b"[]", b"1\n2\n3"]
    assert held.peers == [(fd, b"POST")]


@pytest.mark.parametrize(
    "broken",
    [
        b"delivery 9\n[]",
        b"delivery x\n[]",
        b"delivery -1\n[]",
        b"delivery\n[]",
        b"delivery 1 2\n[]",
        b"peer 2\n[]",
        b"other 2\n[]",
        b"\n",
        b"\xff 1\n",
        b"delivery 2",
    ],
)
def test_keeps_what_stands_in_front_of_a_broken_record(broken):
    assert handoff.read_held(b"delivery 2\n[]" + broken).deliveries == [b"[]"]


def test_leaves_out_a_connection_that_is_not_open():
    assert handoff.read_held(b"peer 987 0\ndelivery 2\n[]").peers == []


def test_the_variable_names_the_file_which_is_closed_once_it_is_read(held_file):
    fd = held_file(b"delivery 2\n[]")
    parsed = handoff.parse(f"stage=none held={fd} event_ns=17 runtime_ns=15")
    assert (parsed.held.deliveries, parsed.event_ns, parsed.runtime_ns) == ([b"[]"], 17, 15)
    with pytest.raises(OSError):
        os.fstat(fd)


@pytest.mark.parametrize("value", ["stage=none", "stage=none held=2", "stage=none held=x", "stage=none held=987"])
def test_nothing_was_held_where_there_is_no_file(value):
    held = handoff.parse(value).held
    assert (held.deliveries, held.peers) == ([], [])


class Connections:
    """A listener in this process, and what was delivered to it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.troubles: list[Exception] = []
        self.reactor = Reactor(self.troubles.append)
        self.listener = Listener(self.reactor, socket.create_server(("127.0.0.1", 0)), self.bodies.append)


@pytest.fixture
def connections():
    made = Connections()
    yield made
    made.listener.close()
    assert made.troubles == []


REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n[12]"


@pytest.mark.parametrize("read_already", [0, 3, 30, len(REQUEST) - 1, len(REQUEST)])
def test_goes_on_with_a_delivery_wherever_the_launcher_stopped(connections, pair, read_already):
    ours, theirs = pair
    connections.listener.adopt(ours.detach(), REQUEST[:read_already])
    if read_already < len(REQUEST):
        theirs.sendall(REQUEST[read_already:])
        connections.reactor.run_once(5)
    assert connections.bodies == [b"[12]"]
    assert theirs.recv(100).startswith(b"HTTP/1.1 200 ")


def test_refuses_what_is_no_delivery_and_survives_what_is_no_socket(connections, pair, held_file):
    ours, theirs = pair
    connections.listener.adopt(held_file(b""), b"")
    connections.listener.adopt(ours.detach(), b"nonsense\r\n\r\n")
    assert theirs.recv(100).startswith(b"HTTP/1.1 400 ")
