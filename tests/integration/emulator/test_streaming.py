"""Streamed answers, over the examples: a shell runtime and Node.js, asked by boto3."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import boto3
import pytest

from tests.support.emulator import REPOSITORY, RunningEmulator, make_layer, running, wait_for


@pytest.fixture(scope="module")
def emulator(tmp_path_factory) -> Iterator[RunningEmulator]:
    layer = make_layer(tmp_path_factory.mktemp("streams") / "layer", "probe")
    layer.parent.chmod(0o755)
    functions = {
        "shell": {"runtime": "provided.al2023", "code": str(REPOSITORY / "emulator/examples/shell"), "timeout_s": 5},
        "greeter": {"runtime": "nodejs", "code": str(REPOSITORY / "emulator/examples/greeter"), "timeout_s": 5},
        "hasty": {"runtime": "provided.al2023", "code": str(REPOSITORY / "emulator/examples/shell"), "timeout_s": 0.5},
    }
    path = layer.parent / "streams.yaml"
    path.write_text(json.dumps({"functions": functions}), encoding="utf-8")
    with running("--scenario", path, "--layer", layer) as one:
        yield one


@pytest.fixture
def client(emulator):
    return boto3.client(
        "lambda", endpoint_url=emulator.url, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    )


def streamed(client, function, payload, **arguments):
    answer = client.invoke_with_response_stream(FunctionName=function, Payload=json.dumps(payload), **arguments)
    assert answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    events = list(answer["EventStream"])
    chunks = [event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event]
    assert [next(iter(event)) for event in events[len(chunks) :]] == ["InvokeComplete"]
    return chunks, events[-1]["InvokeComplete"]


def runtime_done(emulator, client, function, *, produced_bytes):
    """The record of an answer of this size. It may be delivered with the next invocation of its sandbox only."""

    def found():
        # Several at once, since it need not be the one that is idle first.
        asked = partial(client.invoke, FunctionName=function, Payload=json.dumps({"fail": True}))
        with ThreadPoolExecutor(3) as pool:
            for one in [pool.submit(asked) for _ in range(3)]:
                one.result()
        records = [record["record"] for record in emulator.telemetry("platform.runtimeDone")]
        return [one for one in records if one["metrics"].get("producedBytes") == produced_bytes]

    return wait_for(found, "the record")[0]


def test_a_shell_script_streams_line_by_line(client):
    chunks, complete = streamed(client, "shell", {"lines": 3})

    assert chunks == [b"line 1\n", b"line 2\n", b"line 3\n"]
    assert complete == {}


def test_a_stream_is_one_answer_for_who_did_not_ask_for_one(client, emulator):
    answer = client.invoke(FunctionName="shell", Payload=json.dumps({"lines": 3}))

    assert answer["Payload"].read() == b"line 1\nline 2\nline 3\n"
    assert runtime_done(emulator, client, "shell", produced_bytes=21)


def test_a_function_that_does_not_stream_answers_in_one_chunk(client):
    chunks, complete = streamed(client, "shell", {"a": 1}, LogType="Tail")

    assert (b"".join(chunks), len(chunks)) == (b'{"a": 1}\n', 1)
    assert complete["LogResult"]


def test_an_error_before_the_first_byte(client):
    chunks, complete = streamed(client, "shell", {"fail": True})

    assert chunks == []
    assert (complete["ErrorCode"], json.loads(complete["ErrorDetails"])["errorMessage"]) == (
        "Function.Example",
        "as asked",
    )


def test_an_error_amid_the_stream_comes_by_trailers(client):
    """Runtime API, "Response streaming": errors after the first byte are told by HTTP trailers."""
    chunks, complete = streamed(client, "greeter", {"name": "Ann", "fail": True})

    assert chunks == [b"Hello, "]
    assert complete["ErrorCode"] == "RangeError"
    assert json.loads(complete["ErrorDetails"])["errorMessage"] == "as asked"


def test_an_error_amid_the_stream_is_the_whole_answer_for_who_did_not_ask_for_one(client):
    answer = client.invoke(FunctionName="greeter", Payload=json.dumps({"fail": True}))

    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "RangeError"


def test_a_timeout_ends_the_stream(client):
    chunks, complete = streamed(client, "hasty", {"lines": 50})

    assert chunks[0] == b"line 1\n"
    assert complete["ErrorCode"] == "Sandbox.Timedout"


def test_a_stream_takes_as_long_as_its_duration_tells(client, emulator):
    streamed(client, "greeter", {"name": "Bob", "pause_ms": 100})

    done = runtime_done(emulator, client, "greeter", produced_bytes=len("Hello, Bob from greeter "))
    spans = {span["name"]: span["durationMs"] for span in done["spans"]}
    assert spans["responseDuration"] >= 300


def test_an_asynchronous_invocation_of_a_streaming_function_ends(client, emulator):
    before = emulator.summary()["functions"]["shell"]["invocations"]

    client.invoke(FunctionName="shell", InvocationType="Event", Payload=json.dumps({"lines": 3}))

    wait_for(lambda: emulator.summary()["functions"]["shell"]["invocations"] > before, "the invocation")
