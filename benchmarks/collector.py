"""What the collector does with a processor second: from the socket to the stored row, and to the acknowledgement.

To the row, the processor time is that of the whole collector process, embedded ClickHouse and its merges included,
from the first request until the last is stored; making and sending the requests is another process's. Names that end in
`_lambda` are with every table and view, the others with those of OpenTelemetry alone. A quick look by default; with
LAMBDASCOPE_SOAK=1 five million spans of each, after a first minute that is not counted, and the median of three; then
each piece (see ``PIECES``) takes some minutes, and can be run by itself.

To the acknowledgement (parsed, spooled, synced), the requests are those of a fleet: five spans each, from many
sandboxes at once, each on a connection of its own. The store of that collector is away, so that nothing but their way
to the spool is counted.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import random
import statistics
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

import clickhouse_connect
import grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from benchmarks import Measurement
from collector.otlp.signals import PROTOCOLS, Signal
from collector.varint import field, varint
from deploy.local.stack import Collector, Stack, wait_for

_SOAK: Final = os.environ.get("LAMBDASCOPE_SOAK") == "1"
SPANS: Final = 5_000_000 if _SOAK else 600_000
CHUNK_SPANS: Final = 200_000
ROUNDS: Final = 3 if _SOAK else 1
WARM_UP_S: Final = 60.0 if _SOAK else 0.0
SIZES: Final = (2000, 100)
SMALL_REQUESTS: Final = 10_000
SANDBOXES: Final = 32
SENDERS: Final = 4
_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
_RESOURCE: Final = {f"resource.attribute.{n}": f"a value of the resource, number {n}" for n in range(15)}
_SPANS_PER_TRACE: Final = 3
_DRAW: Final = random.Random(5)
"""The same in every run; no two spans of one have the same id, which would be stored in less room."""
_Export = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
_NOBODY: Final = "127.0.0.1:9"
"""Where no ClickHouse listens: the port of the discard protocol."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a stream of requests cost.

    Attributes:
        cpu_s: processor time of the collector.
        ack_ms: how long each acknowledgement took.
    """

    spans: int
    cpu_s: float
    ack_ms: Sequence[float]


def measure() -> Iterator[Measurement]:
    """Yields the figures whose names begin with ``collector.``."""
    for piece in PIECES.values():
        yield from piece()


def _rows(size: int, suffix: str) -> Iterator[Measurement]:
    """Of requests of this many spans, in a store of its own."""
    with tempfile.TemporaryDirectory(prefix="lambdascope-bench-") as folder, Stack(Path(folder) / "run") as stack:
        if not suffix:
            _leave_out_lambda_views(stack)
        collector = stack.start_collector()
        _warm_up(collector)
        loads = [_stored(collector, size) for _ in range(ROUNDS)]
        rates = [load.spans / load.cpu_s for load in loads]
        against = {"spans": loads[0].spans, "lowest": round(min(rates)), "highest": round(max(rates))}
        name = f"collector.spans_per_cpu_s_{size}{suffix}"
        yield Measurement(name, round(statistics.median(rates)), "spans/s", against)
        if suffix and size == min(SIZES):
            yield _ack(loads[-1])
            yield Measurement("collector.rss_mb", round(_rss_mb(collector.process.pid), 1), "MB")
            yield _bytes_per_span(stack, collector)


def _leave_out_lambda_views(stack: Stack) -> None:
    """Make the store, and take away what fills Lambda's tables: no migration makes it again."""
    stack.start_collector()
    stack.stop()
    client = clickhouse_connect.get_client(dsn=f"chdb://{stack.folder / 'data' / 'store'}")
    views = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView'"
        " AND startsWith(name, 'lambda_')"
    ).result_rows
    for (name,) in views:
        client.command(f"DROP VIEW {name}")
    client.close()


def _warm_up(collector: Collector) -> None:
    """The first inserts pay for the engine's start."""
    began_s = time.monotonic()
    _send_http(collector, _requests(20, 500))
    while time.monotonic() - began_s < WARM_UP_S:
        _send_http(collector, _requests(50, 2000))


def _stored(collector: Collector, size: int) -> Load:
    """Send all spans, as many at a time as the sender's memory is to hold; what is merged between counts as well."""
    before_s = _cpu_s(collector.process.pid)
    ack_ms = [
        ms for _ in range(SPANS // CHUNK_SPANS) for ms in _send_http(collector, _requests(CHUNK_SPANS // size, size))
    ]
    return Load(SPANS // CHUNK_SPANS * (CHUNK_SPANS // size) * size, _cpu_s(collector.process.pid) - before_s, ack_ms)


def _ack(load: Load) -> Measurement:
    cut = statistics.quantiles(load.ack_ms, n=100)
    return Measurement("collector.ack_ms_p99", round(cut[98], 2), "ms", {"median": round(cut[49], 2)})


def _small_requests() -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory(prefix="lambdascope-bench-") as folder, Stack(Path(folder) / "run") as stack:
        collector = stack.start_collector("--store", f"http://{_NOBODY}/")
        requests = _requests(SMALL_REQUESTS, 5)
        rates: dict[str, float] = {}
        for name, send in {"http": _acknowledge_http, "grpc": _acknowledge_grpc}.items():
            asyncio.run(send(collector, requests[: SMALL_REQUESTS // 10]))
            before_s = _cpu_s(collector.process.pid)
            asyncio.run(send(collector, requests))
            rates[name] = round(len(requests) / (_cpu_s(collector.process.pid) - before_s))
        yield Measurement("collector.requests_per_cpu_s_5_http", rates["http"], "requests/s", {"grpc": rates["grpc"]})
        yield Measurement("collector.requests_per_cpu_s_5_grpc", rates["grpc"], "requests/s", {"http": rates["http"]})


async def _acknowledge_http(collector: Collector, requests: list[bytes]) -> None:
    host, _, port = collector.http.rpartition(":")

    async def sandbox(share: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for body in share:
            head = f"POST /v1/traces HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-protobuf\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(f"the collector answered {answer!r}")
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(sandbox(requests[number::SANDBOXES]) for number in range(SANDBOXES)))


async def _acknowledge_grpc(collector: Collector, requests: list[bytes]) -> None:
    async def sandbox(share: list[bytes]) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]  # else all channels share one connection
        async with grpc.aio.insecure_channel(collector.grpc, options=options) as channel:
            export: _Export = channel.unary_unary(f"/{PROTOCOLS[Signal.TRACES].service}/Export")
            for body in share:
                await export(body)

    await asyncio.gather(*(sandbox(requests[number::SANDBOXES]) for number in range(SANDBOXES)))


def _requests(count: int, spans: int) -> list[bytes]:
    """Requests of spans with ids of their own, 15 resource and 10 span attributes, three spans to a trace."""
    return [_request(_DRAW, spans, time.time_ns()) for _ in range(count)]


def _request(draw: random.Random, spans: int, now_ns: int) -> bytes:
    """One request, put together of encoded parts: objects of each span would take most of the benchmark's time."""
    resource = Resource()
    for key, value in {"service.name": f"function-{draw.randrange(50)}", **_RESOURCE}.items():
        resource.attributes.add(key=key).value.string_value = value
    trace = b""
    encoded = []
    for number in range(spans):
        if number % _SPANS_PER_TRACE == 0:
            trace = draw.randbytes(16)
        encoded.append(_span(draw, trace, number, now_ns + number * 1_000_000))
    scope_spans = field(2, b"".join(encoded))
    return field(1, field(1, resource.SerializeToString()) + scope_spans)


def _span(draw: random.Random, trace: bytes, number: int, start_ns: int) -> bytes:
    """The field ``spans`` of a ScopeSpans."""
    head, texts, flags = _parts()
    end_ns = start_ns + int(draw.random() * 400_000_000)
    value = b"\x18" + varint(draw.getrandbits(40))  # AnyValue.int_value
    span = (
        field(1, trace),
        field(2, draw.randbytes(8)),
        head[number % 7],
        struct.pack("<BQBQ", 7 << 3 | 1, start_ns, 8 << 3 | 1, end_ns),
        *(of_place[int(draw.random() * len(of_place))] for of_place in texts),
        field(9, field(1, b"span.number") + field(2, value)),
        flags[number % 2],
    )
    return field(2, b"".join(span))


@cache
def _parts() -> tuple[list[bytes], list[list[bytes]], list[bytes]]:
    """What spans share, encoded: their names and kind, texts of eight attributes, a flag."""

    def attribute(key: str, value: AnyValue) -> bytes:
        return field(9, KeyValue(key=key, value=value).SerializeToString())

    head = [Span(name=f"operation {n}", kind=Span.SPAN_KIND_SERVER).SerializeToString() for n in range(7)]
    texts = [
        [attribute(f"span.attribute.{place}", AnyValue(string_value=f"value {n}")) for n in range(1000)]
        for place in range(8)
    ]
    return head, texts, [attribute("span.flag", AnyValue(bool_value=flag)) for flag in (False, True)]


def _send_http(collector: Collector, requests: list[bytes]) -> list[float]:
    """How many ms each acknowledgement took; returns when all is stored."""

    def send(share: list[bytes]) -> list[float]:
        connection = http.client.HTTPConnection(collector.http, timeout=60)
        took = []
        for body in share:
            began = time.monotonic()
            connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
            answer = connection.getresponse()
            answer.read()
            took.append((time.monotonic() - began) * 1000)
            if answer.status != 200:
                raise RuntimeError(f"the collector answered {answer.status}")
        connection.close()
        return took

    with ThreadPoolExecutor(SENDERS) as pool:
        took = [ms for share in pool.map(send, (requests[n::SENDERS] for n in range(SENDERS))) for ms in share]
    wait_for(lambda: _queued(collector) == 0, "the spool to be empty", timeout_s=300)
    return took


def _queued(collector: Collector) -> float:
    connection = http.client.HTTPConnection(collector.http, timeout=60)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("lambdascope_collector_queued_items"))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _bytes_per_span(stack: Stack, collector: Collector) -> Measurement:
    """After OPTIMIZE FINAL, which the collector's read-only port refuses: the store is opened when it has stopped."""
    collector.process.stop()
    client = clickhouse_connect.get_client(dsn=f"chdb://{stack.folder / 'data' / 'store'}")
    for table in ("otel_traces", "otel_traces_trace_id_ts"):
        client.command(f"OPTIMIZE TABLE {table} FINAL")
    rows = client.query(
        "SELECT table, sum(bytes_on_disk) FROM system.parts"
        " WHERE active AND table IN ('otel_traces', 'otel_traces_trace_id_ts') GROUP BY table"
    ).result_rows
    sizes = {str(table): int(size) for table, size in rows}
    spans = client.query("SELECT count() FROM otel_traces").result_rows[0][0]
    client.close()
    shares = {table: round(size / spans, 1) for table, size in sizes.items()}
    return Measurement("collector.bytes_per_span", round(sum(sizes.values()) / spans, 1), "B", shares)


PIECES: Final[dict[str, Callable[[], Iterator[Measurement]]]] = {
    **{f"rows_{size}{suffix}": partial(_rows, size, suffix) for suffix in ("", "_lambda") for size in SIZES},
    "requests": _small_requests,
}
"""Parts that can be run by themselves: ``make bench ONLY=collector.requests``."""
