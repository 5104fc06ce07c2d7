"""Many sandboxes at once, and traffic for ten minutes: nothing is left of what comes and goes."""

import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support import emulator_sums
from tests.support.emulator import REPOSITORY, RunningEmulator, descendants, make_layer, running, wait_for

SOAK = os.environ.get("LAMBDASCOPE_SOAK") == "1"
TRAFFIC_S = 600 if SOAK else 10
ADAPTER = REPOSITORY / "build" / "foreign-extensions" / "layer"
GO_RUNTIME = REPOSITORY / "build" / "foreign" / "go-runtime"


SLEEPER = """#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while true; do
    id=$(curl -sS -D - -o /dev/null "$api/next" | sed -n 's/^lambda-runtime-aws-request-id: *//Ip' | tr -d '\\r')
    while [ ! -e /var/task/end ]; do sleep 0.3; done
    curl -sS -o /dev/null -d '"rested"' "$api/$id/response"
done
"""


def test_fifty_sandboxes_at_once(tmp_path):
    """Of a shell runtime. Each holds its request until all fifty have one."""
    bootstrap = tmp_path / "sleeper" / "bootstrap"
    bootstrap.parent.mkdir()
    bootstrap.write_text(SLEEPER, encoding="utf-8")
    bootstrap.chmod(0o755)
    path = tmp_path / "fifty.yaml"
    path.write_text(json.dumps({"functions": {"sleeper": {"runtime": "provided.al2023", "timeout_s": 60}}}), "utf-8")
    with running("--scenario", path) as emulator:
        answers: list[Any] = []
        callers = threading.Thread(
            target=lambda: answers.extend(parallel(50, lambda: emulator.invoke("sleeper", {})[2]))
        )
        callers.start()
        wait_for(lambda: phases(emulator) == {"invoke": 50}, "fifty sandboxes with a request")
        (bootstrap.parent / "end").touch()
        callers.join()
        emulator.wait_idle()
        summary = emulator.summary()

    assert answers == ["rested"] * 50
    assert summary["peak_concurrency"] == summary["sandboxes_started"] == 50


def phases(emulator: RunningEmulator) -> Counter[str]:
    return Counter(sandbox["phase"] for sandbox in emulator.sandboxes())


def quietly(emulator: RunningEmulator, name: str, event: dict[str, Any]) -> None:
    with contextlib.suppress(ValueError):  # not every answer is JSON
        emulator.invoke(name, event)


def parallel(count, work):
    results = [None] * count

    def run(number):
        results[number] = work()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


PYTHON = """
import os, time
def handler(event, context):
    time.sleep(event.get("sleep", 0))
    if event.get("exit"):
        os._exit(1)
    return "done"
"""
NODE = "export const handler = async (event) => { if (event.exit) process.exit(1); return 'done'; };"
WEB = """
import http.server

class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(b"ready")

    def do_POST(self):
        self.answer(b'{"posted": ' + self.rfile.read(int(self.headers["Content-Length"])) + b"}")

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

http.server.HTTPServer(("127.0.0.1", 8080), Pages).serve_forever()
"""
EVENTS: list[dict[str, Any]] = [
    {},
    {"sleep": 0.1},
    {"exit": 1},
    {"sleep": 2},
    {"lines": 2},
    {"panic": True},
    {"fail": True},
]


def scenario(folder: Path) -> dict[str, Any]:
    """Every runtime and every kind of sandbox, with processes that die now and then."""
    for name, file, text in (("python", "app.py", PYTHON), ("node", "app.mjs", NODE)):
        (folder / name).mkdir()
        (folder / name / file).write_text(text, encoding="utf-8")
    faults = {"kill_extension": 0.02, "out_of_memory": 0.02, "time_out": 0.02}
    managed = {"PROBE": json.dumps({"events": ["SHUTDOWN"], "shutdown_s": 0})}
    functions: dict[str, dict[str, Any]] = {
        "python": {"faults": faults},
        "node": {"runtime": "nodejs", "memory_mb": 256, "faults": faults},
        "go": {"runtime": "provided.al2023", "code": str(GO_RUNTIME), "faults": faults},
        "shell": {"runtime": "provided.al2023", "code": str(REPOSITORY / "emulator/examples/shell")},
        "snapshots": {"code": "python", "version": "1", "snap_start": {"load_ms": 10}},
        "instances": {"code": "python", "managed_instances": {"max_concurrency": 2}, "environment": managed},
    }
    if SOAK:  # with an extension that nobody here wrote, which takes minutes to build
        functions["web"] = behind_the_web_adapter(folder)
    for function in functions.values():
        function.setdefault("environment", {"PROBE": json.dumps({"shutdown_s": 0})})
        function["timeout_s"] = 1
    return {"functions": functions, "limits": {"idle_timeout_s": 0.5}, "resources": {"cpu": False}}


def behind_the_web_adapter(folder: Path) -> dict[str, Any]:
    """A web server. AWS's Lambda Web Adapter, an extension, asks for its invocations and posts them to it."""
    assert (ADAPTER / "extensions" / "lambda-adapter").exists(), "`make foreign-extensions` builds it"
    bootstrap = folder / "web" / "bootstrap"
    bootstrap.parent.mkdir()
    bootstrap.write_text(f"#!{Path(sys.executable).resolve()} -IS{WEB}", encoding="utf-8")
    bootstrap.chmod(0o755)
    environment = {"AWS_LWA_PASS_THROUGH_PATH": "/events"}
    return {"runtime": "provided.al2023", "layers": [str(ADAPTER)], "environment": environment}


def belongings(pid: int) -> dict[str, int]:
    """What the emulator and its processes hold of the machine."""
    folder = next(Path(tempfile.gettempdir()).glob(f"lambdascope-emulator-{pid}-*"))
    return {
        "files": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "processes": len(descendants(pid)),
        "folders": len(list((folder / "sandboxes").iterdir())),
        "mounts": Path("/proc/self/mountinfo").read_text(encoding="utf-8").count(folder.name),
        "groups": len(list(Path("/sys/fs/cgroup").rglob(f"lambdascope-emulator-{pid}/*/cgroup.procs"))),
    }


@pytest.mark.soak
@pytest.mark.timeout(TRAFFIC_S + 300)
def test_traffic_leaves_nothing_behind(tmp_path):
    layer = make_layer(tmp_path / "layer", "probe")
    path = tmp_path / "soak.yaml"
    wanted = scenario(tmp_path)
    path.write_text(json.dumps(wanted), encoding="utf-8")
    names = list(wanted["functions"])
    with running("--scenario", path, "--layer", layer) as emulator:
        pid = emulator.process.pid
        for name in names:
            quietly(emulator, name, {})
        if SOAK:
            assert emulator.invoke("web", {"a": 1})[2] == {"posted": {"a": 1}}
        before = settled(emulator)

        sent = traffic(emulator, names, TRAFFIC_S)
        after = wait_for(lambda: holds(emulator, before), "what was there before the traffic, and no more", 120)
        if SOAK:
            assert emulator.invoke("web", {"b": 2})[2] == {"posted": {"b": 2}}
        summary = emulator.summary()
        emulator.stop()
        looked: Counter[str] = Counter()
        for stream in emulator.streams():
            looked += emulator_sums.check(stream)

    print(json.dumps({"before": before, "after": after, "sent": sent, "summary": summary, "looked": looked}))
    assert not list(Path(tempfile.gettempdir()).glob(f"lambdascope-emulator-{pid}-*"))
    assert summary["invocations"] + summary["throttles"] >= 0.95 * sent
    assert all(summary["functions"][name]["invocations"] >= 3 for name in names)
    assert looked["platform.report"] >= 20


def settled(emulator: RunningEmulator) -> dict[str, int]:
    """What the emulator holds when on-demand sandboxes are gone; instances and snapshots stay."""
    wait_for(lambda: [one["function"] for one in emulator.sandboxes()] == ["instances"], "the end of idle sandboxes")
    last: dict[str, int] = {}

    def is_steady() -> bool:
        nonlocal last
        time.sleep(0.5)
        seen, last = last, belongings(emulator.process.pid)
        return seen == last

    wait_for(is_steady, "a steady state")
    return last


def holds(emulator: RunningEmulator, before: dict[str, int]) -> dict[str, int] | None:
    if [one["function"] for one in emulator.sandboxes()] != ["instances"]:
        return None
    now = belongings(emulator.process.pid)
    return now if all(now[name] <= count for name, count in before.items()) else None


def traffic(emulator: RunningEmulator, names: list[str], for_s: float) -> int:
    """Two callers for each function, one event after the other. Returns how many were sent."""
    end = time.monotonic() + for_s
    sent = Counter[str]()

    def call(name: str, offset: int) -> None:
        number = offset
        while time.monotonic() < end:
            event = EVENTS[number % len(EVENTS)]
            if name in {"snapshots", "instances"}:
                event = {key: value for key, value in event.items() if key != "exit"}
            quietly(emulator, name, event)
            sent[f"{name}-{offset}"] += 1
            number += 1
            if number % 10 == 0:
                time.sleep(0.7)  # long enough for sandboxes to be reaped

    threads = [threading.Thread(target=call, args=(name, offset)) for name in names for offset in (0, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sent.total()
