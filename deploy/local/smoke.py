"""``make smoke``: the whole path once, and one JSON object read back by SQL.

Exits with 1 where a figure is not what the emulator itself counted; every difference is named on standard error.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from deploy.local.invoke import invoke
from deploy.local.processes import ProcessError
from deploy.local.stack import ROOT, Stack, wait_for
from semconv import phases

SCENARIO = ROOT / "emulator" / "examples" / "smoke.yaml"
FOLDER = ROOT / "build" / "smoke"
THROTTLED = "refunds"
"""Has a reserved concurrency of 1."""
CONSUMER = "stock"
"""Reads a stream, and is not invoked otherwise."""
INVOCATIONS_PER_FUNCTION = 20
CONCURRENCY = 3
STORM = 8
"""Requests at once for the function that is to be throttled."""

_FIGURES = """
SELECT
    (SELECT count() FROM lambda_invocations) AS invocations,
    (SELECT countIf(ColdStart) FROM lambda_invocations) AS cold_starts,
    (SELECT ifNull(max(Peak), 0) FROM lambda_concurrency(from={from:DateTime64(3)}, to={to:DateTime64(3)}, bucket_s=60)
        WHERE FunctionName = '*') AS peak_concurrency,
    (SELECT ifNull(sum(Sum), 0) FROM lambda_metrics FINAL
        WHERE MetricName = 'Throttles' AND DimensionSet = 'FunctionName') AS throttles,
    (SELECT ifNull(max(Max), 0) FROM lambda_metrics FINAL
        WHERE MetricName = 'IteratorAge' AND DimensionSet = 'FunctionName') AS iterator_age_ms_max,
    (SELECT count() - uniqExact(SpanAttributes['faas.invocation_id'], ResourceAttributes['faas.instance'],
        SpanAttributes['lambda.attempt'])
        FROM otel_traces WHERE SpanAttributes['lambda.phase'] = 'invoke') AS duplicated
"""

_TRIGGERS = """
SELECT FunctionName, Trigger, countIf(isNull(IteratorAgeMs) OR isNull(BatchSize)) = 0
FROM lambda_invocations GROUP BY ALL
"""


def main() -> int:
    """Runs the path and prints its figures; the exit status."""
    try:
        with Stack(FOLDER) as stack:
            figures, differences = run(stack)
    except ProcessError as error:
        print(f"smoke: {error}", file=sys.stderr)
        return 1
    for difference in differences:
        print(f"smoke: {difference}", file=sys.stderr)
    print(json.dumps(figures))
    return 1 if differences else 0


def run(stack: Stack) -> tuple[dict[str, Any], list[str]]:
    """Invokes every function, ends the sandboxes, and compares what SQL says with what the emulator counted."""
    collector = stack.start_collector()
    emulator = stack.start_emulator(SCENARIO, collector.http)
    print("smoke: collector and emulator are up; invoking", file=sys.stderr)
    invoked = [name for name in emulator.functions() if name not in (THROTTLED, CONSUMER)]
    for function in invoked:
        invoke_all(emulator.url, function)
    admitted = storm(emulator.url, THROTTLED)
    emulator.drained()
    batches = len(emulator.records("batch"))
    summary = emulator.settled(INVOCATIONS_PER_FUNCTION * len(invoked) + admitted + batches)
    emulator.process.stop()
    print("smoke: sandboxes are shut down; reading back", file=sys.stderr)
    client = collector.client()
    truth = emulator.records("invocation")
    window = {
        "from": min(r["busy_start_ms"] for r in truth) / 1000 - 60,
        "to": max(r["end_ms"] for r in truth) / 1000 + 60,
    }
    figures = read_back(client, window, summary, shutdowns=len(emulator.records("sandbox_start")))
    figures["lost"] = len({r["request_id"] for r in truth} - request_ids(client))
    started = [record["function"] for record in emulator.records("sandbox_start")]
    differences = differences_of(figures, summary, sandboxes=len(started), probed=started.count(CONSUMER))
    return figures, differences + untold(client)


def invoke_all(url: str, function: str) -> None:
    """Sends the function its share of invocations, a few at a time."""
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        for number, answer in enumerate(
            pool.map(lambda n: invoke(url, function, {"n": n}), range(INVOCATIONS_PER_FUNCTION))
        ):
            if answer.status != 200:
                raise ProcessError(
                    f"invocation {number} of {function} was answered {answer.status}: {answer.body[:300]!r}"
                )


def storm(url: str, function: str) -> int:
    """Sends more requests at once than the function may serve; how many were served."""
    with ThreadPoolExecutor(STORM) as pool:
        answers = list(pool.map(lambda n: invoke(url, function, {"n": n, "pause_s": 0.5}), range(STORM)))
    statuses = [answer.status for answer in answers]
    if set(statuses) != {200, 429}:
        raise ProcessError(f"{STORM} requests at once for {function} were answered {statuses}, not 200 and 429")
    return statuses.count(200)


def read_back(client: Any, window: dict[str, float], summary: dict[str, Any], *, shutdowns: int) -> dict[str, Any]:
    """The figures, once all that was sent has been stored and they stay as they are (or half a minute has gone by)."""
    figures: dict[str, Any] = {}

    def complete() -> bool:
        # What an insert adds to several tables is not seen in all of them at the same moment.
        before = figures.copy()
        figures.update(query_figures(client, window))
        counts = figures["phases"]
        return bool(
            figures == before
            and figures["invocations"] >= summary["invocations"]
            and counts.get(phases.POST_RUNTIME, 0) >= summary["invocations"]
            and figures["throttles"] >= summary["throttles"]
            and figures["iterator_age_ms_max"] >= int(summary["iterator_age_ms_max"])
            and counts.get(phases.SHUTDOWN, 0) >= shutdowns
        )

    try:
        wait_for(complete, "the last spans to be stored", timeout_s=30)
    except ProcessError as error:
        print(f"smoke: {error}", file=sys.stderr)
    return figures


def query_figures(client: Any, window: dict[str, float]) -> dict[str, Any]:
    """One reading of the figures by SQL."""
    row = next(iter(client.query(_FIGURES, parameters=window).named_results()))
    counted = client.query("SELECT Phase, count() FROM lambda_phases GROUP BY Phase").result_rows
    by_phase = dict(counted)
    return {
        "invocations": int(row["invocations"]),
        "cold_starts": int(row["cold_starts"]),
        "phases": {phase: by_phase[phase] for phase in phases.ALL if phase in by_phase},
        "peak_concurrency": int(row["peak_concurrency"]),
        "throttles": int(row["throttles"]),
        "iterator_age_ms_max": int(row["iterator_age_ms_max"]),
        "lost": 0,
        "duplicated": int(row["duplicated"]),
    }


def request_ids(client: Any) -> set[str]:
    """The request ids that were stored."""
    return {row[0] for row in client.query("SELECT RequestId FROM lambda_invocations").result_rows}


def untold(client: Any) -> list[str]:
    """Whether the proxy told what triggered each invocation of the consumer, and nobody of another."""
    rows = client.query(_TRIGGERS).result_rows
    wrong = [row for row in rows if (row[0] == CONSUMER) != (row[1:] == ("kinesis", True))]
    return [f"the triggers of functions are {rows}"] if wrong or not rows else []


def differences_of(figures: dict[str, Any], summary: dict[str, Any], *, sandboxes: int, probed: int) -> list[str]:
    """What SQL says that the emulator does not, a sentence each. `probed`: sandboxes with wrapper and probe."""
    expected = {
        "invocations": summary["invocations"],
        "cold_starts": summary["cold_starts"],
        "peak_concurrency": summary["peak_concurrency"],
        "throttles": summary["throttles"],
        "iterator_age_ms_max": int(summary["iterator_age_ms_max"]),
        "lost": 0,
        "duplicated": 0,
    }
    once_each = {
        phases.INVOKE: summary["invocations"],
        phases.POST_RUNTIME: summary["invocations"],
        phases.INIT: sandboxes,
        phases.EXTENSION_INIT: sandboxes,
        phases.RUNTIME_AND_FUNCTION_INIT: sandboxes - probed,
        phases.RUNTIME_INIT: probed,
        phases.FUNCTION_INIT: probed,
        phases.SHUTDOWN: sandboxes,
    }
    found = [
        f"{name} is {figures[name]}, the emulator counted {value}"
        for name, value in expected.items()
        if figures[name] != value
    ]
    found += [
        f"phase {phase} is there {figures['phases'].get(phase, 0)} times, the emulator saw {count}"
        for phase, count in once_each.items()
        if figures["phases"].get(phase, 0) != count
    ]
    too_small = summary["invocations"] == 0 or summary["peak_concurrency"] < 2
    if too_small or summary["throttles"] == 0 or summary["iterator_age_ms_max"] < 1:
        found.append("the run itself is too small to show anything: " + json.dumps(summary))
    return found


if __name__ == "__main__":
    sys.exit(main())
