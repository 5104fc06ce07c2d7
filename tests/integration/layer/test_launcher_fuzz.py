"""The launcher under sanitizers against answers and deliveries that are broken at random: the function never waits.

The seed is fixed, and a failure names its case. At full size in `make soak`.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
from collections.abc import Iterator

import pytest

from tests.support.layer import (
    ENTRY,
    INVOKE,
    REGISTERED,
    SHUTDOWN,
    SUBSCRIBED,
    ExtensionsApi,
    Launched,
    Reply,
    Script,
    launched,
    unpack,
    wait_until,
    whole,
)
from tests.support.sanitized_launcher import assert_no_report, compile_sanitized

pytestmark = [pytest.mark.layer, pytest.mark.soak]

CASES = 500 if os.environ.get("LAMBDASCOPE_SOAK") == "1" else 12
SEED = 20261121
DELIVERY = b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\n[{"type":"platform.runtimeDone"} ]'


@pytest.fixture(scope="module")
def without_python(tmp_path_factory):
    """A layer whose launcher has sanitizers and finds no Python: it goes through all that it can do."""
    root = unpack(tmp_path_factory.mktemp("alone") / "opt")
    shutil.rmtree(root / "lambdascope")
    (root / ENTRY).unlink()
    compile_sanitized(root / ENTRY)
    return root


def broken(chance: random.Random, data: bytes) -> bytes:
    """`data` with a few bytes changed, doubled, taken out or put in, or cut off."""
    found = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(found) + 1)
        kind = chance.randrange(5)
        if kind == 0 and at < len(found):
            found[at] = chance.randrange(256)
        elif kind == 1:
            del found[at : at + chance.randrange(1, 20)]
        elif kind == 2:
            found[at:at] = chance.randbytes(chance.randrange(1, 20))
        elif kind == 3:
            found[at:at] = found[at : at + chance.randrange(1, 200)] * chance.randrange(1, 9)
        elif chance.randrange(4) == 0:
            del found[at:]
    return bytes(found)


def reply(chance: random.Random, data: bytes) -> Reply:
    """A broken answer in pieces; then the connection is closed, since what is cut off would else be waited for."""
    given = broken(chance, data)
    at = chance.randrange(len(given) + 1)
    return Reply((given[:at], given[at:]), close=True)


def each_case() -> Iterator[random.Random]:
    """A source of chance for each case; where the test fails, the case is named."""
    for case in range(CASES):
        try:
            yield random.Random(f"{SEED}-{case}")
        except GeneratorExit:
            print(f"failed in case {case}")
            raise


def assert_ends_well(launcher: Launched) -> None:
    code = launcher.exit_code()
    assert_no_report(launcher.stderr())
    assert code == 0


def test_comes_to_the_next_event_and_ends_at_shutdown_whatever_it_was_answered(without_python):
    for chance in each_case():
        script = Script(
            register=[*(reply(chance, REGISTERED) for _ in range(chance.randrange(3))), whole(REGISTERED)],
            telemetry=[*(reply(chance, SUBSCRIBED) for _ in range(chance.randrange(3))), whole(SUBSCRIBED)],
            next=[*(reply(chance, INVOKE) for _ in range(chance.randrange(4))), whole(INVOKE), whole(SHUTDOWN)],
        )
        kind = chance.choice(["on-demand", "lambda-managed-instances", ""])
        with contextlib.closing(ExtensionsApi(script)) as api:
            environment = {"AWS_LAMBDA_RUNTIME_API": api.address, "AWS_LAMBDA_INITIALIZATION_TYPE": kind}
            with launched(without_python, environment) as launcher:
                assert_ends_well(launcher)


def test_takes_any_delivery_and_ends_at_shutdown(without_python):
    for chance in each_case():
        with contextlib.closing(ExtensionsApi(Script())) as api:
            environment = {"AWS_LAMBDA_RUNTIME_API": api.address, "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}
            with launched(without_python, environment) as launcher:
                api.expect("register")
                destination = api.expect("telemetry").json["destination"]
                api.expect("next")
                assert isinstance(destination, dict)
                deliver_anything(chance, int(destination["URI"].rpartition(":")[2]))
                api.answer_held(INVOKE)
                wait_until(lambda: "goes on asking" in launcher.stderr(), "the end of the hold")
                api.answer_held(SHUTDOWN)
                assert_ends_well(launcher)


def deliver_anything(chance: random.Random, port: int) -> None:
    """Deliveries that are broken at random, over more connections than there are places for."""
    with contextlib.ExitStack() as stack:
        for _ in range(chance.randrange(1, 8)):
            with contextlib.suppress(OSError):  # the launcher may have let go of the listener by now
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
                for _ in range(chance.randrange(1, 4)):
                    connection.sendall(broken(chance, DELIVERY))
