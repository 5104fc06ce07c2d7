"""The built layer on real sandboxes, into a real collector: what SQL says is what the emulator saw."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.local.invoke import invoke
from deploy.local.stack import Stack, wait_for

pytestmark = pytest.mark.layer

SCENARIO = Path(__file__).parent / "scenario.yaml"
SANDBOXES = 5
INVOCATIONS = 200
TOLERANCE_MS = 5


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """200 invocations over 5 concurrent sandboxes, all of them shut down, all that was sent stored."""
    with Stack(tmp_path_factory.mktemp("path") / "stack") as stack:
        collector = stack.start_collector()
        emulator = stack.start_emulator(SCENARIO, collector.http)
        with ThreadPoolExecutor(SANDBOXES) as pool:
            answers = list(pool.map(lambda n: invoke_when_free(emulator.url, {"n": n}), range(INVOCATIONS)))
        summary = emulator.settled(INVOCATIONS)
        emulator.process.stop()
        client = collector.client()
        wait_for(
            lambda: count(client, "lambda_phases WHERE Phase = 'shutdown'") >= len(emulator.records("sandbox_start")),
            "the shutdown spans to be stored",
            timeout_s=30,
        )
        # What is made of spans is there a moment after them.
        wait_for(
            lambda: count(client, "lambda_invocations") >= len(emulator.records("invocation")),
            "the rows of the invocations to be stored",
            timeout_s=30,
        )
        yield Run(answers, summary, emulator, client)


def invoke_when_free(url, payload):
    """The reserved concurrency is 5: a caller to whom no sandbox is free yet is throttled, and tries again."""
    answers = []

    def answered():
        answers.append(invoke(url, "steady", payload))
        return answers[-1].status != 429

    wait_for(answered, "a sandbox to be free", timeout_s=60)
    return answers[-1]


class Run:
    def __init__(self, answers, summary, emulator, client):
        self.answers = answers
        self.summary = summary
        self.invocations = {record["request_id"]: record for record in emulator.records("invocation")}
        self.sandboxes = {record["instance_id"]: record for record in emulator.records("init")}
        self.client = client

    def rows(self, query):
        return list(self.client.query(query).named_results())


def count(client, source):
    return client.query(f"SELECT count() FROM {source}").result_rows[0][0]


def test_every_caller_is_answered(run):
    assert {(answer.status, answer.function_error) for answer in run.answers} == {(200, None)}
    assert {int(answer.body) for answer in run.answers} == set(range(INVOCATIONS))


def test_every_invocation_is_stored_once(run):
    rows = run.rows("SELECT RequestId, count() AS n FROM lambda_invocations GROUP BY RequestId")
    assert {row["RequestId"] for row in rows} == set(run.invocations)
    assert {row["n"] for row in rows} == {1}
    assert len(rows) == INVOCATIONS
    spans = run.rows(
        "SELECT SpanId, count() AS n FROM otel_traces WHERE SpanAttributes['lambda.phase'] != ''"
        " GROUP BY TraceId, SpanId"
    )
    assert {row["n"] for row in spans} == {1}


def test_cold_starts_are_the_sandboxes_started(run):
    cold = run.rows("SELECT RequestId FROM lambda_invocations WHERE ColdStart")
    assert {row["RequestId"] for row in cold} == {i for i, record in run.invocations.items() if record["cold_start"]}
    assert len(cold) == run.summary["sandboxes_started"] == len(run.sandboxes) == SANDBOXES


def test_a_warm_invocation_names_what_it_runs_in_as_a_cold_one_does(run):
    rows = run.rows("SELECT DISTINCT InitType, RuntimeVersion != '' AS Versioned FROM lambda_invocations")
    assert [(row["InitType"], row["Versioned"]) for row in rows] == [("on-demand", 1)]


def test_peak_concurrency_is_the_emulators_own(run):
    busy = run.rows("SELECT min(BusyStart) AS s, max(End) AS e FROM lambda_invocations")[0]
    peaks = run.client.query(
        "SELECT FunctionName, max(Peak)"
        " FROM lambda_concurrency(from={s:DateTime64(3)}, to={e:DateTime64(3)}, bucket_s=1)"
        " WHERE FunctionVersion = '' GROUP BY FunctionName",
        parameters={"s": busy["s"].timestamp() - 1, "e": busy["e"].timestamp() + 1},
    ).result_rows
    assert dict(peaks) == {
        "*": run.summary["peak_concurrency"],
        "steady": run.summary["functions"]["steady"]["peak_concurrency"],
    }
    assert run.summary["peak_concurrency"] == SANDBOXES


def test_each_invocation_lasted_what_the_emulator_recorded(run):
    rows = run.rows(
        "SELECT RequestId, DurationMs, BilledDurationMs, toUnixTimestamp64Micro(Start) / 1000 AS StartMs"
        " FROM lambda_invocations"
    )
    for row in rows:
        record = run.invocations[row["RequestId"]]
        assert row["DurationMs"] == pytest.approx(record["duration_ms"], abs=TOLERANCE_MS)
        assert row["BilledDurationMs"] == record["billed_ms"]
        assert row["StartMs"] == pytest.approx(record["start_ms"], abs=TOLERANCE_MS)


def test_each_init_lasted_what_the_emulator_recorded(run):
    rows = run.rows("SELECT InstanceId, DurationMs FROM lambda_phases WHERE Phase = 'init'")
    assert {row["InstanceId"] for row in rows} == set(run.sandboxes)
    for row in rows:
        assert row["DurationMs"] == pytest.approx(run.sandboxes[row["InstanceId"]]["duration_ms"], abs=TOLERANCE_MS)


def test_the_parts_of_init_lie_within_it_and_do_not_overlap(run):
    parts = run.rows(
        "SELECT InstanceId, maxIf(DurationMs, Phase = 'init') AS whole,"
        " sumIf(DurationMs, Phase = 'extension_init') AS ours,"
        " sumIf(DurationMs, Phase = 'runtime_and_function_init') AS theirs FROM lambda_phases GROUP BY InstanceId"
    )
    assert len(parts) == len(run.sandboxes)
    for part in parts:
        assert part["ours"] > 0
        assert part["theirs"] > 0
        # The runtime's start comes from /proc, in ticks of 10 ms.
        assert part["ours"] + part["theirs"] <= part["whole"] + 10
