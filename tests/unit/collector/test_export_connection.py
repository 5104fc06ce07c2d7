"""Whatever a client sends, whenever the spool answers: nothing is raised, and nothing stays held once it is gone."""

from __future__ import annotations

import asyncio
import random
import socket
import tracemalloc
from typing import Any

import pytest
from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import UnavailableError
from collector.receiver import connections as module
from collector.receiver import frames
from collector.receiver.access import Open
from collector.receiver.connections import Connections
from collector.receiver.export_connection import ExportConnection
from collector.receiver.intake import Done, Intake, IntakeSettings
from collector.receiver.relay import Client, Library
from collector.spool.record import Record
from collector.spool.repeats import Repeats
from collector.telemetry import Counters
from tests.support.collector import lambda_span, trace_request

PATH = b"/opentelemetry.proto.collector.trace.v1.TraceService/Export"
FIELDS = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"x"), (b"te", b"trailers"),
          (b"content-type", b"application/grpc")]  # fmt: skip
GOOD = trace_request([lambda_span("good", start_ns=1, duration_ns=1)]).SerializeToString()


class Transport(asyncio.Transport):
    """Takes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def write(self, data: Any) -> None:
        assert data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0


class Relay(Library):
    """Takes over, and does nothing."""

    def __init__(self) -> None:
        super().__init__(lambda: None)  # type: ignore[arg-type,return-value]

    def serves(self, client: Client) -> bool:
        return False

    def take(self, transport: asyncio.Transport, sent: bytes) -> None:
        assert sent.startswith(frames.PREFACE)
        transport.close()


class Spool:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Done] = []

    def submit(self, _: Record, done: Done) -> None:
        self.waiting.append(done)

    def answer(self, rng: random.Random) -> None:
        done = self.waiting.pop(rng.randrange(len(self.waiting)))
        done(rng.choice([None, UnavailableError("full", retry_after_s=1)]))


def some_calls(rng: random.Random) -> bytes:
    """Calls, whole or not, between other frames; then perhaps a few bytes that are something else."""
    sent = bytearray(frames.PREFACE + frames.settings(rng.choice([{}, {frames.INITIAL_WINDOW_SIZE: 4}])))
    encoder = Encoder()
    for stream in range(1, rng.randrange(2, 16), 2):
        path = PATH if rng.random() < 0.95 else b"/grpc.health.v1.Health/Check"
        block = encoder.encode([(b":path", path), *FIELDS][:: rng.choice([1] * 20 + [-1])], huffman=rng.random() < 0.5)
        cut = rng.randrange(len(block)) if rng.random() < 0.2 else len(block)
        ends = frames.END_HEADERS if cut == len(block) else 0
        sent += frames.write(frames.HEADERS, ends, stream, block[:cut])
        if not ends:
            sent += frames.write(frames.CONTINUATION, frames.END_HEADERS, stream, block[cut:])
        message = rng.choice([GOOD, b"", b"\xff\xff", bytes(3000)])
        message = b"\0" + len(message).to_bytes(4, "big") + message
        at = rng.randrange(len(message))
        sent += frames.write(frames.DATA, 0, stream, message[:at])
        if rng.random() < 0.8:
            sent += frames.write(frames.DATA, frames.END_STREAM, stream, message[at:] + rng.choice([b""] * 9 + [b"x"]))
        kind = rng.choice([frames.RST_STREAM, frames.WINDOW_UPDATE, frames.WINDOW_UPDATE])
        sent += frames.with_number(kind, stream, rng.randrange(1, 9))
    for _ in range(rng.choice([0, 0, 1, 2, 5])):
        sent[rng.randrange(len(sent))] = rng.randrange(256)
    return bytes(sent)


@settings(max_examples=300)
@given(st.integers())
def test_any_bytes_in_any_pieces(seed: int) -> None:
    rng = random.Random(seed)
    asyncio.run(_one_connection(rng))


async def _one_connection(rng: random.Random) -> None:
    spool, connections, transport = Spool(), Connections(), Transport()
    limits = IntakeSettings(max_request_bytes=2000, max_decompressed_bytes=2000, max_in_flight_bytes=5000)
    intake = Intake(limits, spool, Repeats(), Counters(), lambda: 0)
    connection = ExportConnection(intake, Open(), Relay(), connections)
    connection.connection_made(transport)
    sent = some_calls(rng)
    while sent and not transport.closed:
        size = rng.choice([1, 7, 100, 10_000])
        connection.data_received(sent[:size])
        sent = sent[size:]
        while spool.waiting and rng.random() < 0.4:
            spool.answer(rng)
        if rng.random() < 0.1:
            connection.tend(connections.now_s() + rng.choice([0, 30, 200]))
    ending = rng.choice([lambda: None, connection.eof_received, connection.leave])
    ending()
    connection.tend(connections.now_s() + rng.choice([0, 30]))
    gone_first = rng.random() < 0.5
    if gone_first:
        connection.connection_lost(None)
    while spool.waiting:
        spool.answer(rng)
    await asyncio.sleep(0)
    if not gone_first:
        connection.connection_lost(None)
    assert intake.in_flight_bytes == 0
    assert len(connections) == 0


async def _begun(spool: Spool, most_bytes: int) -> tuple[ExportConnection, Intake, Connections]:
    connections = Connections()
    intake = Intake(IntakeSettings(most_bytes, most_bytes, most_bytes), spool, Repeats(), Counters(), lambda: 0)
    connection = ExportConnection(intake, Open(), Relay(), connections)
    connection.connection_made(Transport())
    block = Encoder().encode([(b":path", PATH), *FIELDS])
    hello = frames.PREFACE + frames.settings({})
    connection.data_received(hello + frames.write(frames.HEADERS, frames.END_HEADERS, 1, block))
    return connection, intake, connections


def test_a_message_in_tiny_pieces_takes_its_own_size() -> None:
    """What is held against the limit is what is held."""

    async def run() -> None:
        size = 1 << 20
        connection, intake, _ = await _begun(Spool(), 2 * size)
        prefix = frames.write(frames.DATA, 0, 1, b"\0" + size.to_bytes(4, "big"))
        pieces = frames.write(frames.DATA, 0, 1, b"ab") * 1000
        tracemalloc.start()
        try:
            connection.data_received(prefix)
            for _ in range(100):
                connection.data_received(pieces)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert intake.in_flight_bytes == 200_000
        assert held < 400_000
        connection.connection_lost(None)

    asyncio.run(run())


def test_a_fault_of_ours_holds_nothing() -> None:
    class Broken(Spool):
        def submit(self, _: Record, done: Done) -> None:
            raise ZeroDivisionError

    async def run() -> None:
        connection, intake, _ = await _begun(Broken(), 1 << 20)
        message = b"\0" + len(GOOD).to_bytes(4, "big") + GOOD
        with pytest.raises(ZeroDivisionError):
            connection.data_received(frames.write(frames.DATA, frames.END_STREAM, 1, message))
        connection.connection_lost(None)  # which asyncio then calls
        assert intake.in_flight_bytes == 0

    asyncio.run(run())


def test_a_fault_in_one_does_not_end_the_care_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SWEEP_S", 0.001)

    class Faulty:
        answering = False
        tended = 0

        def tend(self, now_s: float) -> None:
            self.tended += 1
            if self.tended > 2:
                again.set()
            raise ZeroDivisionError(now_s)

        def leave(self) -> None: ...
        def close(self) -> None: ...

    again = asyncio.Event()

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: None)
        connections = Connections()
        connections.add(Faulty())
        await asyncio.wait_for(again.wait(), 20)
        await connections.close(0)

    asyncio.run(run())


def test_who_does_not_read_is_closed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALLED_S", 0.05)

    class Server(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            lost.set()

    lost = asyncio.Event()

    async def run() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            transport, _ = await asyncio.get_running_loop().create_connection(Server, sock=ours)
            transport.write(bytes(8 << 20))
            module.close(transport)
            await asyncio.wait_for(lost.wait(), 20)

    asyncio.run(run())
