"""The inserter against a ClickHouse that fails before and after it has stored, and that refuses some rows for good."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from collector.config import StoreUrl
from collector.errors import StoreRefusedError, StoreUnavailableError, UnavailableError, UndecodedError
from collector.native.library import Block, load
from collector.otlp.batch import Rows
from collector.otlp.signals import Signal
from collector.spool.record import Record, scan
from collector.spool.repeats import Journal, Repeats
from collector.spool.spool import Spool, SpoolSettings
from collector.store import inserter as inserter_module
from collector.store import ways as ways_module
from collector.store.clickhouse import ClickHouseStore
from collector.store.inserter import Inserter, Store
from collector.store.ways import Way, Ways
from collector.telemetry import Counters, StoreState
from tests.support.collector import lambda_span, trace_request

SETTINGS = SpoolSettings(max_bytes=1 << 30, min_free_bytes=1, segment_bytes=1 << 20, segment_items=1000, linger_s=0.01)
DAY_NS = 86_400 * 10**9


class Unreliable:
    """A store whose answers get lost, whose connection breaks, and which refuses whatever is named `poison`."""

    def __init__(self, store: ClickHouseStore, rng: random.Random) -> None:
        self._store = store
        self._rng = rng

    def insert(self, rows: Rows, token: str, tenant: str = "", *, in_pieces: bool = False) -> None:
        fate = self._rng.random()
        if fate < 0.25:
            raise StoreUnavailableError("connection refused")
        names = rows.columns[[name for name, _ in rows.layout.columns].index("ScopeName")]
        if "poison" in names:
            raise StoreRefusedError("cannot parse")
        self._store.insert(rows, token, tenant, in_pieces=in_pieces)
        if fate < 0.5:
            raise StoreUnavailableError("timed out after it was stored")

    def insert_block(self, block: Block, token: str, tenant: str = "") -> None:
        fate = self._rng.random()
        if fate < 0.25:
            raise StoreUnavailableError("connection refused")
        if b"poison" in block.to_bytes():
            raise StoreRefusedError("cannot parse")
        self._store.insert_block(block, token, tenant)
        if fate < 0.5:
            raise StoreUnavailableError("timed out after it was stored")

    def insert_encoded(self, signal: Signal, bodies: Sequence[bytes], token: str, tenant: str = "") -> None:
        fate = self._rng.random()
        if fate < 0.25:
            raise StoreUnavailableError("connection refused")
        if any(b"poison" in body for body in bodies):
            raise UndecodedError("cannot decode")
        self._store.insert_encoded(signal, bodies, token, tenant)
        if fate < 0.5:
            raise StoreUnavailableError("timed out after it was stored")

    def state(self) -> StoreState:
        return self._store.state()

    def close(self) -> None:
        self._store.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> StoreUrl:
    return StoreUrl(f"chdb://{tmp_path_factory.mktemp('inserter') / 'store'}")


@pytest.fixture
def client(url: StoreUrl) -> Iterator[Client]:
    store = ClickHouseStore(url)
    store.open()
    opened = clickhouse_connect.get_client(dsn=url.dsn)
    for table in ("otel_traces", "otel_traces_trace_id_ts", "otel_metrics_sum", "otel_metrics_gauge"):
        opened.command(f"TRUNCATE TABLE {table}")
    yield opened
    opened.close()
    store.close()


def span_record(name: str, number: int, scope: str = "") -> Record:
    """A span on one of two days, so that an insert has two parts."""
    request = trace_request([lambda_span(name, start_ns=number % 2 * DAY_NS, duration_ns=number)])
    request.resource_spans[0].scope_spans[0].scope.name = scope
    return Record(Signal.TRACES, 1, number, None, request.SerializeToString())


def metric_record(number: int) -> Record:
    """A point in each of two tables."""
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    scope.metrics.add(name=f"m{number}").sum.data_points.add(as_int=number)
    scope.metrics.add(name=f"m{number}").gauge.data_points.add(as_int=number)
    return Record(Signal.METRICS, 2, number, None, request.SerializeToString())


async def store_all(
    folder: Path, store: Store, records: list[Record], way: Way = Way.REQUESTS, settings: SpoolSettings = SETTINGS
) -> Counters:
    """Append the records from several tasks and run the inserter until the spool is empty."""
    counters, repeats = Counters(), Repeats()
    found = Spool.recover(folder / "spool", lambda _: None)
    spool = Spool(folder / "spool", settings, found, counters)
    ways = Ways(folder / "way", way, load() if way is Way.ROWS else {}, found.next_ordinal)
    inserter = Inserter(spool, store, ways, repeats, Journal(folder / "journal"), counters, folder / "quarantine")
    running = asyncio.create_task(inserter.run())
    await asyncio.gather(*(spool.append(record) for record in records))
    while not spool.empty and not running.done():  # noqa: ASYNC110  # nothing tells of an empty spool
        await asyncio.sleep(0.01)
    running.cancel()
    (ended,) = await asyncio.gather(running, return_exceptions=True)
    await spool.finish()
    await spool.close()
    await inserter.close()
    if isinstance(ended, Exception):
        raise ended
    return counters


@pytest.mark.parametrize("way", ["library", "clickhouse", "python"])
@pytest.mark.parametrize("seed", [1, 2])
def test_failures_before_and_after_storing_lose_and_double_nothing(
    client: Client, url: StoreUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, way: str
) -> None:
    """In every table that a batch goes to, in every partition, and behind the materialised view."""
    monkeypatch.setattr(ways_module, "MIN_ENCODED_ITEMS", 1 if way == "clickhouse" else 1 << 30)
    monkeypatch.setattr(inserter_module, "_FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(inserter_module, "_LONGEST_WAIT_S", 0.002)
    spans = [span_record(f"span-{number:04}", number) for number in range(300)]
    points = [metric_record(number) for number in range(100)]
    rng = random.Random(seed)
    store = Unreliable(ClickHouseStore(url), rng)
    counters = asyncio.run(store_all(tmp_path, store, spans + points, Way.ROWS if way == "library" else Way.REQUESTS))
    names = [row[0] for row in client.query("SELECT SpanName FROM otel_traces ORDER BY ALL").result_rows]
    assert names == [f"span-{number:04}" for number in range(300)]
    for table in ("otel_metrics_sum", "otel_metrics_gauge"):
        assert client.query(f"SELECT count(), uniqExact(MetricName) FROM {table}").result_rows == [(100, 100)]
    assert counters.insert_failures > 0
    assert (counters.received, counters.stored) == (counters.stored, counters.received)
    assert counters.stored == {Signal.TRACES: 300, Signal.LOGS: 0, Signal.METRICS: 200, Signal.CLOUDWATCH: 0}
    assert not any(counters.queued.values())


@pytest.mark.parametrize("way", [Way.ROWS, Way.REQUESTS])
def test_poison_is_isolated_down_to_the_record(
    client: Client, url: StoreUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    """Its neighbours are stored; it is kept, whole, in the quarantine."""
    monkeypatch.setattr(ways_module, "MIN_ENCODED_ITEMS", 1)
    monkeypatch.setattr(inserter_module, "_FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(inserter_module, "_LONGEST_WAIT_S", 0.002)
    records = [span_record(f"span-{number}", number, "poison" if number == 5 else "fine") for number in range(10)]
    store = Unreliable(ClickHouseStore(url), random.Random(4))
    counters = asyncio.run(store_all(tmp_path, store, records, way))
    names = {row[0] for row in client.query("SELECT SpanName FROM otel_traces").result_rows}
    assert names == {f"span-{number}" for number in range(10)} - {"span-5"}
    assert client.command("SELECT count() FROM otel_traces") == 9
    (kept,) = (tmp_path / "quarantine").iterdir()
    assert scan(kept.read_bytes()).records == (records[5],)
    assert (counters.stored[Signal.TRACES], counters.rejected[Signal.TRACES]) == (9, 1)


class Dying:
    """A store that stores, and whose collector is gone before it hears of it."""

    def __init__(self, store: ClickHouseStore, way: Way) -> None:
        self._store = store
        # What collectors did before there was a note, whatever this one does in their place.
        self._options = {"in_pieces": True} if way is Way.UNNOTED else {}

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if not name.startswith("insert"):
            return method

        def insert(*arguments: Any, **options: Any) -> None:
            method(*arguments, **(options | self._options if "in_pieces" in options else options))
            raise KilledError

        return insert


class KilledError(Exception):
    pass


@pytest.mark.parametrize("min_encoded_items", [1, 1 << 30], ids=["encoded", "decoded here"])
@pytest.mark.parametrize(
    "ways",
    [
        (Way.UNNOTED, Way.ROWS),
        (Way.UNNOTED, Way.REQUESTS),
        (Way.REQUESTS, Way.ROWS, Way.REQUESTS),
        (Way.ROWS, Way.REQUESTS, Way.ROWS),
    ],
)
def test_a_batch_in_doubt_goes_the_way_it_went_before(
    client: Client,
    url: StoreUrl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ways: tuple[Way, ...],
    min_encoded_items: int,
) -> None:
    """The library comes and goes, and the collector is updated; each run ends between the insert and the spool.

    The batches are as large as clickhouse-connect inserts in several blocks, unless it is told not to.
    """
    monkeypatch.setattr(ways_module, "MIN_ENCODED_ITEMS", min_encoded_items)
    settings = dataclasses.replace(SETTINGS, segment_bytes=1 << 30)
    expected = 0
    for run, way in enumerate(ways):
        records = [span_record(f"run-{run}-{number}", number, "x" * 200_000) for number in range(20)]
        expected += len(records)
        with pytest.raises(KilledError):
            asyncio.run(store_all(tmp_path, Dying(ClickHouseStore(url), way), records, way, settings))
    asyncio.run(store_all(tmp_path, ClickHouseStore(url), [], ways[0], settings))
    assert client.query("SELECT count(), uniqExact(SpanName) FROM otel_traces").first_row == (expected, expected)


def test_a_disk_that_cannot_be_written_refuses_and_recovers(tmp_path: Path) -> None:
    """Nothing is acknowledged that is not on disk, and what comes later is."""

    async def run() -> None:
        counters = Counters()
        folder = tmp_path / "spool"
        spool = Spool(folder, SETTINGS, Spool.recover(folder, lambda _: None), counters)
        shutil.rmtree(folder)
        with pytest.raises(UnavailableError, match="cannot be written"):
            await spool.append(span_record("a", 1))
        folder.mkdir()
        await spool.append(span_record("b", 2))
        assert counters.received[Signal.TRACES] == 1
        segment = await spool.next_segment()
        assert segment is not None
        assert [record.received_unix_nano for record in segment.read().records] == [2]
        await spool.finish()
        await spool.close()

    asyncio.run(run())


def test_the_spool_is_bounded_and_opens_again(tmp_path: Path) -> None:
    async def run() -> None:
        record = span_record("a", 1)
        limit = SpoolSettings(len(record.encode()), 1, 1 << 20, 1000, 0.01)
        spool = Spool(tmp_path, limit, Spool.recover(tmp_path, lambda _: None), Counters())
        await spool.append(record)
        with pytest.raises(UnavailableError, match="full"):
            await spool.append(record)
        segment = await spool.next_segment()
        assert segment is not None
        await spool.remove(segment)
        await spool.append(record)
        await spool.finish()
        await spool.close()

    asyncio.run(run())


def test_free_space_is_left_alone(tmp_path: Path) -> None:
    async def run() -> None:
        limit = SpoolSettings(1 << 40, 1 << 60, 1 << 20, 1000, 0.01)
        spool = Spool(tmp_path, limit, Spool.recover(tmp_path, lambda _: None), Counters())
        with pytest.raises(UnavailableError, match="bytes are free"):
            await spool.append(span_record("a", 1))
        await spool.finish()
        await spool.close()

    asyncio.run(run())
