"""What the processes of a sandbox can see and reach, with namespaces and without."""

import json
import re
import socket
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.emulator import is_root, wait_for

NAMESPACES = pytest.mark.root


@contextmanager
def echo_server() -> Iterator[int]:
    """Answers each connection's first bytes in upper case."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.sendall(connection.recv(100).upper())

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


@pytest.fixture
def namespaces():
    assert is_root(), "this test needs root"


@NAMESPACES
def test_a_sandbox_has_lambdas_folders(start, layer, namespaces):
    emulator = start("--layer", layer, "--isolation", "namespaces")
    emulator.invoke("f", {"write": "mine"})
    emulator.wait_idle()

    seen = emulator.invoke("f", {"look": ["/opt", "/opt/extensions", "/var/task", "/tmp"]})[2]
    hosts = emulator.invoke("f", {"read": "/etc/hosts"})[2]
    processes = emulator.invoke("f", {"look": ["/proc"]})[2]["/proc"]

    assert seen["/opt"] == ["extensions"]
    assert seen["/opt/extensions"] == ["probe"]
    assert "app.py" in seen["/var/task"]
    assert "mine" in seen["/tmp"]
    assert "169.254.100.1 sandbox.localdomain sandbox" in hosts
    assert len([name for name in processes if name.isdigit()]) == 3  # holder, extension, runtime


@NAMESPACES
def test_only_tmp_can_be_written(start, namespaces):
    body = start("--isolation", "namespaces").invoke("f", {"write": "../var/task/x"})[2]

    assert body["errorType"] == "OSError"
    assert "Read-only file system" in body["errorMessage"]


@NAMESPACES
def test_sandboxes_share_nothing_but_the_ports_number(start, layer, namespaces):
    emulator = start("--layer", layer, "--isolation", "namespaces")
    bodies = []
    threads = [
        threading.Thread(target=lambda: bodies.append(emulator.invoke("f", {"sleep": 0.5, "write": "x"})[2]))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {body["environment"]["AWS_LAMBDA_RUNTIME_API"] for body in bodies} == {"127.0.0.1:9001"}
    assert len({body["environment"]["AWS_LAMBDA_LOG_STREAM_NAME"] for body in bodies}) == 3
    emulator.wait_idle()  # an answer comes before the end of its invocation
    assert emulator.summary()["peak_concurrency"] == 3


@NAMESPACES
def test_a_listener_on_127_0_0_1_is_not_the_sandbox(start, layer, namespaces):
    emulator = start("--layer", layer, "--isolation", "namespaces", probe={"listen": "127.0.0.1"})
    emulator.invoke("f", {"sleep": 0.3})
    emulator.stop()

    assert emulator.said("event")[-1]["eventType"] == "SHUTDOWN"
    assert emulator.telemetry() == []


@NAMESPACES
def test_a_relay_leads_outside(start, namespaces):
    with echo_server() as port:
        emulator = start(
            "--isolation",
            "namespaces",
            "--relay",
            f"collector:4317=127.0.0.1:{port}",
            "--relay",
            f"collector:4318=127.0.0.1:{port}",
            environment={"WHERE": "http://${relay:collector:4318}/x"},
        )
        answer = emulator.invoke("f", {"connect": ["collector", 4318]})[2]
        variables = emulator.invoke("f", {})[2]["environment"]
        beside = emulator.invoke("f", {"connect": ["127.0.0.1", port]})[2]

    assert answer == "PING"
    assert variables["WHERE"] == "http://collector:4318/x"
    assert beside["errorType"] == "ConnectionRefusedError"


@NAMESPACES
def test_a_relay_to_nowhere_resets(start, namespaces):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        body = start("--isolation", "namespaces", "--relay", f"gone=127.0.0.1:{port}").invoke(
            "f", {"connect": ["gone", port]}
        )[2]

    assert body["errorType"] == "ConnectionResetError"


def test_without_namespaces_each_sandbox_has_a_port_and_everything_works(start, layer):
    with echo_server() as port:
        emulator = start(
            "--layer",
            layer,
            "--isolation",
            "none",
            "--relay",
            f"collector:4318=127.0.0.1:{port}",
            environment={"WHERE": "${relay:collector:4318}"},
        )
        request_id = emulator.invoke("f", {})[1]["x-amzn-requestid"]
        emulator.wait_idle()
        variables = emulator.invoke("f", {"sleep": 0.2})[2]["environment"]
        answer = emulator.invoke("f", {"connect": variables["WHERE"].split(":")})[2]
        emulator.stop()

    assert re.fullmatch(r"127\.0\.0\.1:\d+", variables["AWS_LAMBDA_RUNTIME_API"])
    assert variables["AWS_LAMBDA_RUNTIME_API"] != "127.0.0.1:9001"
    assert variables["WHERE"] == f"127.0.0.1:{port}"
    assert answer == "PING"
    assert emulator.telemetry("platform.start")[0]["record"]["requestId"] == request_id
    assert emulator.said("event")[-1]["eventType"] == "SHUTDOWN"


@pytest.mark.parametrize("isolation", ["auto", "none"])
def test_a_zipped_layer_keeps_its_modes(start, layer, tmp_path, isolation):
    archive = tmp_path / "layer.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.write(layer / "extensions" / "probe", "extensions/probe")
        opened.writestr("extensions/notes.txt", "not executable, so no extension")
    emulator = start("--layer", archive, "--isolation", isolation)

    emulator.invoke("f", {})

    wait_for(lambda: emulator.said("registered"), "the extension of the archive")
    assert json.dumps(emulator.said("registered")[0][1]["functionName"]) == '"f"'


@NAMESPACES
def test_functions_and_extensions_are_nobody_in_particular(start, layer, namespaces):
    """Lambda runs them as a user of its own, without capabilities."""
    emulator = start("--layer", layer, "--isolation", "namespaces")

    status = emulator.invoke("f", {"read": "/proc/self/status"})[2]
    emulator.wait_idle()
    private = emulator.invoke("f", {"look": ["/root"]})[2]

    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert fields["Uid"].split() == ["993"] * 4
    assert fields["Gid"].split() == ["990"] * 4
    assert {fields[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"
    assert "errorType" in private or not set(private["/root"]) - {".pyenv", ".venv", ".local"}


@NAMESPACES
def test_code_that_only_root_can_read_is_told_and_runs_as_root(start, tmp_path, namespaces):
    (tmp_path / "code" / "app.py").chmod(0o600)
    emulator = start("--isolation", "namespaces")

    status = emulator.invoke("f", {"read": "/proc/self/status"})[2]

    assert "Uid:\t0\t" in status
    assert any("run as root" in line and "app.py" in line for line in emulator.lines)
