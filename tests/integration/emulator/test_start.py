"""How the emulator starts, and the one line it says where it cannot."""

import json
import socket
import subprocess
import sys
from typing import Any

import pytest

from tests.support.emulator import wait_for

GOOD: dict[str, Any] = {"functions": {"f": {}}}


@pytest.fixture
def refused(tmp_path):
    (tmp_path / "f").mkdir()

    def run(*arguments, scenario=GOOD):
        (tmp_path / "s.yaml").write_text(json.dumps(scenario), encoding="utf-8")
        command = [sys.executable, "-m", "emulator", "--scenario", str(tmp_path / "s.yaml"), "--port", "0", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 2
        assert ended.stdout == ""
        # Where nobody is root, what the sandboxes lack is said first.
        (line,) = [line for line in ended.stderr.splitlines() if "no namespaces here" not in line]
        return line

    return run


def test_a_taken_port(refused):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert refused("--port", str(port)) == f"emulator: port {port} on 127.0.0.1 is taken"


def test_a_missing_layer(refused):
    assert refused("--layer", "/nowhere/layer.zip") == "emulator: layer /nowhere/layer.zip does not exist"


def test_a_placeholder_without_relay(refused):
    line = refused(scenario={"functions": {"f": {"environment": {"A": "${relay:x}"}}}})
    assert line.endswith("environment of f: ${relay:x} has no --relay x=HOST:PORT")


def test_a_missing_folder(refused):
    assert "functions.g.code: folder " in refused(scenario={"functions": {"g": {}}})


def test_a_record_that_cannot_be_written(refused):
    assert refused("--record", "/nowhere/record") == "emulator: --record /nowhere/record: No such file or directory"


def test_traffic_is_generated_and_recorded(start, tmp_path):
    traffic = [
        {"function": "f", "pattern": "bursts", "size": 3, "every_s": 1000, "payload": {"sleep": 0.3}},
        {"function": "f", "pattern": "constant", "rate_per_s": 20, "start_s": 1, "for_s": 0.5},
    ]
    emulator = start("--record", tmp_path / "record", traffic=traffic, limits={"account_concurrency": 2})
    wait_for(lambda: sum(emulator.summary()[key] for key in ("invocations", "throttles")) == 13, "the traffic")
    emulator.stop()

    lines = [json.loads(line) for line in (tmp_path / "record").read_text(encoding="utf-8").splitlines()]
    kinds = [line["kind"] for line in lines]
    assert "throttle" in kinds
    assert kinds.count("invocation") + kinds.count("throttle") == 13  # a burst of 3, and 20 a second for 0.5 s
    assert {line["reason"] for line in lines if line["kind"] == "throttle"} == {"ConcurrentInvocationLimitExceeded"}
    assert [line["reason"] for line in lines if line["kind"] == "sandbox_end"] == ["spindown"] * kinds.count(
        "sandbox_end"
    )


def test_health_and_state(start):
    emulator = start()
    assert emulator.request("GET", "/healthz")[2] == {"status": "ok"}
    assert emulator.sandboxes() == []
    emulator.invoke("f", {})
    emulator.wait_idle()
    (sandbox,) = emulator.sandboxes()
    assert (sandbox["function"], sandbox["phase"], sandbox["invocations"]) == ("f", "ready", 1)


def test_a_custom_runtime(start, tmp_path):
    code = tmp_path / "shell"
    code.mkdir()
    bootstrap = code / "bootstrap"
    bootstrap.write_text(
        f"#!{sys.executable} -IS\n"
        "import http.client, os\n"
        "api = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])\n"
        "while True:\n"
        "    api.request('GET', '/2018-06-01/runtime/invocation/next')\n"
        "    given = api.getresponse()\n"
        "    body = given.read()\n"
        "    request_id = given.headers['Lambda-Runtime-Aws-Request-Id']\n"
        "    api.request('POST', f'/2018-06-01/runtime/invocation/{request_id}/response', body)\n"
        "    api.getresponse().read()\n",
        encoding="utf-8",
    )
    bootstrap.chmod(0o755)

    emulator = start(code="shell", runtime="provided.al2023")

    assert emulator.invoke("f", {"echo": 1})[2] == {"echo": 1}
