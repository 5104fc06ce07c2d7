"""/firehose at the limits of "Understand HTTP endpoint delivery request and response specifications", and in trouble.

Its points are in JSON format but where the format is what is tested.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.support.collector import CollectorProcess, running_collector, wait_for_rows

KEY = "first-key"
MINUTE_MS = 1_795_000_020_000
FULL = os.environ.get("LAMBDASCOPE_SOAK") == "1"
NOBODY = "http://127.0.0.1:9"
"""Where no ClickHouse listens: the port of the discard protocol."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_text(f"{KEY}\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def collector(keys: Path) -> Iterator[CollectorProcess]:
    with running_collector("--linger-ms", "50", "--firehose-keys", str(keys)) as process:
        yield process


def line(name: str, minute: int = 0, **changes: Any) -> bytes:
    document = {
        "account_id": "123456789012",
        "region": "eu-west-1",
        "namespace": "AWS/Lambda",
        "metric_name": name,
        "dimensions": {"FunctionName": "checkout"},
        "timestamp": MINUTE_MS + 60_000 * minute,
        "value": {"max": 1.0, "min": 0.0, "sum": 1.0, "count": 2.0},
        "unit": "Count",
    }
    return json.dumps({**document, **changes}).encode() + b"\n"


def envelope(request_id: str, records: Sequence[bytes]) -> bytes:
    data = [{"data": base64.b64encode(record).decode()} for record in records]
    return json.dumps({"requestId": request_id, "timestamp": MINUTE_MS, "records": data}).encode()


def post(
    collector: CollectorProcess, records: Sequence[bytes], *, request_id: str = "", key: str = KEY, packed: bool = False
) -> tuple[int, dict[str, Any]]:
    request_id = request_id or str(uuid.uuid4())
    body = envelope(request_id, records)
    headers = {"X-Amz-Firehose-Request-Id": request_id, "X-Amz-Firehose-Access-Key": key}
    if packed:
        body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
    host, _, port = collector.addresses.http.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=170)
    try:
        connection.request("POST", "/firehose", body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def stored(collector: CollectorProcess, name: str, rows: int) -> int:
    """How many points of a metric there are, doubles included, once there are as many as that."""
    with collector.sql() as client:
        query = f"SELECT count() AS n FROM lambda_metrics WHERE MetricName = '{name}' HAVING n >= {rows}"
        [(found,)] = wait_for_rows(client, query, 1, within_s=120)
        return int(str(found))


# Limits --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_ten_thousand_records_are_taken(collector: CollectorProcess, packed: bool) -> None:
    """A request has 1 to 10,000 records."""
    name = f"TenThousand{packed}"
    assert post(collector, [line(name, minute) for minute in range(10_000)], packed=packed)[0] == 200
    assert stored(collector, name, 10_000) == 10_000


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_body_of_64_mib_is_taken(collector: CollectorProcess, packed: bool) -> None:
    """64 MiB before compression; a record has up to 1,024,000 bytes before it is encoded."""
    name = f"Large{packed}"
    records = [line(name, minute).ljust(1_024_000, b"\n") for minute in range(49)]
    assert 63 << 20 < len(envelope("", records)) <= 64 << 20
    assert post(collector, records, packed=packed)[0] == 200
    assert stored(collector, name, 49) == 49


def test_one_request_that_comes_several_times_at_once_is_stored_once(collector: CollectorProcess) -> None:
    records = [line("AtOnce", minute) for minute in range(100)]
    with ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(lambda _: post(collector, records, request_id="at-once")[0], range(8)))
    assert answers == [200] * 8
    post(collector, [line("AfterIt")])
    stored(collector, "AfterIt", 1)
    assert stored(collector, "AtOnce", 100) == 100


# Keys ----------------------------------------------------------------------------------------------------------------


def test_keys_are_changed_without_a_restart(collector: CollectorProcess, keys: Path) -> None:
    """The access key may be changed while Firehose still repeats requests that carry the one before."""
    assert post(collector, [], key="second-key")[0] == 401
    keys.write_text(f"second-key\n{KEY}\n", encoding="utf-8")
    assert [post(collector, [], key=key)[0] for key in ("second-key", KEY)] == [200, 200]
    keys.write_text("second-key\n", encoding="utf-8")
    assert [post(collector, [], key=key)[0] for key in ("second-key", KEY)] == [200, 401]
    keys.write_text(f"{KEY}\n", encoding="utf-8")
    assert post(collector, [])[0] == 200


# Formats -------------------------------------------------------------------------------------------------------------


def summary(name: str, *, flat: bool) -> bytes:
    """A message as protobuf's own library writes it, its dimensions in a list or, as some do on the way, flat."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    for key, value in (("cloud.account.id", "123456789012"), ("cloud.region", "eu-west-1")):
        resource.resource.attributes.add(key=key).value.string_value = value
    metric = resource.scope_metrics.add().metrics.add(name=f"amazonaws.com/AWS/Lambda/{name}", unit="ms")
    point = metric.summary.data_points.add(
        start_time_unix_nano=MINUTE_MS * 10**6, time_unix_nano=(MINUTE_MS + 60_000) * 10**6, count=4, sum=10.0
    )
    for quantile, figure in ((0.0, 0.0), (0.5, 2.0), (0.99, 7.5), (0.999, 7.9), (1.0, 8.0)):
        point.quantile_values.add(quantile=quantile, value=figure)
    point.attributes.add(key="Namespace").value.string_value = "AWS/Lambda"
    point.attributes.add(key="MetricName").value.string_value = name
    if flat:
        point.attributes.add(key="FunctionName").value.string_value = "checkout"
    else:
        pairs = point.attributes.add(key="Dimensions").value.kvlist_value
        pairs.values.add(key="FunctionName").value.string_value = "checkout"
    message = request.SerializeToString()
    length = len(message)
    varint = bytes([length & 0x7F | 0x80, length >> 7]) if length > 0x7F else bytes([length])
    return varint + message


PERCENTILES = {
    "opentelemetry": lambda name: summary(name, flat=False),
    "opentelemetry, flat dimensions": lambda name: summary(name, flat=True),
    "json": lambda name: line(
        name,
        value={"count": 4.0, "sum": 10.0, "min": 0.0, "max": 8.0, "p50": 2.0, "p99": 7.5, "p99.9": 7.9},
        unit="Milliseconds",
    ),
}


@pytest.mark.parametrize("case", PERCENTILES)
def test_percentiles_and_a_minimum_of_zero_are_the_same_in_every_format(collector: CollectorProcess, case: str) -> None:
    name = "Percentiles" + "".join(filter(str.isalpha, case))
    assert post(collector, [PERCENTILES[case](name)])[0] == 200
    with collector.sql() as client:
        query = (
            "SELECT SampleCount, Sum, Min, Max, Quantiles, Unit, DimensionSet, Dimensions FROM lambda_metrics "
            f"WHERE MetricName = '{name}'"
        )
        assert wait_for_rows(client, query, 1) == [
            (4.0, 10.0, 0.0, 8.0, {"p50": 2.0, "p99": 7.5, "p99.9": 7.9}, "Milliseconds", "FunctionName",
             {"FunctionName": "checkout"}),
        ]  # fmt: skip


# Trouble -------------------------------------------------------------------------------------------------------------


def test_only_a_full_spool_is_answered_with_503(tmp_path: Path) -> None:
    """503 makes Firehose send the same again; ClickHouse that is away is no reason, as the spool holds the delivery."""
    flags = ["--store", NOBODY, "--spool-max-bytes", "2MiB", "--segment-bytes", "256KiB"]
    process = CollectorProcess(tmp_path / "data", flags)
    process.start()
    try:
        statuses = []
        for number in range(40):
            status, answer = post(
                process, [line("Full", minute) for minute in range(1000)], request_id=f"full-{number}"
            )
            statuses.append(status)
            if status != 200:
                assert answer["errorMessage"]
                break
        assert statuses[0] == 200
        assert statuses[-1] == 503
        assert set(statuses) == {200, 503}
    finally:
        process.stop()


@pytest.mark.soak
def test_clickhouse_away_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Deliveries go on while the store is away, some of them repeated as after a lost answer, and through kill -9."""
    for_s, pause_s = (600.0, 0.05) if FULL else (3.0, 0.01)
    process = CollectorProcess(tmp_path / "data", ["--store", NOBODY])
    process.start()
    sent = 0
    began_s = time.monotonic()
    killed = False
    while time.monotonic() - began_s < for_s:
        records = [line("Away", minute) for minute in range(100 * sent, 100 * sent + 100)]
        for _ in range(2 if sent % 3 == 0 else 1):
            assert post(process, records, request_id=f"away-{sent}", packed=True)[0] == 200
        sent += 1
        if not killed and time.monotonic() - began_s > for_s / 2:
            killed = True
            process.kill()
            process.start()
            assert post(process, records, request_id=f"away-{sent - 1}")[0] == 200
        time.sleep(pause_s)
    process.kill()
    again = CollectorProcess(tmp_path / "data", ["--linger-ms", "50"])
    again.start()
    try:
        assert post(again, [line("Away", 100 * (sent - 1))], request_id=f"away-{sent - 1}")[0] == 200
        assert post(again, [line("Last")])[0] == 200
        stored(again, "Last", 1)
        assert stored(again, "Away", 100 * sent) == 100 * sent
    finally:
        again.stop()
