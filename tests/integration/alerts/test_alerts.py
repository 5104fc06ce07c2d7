"""Rules over a real store, told to real HTTP servers and to SNS."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from moto.server import ThreadedMotoServer

from collector.alerts.destinations import deliver
from collector.alerts.job import Alerts
from collector.alerts.metrics import METRICS
from collector.alerts.rules import parse
from collector.config import StoreUrl
from collector.store.clickhouse import ClickHouseStore
from tests.support.collector import ROOT, CollectorProcess, lambda_span, trace_request

T0 = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ACCOUNT, REGION = "123456789012", "eu-west-1"


COLUMNS = [
    "Namespace", "MetricName", "Dimensions", "DimensionSet", "Time", "PeriodS", "Sum", "Min", "Max", "SampleCount",
    "Quantiles", "Unit", "AccountId", "Region",
]  # fmt: skip


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    url = StoreUrl(f"chdb://{tmp_path_factory.mktemp('alerts')}/store")
    store = ClickHouseStore(url)
    store.open()
    client = clickhouse_connect.get_client(dsn=url.dsn)
    yield client
    client.close()
    store.close()


@pytest.fixture(autouse=True)
def _empty(client: Client) -> None:
    for table in (
        "lambda_metrics", "lambda_functions", "lambda_account_limits", "lambda_event_sources",
        "lambda_event_source_mappings", "lambda_alerts", "lambda_alert_deliveries",
    ):  # fmt: skip
        client.command(f"TRUNCATE TABLE {table}")


@dataclass
class Sink:
    """An HTTP server that remembers what it was told, and answers with the statuses it is given, then 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def sink() -> Iterator[Sink]:
    one = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status = one.statuses.pop(0) if one.statuses else 200
            if status == 200:
                one.bodies.append(body)
                one.headers.append(dict(self.headers))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one.url = f"http://127.0.0.1:{server.server_port}/T0/secret"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield one
    server.shutdown()
    server.server_close()
    thread.join()


def told_at_once(to, one):
    """Without pauses between tries."""
    return deliver(to, one, pause=lambda _: None)


def points(client: Client, metric: str, minutes: dict[int, float], **dimensions: str) -> None:
    """CloudWatch points of a metric, by minute after T0. The value is sum, highest and lowest at once."""
    rows = [
        ["AWS/Lambda", metric, dimensions, ",".join(sorted(dimensions)), T0 + timedelta(minutes=at), 60, value, value,
         value, 1.0, {}, "Count", ACCOUNT, REGION]
        for at, value in minutes.items()
    ]  # fmt: skip
    client.insert("lambda_metrics", rows, column_names=COLUMNS)


def throttled(client: Client, minutes: dict[int, float]) -> None:
    points(client, "Throttles", minutes, FunctionName="orders")
    points(client, "Invocations", dict.fromkeys(minutes, 100.0), FunctionName="orders")


THROTTLES = """
rules:
  - {{name: throttles, title: Requests are throttled, metric: throttle_rate, warning: "> 0", critical: "> 10 %",
     window: 1m, for: 2m, resolve_after: 2m}}
dashboard: http://127.0.0.1:8501
destinations:
  - {{name: pager, webhook: "{url}", severities: [critical]}}
  - {{name: chat, slack: "{url}"}}
"""


def run(alerts: Alerts, client: Client, first: int, last: int) -> list[tuple[int, str, str]]:
    """Run the job at each minute, so that the minutes first to last after T0 are evaluated; what changed."""
    changed: list[tuple[int, str, str]] = []
    for minute in range(first, last + 1):
        now = T0 + timedelta(minutes=minute) + METRICS["throttle_rate"].delay + timedelta(seconds=1)
        changed += [
            ((one.time - T0) // timedelta(minutes=1), one.kind, one.severity) for one in alerts.run(client, now)
        ]
    return changed


def test_from_the_first_throttle_to_the_all_clear(client, sink):
    throttled(client, {0: 0, 1: 5, 2: 5, 3: 5, 4: 50, 5: 50, 6: 50, 7: 0, 8: 0, 9: 0, 10: 0})
    alerts = Alerts(parse(THROTTLES.format(url=sink.url), {}), told_at_once)
    assert run(alerts, client, 1, 11) == [
        (4, "firing", "warning"),
        (7, "changed", "critical"),
        (10, "resolved", "critical"),
    ]
    assert [body["kind"] for body in sink.bodies if "kind" in body] == ["changed", "resolved"]
    texts = [body["text"] for body in sink.bodies if "text" in body]
    assert [text.split("*")[1] for text in texts] == [
        "[WARNING] Requests are throttled: orders",
        "[CRITICAL] Requests are throttled: orders",
        "[RESOLVED] Requests are throttled: orders",
    ]
    assert "33.3 % over the last minute" in texts[1]
    assert "function=orders" in texts[1]
    history = client.query("SELECT Kind, Severity FROM lambda_alerts ORDER BY Time").result_rows
    assert history == [("firing", "warning"), ("changed", "critical"), ("resolved", "critical")]
    outcomes = client.query("SELECT Outcome, count() FROM lambda_alert_deliveries FINAL GROUP BY Outcome").result_rows
    assert outcomes == [("delivered", 5)]


def test_a_new_collector_knows_what_fires_and_tells_it_to_nobody_again(client, sink):
    throttled(client, {1: 50, 2: 50, 3: 50, 4: 50, 5: 50, 6: 0, 7: 0, 8: 0})
    file = parse(THROTTLES.format(url=sink.url), {})
    assert run(Alerts(file, told_at_once), client, 1, 4) == [(4, "firing", "critical")]
    second = Alerts(file, told_at_once)
    assert run(second, client, 5, 6) == []
    assert second.firing == 1
    assert run(second, client, 7, 9) == [(9, "resolved", "critical")]
    assert len(sink.bodies) == 4


def test_who_does_not_answer_is_told_later_and_once(client, sink):
    throttled(client, dict.fromkeys(range(1, 8), 50.0))
    sink.statuses = [503, 503, 503]  # all tries for the pager; the chat takes it
    alerts = Alerts(parse(THROTTLES.format(url=sink.url), {}), told_at_once)
    run(alerts, client, 1, 4)
    assert [("text" in body) for body in sink.bodies] == [True]
    assert alerts.counters.not_told == 1
    run(alerts, client, 5, 7)
    assert [("text" in body) for body in sink.bodies] == [True, False]
    assert sink.headers[1]["Idempotency-Key"].endswith(f"-firing-{int((T0 + timedelta(minutes=4)).timestamp())}")


def test_who_refuses_is_not_asked_again_and_no_url_is_told(client, sink, caplog):
    throttled(client, dict.fromkeys(range(1, 8), 50.0))
    sink.statuses = [404, 404]
    alerts = Alerts(parse(THROTTLES.format(url=sink.url), {}), told_at_once)
    run(alerts, client, 1, 7)
    assert sink.bodies == []
    assert client.query("SELECT DISTINCT Outcome, Error FROM lambda_alert_deliveries FINAL").result_rows == [
        ("refused", "answered 404")
    ]
    assert "destination pager: answered 404" in caplog.text
    assert "secret" not in caplog.text


def test_one_broken_rule_keeps_no_other_from_its_work(client, sink, caplog):
    throttled(client, dict.fromkeys(range(1, 8), 50.0))
    text = THROTTLES.format(url=sink.url).replace(
        "rules:", "rules:\n  - {name: own, sql: 'SELECT nothing', warning: '> 0'}"
    )
    alerts = Alerts(parse(text, {}), told_at_once)
    assert run(alerts, client, 1, 4) == [(4, "firing", "critical")]
    assert alerts.counters.failures == 4
    assert caplog.text.count("alert rule own:") == 1


def test_minutes_that_passed_meanwhile_are_made_up_for(client, sink):
    throttled(client, dict.fromkeys(range(1, 21), 50.0))
    alerts = Alerts(parse(THROTTLES.format(url=sink.url), {}), told_at_once)
    assert run(alerts, client, 1, 1) == []
    assert run(alerts, client, 20, 20) == [(4, "firing", "critical")]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    yield f"http://{host}:{port}"
    server.stop()


def test_sns(client, aws):
    topic = boto3.client("sns", region_name=REGION).create_topic(Name="alerts")["TopicArn"]
    queue = boto3.client("sqs", region_name=REGION)
    url = queue.create_queue(QueueName="told")["QueueUrl"]
    arn = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("sns", region_name=REGION).subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    throttled(client, dict.fromkeys(range(1, 5), 50.0))
    text = THROTTLES.format(url="http://127.0.0.1:9").split("destinations:")[0]
    alerts = Alerts(parse(f"{text}destinations: [{{name: mail, sns: '{topic}'}}]", {}), told_at_once)
    run(alerts, client, 1, 4)
    [message] = queue.receive_message(QueueUrl=url)["Messages"]
    body = json.loads(message["Body"])
    assert body["Subject"] == "[CRITICAL] Requests are throttled: orders"
    assert "33.3 % over the last minute" in body["Message"]
    assert body["MessageAttributes"]["severity"]["Value"] == "critical"


def test_every_named_metric_can_be_asked_of_an_empty_store(client):
    for metric in METRICS.values():
        found = client.query(metric.sql.rstrip().rstrip(";"), parameters={"from": T0, "to": T0 + timedelta(minutes=5)})
        assert found.result_rows == [], metric.name


def value_of(client: Client, name: str) -> list[Any]:
    sql = METRICS[name].sql.rstrip().rstrip(";")
    found = client.query(sql, parameters={"from": T0, "to": T0 + timedelta(minutes=5)})
    at = found.column_names.index("Value")
    return sorted(row[at] for row in found.result_rows)


def test_what_the_metrics_of_cloudwatch_measure(client):
    points(client, "Errors", {0: 3, 1: 2}, FunctionName="bare")
    points(client, "Invocations", {0: 50, 1: 50}, FunctionName="bare")
    points(client, "IteratorAge", {0: 1000, 2: 21_600_000}, FunctionName="reader")
    points(client, "ClaimedAccountConcurrency", {0: 700, 1: 900})
    points(client, "ConcurrentExecutions", {0: 45}, FunctionName="reserved")
    points(client, "AsyncEventsDropped", {0: 2, 1: 1}, FunctionName="bare")
    points(client, "DeadLetterErrors", {0: 1}, FunctionName="bare")
    client.insert(
        "lambda_account_limits", [[ACCOUNT, REGION, 1000, 900, T0]],
        column_names=["AccountId", "Region", "ConcurrentExecutions", "UnreservedConcurrentExecutions", "PolledAt"],
    )  # fmt: skip
    client.insert(
        "lambda_functions", [[ACCOUNT, REGION, "reserved", 50, T0 - timedelta(hours=1)]],
        column_names=["AccountId", "Region", "FunctionName", "ReservedConcurrency", "PolledAt"],
    )  # fmt: skip
    stream = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/clicks"
    client.insert(
        "lambda_event_source_mappings", [[ACCOUNT, REGION, "reader", "u", stream, T0]],
        column_names=["AccountId", "Region", "FunctionName", "Uuid", "EventSourceArn", "PolledAt"],
    )  # fmt: skip
    client.insert(
        "lambda_event_sources", [[ACCOUNT, REGION, stream, 172_800, T0]],
        column_names=["AccountId", "Region", "EventSourceArn", "RetentionS", "PolledAt"],
    )  # fmt: skip
    assert value_of(client, "error_rate") == [0.05]
    assert value_of(client, "iterator_age_s") == [21_600]
    assert value_of(client, "iterator_age_share") == [0.125]
    assert value_of(client, "account_concurrency_share") == [0.9]
    assert value_of(client, "function_concurrency_share") == [0.9]
    assert value_of(client, "async_events_lost") == [4]
    assert value_of(client, "minutes_without_data") == [3]


def test_a_running_collector_tells_what_fails(sink, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "rules: [{name: errors, title: Invocations fail, metric: error_rate, critical: '> 10 %', for: 0m}]\n"
        "destinations: [{name: pager, webhook: '${PAGER}'}]\n",
        encoding="utf-8",
    )
    flags = ["--alerts", str(rules), "--jobs-every-s", "1"]
    collector = CollectorProcess(tmp_path / "data", flags, {"PAGER": sink.url})
    collector.start()
    try:
        start_ns = time.time_ns() - 5 * 60 * 10**9
        span = lambda_span("invoke", start_ns=start_ns, duration_ns=10**6, request_id="r", lambda__status="error")
        body = trace_request([span]).SerializeToString()
        request = urllib.request.Request(
            f"{collector.addresses.http_url}/v1/traces", data=body, headers={"content-type": "application/x-protobuf"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200
        give_up_at = time.monotonic() + 90
        while not sink.bodies:
            assert time.monotonic() < give_up_at, collector.stderr
            time.sleep(0.2)
    finally:
        collector.stop()
    assert sink.bodies[0]["labels"]["FunctionName"] == "checkout"
    assert sink.bodies[0]["summary"].startswith("100 % over the last 5 minutes")
    assert "secret" not in collector.stderr


def test_a_bad_file_of_rules_ends_the_start_with_a_line(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: [{name: x, metric: error_rate}]", encoding="utf-8")
    command = [sys.executable, "-m", "collector", "--data", str(tmp_path / "data"), "--alerts", str(rules)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert run.stderr == (
        f"collector: alerts {rules}: rule 'x': needs a bound for one of info, warning, critical, "
        "such as critical: '> 5 %'\n"
    )
