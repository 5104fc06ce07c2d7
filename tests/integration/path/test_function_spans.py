"""A function with OpenTelemetry's SDK, whose endpoint is the layer: one trace of its spans and the platform's."""

import json
from pathlib import Path

import pytest

from deploy.local.invoke import invoke
from deploy.local.stack import Stack, wait_for
from tests.support.emulator import is_root

pytestmark = [
    pytest.mark.layer,
    pytest.mark.skipif(not is_root(), reason="port 4318 of a sandbox's own network needs a namespace"),
]

SCENARIO = Path(__file__).parent / "traced.yaml"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A cold and a warm invocation: the first one's handler span names its request, the second one's does not."""
    with Stack(tmp_path_factory.mktemp("traced") / "stack") as stack:
        collector = stack.start_collector()
        emulator = stack.start_emulator(SCENARIO, collector.http)
        answers = [invoke(emulator.url, "traced", {"named": named}) for named in (True, False)]
        emulator.process.stop()
        client = collector.client()
        query = "SELECT count() FROM otel_traces WHERE SpanAttributes['lambda.phase'] = 'shutdown'"
        wait_for(lambda: client.query(query).result_rows[0][0] > 0, "the shutdown span to be stored", timeout_s=30)
        wait_for(lambda: client.query("SELECT count() FROM otel_logs").result_rows[0][0] > 1, "the logs", timeout_s=30)
        yield [json.loads(answer.body)["trace"] for answer in answers], client


def test_the_platforms_spans_join_the_trace_of_the_functions_own(run):
    traces, client = run
    for number, trace_id in enumerate(traces):
        rows = client.query(
            "SELECT if(SpanAttributes['lambda.phase'] = '', SpanName, SpanAttributes['lambda.phase']) AS name,"
            f" SpanId, ParentSpanId FROM otel_traces WHERE TraceId = '{trace_id}'"
        ).result_rows
        spans = {name: (own, parent) for name, own, parent in rows}
        assert len(rows) == len(spans)
        of_init = {"init", "extension_init", "runtime_and_function_init"} if number == 0 else set()
        assert {"handler", "work", "invoke", "response_latency", "post_runtime"} | of_init <= set(spans)
        assert [name for name, (_, parent) in spans.items() if not parent] == ["handler"]
        parents = {name: parent for name, (_, parent) in spans.items()}
        assert parents["work"] == parents["invoke"] == spans["handler"][0]
        assert parents["post_runtime"] == parents["response_latency"] == spans["invoke"][0]
        ids = {own for own, _ in spans.values()}
        assert all(parent in ids for parent in parents.values() if parent)


def test_its_log_lines_are_in_that_trace_too(run):
    traces, client = run
    rows = client.query(
        "SELECT TraceId FROM otel_logs WHERE Body LIKE '%in the handler%' ORDER BY Timestamp"
    ).result_rows
    assert [trace_id for (trace_id,) in rows] == traces


def test_invocations_know_their_trace(run):
    traces, client = run
    rows = client.query("SELECT TraceId FROM lambda_invocations ORDER BY Start").result_rows
    assert [trace_id for (trace_id,) in rows] == traces


def test_nothing_comes_back_to_the_receiver(run):
    """The layer sends to the collector, never to itself: each span is stored once."""
    _, client = run
    assert client.query("SELECT SpanId FROM otel_traces GROUP BY SpanId HAVING count() > 1").result_rows == []
