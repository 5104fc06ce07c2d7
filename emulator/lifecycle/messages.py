"""What extensions and callers are sent: event bodies and the platform's own error answers."""

from __future__ import annotations

import json
import signal

from emulator.clock import NS_PER_MS
from emulator.lifecycle.actions import Invocation
from emulator.lifecycle.extensions import INVOKE, SHUTDOWN
from emulator.telemetry.records import Record


def invoke_event(invocation: Invocation, deadline_ns: int) -> Record:
    """An extension's INVOKE."""
    return {
        "eventType": INVOKE,
        "deadlineMs": deadline_ns // NS_PER_MS,
        "requestId": invocation.request_id,
        "invokedFunctionArn": invocation.invoked_arn,
        "tracing": {"type": "X-Amzn-Trace-Id", "value": invocation.trace_header},
    }


def shutdown_event(reason: str, deadline_ns: int) -> Record:
    """An extension's SHUTDOWN."""
    return {"eventType": SHUTDOWN, "shutdownReason": reason, "deadlineMs": deadline_ns // NS_PER_MS}


def error_payload(error_type: str, message: str, request_id: str | None) -> bytes:
    """The caller's answer where the platform, not the function, tells of an error."""
    body = {"errorType": error_type, "errorMessage": f"RequestId: {request_id} Error: {message}"}
    return json.dumps(body).encode()


def exit_message(what: str, status: int) -> str:
    """How Lambda words the end of a process: an exit code or, negative, a signal."""
    if status == 0:
        return f"{what} without providing a reason"
    if status < 0:
        name = signal.strsignal(-status) or f"signal {-status}"
        return f"{what} with error: signal: {name.lower()}"
    return f"{what} with error: exit status {status}"
