"""Whatever a client sends, whenever the spool answers: nothing is raised, and nothing stays held once it is gone."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import UnavailableError
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
