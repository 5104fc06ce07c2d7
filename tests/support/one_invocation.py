"""One cold start with one invocation, as the platform tells it to an extension."""

from __future__ import annotations

import http.client
import json
import time
from typing import TYPE_CHECKING

from tests.support.layer import answer, launched, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.support.exports import Taken
    from tests.support.layer import ExtensionsApi

_REQUEST_ID = "6f1f2c52-0000-4000-8000-000000000001"


def _record(time_: str, kind: str, **record: object) -> dict[str, object]:
    return {"time": f"2026-11-21T10:00:{time_}Z", "type": kind, "record": record}


_OF_INIT = {"initializationType": "on-demand", "phase": "init"}

TELEMETRY: list[dict[str, object]] = [
    _record("00.000", "platform.initStart", **_OF_INIT, functionName="f", functionVersion="1"),
    _record("00.300", "platform.initRuntimeDone", **_OF_INIT, status="success"),
    _record("00.301", "platform.initReport", **_OF_INIT, status="success", metrics={"durationMs": 301.0}),
    _record("00.302", "platform.start", requestId=_REQUEST_ID, version="$LATEST"),
    _record("00.322", "platform.runtimeDone", requestId=_REQUEST_ID, status="success", metrics={"durationMs": 20.0}),
]


def _event(kind: str, left_s: float, **more: str) -> bytes:
    body = {"eventType": kind, "deadlineMs": int((time.time() + left_s) * 1000), **more}
    return answer(200, json.dumps(body).encode())


def invoke_event() -> bytes:
    """The INVOKE event of that invocation, with a minute of its time left."""
    arn = "arn:aws:lambda:eu-central-1:123456789012:function:f"
    return _event("INVOKE", 60, requestId=_REQUEST_ID, invokedFunctionArn=arn)


def shutdown_event() -> bytes:
    """The SHUTDOWN event, with as much time as Lambda gives, and more for a busy machine."""
    return _event("SHUTDOWN", 10, shutdownReason="spindown")


def deliver(api: ExtensionsApi, records: list[dict[str, object]]) -> int:
    """Deliver telemetry to where the launcher has subscribed it; the status of the answer."""
    destination = api.expect("telemetry").json["destination"]
    assert isinstance(destination, dict)
    connection = http.client.HTTPConnection("127.0.0.1", int(destination["URI"].rpartition(":")[2]), timeout=20)
    connection.request("POST", "/", json.dumps(records), {"Content-Type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    return status


def run_one_invocation(
    api: ExtensionsApi,
    taken: Taken,
    layer: Path,
    command: Sequence[str | Path],
    environment: Mapping[str, str] = {},
) -> str:
    """From the start to SHUTDOWN, with one invocation, of which `taken` must hear.

    Returns:
        What was written to standard error.
    """
    variables = {
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "PATH": "",
        **taken.environment,
        **environment,
    }
    with launched(layer, variables, command=command) as launcher:
        api.expect("register")
        assert deliver(api, TELEMETRY) == 200
        api.expect("next")
        api.answer_held(invoke_event())
        api.expect("next")
        api.answer_held(shutdown_event())
        assert launcher.exit_code() == 0, launcher.stderr()
        wait_until(lambda: {"f", "init"} <= taken.span_names(), "the export of the invocation and of its init")
        return launcher.stderr()
