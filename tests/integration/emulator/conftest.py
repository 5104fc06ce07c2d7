"""Functions, layers and emulators for the tests of this folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.emulator import RunningEmulator, make_layer, running

HANDLER = """
import json, os, socket, subprocess, sys, time

print("loading")
if os.environ.get("FAIL_IN_INIT"):
    raise RuntimeError("cannot load")
COUNT = 0
KEPT = []

def handler(event, context):
    global COUNT
    COUNT += 1
    if "print" in event:
        print(event["print"])
    if "raise" in event:
        raise ValueError(event["raise"])
    if "spawn" in event:
        subprocess.Popen(["sleep", str(event["spawn"])], start_new_session=True)
    if "sleep" in event:
        time.sleep(event["sleep"])
    if "eat_mb" in event:
        bytearray(event["eat_mb"] * 1024 * 1024)
    burned = None
    if "burn_s" in event:
        begun, until = time.monotonic(), time.process_time() + event["burn_s"]
        while time.process_time() < until:
            pass
        burned = {"cpu_s": event["burn_s"], "elapsed_s": time.monotonic() - begun}
    if "exit" in event:
        os._exit(event["exit"])
    if "write" in event:
        open("/tmp/" + event["write"], "w").close()
    if "connect" in event:
        host, port = event["connect"]
        connection = socket.create_connection((host, port), timeout=5)
        connection.sendall(b"ping")
        answer = connection.recv(100).decode()
        if "keep" in event:
            KEPT.append(connection)
        else:
            connection.close()
        return answer
    if "kept" in event:
        return KEPT[0].recv(100).decode()
    if "big" in event:
        return "x" * event["big"]
    if "look" in event:
        return {path: sorted(os.listdir(path)) for path in event["look"]}
    if "read" in event:
        return open(event["read"]).read()
    return {"count": COUNT, "burned": burned, "event": event, "environment": dict(os.environ),
            "arn": context.invoked_function_arn,
            "client_context": context.client_context and context.client_context.custom}
"""

Start = Callable[..., RunningEmulator]


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A layer with one extension, ``probe``."""
    return make_layer(tmp_path / "layer", "probe")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts an emulator with one function, ``f``: its settings, then further arguments of the command line."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "app.py").write_text(HANDLER, encoding="utf-8")
    with ExitStack() as at_end:

        def begin(
            *arguments: str | Path,
            probe: dict[str, Any] | None = None,
            limits: dict[str, Any] | None = None,
            traffic: list[dict[str, Any]] | None = None,
            resources: dict[str, Any] | None = None,
            **settings: Any,
        ) -> RunningEmulator:
            environment = {"PROBE": json.dumps(probe or {}), **settings.pop("environment", {})}
            function = {"code": "code", "timeout_s": 10, "environment": environment, **settings}
            scenario = {"functions": {"f": function}, "limits": limits or {}, "traffic": traffic or []}
            scenario["resources"] = resources or {}
            path = tmp_path / "scenario.yaml"
            path.write_text(json.dumps(scenario), encoding="utf-8")  # JSON is YAML
            return at_end.enter_context(running("--scenario", path, *arguments))

        yield begin
