"""Bad input gives one line that names the thing, and exit code 2. A server that is away does not stop the collector."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from collector.config import from_environ
from collector.errors import StoreUnavailableError
from collector.store.client import connect
from collector.store.migrate import migrations
from tests.support.collector import ROOT, CollectorProcess, lambda_span, running_collector, trace_request, wait_for_rows


def failure(data: Path, *flags: str) -> str:
    """What a collector that cannot start says."""
    process = CollectorProcess(data, flags)
    process.launch()
    assert process.wait() == 2, process.stderr
    assert "Traceback" not in process.stderr
    lines = process.stderr.splitlines()
    assert len(lines) == 1, process.stderr
    return lines[0]


@pytest.mark.parametrize("name", ["grpc", "http", "sql"])
def test_a_taken_port(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = failure(tmp_path / "data", f"--{name}-port", str(port))
    assert line.startswith(f"collector: {name} port: cannot listen on 127.0.0.1:{port}: ")


def test_a_file_in_place_of_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("", encoding="utf-8")
    assert failure(tmp_path / "data") == f"collector: data folder {tmp_path}/data: file exists"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    assert "collector: data folder /proc/nowhere/data: " in failure(tmp_path / "x", "--data", "/proc/nowhere/data")


def test_a_wrong_url(tmp_path: Path) -> None:
    line = failure(tmp_path / "data", "--store", "clickhouse.example:8123")
    assert line.startswith("collector: --store: 'clickhouse.example:8123' is not chdb:///folder, http://")


@pytest.mark.parametrize(("scheme", "first"), [("https", b"\x16"), ("http", b"P")])
def test_the_scheme_of_the_url_says_whether_to_speak_tls(scheme: str, first: bytes) -> None:
    """On any port: a TLS record of a handshake is type 22 (RFC 8446, 5.1); the password is not sent before it ends."""
    received = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            connection, _ = server.accept()
            with connection:
                received.extend(connection.recv(65536))
            server.close()  # further attempts are refused

        listener = threading.Thread(target=listen)
        listener.start()
        store = from_environ({}, {"store": f"{scheme}://user:secret@127.0.0.1:{server.getsockname()[1]}/d"}).store
        with pytest.raises(StoreUnavailableError) as raised:
            connect(store)
        listener.join(timeout=30)
    assert bytes(received[:1]) == first
    basic = base64.b64encode(b"user:secret")
    assert (basic in received) == (scheme == "http")
    assert b"secret" not in received
    assert "secret" not in str(raised.value)


def test_a_second_collector_on_the_same_folder(tmp_path: Path) -> None:
    with running_collector(data=tmp_path / "data"):
        assert failure(tmp_path / "data") == f"collector: data folder {tmp_path}/data: another collector uses it"


def test_a_store_that_another_process_has_open(tmp_path: Path) -> None:
    with running_collector(data=tmp_path / "data"):
        line = failure(tmp_path / "other", "--store", f"chdb://{tmp_path}/data/store")
    assert line == f"collector: store chdb://{tmp_path}/data/store: another process has it open"


def test_an_unknown_flag_is_the_command_lines_own_error() -> None:
    command = [sys.executable, "-m", "collector", "--speed", "11"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert result.returncode == 2
    assert "unrecognized arguments: --speed 11" in result.stderr


def test_a_server_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """Requests are accepted into the spool; alive, but not ready; no SQL port; said once; stop and start keep them."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    process = CollectorProcess(tmp_path / "data", ["--store", f"http://user:secret@127.0.0.1:{port}/db"])
    addresses = process.start()
    try:
        assert addresses.sql == "-"
        assert addresses.store == f"http://user:***@127.0.0.1:{port}/db"
        with grpc.insecure_channel(addresses.grpc) as channel:
            TraceServiceStub(channel).Export(trace_request([lambda_span("x", start_ns=1, duration_ns=1)]))
        assert urllib.request.urlopen(f"{addresses.http_url}/healthz", timeout=10).status == 200
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(f"{addresses.http_url}/readyz", timeout=10)
        raised.value.close()
        assert raised.value.status == 503
    finally:
        assert process.stop() == 0
    assert "secret" not in process.stderr
    assert process.stderr.count("requests go to the spool") == 1
    assert "stop: 1 items stay in the spool" in process.stderr
    again = CollectorProcess(tmp_path / "data")
    again.start()
    client = again.sql()
    try:
        assert wait_for_rows(client, "SELECT SpanName FROM otel_traces", 1) == [("x",)]
    finally:
        client.close()
        again.stop()


def test_each_attempt_at_a_server_that_hangs_up_is_not_a_line(tmp_path: Path) -> None:
    """The reason is that of the connection: the client's own text names the attempt, and never is the same twice."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = CollectorProcess(tmp_path / "data", ["--store", f"http://127.0.0.1:{server.getsockname()[1]}/db"])
        process.start()
        try:
            for _ in range(4):
                connection, _ = server.accept()
                with connection:
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(1 << 16):  # unread bytes would make a reset of it, which is another reason
                        pass
        finally:
            process.stop()
    lines = [line for line in process.stderr.splitlines() if "ready" not in line]
    assert [line for line in lines if "requests go to the spool" in line] == lines
    assert len(lines) == 1
    assert "losed connection" in lines[0] or "reset" in lines[0]


def test_a_full_spool_asks_for_patience(tmp_path: Path) -> None:
    """UNAVAILABLE with RetryInfo over gRPC, 503 with Retry-After over HTTP; nothing is dropped in silence."""
    with running_collector("--spool-max-bytes", "1k", data=tmp_path / "data") as process:
        request = trace_request([lambda_span("x" * 2000, start_ns=1, duration_ns=1)])
        with grpc.insecure_channel(process.addresses.grpc) as channel, pytest.raises(grpc.RpcError) as raised:
            TraceServiceStub(channel).Export(request)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        values = [item.value for item in raised.value.trailing_metadata() or ()]
        assert any(b"RetryInfo" in value for value in values if isinstance(value, bytes))
        post = urllib.request.Request(
            f"{process.addresses.http_url}/v1/traces",
            data=request.SerializeToString(),
            headers={"Content-Type": "application/x-protobuf"},
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(post, timeout=10)
        refused.value.close()
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "5")


def test_migrate(tmp_path: Path) -> None:
    """By itself, twice, and printed."""
    command = [sys.executable, "-m", "collector", "migrate", "--data", str(tmp_path / "data")]
    for _ in range(2):
        result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
        assert (result.returncode, result.stdout) == (0, "")
        assert result.stderr == f"collector: chdb://{tmp_path}/data/store has {len(migrations())} migrations applied\n"
    printed = subprocess.run(
        [*command, "--print"], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    ).stdout
    for migration in migrations():
        for statement in migration.statements:
            assert statement in printed


def test_what_a_full_disk_left_of_a_mutation(tmp_path: Path) -> None:
    """ClickHouse by itself would load no table ever again."""
    process = CollectorProcess(tmp_path / "data", ["--role", "receive"])
    process.start()
    assert process.stop() == 0
    table = next((tmp_path / "data" / "store").glob("store/*/*/format_version.txt")).parent
    entry = table / "mutation_7.txt"
    entry.touch()
    process.start()
    assert process.stop() == 0
    assert not entry.exists()
    assert f"{entry} is empty" in process.stderr


def test_the_library_that_decodes_may_come_and_go(tmp_path: Path) -> None:
    """Without it the collector says so, once, and stores the same, be it many spans at once or few."""
    bare = tmp_path / "bare"
    for package in ("collector", "semconv"):
        shutil.copytree(ROOT / package, bare / package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    started = [CollectorProcess(tmp_path / "data", environ={"PYTHONPATH": str(path)}) for path in (bare, ROOT, bare)]
    sent: list[str] = []
    for process in started:
        process.start()
        with grpc.insecure_channel(process.addresses.grpc) as channel:
            for count in (2, 2_000):
                names = [f"span-{len(sent) + number}" for number in range(count)]
                TraceServiceStub(channel).Export(
                    trace_request([lambda_span(name, start_ns=1, duration_ns=1) for name in names])
                )
                sent += names
        client = process.sql()
        wait_for_rows(client, "SELECT 1 FROM otel_traces", len(sent))
        assert client.query("SELECT count(), uniqExact(SpanName) FROM otel_traces").first_row == (len(sent), len(sent))
        client.close()
        assert process.stop() == 0
    told = ["decoding: " in process.stderr for process in started]
    assert told == [True, False, True], [process.stderr for process in started]
    assert "`python -m collector.native` builds it" in started[0].stderr
