"""Invocations as callers see them, by the real SDK and over plain HTTP, on the real Python runtime client."""

import base64
import json
from typing import Any

import boto3
import botocore.config
import pytest

from tests.support.emulator import wait_for


def lambda_client(url: str) -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=botocore.config.Config(retries={"max_attempts": 0}, read_timeout=30),
    )


def test_boto3_gets_answer_version_and_log_tail(start, layer):
    client = lambda_client(start("--layer", layer, aliases=["live"]).url)
    context = base64.b64encode(json.dumps({"custom": {"who": "me"}}).encode()).decode()

    answer = client.invoke(FunctionName="f:live", Payload=b'{"print": "said"}', LogType="Tail", ClientContext=context)

    payload = json.loads(answer["Payload"].read())
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert payload["event"] == {"print": "said"}
    assert payload["arn"] == "arn:aws:lambda:eu-west-1:123456789012:function:f:live"
    assert payload["client_context"] == {"who": "me"}
    tail = base64.b64decode(answer["LogResult"]).decode()
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert f"START RequestId: {request_id} Version: $LATEST\n" in tail
    assert "said\n" in tail
    assert f"END RequestId: {request_id}\nREPORT RequestId: {request_id}\tDuration: " in tail
    assert "Init Duration: " in tail


def test_every_form_of_a_name_is_understood(start):
    client = lambda_client(start(version="7", aliases=["live"]).url)

    for name in ("f", "f:live", "123456789012:function:f", "arn:aws:lambda:eu-west-1:123456789012:function:f:7"):
        assert client.invoke(FunctionName=name)["StatusCode"] == 200


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("f:8", "arn:aws:lambda:eu-west-1:123456789012:function:f:8"),
        ("f:dead", "arn:aws:lambda:eu-west-1:123456789012:function:f:dead"),
        ("999999999999:function:f", "arn:aws:lambda:eu-west-1:999999999999:function:f"),
        ("arn:aws:lambda:us-east-1:123456789012:function:f", "arn:aws:lambda:us-east-1:123456789012:function:f"),
    ],
)
def test_a_version_alias_account_or_region_that_is_not_there_is_named(start, name, named):
    client = lambda_client(start(version="7", aliases=["live"]).url)

    with pytest.raises(client.exceptions.ResourceNotFoundException) as missing:
        client.invoke(FunctionName=name)
    assert missing.value.response["Error"]["Message"] == f"Function not found: {named}"


def test_boto3_raises_the_documented_exceptions(start):
    client = lambda_client(start(limits={"account_concurrency": 1}).url)

    with pytest.raises(client.exceptions.ResourceNotFoundException) as missing:
        client.invoke(FunctionName="nobody")
    assert missing.value.response["Type"] == "User"
    assert missing.value.response["Error"]["Message"] == (
        "Function not found: arn:aws:lambda:eu-west-1:123456789012:function:nobody"
    )
    with pytest.raises(client.exceptions.RequestTooLargeException):
        client.invoke(FunctionName="f", Payload=json.dumps("x" * 6 * 1024 * 1024))
    with pytest.raises(client.exceptions.InvalidRequestContentException):
        client.invoke(FunctionName="f", Payload=b"{no json")


def test_event_and_dry_run(start):
    emulator = start()
    client = lambda_client(emulator.url)

    assert client.invoke(FunctionName="f", InvocationType="DryRun")["StatusCode"] == 204
    queued = client.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"write": "seen"}')

    assert queued["StatusCode"] == 202
    assert queued["Payload"].read() == b""

    wait_for(lambda: emulator.summary()["invocations"] == 1, "the queued invocation")


def test_a_handler_error_is_unhandled_and_the_sandbox_goes_on(start):
    emulator = start()

    status, headers, body = emulator.invoke("f", {"raise": "no"})
    emulator.wait_idle()
    again = emulator.invoke("f", {})[2]

    assert (status, headers["x-amz-function-error"]) == (200, "Unhandled")
    assert (body["errorType"], body["errorMessage"]) == ("ValueError", "no")
    assert again["count"] == 2
    assert emulator.summary()["sandboxes_started"] == 1


@pytest.mark.parametrize(
    ("event", "settings", "error_type", "message"),
    [
        ({"sleep": 30}, {"timeout_s": 0.5}, "Sandbox.Timedout", "Task timed out after 0.50 seconds"),
        ({"exit": 3}, {}, "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ({"exit": 0}, {}, "Runtime.ExitError", "Runtime exited without providing a reason"),
    ],
)
def test_a_lost_invocation_is_answered_and_the_next_begins_with_an_init(start, event, settings, error_type, message):
    emulator = start(**settings)
    first = emulator.invoke("f", {})[2]["environment"]["AWS_LAMBDA_LOG_STREAM_NAME"]
    emulator.wait_idle()

    status, headers, body = emulator.invoke("f", event)
    after = emulator.invoke("f", {})[2]

    assert (status, headers["x-amz-function-error"]) == (200, "Unhandled")
    assert body == {
        "errorType": error_type,
        "errorMessage": f"RequestId: {headers['x-amzn-requestid']} Error: {message}",
    }
    assert after["environment"]["AWS_LAMBDA_LOG_STREAM_NAME"] == first
    assert after["count"] == 1


def test_an_init_error_is_the_answer(start):
    status, headers, body = start(environment={"FAIL_IN_INIT": "yes"}).invoke("f", {})

    assert (status, headers["x-amz-function-error"]) == (200, "Unhandled")
    assert (body["errorType"], body["errorMessage"]) == ("RuntimeError", "cannot load")


def test_too_large_an_answer_is_an_error(start):
    body = start().invoke("f", {"big": 6 * 1024 * 1024})[2]

    assert body["errorType"] == "Function.ResponseSizeTooLarge"


def test_x_ray_header_reaches_the_function(start):
    emulator = start()
    sampled = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"

    given = emulator.invoke("f", {}, X_Amzn_Trace_Id=sampled)[2]["environment"]["_X_AMZN_TRACE_ID"]
    drawn = emulator.invoke("f", {})[2]["environment"]["_X_AMZN_TRACE_ID"]

    assert given == sampled
    assert drawn.startswith("Root=1-")
    assert drawn.endswith(";Sampled=0")
