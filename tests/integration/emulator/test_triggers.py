"""Event sources, asynchronous invocation and metrics with real functions: what reached them, and what was published."""

import base64
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.support.emulator import running, wait_for
from tests.support.firehose import firehose_endpoint

HANDLER = """
import base64, json, time

def handler(event, context):
    records = event.get("Records")
    if records is None:
        print("event", json.dumps([context.aws_request_id, event]))
        time.sleep(event.get("sleep", 0))
        if event.get("fail"):
            raise ValueError(event["fail"])
        return {"done": True}
    print("batch", json.dumps([context.aws_request_id, event]))
    failures = []
    for record in records:
        if "kinesis" in record:
            name, data = record["kinesis"]["sequenceNumber"], json.loads(base64.b64decode(record["kinesis"]["data"]))
        elif "dynamodb" in record:
            name, data = record["dynamodb"]["SequenceNumber"], json.loads(record["dynamodb"]["NewImage"]["data"]["S"])
        else:
            name, data = record["messageId"], json.loads(record["body"])
        if isinstance(data, dict):
            time.sleep(data.get("sleep", 0))
            if data.get("poison") == "raise":
                raise ValueError("poison")
            if data.get("poison"):
                failures.append({"itemIdentifier": name})
    return {"batchItemFailures": failures}
"""
RETRIES = {"max_retries": 1, "on_failure": "sqs:lost"}


class Run:
    """An emulator with the function f, and what happened there."""

    def __init__(self, emulator, record, endpoint):
        self.emulator = emulator
        self.record = record
        self.metrics = endpoint

    def put(self, source, *data, key="k"):
        records = [{"key": key, "data": one} for one in data]
        status, _, answer = self.emulator.request(
            "POST", f"/_lambdascope/sources/{source}", json.dumps(records).encode()
        )
        assert status == 200
        return answer["ids"]

    def sources(self):
        return self.emulator.request("GET", "/_lambdascope/sources")[2]

    def wait_drained(self, source):
        def is_drained():
            state = self.sources()["sources"][source]
            return not state["waiting"] and not state["batches_in_flight"]

        wait_for(is_drained, f"{source} to be drained")

    def printed(self, kind):
        """Request ids and events that the function printed. Ends the emulator: lines follow what they tell of."""
        self.emulator.stop()
        mark = f"[f/function] {kind} "
        return [json.loads(line[len(mark) :]) for line in self.emulator.lines if line.startswith(mark)]

    def facts(self, kind):
        lines = map(json.loads, self.record.read_text(encoding="utf-8").splitlines())
        return [line for line in lines if line["kind"] == kind]


@pytest.fixture
def start(tmp_path):
    """Starts an emulator with the function f and the given sections of the scenario."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(HANDLER, encoding="utf-8")
    with ExitStack() as at_end:

        def begin(function=None, *, metrics=None, **sections):
            endpoint = at_end.enter_context(firehose_endpoint())
            scenario = {
                "functions": {"f": {"code": "code", "timeout_s": 10, **(function or {})}},
                "metrics": {"format": "json", "every_s": 0.2, "delay_s": 0, "unfinished": True, **(metrics or {})},
                **sections,
            }
            path, record = tmp_path / "scenario.yaml", tmp_path / "record"
            path.write_text(json.dumps(scenario), encoding="utf-8")  # JSON is YAML
            emulator = at_end.enter_context(running("--scenario", path, "--record", record, "--firehose", endpoint.url))
            return Run(emulator, record, endpoint)

        yield begin


def data_of(event):
    return [json.loads(base64.b64decode(record["kinesis"]["data"])) for record in event["Records"]]


def test_a_stream_is_read_in_order_and_its_lag_is_published(start):
    """Source: "How Lambda processes records from stream and queue-based event sources"; IteratorAge of its metrics."""
    run = start(sources={"orders": {"kind": "kinesis", "function": "f", "batch_size": 2}})

    numbers = run.put("orders", *({"n": n, "sleep": 0.05} for n in range(6)))
    run.wait_drained("orders")
    batches = [event for _, event in run.printed("batch")]

    assert [item["n"] for event in batches for item in data_of(event)] == list(range(6))
    assert [record["kinesis"]["sequenceNumber"] for event in batches for record in event["Records"]] == numbers
    ages = [batch["iterator_age_ms"] for batch in run.facts("batch")]
    published = run.metrics.last("IteratorAge", FunctionName="f")
    assert sum(value["count"] for value in published) == len(ages)
    assert max(value["max"] for value in published) == max(ages) > 0
    uuids = {p["dimensions"]["EventSourceMappingUUID"] for p in run.metrics.points() if "Event" in str(p["dimensions"])}
    assert len(uuids) == 1
    assert run.metrics.total("InvokedEventCount", EventSourceMappingUUID=uuids.pop()) == 6


@pytest.mark.parametrize("kind", ["kinesis", "dynamodb"])
def test_a_poisoned_record_is_isolated_and_its_place_goes_to_the_destination(start, kind):
    """Source: BisectBatchOnFunctionError, MaximumRetryAttempts and OnFailure of CreateEventSourceMapping."""
    stream = {"kind": kind, "function": "f", "bisect_on_error": True, "max_retries": 0, "on_failure": "sqs:lost"}
    run = start(sources={"orders": stream, "lost": {"kind": "sqs"}})

    run.put("orders", {"n": 0}, {"n": 1}, {"poison": "raise"}, {"n": 3})
    run.wait_drained("orders")

    assert run.sources()["sources"]["lost"]["waiting"] == 1
    (delivery,) = run.facts("delivery")
    body = json.loads(delivery["body"])
    info = body["KinesisBatchInfo" if kind == "kinesis" else "DDBStreamBatchInfo"]
    assert (delivery["to"], delivery["delivered"]) == ("sqs:lost", True)
    assert (info["batchSize"], body["requestContext"]["condition"]) == (1, "RetryAttemptsExhausted")
    assert info["startSequenceNumber"] == info["endSequenceNumber"]


def test_a_partial_answer_retries_from_the_first_failure(start):
    """Source: "Configuring partial batch response with Kinesis Data Streams and Lambda"."""
    stream = {"kind": "kinesis", "function": "f", "report_batch_item_failures": True, **RETRIES}
    run = start(sources={"orders": stream, "lost": {"kind": "sqs"}})

    run.put("orders", {"n": 0}, {"n": 1}, {"poison": True}, {"n": 3})
    wait_for(lambda: run.facts("delivery"), "the failed rest to be given up")

    sizes = [len(event["Records"]) for _, event in run.printed("batch")]
    assert sizes[0] > sizes[-1]
    assert data_of(run.printed("batch")[-1][1])[0] == {"poison": True}


def test_a_paused_mapping_reads_nothing_and_catches_up(start):
    """Source: ``Enabled`` of UpdateEventSourceMapping."""
    pauses = [{"start_s": 0, "for_s": 2}]
    run = start(sources={"orders": {"kind": "kinesis", "function": "f", "pauses": pauses}})
    wait_for(lambda: not run.sources()["sources"]["orders"]["enabled"], "the pause")

    run.put("orders", {"n": 0})
    waiting = run.sources()["sources"]["orders"]["waiting"]
    run.wait_drained("orders")

    assert (waiting, len(run.printed("batch"))) == (1, 1)


def test_messages_that_fail_come_back_and_are_buried_in_the_end(start):
    """Source: "Using Lambda with Amazon SQS": visibility timeout, maxReceiveCount, partial batch responses."""
    work = {
        "kind": "sqs",
        "function": "f",
        "visibility_timeout_s": 0.2,
        "max_receive_count": 2,
        "dead_letter_queue": "buried",
        "report_batch_item_failures": True,
        "batching_window_s": 0.1,
    }
    run = start(sources={"work": work, "buried": {"kind": "sqs"}})

    good, bad = run.put("work", {"n": 0}, {"poison": True})
    wait_for(lambda: run.sources()["sources"]["buried"]["waiting"] == 1, "the bad message to be buried")

    seen = Counter(record["messageId"] for _, event in run.printed("batch") for record in event["Records"])
    assert seen == {good: 1, bad: 2}
    receives = [
        record["attributes"]["ApproximateReceiveCount"]
        for _, event in run.printed("batch")
        for record in event["Records"]
        if record["messageId"] == bad
    ]
    assert receives == ["1", "2"]


def test_an_event_is_tried_three_times_under_one_request_id(start):
    """Source: "How Lambda handles errors and retries with asynchronous invocation"."""
    asynchronous = {"f": {"error_delays_s": [0.1, 0.1], "on_failure": "sqs:lost", "dead_letter_queue": "sqs:gone"}}
    run = start(asynchronous=asynchronous, sources={"lost": {"kind": "sqs"}})

    status, headers, _ = run.emulator.invoke("f", {"fail": "no"}, X_Amz_Invocation_Type="Event")
    (ended,) = wait_for(lambda: run.facts("event_ended"), "the event to be given up")
    run.emulator.stop()

    assert status == 202
    assert [request_id for request_id, _ in run.printed("event")] == [headers["x-amzn-requestid"]] * 3
    assert (ended["condition"], ended["attempts"]) == ("RetriesExhausted", 3)
    to_queue, to_nowhere = run.facts("delivery")
    record = json.loads(to_queue["body"])
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestPayload"] == {"fail": "no"}
    assert record["responsePayload"]["errorMessage"] == "no"
    assert (to_nowhere["to"], to_nowhere["delivered"]) == ("sqs:gone", False)
    assert run.metrics.total("DeadLetterErrors", FunctionName="f") == 1
    assert run.metrics.total("AsyncEventsReceived", FunctionName="f") == 1
    assert run.metrics.total("AsyncEventsDropped", FunctionName="f") == 1
    assert run.metrics.total("Errors", FunctionName="f") == 3


def test_an_event_for_a_function_turned_off_is_dropped_without_an_attempt(start):
    """Source: AsyncEventsDropped of "Types of metrics for Lambda functions": reserved concurrency of 0."""
    run = start({"reserved_concurrency": 0})

    run.emulator.invoke("f", {}, X_Amz_Invocation_Type="Event")
    (ended,) = wait_for(lambda: run.facts("event_ended"), "the event to be dropped")

    assert (ended["condition"], ended["attempts"]) == ("ZeroReservedConcurrency", 0)
    assert run.emulator.summary()["invocations"] == 0


def test_throttles_are_published_as_often_as_they_were_answered(start):
    """Source: "Types of metrics for Lambda functions": neither invocations nor errors; dimension sets."""
    run = start(
        {"reserved_concurrency": 1, "version": "3", "aliases": ["live"]},
        traffic=[{"function": "f", "pattern": "bursts", "size": 5, "every_s": 60, "for_s": 1, "payload": {"sleep": 1}}],
    )
    wait_for(lambda: run.emulator.summary()["invocations"], "the first to be over")
    run.emulator.wait_idle()
    assert run.emulator.invoke("f:live")[0] == 200
    run.emulator.wait_idle()
    counted = run.emulator.summary()
    run.emulator.stop()

    assert (counted["throttles"], counted["invocations"]) == (4, 2)
    for dimensions in ({}, {"FunctionName": "f"}):
        assert run.metrics.total("Throttles", **dimensions) == 4
        assert run.metrics.total("Invocations", **dimensions) == 2
    assert run.metrics.total("Throttles", FunctionName="f", Resource="f") == 4
    assert run.metrics.total("Invocations", FunctionName="f", Resource="f:live", ExecutedVersion="3") == 1
    assert max(value["max"] for value in run.metrics.last("ConcurrentExecutions", FunctionName="f")) == 1
    assert max(value["max"] for value in run.metrics.last("ClaimedAccountConcurrency")) == 1
    reported = [fact["duration_ms"] for fact in run.facts("invocation")]
    assert run.metrics.total("Duration", FunctionName="f") == pytest.approx(sum(reported))


def test_spill_over_of_provisioned_concurrency_is_published(start):
    """Source: "Monitoring concurrency": the two add up to the version's invocations."""
    run = start({"version": "7", "provisioned_concurrency": 1})
    wait_for(lambda: [one["phase"] for one in run.emulator.sandboxes()] == ["ready"], "the provisioned sandbox")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: run.emulator.invoke("f:7", {"sleep": 1}), range(2)))
    run.emulator.stop()

    of_version = {"FunctionName": "f", "Resource": "f:7"}
    assert run.metrics.total("ProvisionedConcurrencyInvocations", **of_version) == 1
    assert run.metrics.total("ProvisionedConcurrencySpilloverInvocations", **of_version) == 1
    assert max(value["max"] for value in run.metrics.last("ProvisionedConcurrencyUtilization", **of_version)) == 1
