"""The wrapper, the probe and the proxy of the built layer, on real runtimes in the emulator, read back by SQL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.local.invoke import invoke
from deploy.local.stack import Stack, wait_for

pytestmark = pytest.mark.layer

FUNCTIONS = ("python", "node", "module", "plain")
SCENARIO = Path(__file__).parent / "depth.yaml"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:orders"
EVENT = {
    "Records": [
        {
            "messageId": "1",
            "body": '{"password": "hunter2"}',
            "attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1545082649183"},
            "eventSource": "aws:sqs",
            "eventSourceARN": QUEUE,
        }
    ]
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The answer of one invocation of each function, and its rows and spans."""
    with Stack(tmp_path_factory.mktemp("depth") / "stack") as stack:
        collector = stack.start_collector()
        emulator = stack.start_emulator(SCENARIO, collector.http)
        answers = {name: json.loads(invoke(emulator.url, name, EVENT).body) for name in FUNCTIONS}
        emulator.settled(len(FUNCTIONS))
        emulator.process.stop()
        client = collector.client()
        query = "SELECT FunctionName, Trigger, EventSourceArn, BatchSize, IteratorAgeMs FROM lambda_invocations"
        wait_for(lambda: len(client.query(query).result_rows) >= len(FUNCTIONS), "the rows to be stored", timeout_s=30)
        rows = {row[0]: row[1:] for row in client.query(query).result_rows}
        spans = client.query(
            "SELECT ServiceName, SpanName, Duration / 1e6, SpanAttributes['lambda.phase.source'],"
            " SpanAttributes['lambda.event.payload'] FROM otel_traces"
        ).result_rows
        yield answers, rows, spans


def durations(spans, function):
    return {name: (duration, source) for service, name, duration, source, _ in spans if service == function}


@pytest.mark.parametrize("function", ["python", "node", "module"])
def test_the_trigger_is_told_where_the_proxy_is_on(run, function):
    assert run[1][function] == ("sqs", QUEUE, 1, None)


def test_the_columns_are_null_without_it(run):
    assert run[1]["plain"] == (None, None, None, None)


@pytest.mark.parametrize(
    ("function", "name"),
    [("python", "import pack.slow"), ("node", "import /var/task/slow.js"), ("module", "import /var/task/slow.mjs")],
)
def test_init_is_split_by_the_probe(run, function, name):
    found = durations(run[2], function)
    assert found["extension_init"][1] == "wrapper"
    assert "runtime_and_function_init" not in found
    assert found["runtime_init"][1] == found["function_init"][1] == "probe"
    slept_ms, function_ms = found[name][0], found["function_init"][0]
    # The sleep is of 200 ms by the runtime's own clock, which need not tick with ours. A module is seen by samples, of
    # which a busy machine takes the first and the last some milliseconds late.
    assert 180 <= slept_ms <= function_ms < found["init"][0]


def test_without_the_wrapper_init_is_split_by_proc(run):
    found = durations(run[2], "plain")
    assert "runtime_init" not in found
    assert found["runtime_and_function_init"][1] == "proc"


def test_the_functions_process_is_as_it_is_without_them(run):
    with_all, without = dict(run[0]["python"]), dict(run[0]["plain"])
    assert (with_all.pop("api"), without.pop("api")) == ("127.0.0.1:9009", "127.0.0.1:9001")
    assert with_all.pop("arn").endswith(":python")
    assert without.pop("arn").endswith(":plain")
    assert with_all == without
    node = run[0]["node"]
    assert (node["event"], node["names"], node["own"], node["accessor"]) == (EVENT, [], True, False)


def test_a_recorded_payload_is_masked(run):
    [payload] = {payload for service, *_, payload in run[2] if service == "python" and payload}
    assert "hunter2" not in payload
    assert "***" in payload
