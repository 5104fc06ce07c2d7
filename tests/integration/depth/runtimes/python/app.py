"""Does what an event asks for, and tells what the runtime client made of it."""

import hashlib
import json
import os
import time


def handler(event, context):
    """`event` has the name of what to do."""
    return globals()[f"do_{event['do']}"](event, context)


def do_tell(event, context):
    client = context.client_context
    return {
        "event": hashlib.sha256(json.dumps(event).encode()).hexdigest(),
        "request": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "tenant": getattr(context, "tenant_id", None),
        "identity": context.identity.cognito_identity_id,
        "client": client.custom if client else None,
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
    }


def do_answer(event, _context):
    return "x" * event["bytes"]


def do_raise(event, _context):
    raise RuntimeError(event.get("message", "at the function's own wish"))


def do_nonsense(_event, _context):
    return {1, 2}


def do_exit(_event, _context):
    os._exit(3)


def do_hang(_event, _context):
    time.sleep(600)
