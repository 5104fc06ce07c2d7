"""The queries behind the dashboard's panels on the embedded store, and what an invocation takes on disk.

50 million invocations of 1,000 functions over 30 days, and otel_traces for the last of them. To load them takes long,
which is printed and not judged, so the store is kept in build/bench for the next run, and a load that
was cut off goes on with the day that it had come to.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from benchmarks import Measurement
from benchmarks._sql_fleet import DAY_S, Fleet, load_day
from collector.config import StoreUrl
from collector.jobs.rollups import Rollups
from collector.store.migrate import migrate, migrations
from dashboard.questions import question
from dashboard.sql import LONG, QUERIES, statement

ROOT: Final = Path(__file__).parents[1]
INVOCATIONS: Final = int(os.environ.get("LAMBDASCOPE_BENCH_INVOCATIONS", "50000000"))
FUNCTIONS: Final = 1000
DAYS: Final = 30
RUNS: Final = 5
_TABLES: Final = {"0001", "0011", "0012", "0013"}
SHORT_S: Final = (900, 3600, 21_600)
LONG_S: Final = (30 * DAY_S,)
MAX_POINTS: Final = 200
BUCKETS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)


def measure() -> Iterator[Measurement]:
    """Load what is not loaded, then ask: the p95 of all panels together, with those of the slowest five and of every
    one that is over its limit by itself.
    """
    fleet = Fleet(FUNCTIONS, INVOCATIONS, DAYS, int(time.time()) // DAY_S * DAY_S)
    client, fleet = _loaded(fleet)
    try:
        for name, ranges, limit_ms in (("sql.p95_ms_6h", SHORT_S, 300), ("sql.p95_ms_30d", LONG_S, 1000)):
            took = {
                (query, length): _took_ms(client, query, fleet, length)
                for query in _queries()
                for length in ranges
                if _is_asked(query, length)
            }
            every = [ms for times in took.values() for ms in times]
            against = {
                f"{query} over {length} s": round(ms, 1)
                for rank, ((query, length), ms) in enumerate(_slowest_first(took))
                if rank < 5 or ms > limit_ms
            }
            yield Measurement(name, round(_quantile(every, 0.95), 1), "ms", against)
        yield _bytes_per_invocation(client, fleet)
    finally:
        client.close()


def _slowest_first(took: Mapping[tuple[str, int], list[float]]) -> list[tuple[tuple[str, int], float]]:
    """Each panel's own p95, ms."""
    each = {key: _quantile(times, 0.95) for key, times in took.items()}
    return sorted(each.items(), key=lambda one: -one[1])


def _loaded(fleet: Fleet) -> tuple[Client, Fleet]:
    """The store of the fleet, made or completed where it is not there or its tables have changed since."""
    folder = ROOT / "build" / "bench" / f"sql-{fleet.invocations}-{_digest()}"
    progress = folder / "progress"
    if not progress.exists():
        for outdated in folder.parent.glob(f"sql-{fleet.invocations}-*"):
            shutil.rmtree(outdated, ignore_errors=True)
    client = _open(folder)
    first = 0
    if progress.exists():
        end_s, first = map(int, progress.read_text().split())
        fleet = Fleet(fleet.functions, fleet.invocations, fleet.days, end_s)
    if first > fleet.days:
        return client, fleet
    rollups = Rollups(client, chunk_s=DAY_S)
    began = time.monotonic()
    for day in range(first, fleet.days):
        begun = f"{datetime.fromtimestamp(fleet.end_s - (fleet.days - day) * DAY_S, UTC):%Y-%m-%d}"
        client.command(f"ALTER TABLE lambda_invocation_parts DROP PARTITION '{begun}'")  # of a load that was cut off
        load_day(client, fleet, day, spans=day == fleet.days - 1)
        while rollups.run(int(time.time()), settled=True).minutes:
            pass
        progress.write_text(f"{fleet.end_s} {day + 1}")
        print(f"sql: day {day + 1} of {fleet.days} after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    for table in ("otel_traces", "otel_traces_trace_id_ts", "lambda_invocation_parts", "lambda_rollups"):
        client.command(f"OPTIMIZE TABLE {table} FINAL")
    print(f"sql: loaded in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    progress.write_text(f"{fleet.end_s} {fleet.days + 1}")
    return client, fleet


def _digest() -> str:
    """Changes with the tables that are loaded and with what fills them, not with the views that read them."""
    statements = (one for m in migrations() if m.name[:4] in _TABLES for one in m.statements)
    stored = (one for one in statements if one.startswith(("CREATE TABLE", "CREATE MATERIALIZED VIEW")))
    return hashlib.sha256("\n".join(stored).encode()).hexdigest()[:8]


def _open(folder: Path) -> Client:
    (folder / "store").mkdir(parents=True, exist_ok=True)
    client = clickhouse_connect.get_client(dsn=StoreUrl(f"chdb://{folder / 'store'}").dsn)
    migrate(client)
    return client


def _queries() -> dict[str, str]:
    return {path.stem: statement(path.stem) for path in sorted(QUERIES.glob("*.sql"))}


def _is_asked(query: str, length_s: int) -> bool:
    """Whether a page asks it of so long a time: see dashboard.sql.LONG; what can be narrowed is asked both ways."""
    if length_s <= SHORT_S[-1]:
        return query not in LONG.values()
    return query not in LONG or query == "init_by_version" or "{status:" in _queries()[query]


def _took_ms(client: Client, query: str, fleet: Fleet, length_s: int) -> list[float]:
    # Some are asked about the days of a longer time one by one.
    at_once_s = min(length_s, question(query).days_at_a_time * DAY_S)
    text, parameters = _queries()[query], _parameters(client, fleet, at_once_s)
    if not query.startswith("invocation_") and query != "invocation":
        parameters["request"] = ""
    took: list[float] = []
    for _ in range(RUNS + 1):
        began = time.monotonic()
        client.query(text, parameters=parameters)
        took.append((time.monotonic() - began) * 1000)
    return took[1:]  # without the first, which reads from disk and compiles


def _parameters(client: Client, fleet: Fleet, length_s: int) -> dict[str, object]:
    """Everything that a panel may ask for; the example is an invocation of the last hour."""
    begin, end = (_instant(at) for at in (fleet.end_s - length_s, fleet.end_s))
    row = client.query(
        "SELECT RequestId, InstanceId, TraceId FROM lambda_invocations WHERE Start >= {since:DateTime} LIMIT 1",
        parameters={"since": fleet.end_s - 3600},
    ).result_rows[0]
    return {
        "from": begin, "to": end, "since": begin, "span_s": length_s, "limit": 200,
        "bucket_s": next(width for width in BUCKETS_S if length_s / width <= MAX_POINTS),
        "functions": [], "account": "", "region": "", "status": "", "cold_only": 0, "min_ms": 0.0, "request": row[0],
        "at": "1970-01-01 00:00:00.000", "until": "1970-01-01 00:00:00.000", "instance": row[1], "attempt": 1,
        "trace": row[2], "instances": [row[1]], "quantum_ms": 1000,
    }  # fmt: skip


def _instant(epoch_s: int) -> str:
    return f"{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%d %H:%M:%S}.000"


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _bytes_per_invocation(client: Client, fleet: Fleet) -> Measurement:
    """Of the tables that hold one day, per invocation of that day; of the others, per invocation of all days."""
    rows = client.query("SELECT table, sum(bytes_on_disk) FROM system.parts WHERE active GROUP BY table").result_rows
    sizes = {str(table): int(size) for table, size in rows}
    last = client.query(
        "SELECT count() FROM lambda_invocations WHERE Start >= {since:DateTime}",
        parameters={"since": fleet.end_s - DAY_S},
    ).result_rows[0][0]
    every = client.query("SELECT count() FROM lambda_invocations").result_rows[0][0]
    per = {table: size / (last if table.startswith("otel_") else every) for table, size in sizes.items()}
    return Measurement(
        "sql.bytes_per_invocation", round(sum(per.values()), 1), "B", {t: round(b, 1) for t, b in per.items()}
    )
