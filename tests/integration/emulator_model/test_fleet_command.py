"""``python -m emulator.fleet`` as a process, against real receivers."""

import base64
import gzip
import http.server
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from emulator.fleet.errors import ExportError
from emulator.fleet.sender import OtlpSender, Pacer
from tests.support.collector import running_collector, wait_for_rows

ROOT = Path(__file__).parents[3]
END = ("--end", "2026-06-02T00:00:00Z")

INCIDENTS = """
functions: 30
days: 0.06
requests_per_s: 4
limits: {idle_timeout_s: 120}
incidents:
  - {kind: reserved_limit, start_h: 0.5, for_min: 5, reserved: 2, requests_per_s: 10, duration_ms: 400}
  - {kind: poisoned_shard, start_h: 0.25, for_min: 30, shard: 0}
"""


def fleet(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emulator.fleet", *map(str, arguments)]
    return subprocess.run(
        command, env={"PYTHONPATH": str(ROOT)}, cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


def summary_of(done: subprocess.CompletedProcess[str]):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def description(tmp_path_factory):
    path = tmp_path_factory.mktemp("fleet") / "fleet.yaml"
    path.write_text(INCIDENTS)
    return path


@pytest.fixture(scope="module")
def receiver():
    """Takes OTLP and Firehose bodies, and remembers them."""

    class Receiver(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            seen.append((self.path, dict(self.headers), body))
            answer = b""
            status, answers = 200, self.server.answers  # type: ignore[attr-defined]
            if answers:
                status = answers.pop(0)
            elif self.path == "/firehose":
                answer = json.dumps({"requestId": json.loads(body)["requestId"], "timestamp": 1}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    seen: list[tuple[str, dict[str, str], bytes]] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    server.seen, server.answers = seen, []  # type: ignore[attr-defined]
    server.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def forget(receiver):
    receiver.seen.clear()
    receiver.answers.clear()


def test_the_stored_rows_are_the_truth(description, tmp_path):
    """The whole way into the real collector: counts by function, cold starts, billed time, sandboxes, errors."""
    with running_collector() as collector:
        done = fleet("--fleet", description, *END, "--otlp", collector.addresses.http_url, cwd=tmp_path)
        truth = summary_of(done)
        assert truth["throttles"] > 100
        client = collector.sql()
        try:
            wait_for_rows(client, "SELECT 1 FROM otel_traces", truth["spans"])
            wait_for_rows(client, "SELECT 1 FROM lambda_invocations", truth["invocations"])
            found = client.query(
                "SELECT FunctionName, count(), countIf(ColdStart), sum(BilledDurationMs), countIf(ErrorType != '')"
                " FROM lambda_invocations GROUP BY FunctionName ORDER BY FunctionName"
            ).result_rows
            expected = [
                (name, one["invocations"], one["cold_starts"], one["billed_ms"], sum(one["errors"].values()))
                for name, one in truth["functions"].items()
                if one["invocations"]
            ]
            assert [tuple(row) for row in found] == expected
            instances = "SELECT uniqExact(InstanceId) FROM lambda_sandboxes"
            assert client.query(instances).result_rows == [(truth["sandboxes"],)]
        finally:
            client.close()


def test_the_same_seed_sends_the_same_bytes(description, receiver, tmp_path):
    sent = []
    for _ in range(2):
        receiver.seen.clear()
        done = fleet(
            "--fleet", description, *END, "--days", "0.02", "--seed", "7",
            "--otlp", receiver.url, "--firehose", f"{receiver.url}/firehose", cwd=tmp_path,
        )  # fmt: skip
        summary_of(done)
        sent.append([(path, body) for path, _, body in receiver.seen])
    assert sent[0] == sent[1]
    assert {path for path, _ in sent[0]} == {"/v1/traces", "/firehose"}


def test_what_was_saved_is_sent_as_it_would_have_been(description, receiver, tmp_path):
    common = ("--fleet", description, *END, "--days", "0.02")
    to = ("--otlp", receiver.url, "--firehose", f"{receiver.url}/firehose")
    truth = summary_of(fleet(*common, *to, cwd=tmp_path))
    sent = sorted((path, body) for path, _, body in receiver.seen)
    receiver.seen.clear()

    summary_of(fleet(*common, "--save", "archive", cwd=tmp_path))
    assert not receiver.seen
    loaded = summary_of(fleet("--load", "archive", *to, cwd=tmp_path))

    assert sorted((path, body) for path, _, body in receiver.seen) == sent
    assert loaded == truth


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda folder: (folder / "truth.json").unlink(), "no whole archive"),
        (lambda folder: cut(folder / "traces.otlp.gz"), "traces.otlp.gz: "),
        (lambda folder: (folder / "traces.otlp.gz").unlink(), "traces.otlp.gz: No such file"),
    ],
    ids=["without its truth", "cut", "without traces"],
)
def test_an_archive_that_is_not_whole_is_named(description, receiver, tmp_path, broken, message):
    summary_of(fleet("--fleet", description, *END, "--days", "0.01", "--save", "archive", cwd=tmp_path))
    broken(tmp_path / "archive")

    done = fleet("--load", "archive", "--otlp", receiver.url, cwd=tmp_path)

    assert done.returncode == 2
    assert message in done.stderr


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def test_the_streams_and_the_truth_file_agree_with_the_summary(description, receiver, tmp_path):
    key, truth_file = tmp_path / "key", tmp_path / "truth.jsonl"
    key.write_text("secret\n")
    done = fleet(
        "--fleet", description, *END, "--otlp", receiver.url, "--otlp-header", "authorization: Bearer t",
        "--firehose", f"{receiver.url}/firehose", "--access-key-file", key, "--metric-format", "json",
        "--truth", truth_file, cwd=tmp_path,
    )  # fmt: skip
    summary = summary_of(done)
    facts = [json.loads(line) for line in truth_file.read_text().splitlines()]
    invocations = [fact for fact in facts if fact["fact"] == "invocation"]
    assert len(invocations) == summary["invocations"]
    assert sum(fact["cold_start"] for fact in invocations) == summary["cold_starts"]
    assert sum(fact["fact"] == "throttle" for fact in facts) == summary["throttles"]
    assert [one["kind"] for one in summary["incidents"]] == ["poisoned_shard", "reserved_limit"]

    traces = [(headers, body) for path, headers, body in receiver.seen if path == "/v1/traces"]
    spans = sum(
        len(scope.spans)
        for _, body in traces
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
    )
    assert (spans, len(traces)) == (summary["spans"], summary["trace_requests"])
    assert {headers["authorization"] for headers, _ in traces} == {"Bearer t"}

    deliveries = [(headers, json.loads(body)) for path, headers, body in receiver.seen if path == "/firehose"]
    assert {headers["X-Amz-Firehose-Access-Key"] for headers, _ in deliveries} == {"secret"}
    latest = metric_points(deliveries)
    assert (
        sum(figure for (name, dimensions, _), figure in latest.items() if (name, dimensions) == ("Throttles", ()))
        == (summary["throttles"])
    )
    for name, one in summary["functions"].items():
        of_function = (("FunctionName", name),)
        invoked = sum(
            figure for (metric, dimensions, _), figure in latest.items()
            if (metric, dimensions) == ("Invocations", of_function)
        )  # fmt: skip
        assert invoked == one["invocations"]


def metric_points(deliveries) -> dict[tuple[str, tuple[tuple[str, str], ...], int], float]:
    """The sum of each point; of a minute that was published again, what came last."""
    points = {}
    for _, body in deliveries:
        for record in body["records"]:
            for line in base64.b64decode(record["data"]).splitlines():
                point = json.loads(line)
                key = (point["metric_name"], tuple(point["dimensions"].items()), point["timestamp"])
                points[key] = point["value"]["sum"]
    return points


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--dry-run", "--functions", "0"], 2, "fleet: --functions: must be a number from 1"),
        (["--fleet", "absent.yaml"], 2, "absent.yaml"),
        (["--dry-run", "--days", "0.01", "--functions", "3"], 0, ""),
    ],
)
def test_exit_codes(arguments, code, message, tmp_path):
    done = fleet(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_receiver_that_refuses_ends_the_run(receiver, tmp_path):
    receiver.answers += [400] * 10
    done = fleet("--days", "0.01", "--functions", "3", "--requests-per-s", "2", "--otlp", receiver.url, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "refused a request" in done.stderr


def test_a_request_is_sent_again_when_the_receiver_asks_for_it(receiver):
    receiver.answers += [503, 429, 502]
    slept: list[float] = []
    sender = OtlpSender(receiver.url, sleep=slept.append)
    sender.send(b"body")
    sender.close()
    assert [body for _, _, body in receiver.seen] == [b"body"] * 4
    assert slept == [0.5, 1.0, 2.0]


def test_a_receiver_that_never_answers_is_given_up():
    slept: list[float] = []
    sender = OtlpSender("http://127.0.0.1:9", give_up_after_s=10.0, sleep=slept.append)
    with pytest.raises(ExportError, match=r"no success for 1\d s: no answer"):
        sender.send(b"body")
    sender.close()
    assert sum(slept) >= 10


def test_the_pacer_keeps_its_rate_on_the_average():
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pacer = Pacer(1000.0, lambda: now[0], sleep)
    for _ in range(10):
        pacer.wait(500)
        now[0] += 0.1
    assert now[0] == pytest.approx(105.1)
    unlimited = Pacer(None, lambda: now[0], sleep)
    slept.clear()
    unlimited.wait(10**9)
    assert slept == []
