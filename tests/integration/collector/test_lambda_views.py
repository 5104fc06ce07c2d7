"""The lambda_* views over real rows: joined in any order, exact, unknown as NULL."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.config import StoreUrl
from collector.otlp.decode import decode
from collector.otlp.signals import Signal
from collector.store.clickhouse import ClickHouseStore
from tests.support.collector import lambda_span, trace_request

MS = 1_000_000
T0_MS = 1_750_000_000_000 // 60_000 * 60_000
T0 = T0_MS * MS


class Store:
    """The embedded engine in this process, with the collector's own inserts."""

    def __init__(self, folder: str) -> None:
        url = StoreUrl(f"chdb://{folder}")
        self._store = ClickHouseStore(url)
        self._store.open()
        self.client: Client = clickhouse_connect.get_client(dsn=url.dsn)
        self._tokens = itertools.count()

    def add(self, *requests: ExportTraceServiceRequest) -> None:
        for rows in decode(Signal.TRACES, [request.SerializeToString() for request in requests]):
            self._store.insert(rows, f"token-{next(self._tokens)}")

    def rows(self, query: str, **parameters: object) -> list[dict[str, object]]:
        return list(self.client.query(query, parameters=parameters).named_results())

    def clear(self) -> None:
        for table in (
            "otel_traces",
            "lambda_invocation_parts",
            "lambda_sandbox_parts",
            "lambda_rollup_state",
            "lambda_rollups",
        ):
            self.client.command(f"TRUNCATE TABLE IF EXISTS {table}")

    def close(self) -> None:
        self.client.close()
        self._store.close()


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(str(tmp_path_factory.mktemp("views") / "store"))
    yield store
    store.close()


@pytest.fixture
def store(opened: Store) -> Store:
    opened.clear()
    return opened


def cold_start() -> list[Span]:
    """The spans of one invocation that waited for its init."""
    return [
        lambda_span(
            "invoke",
            start_ns=T0 + 800 * MS,
            duration_ns=120 * MS,
            faas__coldstart=True,
            lambda__proactive_init=False,
            lambda__initialization_type="on-demand",
            aws__lambda__invoked_arn="arn:aws:lambda:eu-west-1:123456789012:function:checkout",
            lambda__status="success",
            lambda__busy_start_unix_nano=T0,
            lambda__runtime_version="python:3.12.v38",
            lambda__produced_bytes=42,
            request_id="r-1",
        ),
        lambda_span("response_latency", start_ns=T0 + 800 * MS, duration_ns=100 * MS, request_id="r-1"),
        lambda_span("response_duration", start_ns=T0 + 900 * MS, duration_ns=15 * MS, request_id="r-1"),
        lambda_span("runtime_overhead", start_ns=T0 + 915 * MS, duration_ns=5 * MS, request_id="r-1"),
        lambda_span(
            "post_runtime",
            start_ns=T0 + 920 * MS,
            duration_ns=30 * MS,
            lambda__status="timeout",
            error__type="Sandbox.Timedout",
            lambda__duration_ms=150.25,
            lambda__billed_duration_ms=951,
            lambda__memory_size_mb=256,
            lambda__max_memory_used_mb=71,
            lambda__init_duration_ms=790.5,
            request_id="r-1",
        ),
        lambda_span("init", start_ns=T0, duration_ns=790 * MS, lambda__phase__source="telemetry", request_id="r-1"),
    ]


def test_invoke_and_report_are_one_row_in_any_order_and_number(store: Store) -> None:
    """Whatever arrives first, and however often, the row is the same."""
    rng = random.Random(7)
    seen = []
    for _ in range(4):
        store.clear()
        deliveries = cold_start() * rng.randint(1, 3)
        rng.shuffle(deliveries)
        for span in deliveries:
            store.add(trace_request([span]))
        seen.append(store.rows("SELECT * FROM lambda_invocations"))
    row = seen[0][0]
    assert [len(rows) for rows in seen] == [1, 1, 1, 1]
    assert all(rows == seen[0] for rows in seen)
    stated = {
        "RequestId": "r-1",
        "Attempt": 1,
        "Source": "extension",
        "FunctionName": "checkout",
        "FunctionVersion": "1",
        "InvokedArn": "arn:aws:lambda:eu-west-1:123456789012:function:checkout",
        "AccountId": "123456789012",
        "Region": "eu-west-1",
        "InstanceId": "sandbox-1",
        "TraceId": "01" * 16,
        "Start": datetime.fromtimestamp((T0_MS + 800) / 1000, UTC).replace(tzinfo=None),
        "End": datetime.fromtimestamp((T0_MS + 950.25) / 1000, UTC).replace(tzinfo=None),
        "BusyStart": datetime.fromtimestamp(T0_MS / 1000, UTC).replace(tzinfo=None),
        "DurationMs": 150.25,
        "BilledDurationMs": 951.0,
        "InitDurationMs": 790.5,
        "RestoreDurationMs": None,
        "ColdStart": 1,
        "ProactiveInit": 0,
        "InitType": "on-demand",
        "Status": "timeout",
        "ErrorType": "Sandbox.Timedout",
        "MemorySizeMB": 256,
        "MaxMemoryUsedMB": 71,
        "Trigger": None,
        "EventSourceArn": None,
        "BatchSize": None,
        "IteratorAgeMs": None,
        "PostRuntimeMs": 30.0,
        "ResponseLatencyMs": 100.0,
        "ResponseDurationMs": 15.0,
        "RuntimeOverheadMs": 5.0,
        "ProducedBytes": 42,
        "Architecture": "arm64",
        "RuntimeVersion": "python:3.12.v38",
        "EndEstimated": 0,
    }
    assert row == stated


def test_without_the_report_the_end_is_an_estimate(store: Store) -> None:
    """Until platform.report is there, the figures that only it has are NULL."""
    store.add(trace_request(cold_start()[:1]))
    (row,) = store.rows("SELECT * FROM lambda_invocations")
    unknown = ("BilledDurationMs", "InitDurationMs", "MaxMemoryUsedMB", "PostRuntimeMs", "ErrorType")
    assert (row["EndEstimated"], row["DurationMs"], row["Status"]) == (1, 120.0, "success")
    assert [row[name] for name in unknown] == [None] * 5
    assert row["MemorySizeMB"] == 256  # the resource says it too


def test_a_start_record_has_no_end(store: Store) -> None:
    """An invocation that is running has a row; what is not known yet is NULL. The final span replaces the record."""
    running = lambda_span("invoke", start_ns=T0, duration_ns=0, request_id="r-1", lambda__in_flight=True)
    store.add(trace_request([running]))
    (row,) = store.rows("SELECT * FROM lambda_invocations")
    assert (row["End"], row["DurationMs"], row["Status"], row["EndEstimated"]) == (None, None, None, 1)
    assert store.rows("SELECT * FROM lambda_phases") == []
    store.add(trace_request([lambda_span("invoke", start_ns=T0, duration_ns=7 * MS, request_id="r-1")]))
    assert [row["DurationMs"] for row in store.rows("SELECT * FROM lambda_invocations")] == [7.0]


def test_retries_of_a_request_stay_apart(store: Store) -> None:
    """Asynchronous retries reuse the request id: in the same sandbox (attempt) or in another (instance)."""
    for attempt, instance in ((1, "a"), (2, "a"), (1, "b")):
        span = lambda_span(
            "invoke", start_ns=T0, duration_ns=attempt * MS, request_id="r", attempt=attempt, instance=instance
        )
        store.add(trace_request([span], instance=instance))
    rows = store.rows("SELECT InstanceId, Attempt, DurationMs FROM lambda_invocations ORDER BY ALL")
    assert [tuple(row.values()) for row in rows] == [("a", 1, 1.0), ("a", 2, 2.0), ("b", 1, 1.0)]


def test_a_report_alone_is_no_invocation(store: Store) -> None:
    """Without its start there is nothing to say when it was."""
    store.add(trace_request(cold_start()[4:5]))
    assert store.rows("SELECT * FROM lambda_invocations") == []


def test_phases(store: Store) -> None:
    store.add(trace_request(cold_start()))
    rows = store.rows("SELECT Phase, Source, RequestId, DurationMs, Status FROM lambda_phases ORDER BY Start, Phase")
    assert [tuple(row.values()) for row in rows] == [
        ("init", "telemetry", "r-1", 790.0, None),
        ("invoke", None, "r-1", 120.0, "success"),
        ("response_latency", None, "r-1", 100.0, None),
        ("response_duration", None, "r-1", 15.0, None),
        ("runtime_overhead", None, "r-1", 5.0, None),
        ("post_runtime", None, "r-1", 30.0, "timeout"),
    ]


def test_sandboxes(store: Store) -> None:
    """A sandbox has what its spans tell; one that nobody used and that was shut down is there too."""
    second = lambda_span("invoke", start_ns=T0 + 5000 * MS, duration_ns=MS, request_id="r-2")
    shutdown = lambda_span("shutdown", start_ns=T0 + 9000 * MS, duration_ns=MS, lambda__shutdown_reason="spindown")
    unused = lambda_span("init", start_ns=T0, duration_ns=MS, lambda__initialization_type="provisioned-concurrency")
    store.add(trace_request([*cold_start(), second, shutdown, second]), trace_request([unused], instance="unused"))
    columns = "InstanceId, InitType, toUnixTimestamp64Milli(InitStart) - {t0:Int64} AS i, Invocations, ShutdownReason"
    times = "toUnixTimestamp64Milli(LastInvoke) - {t0:Int64} AS l, toUnixTimestamp64Milli(ShutdownAt) - {t0:Int64} AS s"
    rows = store.rows(f"SELECT {columns}, {times} FROM lambda_sandboxes ORDER BY 1", t0=T0_MS)
    assert [tuple(row.values()) for row in rows] == [
        ("sandbox-1", "on-demand", 0, 2, "spindown", 5000, 9000),
        ("unused", "provisioned-concurrency", 0, 0, None, None, None),
    ]


def test_a_sandbox_that_was_reset_lives_on(store: Store) -> None:
    """A reset shuts the extensions down too; only what nothing ran after is the end."""

    def shutdown(at_ms: int, reason: str) -> Span:
        return lambda_span("shutdown", start_ns=T0 + at_ms * MS, duration_ns=MS, lambda__shutdown_reason=reason)

    first = lambda_span("invoke", start_ns=T0, duration_ns=MS, request_id="r-1")
    second = lambda_span("invoke", start_ns=T0 + 5000 * MS, duration_ns=MS, request_id="r-2")
    columns = "toUnixTimestamp64Milli(ShutdownAt) - {t0:Int64} AS s, ShutdownReason"
    ends = []
    for spans in ([first, shutdown(3000, "timeout")], [second], [shutdown(9000, "spindown")]):
        store.add(trace_request(spans))
        ends += [tuple(row.values()) for row in store.rows(f"SELECT {columns} FROM lambda_sandboxes", t0=T0_MS)]
    assert ends == [(3000, "timeout"), (None, None), (9000, "spindown")]


def test_compact_spans_give_the_same_response_figures(store: Store) -> None:
    compact = lambda_span(
        "invoke",
        start_ns=T0,
        duration_ns=9 * MS,
        request_id="r-1",
        lambda__response_latency_ms=7.5,
        lambda__response_duration_ms=1.25,
        lambda__runtime_overhead_ms=0.25,
    )
    store.add(trace_request([compact]))
    rows = store.rows("SELECT ResponseLatencyMs, ResponseDurationMs, RuntimeOverheadMs FROM lambda_invocations")
    assert [tuple(row.values()) for row in rows] == [(7.5, 1.25, 0.25)]


# Concurrency ---------------------------------------------------------------------------------------------------------

Interval = tuple[str, str, int, int]
"""Function, version, first and last millisecond (half open), counted from T0."""


def sweep(intervals: list[Interval], from_ms: int, to_ms: int, bucket_ms: int) -> dict[tuple[int, str, str], object]:
    """Peak and average per bucket and grain, by walking over every start and end."""
    grains: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for function, version, start, end in intervals:
        for grain in {(function, version), (function, ""), ("*", "")}:
            grains.setdefault(grain, []).append((start, end))
    found: dict[tuple[int, str, str], object] = {}
    first, last = from_ms // bucket_ms * bucket_ms, -(-to_ms // bucket_ms) * bucket_ms
    for (function, version), spans in grains.items():
        for bucket in range(first, last, bucket_ms):
            clipped = [(max(start, bucket), min(end, bucket + bucket_ms)) for start, end in spans]
            events = sorted(
                [(end, -1) for start, end in clipped if end > start] + [(s, 1) for s, e in clipped if e > s]
            )
            level = peak = 0
            for _, step in events:  # at one instant ends come before starts: the intervals are half open
                level += step
                peak = max(peak, level)
            busy = sum(end - start for start, end in clipped if end > start)
            if peak:
                found[bucket, function, version] = (peak, busy / bucket_ms)
    return found


def over(store: Store, columns: str, view: str, from_ms: int, to_ms: int, bucket_s: int) -> Sequence[Sequence[Any]]:
    """The bucket of each row, in milliseconds from T0 on, and further columns of it."""
    return store.client.query(
        f"SELECT toUnixTimestamp(Bucket) * 1000 - {{t0:Int64}}, {columns} "
        f"FROM {view}(from = fromUnixTimestamp64Milli({{a:Int64}}), to = fromUnixTimestamp64Milli({{b:Int64}}), "
        "bucket_s = {bucket_s:UInt32})",
        parameters={"t0": T0_MS, "a": T0_MS + from_ms, "b": T0_MS + to_ms, "bucket_s": bucket_s},
    ).result_rows


def stored(store: Store, from_ms: int, to_ms: int, bucket_s: int) -> dict[tuple[int, str, str], tuple[int, float]]:
    columns = "FunctionName, FunctionVersion, Peak, Avg, Provisional"
    rows = over(store, columns, "lambda_concurrency", from_ms, to_ms, bucket_s)
    assert {row[5] for row in rows} <= {0}
    assert len({row[:3] for row in rows}) == len(rows)
    found = {(row[0], row[1], row[2]): (row[3], row[4]) for row in rows}
    assert highest(store, from_ms, to_ms, bucket_s) == highest_of(found, bucket_s)
    return found


def highest(store: Store, from_ms: int, to_ms: int, bucket_s: int) -> dict[str, object]:
    """By function: the peak of all buckets, the first that has it, and the busy time of all."""
    rows = over(store, "FunctionName, Peak, BusyMs", "lambda_concurrency_peaks", from_ms, to_ms, bucket_s)
    assert len({row[1] for row in rows}) == len(rows)
    return {name: (peak, bucket, busy_ms) for bucket, name, peak, busy_ms in rows}


def highest_of(found: dict[tuple[int, str, str], tuple[int, float]], bucket_s: int) -> dict[str, object]:
    """The same of the rows of lambda_concurrency."""
    told: dict[str, list[tuple[int, int, float]]] = {}
    for (bucket, function, version), (peak, mean) in found.items():
        if not version:
            told.setdefault(function, []).append((-peak, bucket, mean * bucket_s * 1000))
    return {name: (-min(one)[0], min(one)[1], round(sum(busy for *_, busy in one))) for name, one in told.items()}


def add_intervals(store: Store, intervals: list[Interval]) -> None:
    requests = []
    for number, (function, version, start, end) in enumerate(intervals):
        span = lambda_span(
            "invoke", start_ns=T0 + start * MS, duration_ns=(end - start) * MS, request_id=f"r{number}", instance="i"
        )
        requests.append(trace_request([span], function=function, version=version, instance="i"))
    store.add(*requests)


ADVERSARIAL: list[Interval] = [
    ("f", "1", 0, 0),  # no length
    ("f", "1", 1000, 1000),  # no length, inside another
    ("f", "1", 500, 1500),
    ("f", "1", 1500, 2500),  # touches the one before: never both
    ("f", "2", 2500, 2500),
    ("f", "2", 0, 10_000),  # ends on a border
    ("f", "2", 10_000, 20_000),  # begins on it
    ("g", "1", 100, 35_000),  # over several buckets
    ("g", "1", 200, 34_000),  # nested in it
    ("g", "1", 300, 400),
    ("g", "1", 9_999, 10_001),  # a millisecond on either side
    ("g", "1", 10_000, 10_001),
    ("h", "$LATEST", -890_000, 5_000),  # began long before
    ("h", "$LATEST", 59_999, 900_000),  # ends long after
    ("h", "$LATEST", -20_000, 0),  # ends where the range begins
    ("h", "$LATEST", 60_000, 61_000),  # begins where it ends
]


@pytest.mark.parametrize(
    ("from_ms", "to_ms", "bucket_s"), [(0, 60_000, 10), (0, 60_000, 60), (0, 60_000, 1), (3_500, 41_500, 10)]
)
def test_concurrency_of_adversarial_intervals(store: Store, from_ms: int, to_ms: int, bucket_s: int) -> None:
    add_intervals(store, ADVERSARIAL)
    assert stored(store, from_ms, to_ms, bucket_s) == sweep(ADVERSARIAL, from_ms, to_ms, bucket_s * 1000)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_concurrency_of_random_intervals(store: Store, seed: int) -> None:
    """Thousands of intervals on a coarse raster, so that many touch and coincide."""
    rng = random.Random(seed)
    intervals = []
    for _ in range(2000):
        start = rng.randrange(-50, 600) * 100
        length = rng.choice([0, 1, 100, 100, 500, 2_000, 61_000])
        intervals.append((rng.choice("fgh"), rng.choice("12"), start, start + length))
    add_intervals(store, intervals)
    found = stored(store, 0, 60_000, 7)
    # Bucket borders of 7 s are aligned to the epoch, not to T0.
    shift = T0_MS % 7_000
    true = sweep([(f, v, s + shift, e + shift) for f, v, s, e in intervals], shift, 60_000 + shift, 7_000)
    assert {(bucket + shift, function, version): value for (bucket, function, version), value in found.items()} == true


def test_concurrency_counts_the_init_that_was_waited_for(store: Store) -> None:
    store.add(trace_request(cold_start()))
    assert stored(store, 0, 1_000, 1)[0, "checkout", ""] == (1, 0.95)  # 950.25 ms, in whole milliseconds


def test_buckets_that_are_not_closed_are_provisional(store: Store) -> None:
    """A running invocation counts until now."""
    now_ns = int(datetime.now(UTC).timestamp() * 1e9)
    running = lambda_span(
        "invoke", start_ns=now_ns - 30_000 * MS, duration_ns=0, request_id="r", lambda__in_flight=True
    )
    store.add(trace_request([running]))
    rows = store.rows(
        "SELECT Peak, Avg, Provisional FROM lambda_concurrency(from = now() - 60, to = now(), bucket_s = 3600) "
        "WHERE FunctionName = '*'"
    )
    assert {(row["Peak"], row["Provisional"]) for row in rows} == {(1, 1)}
    assert sum(float(str(row["Avg"])) for row in rows) * 3600 >= 29
