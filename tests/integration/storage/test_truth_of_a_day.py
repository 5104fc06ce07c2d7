"""A day of a fleet: counts, sums, billed totals and peaks equal what numpy finds in the same numbers.

Of 5 million attempts at full size. An attempt is a function of its number, by whole-number arithmetic that ClickHouse
and numpy do alike. All lie on a raster of 100 ms, so that ends and starts coincide, and some take no time at all.
Reports come before what they report on, a tenth comes twice, and the day begins a minute before midnight.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import clickhouse_connect
import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from collector.config import StoreUrl
from collector.jobs.rollups import Rollups
from collector.store.migrate import migrate

FULL: Final = os.environ.get("LAMBDASCOPE_SOAK") == "1"
pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800 if FULL else 180)]

COUNT: Final = 5_000_000 if FULL else 12_000
FUNCTIONS: Final = 200 if FULL else 12
HOURS: Final = 24 if FULL else 2
CHUNKS: Final = 48 if FULL else 3
MINUTE_MS: Final = 60_000
T0_MS: Final = 1_750_031_940_000  # 2025-06-15 23:59:00 UTC
LAST_MINUTE: Final = HOURS * 60 + 4
RUNTIMES_MS: Final = (0, 1, 100, 100, 300, 900, 2_000, 59_900, 130_000)
AFTER_MS: Final = (0, 0, 5, 20)
INITS_MS: Final = (0, 0, 0, 400)
PRIME: Final = 4_294_967_291
FACTORS: Final = {
    "function": 2_654_435_761,
    "version": 2_246_822_519,
    "start": 3_266_489_917,
    "runtime": 668_265_263,
    "after": 374_761_393,
    "init": 1_103_515_245,
    "status": 1_664_525,
}


def dice(name: str, sides: int) -> str:
    """The same as `drawn`, in SQL."""
    return f"intDiv((number * {FACTORS[name]} + 12345) % {PRIME}, 7) % {sides}"


def drawn(name: str, sides: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    number = np.arange(COUNT, dtype=np.uint64)
    mixed = (number * np.uint64(FACTORS[name]) + np.uint64(12_345)) % np.uint64(PRIME)
    return (mixed // np.uint64(7) % np.uint64(sides)).astype(np.int64)


def chosen(name: str, values: tuple[int, ...]) -> str:
    return f"toInt64([{', '.join(map(str, values))}][1 + {dice(name, len(values))}])"


FACTS: Final = f"""
SELECT
    number, {dice("function", FUNCTIONS)} AS function, {dice("version", 2)} AS version,
    {T0_MS} + toInt64({dice("start", HOURS * 36_000)}) * 100 AS start_ms,
    {chosen("runtime", RUNTIMES_MS)} AS runtime_ms, runtime_ms + {chosen("after", AFTER_MS)} AS took_ms,
    {chosen("init", INITS_MS)} AS init_ms, if({dice("status", 20)} = 0, 'error', 'success') AS status,
    lower(hex(sipHash128(number))) AS trace, concat('i', toString(function), '-', toString(number % 97)) AS instance
FROM numbers({{first:UInt64}}, {{count:UInt64}})
"""
RESOURCE: Final = (
    "map('cloud.account.id', '1', 'cloud.region', 'r', 'faas.instance', instance, "
    "'faas.name', concat('f', toString(function)), 'faas.version', toString(version))"
)
INSERT: Final = "INSERT INTO otel_traces (Timestamp, TraceId, SpanName, ResourceAttributes, SpanAttributes, Duration) "
INVOKES: Final = f"""{INSERT}
SELECT
    fromUnixTimestamp64Milli(start_ms), trace, 'invoke', {RESOURCE},
    map('faas.coldstart', if(init_ms > 0, 'true', 'false'), 'faas.invocation_id', concat('r', toString(number)),
        'lambda.attempt', '1', 'lambda.busy_start_unix_nano', toString((start_ms - init_ms) * 1000000),
        'lambda.phase', 'invoke', 'lambda.status', status),
    toUInt64(runtime_ms * 1000000)
FROM ({FACTS})
"""
REPORTS: Final = f"""{INSERT}
SELECT
    fromUnixTimestamp64Milli(start_ms + runtime_ms), trace, 'post_runtime', {RESOURCE},
    mapConcat(
        map('faas.invocation_id', concat('r', toString(number)), 'lambda.attempt', '1', 'lambda.billed_duration_ms',
            toString(took_ms + init_ms), 'lambda.duration_ms', toString(took_ms), 'lambda.memory_size_mb', '256',
            'lambda.phase', 'post_runtime', 'lambda.start_unix_nano', toString(start_ms * 1000000),
            'lambda.status', status),
        if(init_ms > 0, map('lambda.init_duration_ms', toString(init_ms)), map())),
    toUInt64((took_ms - runtime_ms) * 1000000)
FROM ({FACTS})
"""


@dataclass(frozen=True, slots=True)
class Truth:
    """The attempts as columns."""

    function: np.ndarray[Any, Any]
    start_ms: np.ndarray[Any, Any]
    took_ms: np.ndarray[Any, Any]
    init_ms: np.ndarray[Any, Any]
    failed: np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def truth() -> Truth:
    runtime = np.array(RUNTIMES_MS)[drawn("runtime", len(RUNTIMES_MS))]
    return Truth(
        drawn("function", FUNCTIONS),
        T0_MS + drawn("start", HOURS * 36_000) * 100,
        runtime + np.array(AFTER_MS)[drawn("after", len(AFTER_MS))],
        np.array(INITS_MS)[drawn("init", len(INITS_MS))],
        drawn("status", 20) == 0,
    )


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("day")
    opened = clickhouse_connect.get_client(dsn=StoreUrl(f"chdb://{folder / 'store'}").dsn)
    migrate(opened)
    size = -(-COUNT // CHUNKS)
    settings = {"max_partitions_per_insert_block": 0, "async_insert": 0}
    for number in range(CHUNKS):
        span = {"first": number * size, "count": min(size, COUNT - number * size)}
        for statement in (REPORTS, INVOKES, *((INVOKES,) if number % 10 == 0 else ())):
            opened.command(statement, parameters=span, settings=settings)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def rolled(client: Client) -> Client:
    rollups = Rollups(client)
    while rollups.run(T0_MS // 1000 + 9 * 86_400, settled=True).minutes:
        pass
    return client


Found = dict[tuple[int, int], tuple[float, ...]]
"""By function (-1 is the account) and number of the bucket.

Invocations, Failed, ColdStarts, DurationNs, BilledMs, BusyMs, Peak.
"""


def said(client: Client, bucket_s: int) -> Found:
    rows = client.query(
        "SELECT if(FunctionName = '*', -1, toInt64OrZero(substring(FunctionName, 2))) AS f, "
        "intDiv(toUnixTimestamp64Milli(Bucket), {bucket_s:UInt32} * 1000), "
        "Invocations, Failed, ColdStarts, DurationNs, BilledMs, BusyMs, Peak, Avg FROM lambda_activity("
        "from = fromUnixTimestamp64Milli({a:Int64}), to = fromUnixTimestamp64Milli({b:Int64}), "
        "bucket_s = {bucket_s:UInt32}) WHERE FunctionVersion = ''",
        parameters={"a": T0_MS - 4 * MINUTE_MS, "b": T0_MS + LAST_MINUTE * MINUTE_MS, "bucket_s": bucket_s},
    ).result_rows
    for row in rows:
        assert row[9] == pytest.approx(row[7] / (bucket_s * 1000), rel=1e-9)
    return {(row[0], row[1]): tuple(row[2:9]) for row in rows}


def true(truth: Truth, bucket_s: int) -> Found:
    bucket_ms = bucket_s * 1000
    found: dict[tuple[int, int], list[float]] = {}
    for account in (False, True):
        function = np.full(COUNT, -1) if account else truth.function
        began = truth.start_ms // bucket_ms
        key = (function + 1) * 2**40 + began
        keys, index = np.unique(key, return_inverse=True)
        measures = (
            np.ones(COUNT), truth.failed, truth.init_ms > 0, truth.took_ms * 10**6, truth.took_ms + truth.init_ms,
        )  # fmt: skip
        sums = [np.bincount(index, weights=measure.astype(np.float64)) for measure in measures]
        for place, one in enumerate(keys):
            found[int(one // 2**40 - 1), int(one % 2**40)] = [*(float(total[place]) for total in sums), 0, 0]
        for one, busy_ms, peak in busy(function, truth, bucket_ms):
            found.setdefault((int(one // 2**40 - 1), int(one % 2**40)), [0] * 7)[5:] = [busy_ms, peak]
    return {key: tuple(values) for key, values in found.items()}


def busy(function: np.ndarray[Any, Any], truth: Truth, bucket_ms: int) -> Iterator[tuple[int, float, float]]:
    """Busy time and peak by function and bucket: a sweep over every start and end, cut at the buckets."""
    begin, end = truth.start_ms - truth.init_ms, truth.start_ms + truth.took_ms
    lasts = end > begin
    function, begin, end = function[lasts], begin[lasts], end[lasts]
    times = (end - 1) // bucket_ms - begin // bucket_ms + 1
    owner = np.repeat(np.arange(len(begin)), times)
    bucket = begin[owner] // bucket_ms + (np.arange(len(owner)) - np.repeat(np.cumsum(times) - times, times))
    first = np.maximum(begin[owner], bucket * bucket_ms)
    last = np.minimum(end[owner], (bucket + 1) * bucket_ms)
    key = (function[owner] + 1) * 2**40 + bucket
    keys, index = np.unique(key, return_inverse=True)
    busy_ms = np.bincount(index, weights=(last - first).astype(np.float64))
    event_key = np.concatenate([index, index])
    at = np.concatenate([last, first])
    step = np.concatenate([np.full(len(index), -1), np.ones(len(index), dtype=np.int64)])
    order = np.lexsort((step, at, event_key))  # at one instant, ends come first
    level = np.cumsum(step[order])  # every bucket's steps add up to nothing, so each begins at 0
    borders = np.searchsorted(event_key[order], np.arange(len(keys)))
    peaks = np.maximum.reduceat(level, borders)
    for place, one in enumerate(keys):
        yield int(one), float(busy_ms[place]), float(peaks[place])


def test_truth_of_a_day_from_the_invocations(client: Client, truth: Truth) -> None:
    assert said(client, 3600) == true(truth, 3600)


@pytest.mark.parametrize("bucket_s", [60, 3600, 86_400])
def test_truth_of_a_day_from_rollups(rolled: Client, truth: Truth, bucket_s: int) -> None:
    assert said(rolled, bucket_s) == true(truth, bucket_s)


def test_truth_of_a_day_in_single_rows(client: Client, truth: Truth) -> None:
    """Exact quantiles, and the number of attempts, of what came twice and in any order."""
    row = client.query(
        "SELECT count(), uniqExact(RequestId), sum(BilledDurationMs), quantileExact(0.5)(DurationMs), "
        "quantileExact(0.99)(DurationMs), countIf(EndEstimated) FROM lambda_invocations"
    ).result_rows[0]
    durations = np.sort(truth.took_ms)
    billed = int((truth.took_ms + truth.init_ms).sum())
    assert row == (COUNT, COUNT, billed, durations[COUNT // 2], durations[int(0.99 * COUNT)], 0)
