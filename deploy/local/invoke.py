"""One synchronous invocation over Lambda's invoke API, without an SDK."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller got: HTTP status, the function's error kind (None where it succeeded), and the payload."""

    status: int
    function_error: str | None
    body: bytes


def invoke(url: str, function: str, payload: object, *, timeout_s: float = 60) -> Answer:
    """Invokes ``function`` at the endpoint ``url`` and waits for its answer."""
    request = urllib.request.Request(
        f"{url}/2015-03-31/functions/{function}/invocations",
        data=json.dumps(payload).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return Answer(answer.status, answer.headers.get("X-Amz-Function-Error"), answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers.get("X-Amz-Function-Error"), error.read())
