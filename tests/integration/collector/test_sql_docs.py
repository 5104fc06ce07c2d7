"""docs/ against the engine: every table, view and column is described, and every recipe gives its answer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.config import StoreUrl
from collector.otlp import logs, metrics, traces
from collector.otlp.batch import TableLayout
from collector.otlp.decode import decode
from collector.otlp.signals import Signal
from collector.store.clickhouse import ClickHouseStore
from dashboard import cookbook
from semconv import tables
from tests.support.collector import lambda_span, trace_request

PAGES = Path(__file__).parents[3] / "docs"
DOCS = "".join(path.read_text(encoding="utf-8") for path in [PAGES / "sql.md", *sorted(PAGES.glob("*.md"))])
MS = 1_000_000
T0 = 1_750_000_000_000 * MS  # 2025-06-15 15:06:40 UTC

RANGE = "from = '2026-01-01 00:00:00', to = '2026-01-02 00:00:00'"
HELD = ("lambda_counts", "lambda_inits", "lambda_concurrency", "lambda_concurrency_peaks")
PARAMETERS = {
    **{f"{view}_held": f"{RANGE}, bucket_s = 60" for view in HELD},
    "lambda_activity": f"{RANGE}, bucket_s = 60",
    "lambda_concurrency": f"{RANGE}, bucket_s = 60",
    "lambda_concurrency_peaks": f"{RANGE}, bucket_s = 60",
    "lambda_counts": f"{RANGE}, bucket_s = 60",
    "lambda_billed": f"{RANGE}, bucket_s = 60",
    "lambda_inits": f"{RANGE}, bucket_s = 60",
    "lambda_invocations_between": RANGE,
    "lambda_sandboxes_between": RANGE,
    "lambda_sandboxes_over_time": f"{RANGE}, bucket_s = 60",
    "lambda_costs": RANGE,
    "lambda_coverage_between": RANGE,
    "lambda_metric_minutes": f"{RANGE}, metric = 'Invocations', dimension_set = 'FunctionName'",
    "lambda_inferred_stream_causes": RANGE,
    "lambda_inferred_throttle_causes": RANGE,
    "lambda_stream_causes_between": RANGE,
    "lambda_stream_lag_between": RANGE,
    "lambda_throttle_causes_between": RANGE,
}
"""Views that take parameters."""
SAME_COLUMNS = {
    f"{view}_between": view
    for view in (
        "lambda_invocations",
        "lambda_sandboxes",
        "lambda_stream_lag",
        "lambda_throttle_causes",
        "lambda_coverage",
    )
} | {
    **{f"{view}_held": view for view in HELD},
    "lambda_inferred_stream_causes": "lambda_stream_causes_between",
    "lambda_inferred_throttle_causes": "lambda_throttle_causes",
}
INTERNAL = {
    "lambda_rollup_coarser",
    "lambda_rollup_minutes",
    "otlp_logs",
    "otlp_traces",
}
"""Not for reading, like all materialised views."""
LOADED = {f"lambda_{kind}_{form}" for kind in ("prices", "runtimes") for form in ("packaged", "loaded")}
STORAGE = {
    *LOADED,
    "lambda_exports",
    "lambda_leases",
    "lambda_schema",
    "lambda_invocation_parts",
    "lambda_sandbox_parts",
    "lambda_rollups",
    "lambda_rollup_state",
    "lambda_kept_cause_arrivals",
    "lambda_kept_stream_causes",
    "lambda_kept_throttle_causes",
}
"""Named in the docs; their columns are those of the views."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    url = StoreUrl(f"chdb://{tmp_path_factory.mktemp('docs') / 'store'}")
    store = ClickHouseStore(url)
    store.open()
    bodies = [request.SerializeToString() for request in seed()]
    for rows in decode(Signal.TRACES, bodies):
        store.insert(rows, "seed")
    for metric, total, most in (("Throttles", 30, 30), ("Invocations", 70, 1), ("IteratorAge", None, 21_600_000)):
        store.open().insert(
            "lambda_metrics",
            [["AWS/Lambda", metric, {"FunctionName": "orders"}, "FunctionName", T0 // 10**9, 60, total, most]],
            column_names=["Namespace", "MetricName", "Dimensions", "DimensionSet", "Time", "PeriodS", "Sum", "Max"],
        )
    opened = clickhouse_connect.get_client(dsn=url.dsn)
    yield opened
    opened.close()
    store.close()


def seed() -> list[ExportTraceServiceRequest]:
    """Two functions: `api` (a cold start, then two more at once, one of which fails) and `jobs` (a retried request)."""
    api = [
        lambda_span("init", start_ns=T0, duration_ns=400 * MS, lambda__initialization_type="on-demand"),
        lambda_span("extension_init", start_ns=T0, duration_ns=100 * MS),
        lambda_span("runtime_and_function_init", start_ns=T0 + 100 * MS, duration_ns=300 * MS),
        *invocation("r1", T0 + 400 * MS, 100, cold=True, busy_start_ns=T0, init_ms=400.0),
        *invocation("r2", T0 + 10_000 * MS, 50),
    ]
    second = invocation("r3", T0 + 10_010 * MS, 50, status="error", error="Function.ValueError", instance="api-2")
    jobs = [
        *invocation("j1", T0 + 10_020 * MS, 1000, status="timeout", error="Sandbox.Timedout", instance="jobs-1"),
        *invocation("j1", T0 + 80_000 * MS, 20, instance="jobs-1", attempt=2),
    ]
    unused = lambda_span("init", start_ns=T0, duration_ns=MS, lambda__initialization_type="provisioned-concurrency")
    return [
        trace_request(api, function="api", instance="sandbox-1"),
        trace_request(second, function="api", instance="api-2"),
        trace_request(jobs, function="jobs", instance="jobs-1"),
        trace_request([unused], function="jobs", instance="jobs-2"),
    ]


def invocation(
    request_id: str,
    start_ns: int,
    duration_ms: int,
    *,
    status: str = "success",
    error: str = "",
    cold: bool = False,
    busy_start_ns: int = 0,
    init_ms: float = 0.0,
    instance: str = "sandbox-1",
    attempt: int = 1,
) -> list[Span]:
    trace_id = hashlib.sha256(request_id.encode()).digest()[:16]
    more = {"error__type": error} if error else {}
    invoke = lambda_span(
        "invoke",
        start_ns=start_ns,
        duration_ns=(duration_ms - 10) * MS,
        request_id=request_id,
        instance=instance,
        attempt=attempt,
        trace_id=trace_id,
        faas__coldstart=cold,
        lambda__status=status,
        lambda__busy_start_unix_nano=busy_start_ns or start_ns,
        lambda__phase__source="telemetry",
        **more,
    )
    init = {"lambda__init_duration_ms": init_ms} if init_ms else {}
    report = lambda_span(
        "post_runtime",
        start_ns=start_ns + (duration_ms - 10) * MS,
        duration_ns=10 * MS,
        request_id=request_id,
        instance=instance,
        attempt=attempt,
        trace_id=trace_id,
        lambda__status=status,
        lambda__duration_ms=float(duration_ms),
        lambda__billed_duration_ms=duration_ms,
        lambda__memory_size_mb=256,
        lambda__max_memory_used_mb=64 if request_id.startswith("r") else 250,
        **more,
        **init,
    )
    return [invoke, report]


def documented(table: str) -> list[tuple[str, str]]:
    """Columns and types of a table in the docs, in their order."""
    match = re.search(rf"^### {table}\n(.*?)(?=^##|\Z)", DOCS, re.MULTILINE | re.DOTALL)
    assert match is not None, f"no page of docs/ describes {table}"
    if table in SAME_COLUMNS:
        return documented(SAME_COLUMNS[table])
    return re.findall(r"^\| ([\w.]+) \| `([^`]+)` \| \S.* \|$", match[1], re.MULTILINE)


def actual(client: Client, table: str) -> list[tuple[str, str]]:
    query = f"DESCRIBE (SELECT * FROM {table}({PARAMETERS[table]}))" if table in PARAMETERS else f"DESCRIBE {table}"
    found = [(str(row[0]), str(row[1])) for row in client.query(query).result_rows]
    # Names of rollups alone are held as they are there.
    names = {"FunctionName"} if table.endswith("_held") else set()
    return [(name, "String" if name in names else kind) for name, kind in found]


def everything(client: Client) -> set[str]:
    rows = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine != 'MaterializedView'"
    ).result_rows
    return {str(row[0]) for row in rows} - INTERNAL


def test_every_table_and_column_is_described(client: Client) -> None:
    for table in sorted(everything(client) - STORAGE - {"otel_metrics_exp_histogram"}):
        assert documented(table) == actual(client, table), table
    for table in STORAGE & everything(client):
        assert f"| `{table}` |" in DOCS or f"### {table}\n" in DOCS, table
    assert "`otel_metrics_exp_histogram` is a view" in DOCS
    assert actual(client, "otel_metrics_exp_histogram") == actual(client, "otel_metrics_exponential_histogram")


def test_the_shared_names_exist(client: Client) -> None:
    shared = {value for name, value in vars(tables).items() if name.isupper() and isinstance(value, str)}
    assert shared <= everything(client)


@pytest.mark.parametrize(
    "layout", [traces.TRACES, logs.LOGS, *metrics.LAYOUTS.values()], ids=lambda layout: layout.table
)
def test_what_is_written_is_what_the_table_has(client: Client, layout: TableLayout) -> None:
    """Names and types of the columns that the decoder fills; aliases are not written."""
    aliases = {str(row[0]) for row in client.query(f"DESCRIBE {layout.table}").result_rows if row[2] == "ALIAS"}
    written = [column for column in actual(client, layout.table) if column[0] not in aliases]
    assert list(layout.columns) == written


# The cookbook --------------------------------------------------------------------------------------------------------

RECIPES = {recipe.title: recipe.sql for recipe in cookbook.RECIPES}
NOW = "toDateTime('2025-06-15 16:00:00', 'UTC')"
ANSWERS: dict[str, list[tuple[object, ...]]] = {
    "Which functions suffer from cold starts?": [("api", 3, 1, 33.3, 400.0), ("jobs", 2, 0, 0.0, None)],
    "Where does a cold start's time go?": [
        ("runtime_and_function_init", 1, 300.0, 300.0),
        ("init", 2, 400.0, 400.0),
        ("extension_init", 1, 100.0, 100.0),
    ],
    "When was the account's concurrency highest, and who took it?": [(3, "api", 2)],
    "Which functions have memory to spare?": [("api", 256, 64, 25.0), ("jobs", 256, 250, 98.0)],
    "What fails, and how?": [("api", "error", "Function.ValueError", 1), ("jobs", "timeout", "Sandbox.Timedout", 1)],
    "Which requests were tried more than once?": [("j1", 2, 1)],
    "Which sandboxes were made and never used?": [("jobs", "jobs-2", "provisioned-concurrency")],
    "What do extensions add after the answer?": [("api", 10.0, 10.0), ("jobs", 10.0, 10.0)],
    "What share of each version's invocations waits for an init?": [("api", "1", 33.3), ("jobs", "1", 0.0)],
    "Who took the concurrency in the minute of a throttle?": [("api", 2), ("jobs", 1)],
    "What does init cost?": [("api", 0.1), ("jobs", 0.0)],
    "What is billed, by function?": [("jobs", 2, 0.255), ("api", 3, 0.05)],
    "Which part of init is the slowest after a release?": [("api", "1", "runtime_and_function_init", 300.0)],
    "Where do retries pile up?": [("jobs", 1, 2)],
    "How much of what is billed are extensions?": [("api", 15.0), ("jobs", 2.0)],
    "How long do invocations take?": [("api", 50.0, 100.0, 100.0), ("jobs", 1000.0, 1000.0, 1000.0)],
    "What share fails?": [("jobs", 50.0, 1), ("api", 33.3, 0)],
    "Which errors, over a long time?": [("api", "Function.ValueError", 1), ("jobs", "Sandbox.Timedout", 1)],
    "Which was the busiest minute?": [(4,)],
    "How many requests a second, against the quota of 10 for each unit of concurrency?": [(3, 3)],
    "Which functions are about to run out of memory?": [("jobs", 97.7)],
    "How many sandboxes does a function need?": [("api", 2, 3), ("jobs", 2, 2)],
    "How were sandboxes initialised?": [("on-demand", 1), ("provisioned-concurrency", 1)],
    # Of three invocations of `api`, 0.2 s, one waited for an init of 0.4 s as well.
    "Does concurrency add up? (rate times duration)": [("api", 0.000056, 0.000167), ("jobs", 0.000283, 0.000283)],
    "What share of requests was throttled?": [("orders", 30.0)],
    "How near is the iterator age to the stream's retention of a day?": [("orders", 25.0)],
    "Everything about one request": [
        ("invoke", 990.0, "telemetry"),
        ("post_runtime", 10.0, ""),
        ("invoke", 10.0, "telemetry"),
        ("post_runtime", 10.0, ""),
    ],
    "Which functions are the slowest, in the last hour?": [("jobs", 2, 1000.0, 1000.0), ("api", 3, 50.0, 100.0)],
    "How many invocations each minute?": [(4, 2), (1, 0)],
    "How many sandboxes were busy each minute?": [(3, 0.027), (1, 0.0)],
    "Which cold starts took the longest, and in which phase?": [
        ("api", "sandbox-1", 400.0, 100.0, 300.0),
        ("jobs", "jobs-2", 1.0, 0.0, 0.0),
    ],
}
TIMES_FIRST = {
    "Which was the busiest minute?",
    "When was the account's concurrency highest, and who took it?",
    "Everything about one request",
    "How many invocations each minute?",
    "How many sandboxes were busy each minute?",
    "Which cold starts took the longest, and in which phase?",
}
UNORDERED = {"What do extensions add after the answer?", "Where does a cold start's time go?", "What fails, and how?"}


def test_every_recipe_has_an_answer() -> None:
    assert set(RECIPES) == set(ANSWERS)


@pytest.mark.parametrize("title", ANSWERS)
def test_recipe(client: Client, title: str) -> None:
    rows = [tuple(row) for row in client.query(RECIPES[title].replace("now()", NOW)).result_rows]
    if title in TIMES_FIRST:
        rows = [row[1:] for row in rows]
    if title in UNORDERED:
        assert sorted(rows, key=str) == sorted(ANSWERS[title], key=str)
    else:
        assert rows == ANSWERS[title]
