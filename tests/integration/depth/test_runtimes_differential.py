"""Real runtimes send and get the same bytes with and without the proxy: AWS's of Python and Node.js, and a custom one.

The API is a script of generated answers. Each runtime is told the same address both times, so that not even its Host
header differs; what it got is in what it sends back, what it writes, and how it ends.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.runtime_api import (
    ACCEPTED,
    CLOSE,
    HALF,
    KILL,
    RESET,
    Answer,
    Outcome,
    Script,
    event_head,
    with_and_without_proxy,
)

SOAK = os.environ.get("LAMBDASCOPE_SOAK") == "1"
SEEDS = range(40 if SOAK else 3)
LARGEST = 20 << 20
FOLDER = Path(__file__).parent / "runtimes"
NODE_CLIENT = Path(__file__).resolve().parents[3] / "build" / "nodejs" / "index.mjs"
NODE = ["node", "--max-http-header-size", "81920", str(NODE_CLIENT)]
ENVIRONMENT = {"PATH": os.environ["PATH"], "LAMBDA_TASK_ROOT": str(FOLDER), "AWS_LAMBDA_FUNCTION_NAME": "f",
               "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
               "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
RUNTIMES = {
    "python": ([sys.executable, "-m", "awslambdaric", "app.handler"], "python", {}),
    "nodejs": (NODE, "nodejs", {"_HANDLER": "app.handler"}),
    "nodejs on its other client": (
        NODE, "nodejs", {"_HANDLER": "app.handler", "AWS_LAMBDA_NODEJS_USE_ALTERNATIVE_CLIENT_1": "true"},
    ),
    "nodejs, streaming": (NODE, "nodejs", {"_HANDLER": "app.streaming"}),
    "custom": ([sys.executable, "-u", str(FOLDER / "streaming.py")], ".", {}),
}  # fmt: skip


def in_pieces(rng: random.Random, data: bytes) -> tuple[bytes, ...]:
    """Cut anywhere, in the middle of a line too."""
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(4)))
    return tuple(data[a:b] for a, b in pairwise([0, *cuts, len(data)]) if b > a)


def event_answer(rng: random.Random, number: int, event: object) -> bytes:
    """With a length, or in chunks with trailers."""
    body = json.dumps(event).encode()
    if rng.random() < 0.6:
        return event_head(f"id-{number}", len(body)) + body
    size = rng.randrange(1, len(body) + 1)
    chunks = [body[at : at + size] for at in range(0, len(body), max(size, 20))] if size >= 20 else [body]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return event_head(f"id-{number}", None) + framed + b"0\r\nX-T: last\r\n\r\n"


def event_of(rng: random.Random, kind: str) -> dict[str, object]:
    size = rng.choice([0, 1, rng.randrange(2, 2000), rng.randrange(60_000, 300_000), rng.randrange(1 << 20, 3 << 20)])
    things = ["tell", "answer", "raise", "nonsense"] if kind != "custom" else ["stream", "raise", "answer", "stream"]
    if kind == "nodejs, streaming":
        things = ["tell", "raise"]
    return {
        "do": rng.choice(things), "bytes": size, "chunk": rng.choice([1000, 8192, 70_000]), "late": rng.random() < 0.5,
        "message": "ä\n" * rng.randrange(100), "data": "e" * rng.choice([0, 10, rng.randrange(200_000)]),
    }  # fmt: skip


def script_of(seed: int, kind: str) -> Script:
    rng = random.Random(f"{seed} {kind}")
    events = [
        Answer(in_pieces(rng, event_answer(rng, number, event_of(rng, kind)))) for number in range(rng.randrange(2, 6))
    ]
    posts: list[Answer | str] = []
    for _ in events:
        status = rng.choice(["202 Accepted"] * 4 + ["413 Payload Too Large", "400 Bad Request", "500 Internal"])
        body = json.dumps({"errorMessage": status, "errorType": "Test"}).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nX-Extra: 1\r\n\r\n".encode()
        posts.append(Answer(in_pieces(rng, head + body)))
    last = rng.randrange(8)
    if last == 0:
        posts[-1] = KILL  # a timeout, before the answer to a response
    elif last < 4:  # an answer that is aborted in the middle
        whole = b"".join(events[-1].pieces)
        events[-1] = Answer((whole[: rng.randrange(1, len(whole))],), (RESET, CLOSE, HALF)[last - 1])
    return Script(events, posts)


def check(script: Script, kind: str, **environment: str) -> Outcome:
    """What it was through the proxy, after comparing it with what it is without."""
    command, folder, own = RUNTIMES[kind]
    if command is NODE and not NODE_CLIENT.exists():
        pytest.skip("npm's aws-lambda-ric is not installed: make nodejs")
    given = {**ENVIRONMENT, "LAMBDA_TASK_ROOT": str(FOLDER / folder), **own, **environment}
    # How much of what was under way a reset takes with it is chance, without a proxy too: more than one is right.
    for _ in range(10 if any(event.then == RESET for event in script.events) else 1):
        through, plain = with_and_without_proxy(command, script, given, FOLDER / folder)
        if seen(through) == seen(plain):
            break
    assert seen(through) == seen(plain)
    return through


def seen(outcome: Outcome) -> tuple[object, ...]:
    """What both ends have of it."""
    return [(bytes(connection.data), connection.end) for connection in outcome.connections], *told(outcome)


def told(outcome: Outcome) -> tuple[object, ...]:
    """Without the times that runtimes put in front of what they log, and that JSON logs have in them."""
    times = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|\[\d{13}\]")
    return outcome.returncode, times.sub(b"T", outcome.stdout), times.sub(b"T", outcome.stderr)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", RUNTIMES)
def test_generated_traffic_is_the_same_with_and_without_proxy(kind, seed):
    outcome = check(script_of(seed, kind), kind)
    assert b"/invocation/next" in outcome.connections[0].data


@pytest.mark.parametrize("kind", ["python", "nodejs", "nodejs, streaming", "custom"])
def test_twenty_megabytes_each_way(kind):
    """Responses of Lambda may be that large where they are streamed; the proxy has no limit of its own."""
    event = {"do": "tell" if "streaming" in kind else "answer", "bytes": LARGEST, "data": "e" * LARGEST}
    if kind == "custom":
        event = {"do": "stream", "bytes": LARGEST, "chunk": 65536, "late": True, "data": "e" * LARGEST}
    outcome = check(Script([Answer((event_answer(random.Random(1), 1, event),))]), kind)
    assert sum(len(connection.data) for connection in outcome.connections) > LARGEST


@pytest.mark.parametrize("kind", ["python", "nodejs", "nodejs, streaming", "custom"])
def test_a_runtime_that_is_killed_while_it_sends(kind):
    """As at a timeout: what it had sent arrives, and so does its end."""
    event = {"do": "tell" if "streaming" in kind else "answer", "bytes": 300_000}
    event = {"do": "stream", "bytes": 300_000} if kind == "custom" else event
    if kind == "nodejs, streaming":
        event["do"] = "hang"
    command, folder, own = RUNTIMES[kind]
    if command is NODE and not NODE_CLIENT.exists():
        pytest.skip("npm's aws-lambda-ric is not installed: make nodejs")
    given = {**ENVIRONMENT, "LAMBDA_TASK_ROOT": str(FOLDER / folder), **own}
    script = Script([Answer((event_answer(random.Random(1), 1, event),))], [KILL], kill_behind=200_000)
    through, plain = with_and_without_proxy(command, script, given, FOLDER / folder)
    for with_proxy, without in zip(through.connections, plain.connections, strict=True):
        shorter = min(len(with_proxy.data), len(without.data))
        assert with_proxy.data[:shorter] == without.data[:shorter]
        assert with_proxy.end
        assert without.end


def test_the_workers_of_a_managed_instance_ask_at_once():
    """Which of them gets which event is chance; that each is answered once, and with what, is not."""
    events = [Answer((event_answer(random.Random(n), n, {"do": "tell", "data": "e" * n * 9000}),)) for n in range(24)]
    command, folder, own = RUNTIMES["python"]
    given = {**ENVIRONMENT, "LAMBDA_TASK_ROOT": str(FOLDER / folder), **own, "AWS_LAMBDA_MAX_CONCURRENCY": "8"}
    through, plain = with_and_without_proxy(command, Script(events, workers=8), given, FOLDER / folder)
    answers = [
        sorted(re.findall(rb"POST [^\r]*/response .*?\r\n\r\n\{.*?\}", data, re.DOTALL))
        for data in (b"".join(bytes(one.data) for one in each.connections) for each in (through, plain))
    ]
    assert len(answers[0]) == len(events)
    assert answers[0] == answers[1]


@pytest.mark.parametrize("fails", ["init", "restore", ""])
def test_the_endpoints_of_init_and_restore(fails):
    outcome = check(Script([]), "custom", AWS_LAMBDA_INITIALIZATION_TYPE="snap-start", FAILS=fails)
    data = bytes(outcome.connections[0].data)
    assert data.startswith(b"GET /2018-06-01/runtime/restore/next HTTP/1.1\r\n")
    expected = {"init": b"POST /2018-06-01/runtime/init/error?attempt=1&why=%20x ", "restore": b"/restore/error "}
    assert expected.get(fails, b"GET /2018-06-01/runtime/invocation/next?number=1 ") in data


@pytest.mark.parametrize(
    ("kind", "handler"),
    [("python", "missing.handler"), ("python", "app.missing"), ("nodejs", "missing.handler"), ("nodejs", "app.none")],
)
@pytest.mark.parametrize("answer", [ACCEPTED, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"])
def test_an_init_that_fails(kind, handler, answer):
    command, folder, own = RUNTIMES[kind]
    RUNTIMES["failing"] = ([*command[:-1], handler] if kind == "python" else command, folder, own)
    outcome = check(Script([], [Answer((answer,))]), "failing", _HANDLER=handler)
    assert b"POST /2018-06-01/runtime/init/error" in outcome.connections[0].data
