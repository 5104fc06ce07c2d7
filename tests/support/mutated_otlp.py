"""``python -m tests.support.mutated_otlp LIBRARY SEED COUNT``: gives the library messages that are no sound requests.

Each lies at the end of a page behind which there is no memory, so that a read past it ends the process; so does what is
undefined, where the library was built to trap. Where the message is one to Google's parser, the library must have found
as many rows in it, or have left it alone. What it counted without making rows must be a message to that parser, of as
many items. Prints how many it took, how many it left, and how many it counted.
"""

from __future__ import annotations

import ctypes
import mmap
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from collector.native.count import load_counters
from collector.native.library import Decoder, load
from collector.otlp.signals import PROTOCOLS, Signal

PAGE = mmap.PAGESIZE
PROT_NONE = 0


class Guarded:
    """Memory that ends where a message ends."""

    def __init__(self, size: int) -> None:
        self._size = -(-size // PAGE) * PAGE
        self._map = mmap.mmap(-1, self._size + PAGE)
        self._start = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mprotect(ctypes.c_void_p(self._start + self._size), PAGE, PROT_NONE):
            raise OSError(ctypes.get_errno(), "mprotect")

    def put(self, message: bytes) -> int:
        """The address of the message."""
        address = self._start + self._size - len(message)
        ctypes.memmove(address, message, len(message))
        return address


def rows_of(decoder: Decoder, guarded: Guarded, message: bytes) -> int | None:
    """How many rows the library makes of a message; None where it leaves it alone."""
    block = decoder.block_at([guarded.put(message)], [len(message)])
    return None if block is None else block.rows if block.to_bytes() else -1


def values() -> list[AnyValue]:
    inner = [AnyValue(string_value="a"), AnyValue(int_value=-1), AnyValue(bool_value=True), AnyValue()]
    return [
        *inner,
        AnyValue(double_value=1.25e-9),
        AnyValue(bytes_value=b"\0\xff"),
        AnyValue(array_value=ArrayValue(values=inner)),
        AnyValue(string_value="x" * 300),
    ]


def seeds() -> Iterator[tuple[Signal, bytes]]:
    """Sound requests with something in every field."""
    pairs = [KeyValue(key=f"k{n}", value=value) for n, value in enumerate(values())]
    traces = ExportTraceServiceRequest()
    logs = ExportLogsServiceRequest()
    for many in (1, 40):
        group = traces.resource_spans.add(schema_url="url")
        group.resource.attributes.extend(pairs * many)
        scope = group.scope_spans.add(schema_url="url")
        scope.scope.name, scope.scope.version = "scope", "1"
        event = Span.Event(time_unix_nano=1, name="event", attributes=pairs)
        link = Span.Link(trace_id=b"t" * 16, span_id=b"s" * 8, trace_state="a=b", attributes=pairs)
        span = Span(trace_id=b"t" * 16, span_id=b"s" * 8, name="span", kind=Span.SPAN_KIND_SERVER, attributes=pairs)
        span.events.extend([event] * many)
        span.links.extend([link] * many)
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="no"))
        scope.spans.extend([span, Span(), span])
        records = logs.resource_logs.add(schema_url="url")
        records.resource.CopyFrom(group.resource)
        within = records.scope_logs.add(schema_url="url")
        within.scope.CopyFrom(scope.scope)
        within.scope.attributes.extend(pairs)
        within.log_records.extend(
            LogRecord(
                time_unix_nano=1,
                severity_number=SeverityNumber.SEVERITY_NUMBER_INFO,
                flags=1,
                body=value,
                attributes=pairs,
                trace_id=b"t" * 16,
            )
            for value in values()
        )
        yield Signal.TRACES, traces.SerializeToString()
        yield Signal.LOGS, logs.SerializeToString()


def mutated(draw: random.Random, message: bytes) -> bytes:
    """Bytes changed, cut out, doubled, moved; or the end cut off."""
    changed = bytearray(message)
    for _ in range(draw.choice([1, 1, 2, 5, 20])):
        at = draw.randrange(len(changed) + 1)
        end = min(len(changed), at + draw.choice([1, 2, 8, 100]))
        match draw.randrange(6):
            case 0:
                changed[at:end] = draw.randbytes(end - at)
            case 1:
                del changed[at:end]
            case 2:
                changed[at:at] = changed[at:end]
            case 3:
                changed[at:at] = bytes(
                    draw.choices([0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x12, 0x2A, 0x4A], k=draw.randrange(12))
                )
            case 4 if at < len(changed):
                changed[at] ^= 1 << draw.randrange(8)
            case _ if draw.random() < 0.2:
                del changed[at:]
    return bytes(changed)


def main(library: str, seed: int, count: int) -> None:
    decoders = load(Path(library))
    counters = load_counters(Path(library))
    draw = random.Random(seed)
    sound = list(seeds())
    guarded = Guarded(4 * max(len(message) for _, message in sound))
    for signal, message in sound:
        parsed = PROTOCOLS[signal].request.FromString(message)
        assert rows_of(decoders[signal], guarded, message) == PROTOCOLS[signal].count(parsed)
        assert counters[signal].items(message) == PROTOCOLS[signal].count(parsed)
    taken = left = counted = 0
    for _ in range(count):
        signal, message = draw.choice(sound)
        message = mutated(draw, message)
        rows = rows_of(decoders[signal], guarded, message)
        items = counters[signal].items_at(guarded.put(message), len(message))
        taken, left, counted = taken + (rows is not None), left + (rows is None), counted + (items is not None)
        try:
            expected = PROTOCOLS[signal].count(PROTOCOLS[signal].request.FromString(message))
        except DecodeError:
            assert items is None, (signal, message.hex(), items)
            continue
        assert items in {None, expected}, (signal, message.hex(), items, expected)
        assert rows in {None, expected}, (signal, message.hex(), rows, expected)
    print(taken, left, counted)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
