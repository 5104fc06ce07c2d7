"""A fleet with known truth: invocations, rollups and concurrency equal it, in whatever order and how often it came."""

from __future__ import annotations

import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.config import StoreUrl
from collector.jobs.rollups import Rollups
from collector.otlp.decode import decode
from collector.otlp.signals import Signal
from collector.store.clickhouse import ClickHouseStore
from tests.support.collector import lambda_span, trace_request

MS = 1_000_000
T0_MS = 1_750_031_940_000  # 2025-06-15 23:59:00 UTC, a minute before a day ends
MINUTE_MS = 60_000
DAY_MS = 86_400_000
LONG_AFTER_S = T0_MS // 1000 + 7 * 86_400


@dataclass(frozen=True)
class Fact:
    """One attempt, as it was."""

    function: str
    version: str
    instance: str
    request: str
    start_ms: int
    runtime_ms: int
    duration_ms: int
    init_ms: int
    status: str

    @property
    def busy(self) -> tuple[int, int]:
        return self.start_ms - self.init_ms, self.start_ms + self.duration_ms

    @property
    def spans(self) -> list[Span]:
        start_ns = self.start_ms * MS
        same: dict[str, Any] = {"request_id": self.request, "instance": self.instance}
        failed: dict[str, Any] = {} if self.status == "success" else {"error__type": "Function.Error"}
        init: dict[str, Any] = {"lambda__init_duration_ms": float(self.init_ms)} if self.init_ms else {}
        return [
            lambda_span(
                "invoke",
                start_ns=start_ns,
                duration_ns=self.runtime_ms * MS,
                faas__coldstart=self.init_ms > 0,
                lambda__status=self.status,
                lambda__busy_start_unix_nano=start_ns - self.init_ms * MS,
                **same,
                **failed,
            ),
            lambda_span("response_latency", start_ns=start_ns, duration_ns=self.runtime_ms * MS // 2, **same),
            lambda_span(
                "post_runtime",
                start_ns=start_ns + self.runtime_ms * MS,
                duration_ns=(self.duration_ms - self.runtime_ms) * MS,
                lambda__status=self.status,
                lambda__duration_ms=float(self.duration_ms),
                lambda__billed_duration_ms=self.duration_ms + self.init_ms,
                lambda__memory_size_mb=256,
                lambda__max_memory_used_mb=100,
                **init,
                **same,
                **failed,
            ),
        ]


def fleet(seed: int, count: int) -> list[Fact]:
    """On a coarse raster, so that ends and starts touch and coincide; over the end of a day, hours and minutes."""
    rng = random.Random(seed)
    facts = []
    for number in range(count):
        start = T0_MS + rng.randrange(0, 1200) * 100
        runtime = rng.choice([0, 1, 100, 100, 300, 900, 2_000, 59_900, 130_000])
        facts.append(
            Fact(
                function=rng.choice("fgh"),
                version=rng.choice("12"),
                instance=f"i{rng.randrange(20)}",
                request=f"r{number}",
                start_ms=start,
                runtime_ms=runtime,
                duration_ms=runtime + rng.choice([0, 0, 5, 20]),
                init_ms=rng.choice([0, 0, 0, 400]),
                status=rng.choice(["success", "success", "error", "timeout"]),
            )
        )
    return facts


class Store:
    """The embedded engine, with the collector's own inserts."""

    def __init__(self, folder: str) -> None:
        url = StoreUrl(f"chdb://{folder}")
        self._store = ClickHouseStore(url)
        self._store.open()
        self.client: Client = clickhouse_connect.get_client(dsn=url.dsn)
        self._tokens = itertools.count()

    def deliver(self, facts: Sequence[tuple[Fact, Span]]) -> None:
        requests = [
            trace_request([span], function=fact.function, version=fact.version, instance=fact.instance)
            for fact, span in facts
        ]
        for rows in decode(Signal.TRACES, [request.SerializeToString() for request in requests]):
            self._store.insert(rows, f"token-{next(self._tokens)}")

    def clear(self) -> None:
        for table in (
            "otel_traces",
            "lambda_invocation_parts",
            "lambda_sandbox_parts",
            "lambda_rollups",
            "lambda_rollup_state",
        ):
            self.client.command(f"TRUNCATE TABLE {table}")

    def everything(self) -> list[object]:
        invocations = self.client.query("SELECT * FROM lambda_invocations ORDER BY RequestId").result_rows
        sandboxes = self.client.query("SELECT * FROM lambda_sandboxes ORDER BY ALL").result_rows
        return [invocations, sandboxes, self.activity(60)]

    def activity(self, bucket_s: int) -> list[Sequence[object]]:
        return list(
            self.client.query(
                "SELECT * EXCEPT (Provisional) FROM lambda_activity(from = fromUnixTimestamp64Milli({a:Int64}), "
                "to = fromUnixTimestamp64Milli({b:Int64}), bucket_s = {bucket_s:UInt32}) "
                "ORDER BY FunctionName, FunctionVersion, Bucket",
                parameters={"a": T0_MS - 2 * MINUTE_MS, "b": T0_MS + 6 * MINUTE_MS, "bucket_s": bucket_s},
            ).result_rows
        )

    def close(self) -> None:
        self.client.close()
        self._store.close()


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(str(tmp_path_factory.mktemp("truth") / "store"))
    yield store
    store.close()


@pytest.fixture
def store(opened: Store) -> Store:
    opened.clear()
    return opened


def deliveries(facts: Sequence[Fact]) -> list[tuple[Fact, Span]]:
    return [(fact, span) for fact in facts for span in fact.spans]


def test_shuffled_repeated_and_delayed_records_leave_identical_tables(store: Store) -> None:
    """Also where a report, or part of an answer, comes in another insert than its invocation, before or after it."""
    facts = fleet(3, 60)
    whole = deliveries(facts)
    store.deliver(whole)
    expected = store.everything()
    for seed in (1, 2):
        store.clear()
        rng = random.Random(seed)
        mixed = whole * 2
        rng.shuffle(mixed)
        rollups = Rollups(store.client)
        for start in range(0, len(mixed), 90):
            store.deliver(mixed[start : start + 90])
            rollups.run(LONG_AFTER_S, settled=True)
        assert store.everything() == expected


def sweep(intervals: Sequence[tuple[int, int]], begin: int, end: int) -> tuple[int, int]:
    """Peak and busy milliseconds in [begin, end), by walking over every start and end."""
    clipped = [(max(a, begin), min(b, end)) for a, b in intervals]
    events = sorted([(b, -1) for a, b in clipped if b > a] + [(a, 1) for a, b in clipped if b > a])
    level = peak = 0
    for _, step in events:
        level += step
        peak = max(peak, level)
    return peak, sum(b - a for a, b in clipped if b > a)


def truth(facts: Sequence[Fact], bucket_ms: int) -> dict[tuple[str, str, int], tuple[object, ...]]:
    """By function, version and bucket: what lambda_activity must say."""
    grains: dict[tuple[str, str], list[Fact]] = defaultdict(list)
    for fact in facts:
        for grain in ((fact.function, fact.version), (fact.function, ""), ("*", "")):
            grains[grain].append(fact)
    found: dict[tuple[str, str, int], tuple[object, ...]] = {}
    for (function, version), own in grains.items():
        first, last = (edge // bucket_ms * bucket_ms for edge in (T0_MS - 2 * MINUTE_MS, T0_MS + 6 * MINUTE_MS - 1))
        for bucket in range(first, last + 1, bucket_ms):
            began = [fact for fact in own if bucket <= fact.start_ms < bucket + bucket_ms]
            peak, busy = sweep([fact.busy for fact in own], bucket, bucket + bucket_ms)
            if not began and not busy:
                continue
            failed = [fact for fact in began if fact.status != "success"]
            found[function, version, bucket] = (
                len(began),
                len(failed),
                sum(fact.status == "timeout" for fact in failed),
                sum(fact.init_ms > 0 for fact in began),
                sum(fact.duration_ms for fact in began) * MS,
                sum(fact.duration_ms + fact.init_ms for fact in began),
                sum((fact.duration_ms + fact.init_ms) * 256 for fact in began),
                dict(Counter("Function.Error" for _ in failed)),
                peak,
                busy,
            )
    return found


def answer(store: Store, bucket_s: int) -> dict[tuple[str, str, int], tuple[object, ...]]:
    rows = store.client.query(
        "SELECT FunctionName, FunctionVersion, toUnixTimestamp64Milli(Bucket), Invocations, Failed, TimedOut, "
        "ColdStarts, DurationNs, BilledMs, arraySum(mapValues(BilledMBMs)), Errors, Peak, BusyMs, Avg "
        "FROM lambda_activity(from = fromUnixTimestamp64Milli({a:Int64}), to = fromUnixTimestamp64Milli({b:Int64}), "
        "bucket_s = {bucket_s:UInt32})",
        parameters={"a": T0_MS - 2 * MINUTE_MS, "b": T0_MS + 6 * MINUTE_MS, "bucket_s": bucket_s},
    ).result_rows
    for row in rows:
        assert row[13] == pytest.approx(row[12] / (bucket_s * 1000), rel=1e-9)
    return {(row[0], row[1], row[2]): tuple(row[3:13]) for row in rows}


def differing(store: Store, view: str, bucket_s: int) -> Sequence[Sequence[object]]:
    """Rows of a view that has some columns of lambda_activity, and of those columns there, that the other lacks."""
    given = (
        "(from = fromUnixTimestamp64Milli({a:Int64}), to = fromUnixTimestamp64Milli({b:Int64}), "
        "bucket_s = {bucket_s:UInt32})"
    )
    params = {"a": T0_MS - 2 * MINUTE_MS, "b": T0_MS + 6 * MINUTE_MS, "bucket_s": bucket_s}
    described = store.client.query(f"DESCRIBE TABLE (SELECT * FROM {view}{given})", parameters=params)
    columns = ", ".join(row[0] for row in described.result_rows)
    return store.client.query(
        f"SELECT count() AS times, {columns} FROM (SELECT {columns} FROM {view}{given} "
        f"UNION ALL SELECT {columns} FROM lambda_activity{given} WHERE Invocations > 0) GROUP BY ALL HAVING times != 2",
        parameters=params,
    ).result_rows


def test_rollups_and_invocations_say_the_same_and_the_truth(store: Store) -> None:
    """Without any rollup, with all of them, and with some that no longer hold; also views of a few columns."""
    facts = fleet(7, 600)
    late = facts[::7]
    store.deliver(deliveries([fact for fact in facts if fact not in set(late)]))
    rollups = Rollups(store.client)
    assert rollups.run(LONG_AFTER_S, settled=True).minutes > 0
    store.deliver(deliveries(late))
    for made in (False, True):
        if made:
            assert rollups.run(LONG_AFTER_S, settled=True).minutes > 0
            assert rollups.run(LONG_AFTER_S, settled=True).waiting == 0
        for bucket_s in (60, 3600, 7):
            assert answer(store, bucket_s) == truth(facts, bucket_s * 1000), (made, bucket_s)
            for view in ("lambda_counts", "lambda_billed", "lambda_inits"):
                assert differing(store, view, bucket_s) == [], (made, bucket_s, view)


def test_rollups_that_all_hold_say_the_same_alone(store: Store) -> None:
    """Of five days, of a day and minutes, of minutes within an hour, and of half an hour; some were made twice."""
    facts = [replace(fact, start_ms=fact.start_ms + DAY_MS * (n % 3)) for n, fact in enumerate(fleet(11, 60))]
    rollups = Rollups(store.client)
    for part in (facts[::2], facts[1::2]):
        store.deliver(deliveries(part))
        rollups.run(LONG_AFTER_S, settled=True)
    spans = ((-DAY_MS, 4 * DAY_MS), (-DAY_MS, DAY_MS + 4 * MINUTE_MS), (0, 3 * MINUTE_MS), (-30 * MINUTE_MS, 0))
    views = ("lambda_counts", "lambda_inits", "lambda_concurrency", "lambda_concurrency_peaks")
    for view, bucket_s, (begin_ms, end_ms) in itertools.product(views, (0, 60, 3600, 7200, 86400), spans):
        given = "(from = fromUnixTimestamp64Milli({a:Int64}), to = fromUnixTimestamp64Milli({b:Int64}), "
        given += "bucket_s = {bucket_s:UInt32}) ORDER BY ALL"
        params = {"a": T0_MS + begin_ms, "b": T0_MS + end_ms, "bucket_s": bucket_s}
        plain, held = (
            store.client.query(f"SELECT * FROM {name}{given}", parameters=params).result_rows
            for name in (view, f"{view}_held")
        )
        assert held == plain, (view, params)
        assert held or begin_ms == -30 * MINUTE_MS


def test_quantiles_from_rollups_are_within_a_percent(store: Store) -> None:
    rng = random.Random(1)
    facts = [
        Fact("f", "1", "i", f"r{n}", T0_MS + n, took_ms, took_ms, 0, "success")
        for n, took_ms in enumerate(round(rng.lognormvariate(5, 1)) + 1 for _ in range(500))
    ]
    store.deliver(deliveries(facts))
    Rollups(store.client).run(LONG_AFTER_S, settled=True)
    durations = sorted(fact.duration_ms for fact in facts)
    for level in (0.5, 0.9, 0.95, 0.99):
        found = store.client.query(
            "SELECT arrayFirstIndex(n -> n > {q:Float64} * Durations, arrayCumSum(mapValues(DurationBins))) AS i, "
            "pow(1.015, mapKeys(DurationBins)[i] - 0.5) FROM lambda_activity(from = '2025-06-15 23:00:00', "
            "to = '2025-06-16 01:00:00', bucket_s = 0) WHERE FunctionName = '*'",
            parameters={"q": level},
        ).result_rows[0][1]
        assert found == pytest.approx(durations[int(level * len(durations))], rel=0.01)


def test_what_the_layer_told_wins_over_log_lines(store: Store) -> None:
    """Of an attempt that both tell of, one row; of one that only the log lines tell of, theirs."""
    both, logged = (replace(fact, function="f") for fact in fleet(5, 2))
    from_logs = [
        lambda_span("invoke", start_ns=T0_MS * MS, duration_ns=MS, request_id=request, lambda__source="logs")
        for request in (both.request, logged.request)
    ]
    for first in ("logs", "layer"):
        store.clear()
        layer = [(both, span) for span in both.spans]
        logs = [(logged, span) for span in from_logs]
        for batch in (logs, layer) if first == "logs" else (layer, logs):
            store.deliver(batch)
        rows = store.client.query("SELECT RequestId, Source FROM lambda_invocations ORDER BY 1").result_rows
        assert rows == [(both.request, "extension"), (logged.request, "logs")]
