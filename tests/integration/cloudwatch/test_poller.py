"""Poller and inventory against moto's server, the real HTTP API, behind a proxy that pages, throttles and expires."""

from __future__ import annotations

import io
import json
import urllib.request
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from clickhouse_connect.driver.client import Client

from collector.aws.config import AwsConfig, load, parse
from collector.aws.errors import AwsConfigError
from collector.aws.job import AwsJob
from collector.store.clickhouse import ClickHouseStore
from tests.support.aws import Aws, local_aws
from tests.support.cloudwatch import store_at
from tests.support.collector import running_collector, wait_for_rows

REGION = "eu-west-1"
ACCOUNT = "123456789012"
NOW = datetime.now(UTC).replace(second=30, microsecond=0)
MINUTE = NOW.replace(second=0) - timedelta(minutes=10)


class World(NamedTuple):
    aws: Aws
    store: ClickHouseStore
    sql: Client

    def job(self, said: list[str] | None = None, **sections: Any) -> AwsJob:
        return AwsJob(self.config(**sections), self.sql, self.store, (said if said is not None else []).append)

    def config(self, **sections: Any) -> AwsConfig:
        quick = {"calls_per_s": 100, **sections.pop("inventory", {})}
        return parse({"regions": [REGION], "endpoint_url": self.aws.url, "inventory": quick, **sections}, "aws.yaml")

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=REGION, endpoint_url=self.aws.url)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.sql.query(query).result_rows]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with local_aws() as aws, store_at(tmp_path_factory.mktemp("poller")) as (store, client):
        yield World(aws, store, client)


@pytest.fixture
def world(shared: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Nothing in AWS and nothing stored."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    request = urllib.request.Request(f"http://127.0.0.1:{shared.aws.moto_port}/moto-api/reset", method="POST")
    urllib.request.urlopen(request, timeout=10).close()
    shared.aws.calls.clear()
    shared.aws.faults.clear()
    shared.aws.provisioned.clear()
    shared.aws.page_size = None
    shared.aws.account_limits = (1000, 1000)
    for table in ("lambda_metrics", "lambda_functions", "lambda_account_limits", "lambda_event_source_mappings"):
        shared.sql.command(f"TRUNCATE TABLE {table}")
    for table in ("lambda_function_versions", "lambda_event_sources", "lambda_poller_state"):
        shared.sql.command(f"TRUNCATE TABLE {table}")
    return shared


def put_points(world: World, functions: int, *, at: datetime = MINUTE, value: float = 3) -> None:
    cloudwatch = world.client("cloudwatch")
    for index in range(functions):
        cloudwatch.put_metric_data(
            Namespace="AWS/Lambda",
            MetricData=[
                {
                    "MetricName": name,
                    "Dimensions": [{"Name": "FunctionName", "Value": f"f{index}"}],
                    "Timestamp": at + timedelta(minutes=minute),
                    "Value": value + index,
                    "Unit": "Count",
                }
                for name in ("Invocations", "Throttles", "ConcurrentExecutions")
                for minute in range(2)
            ],
        )


def make_function(world: World, name: str) -> dict[str, Any]:
    iam = world.client("iam")
    try:
        role = iam.get_role(RoleName="r")["Role"]["Arn"]
    except iam.exceptions.NoSuchEntityException:
        role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps({}))["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): pass")
    created: dict[str, Any] = world.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": code.getvalue()},
        MemorySize=256,
        Timeout=7,
        Architectures=["arm64"],
    )
    return created


# Metrics -------------------------------------------------------------------------------------------------------------


def test_points_are_stored_however_many_pages_they_come_in(world: World) -> None:
    put_points(world, 170)  # 510 metrics: two pages of ListMetrics
    world.aws.page_size = 40
    world.job(inventory={"enabled": False}).run(int(NOW.timestamp()))
    found = world.rows(
        "SELECT MetricName, Dimensions['FunctionName'], toUnixTimestamp(Time), Sum, Max, PeriodS, Unit, AccountId, "
        "Region FROM lambda_metrics FINAL WHERE MetricName IN ('Invocations', 'ConcurrentExecutions') ORDER BY ALL"
    )
    first = int(MINUTE.timestamp())
    assert found == sorted(
        (name, f"f{index}", first + 60 * minute, total, highest, 60, "Count", ACCOUNT, REGION)
        for index in range(170)
        for minute in range(2)
        for name, total, highest in (("Invocations", 3 + index, None), ("ConcurrentExecutions", None, 3 + index))
    )
    assert world.aws.calls["ListMetrics"] > 1
    assert world.aws.calls["GetMetricData"] > 10
    state = world.rows("SELECT MetricsRequested > 0, Requests, Points, Trouble FROM lambda_poller_state FINAL")
    assert state == [(1, world.aws.calls["GetMetricData"], 1020, "")]


def test_minutes_that_are_not_finished_are_not_asked_for_and_late_changes_are(world: World) -> None:
    now = int(NOW.timestamp())
    put_points(world, 1, at=NOW.replace(second=0) - timedelta(minutes=2))
    job = world.job(inventory={"enabled": False})
    due = job.run(now)
    assert world.rows("SELECT count() FROM lambda_metrics") == [(0,)]
    assert now < due <= now + 300
    # A long invocation that began in a minute which was read before ends now. The minute settles 18 minutes after its
    # end, and the last of these runs may be as late as ten minutes from now.
    minute = NOW.replace(second=0) - timedelta(minutes=7)
    put_points(world, 1, at=minute)
    job.run(due)
    put_points(world, 1, at=minute)
    job.run(due + 300)
    assert world.rows(
        f"SELECT Sum FROM lambda_metrics FINAL WHERE MetricName = 'Invocations' AND Time = {int(minute.timestamp())}"
    ) == [(6,)]


def test_a_restart_goes_on_where_the_last_one_stopped(world: World) -> None:
    put_points(world, 1)
    world.job(inventory={"enabled": False}).run(int(NOW.timestamp()))
    (before,) = world.rows("SELECT toUnixTimestamp(Through) FROM lambda_poller_state FINAL")
    away_s = 7200
    put_points(world, 1, at=NOW.replace(second=0) + timedelta(minutes=20))
    world.job(inventory={"enabled": False}).run(int(NOW.timestamp()) + away_s)
    assert world.rows("SELECT toUnixTimestamp(Through) FROM lambda_poller_state FINAL")[0][0] == before[0] + away_s
    assert world.rows("SELECT count() FROM lambda_metrics FINAL WHERE MetricName = 'Throttles'") == [(4,)]


def test_throttling_is_waited_out_and_not_lost(world: World) -> None:
    put_points(world, 1)
    world.aws.faults["GetMetricData"] = ["Throttling", "ThrottlingException"]
    world.aws.faults["ListMetrics"] = ["Throttling"]
    world.job(inventory={"enabled": False}).run(int(NOW.timestamp()))
    assert world.rows("SELECT count() FROM lambda_metrics FINAL WHERE MetricName = 'Throttles'") == [(2,)]
    assert world.aws.calls["GetMetricData"] == 3


def test_trouble_is_said_and_backed_off_from_and_ends(world: World) -> None:
    put_points(world, 1)
    now = int(NOW.timestamp())
    job = world.job(inventory={"enabled": False})
    world.aws.faults["ListMetrics"] = ["AccessDenied", "AccessDenied", "AccessDenied"]
    waits = []
    for _ in range(3):
        due = job.run(now)
        waits.append(due - now)
        now = due
    assert waits == [300, 600, 1200]
    assert "AccessDenied" in world.rows("SELECT Trouble FROM lambda_poller_state FINAL")[0][0]
    job.run(now)
    assert world.rows("SELECT Trouble FROM lambda_poller_state FINAL") == [("",)]


def test_expired_credentials_are_renewed(world: World) -> None:
    put_points(world, 1)
    world.aws.faults["GetMetricData"] = ["ExpiredTokenException"]
    world.job(inventory={"enabled": False}).run(int(NOW.timestamp()))
    assert world.rows("SELECT count() FROM lambda_metrics FINAL WHERE MetricName = 'Throttles'") == [(2,)]


def test_another_account_is_entered_by_its_role(world: World) -> None:
    role = "arn:aws:iam::210987654321:role/lambdascope-poller"
    account = {"role_arn": role, "external_id": "secret-id", "regions": [REGION]}
    credentials = world.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    other = boto3.client(
        "cloudwatch",
        region_name=REGION,
        endpoint_url=world.aws.url,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    data = {"MetricName": "Invocations", "Dimensions": [{"Name": "FunctionName", "Value": "there"}], "Value": 1.0}
    other.put_metric_data(Namespace="AWS/Lambda", MetricData=[{**data, "Timestamp": MINUTE}])
    world.job(accounts=[account], inventory={"enabled": False}).run(int(NOW.timestamp()))
    assert world.rows("SELECT AccountId, Dimensions['FunctionName'] FROM lambda_metrics") == [("210987654321", "there")]


def test_a_backfill_says_its_cost_first_then_its_progress_and_is_done_once(world: World) -> None:
    put_points(world, 2, at=NOW.replace(second=0) - timedelta(hours=30))
    said: list[str] = []
    metrics = {"backfill_h": 48, "usd_per_1000": 0.01}
    world.job(said, metrics=metrics, inventory={"enabled": False}).run(int(NOW.timestamp()))
    assert "metrics requested, about $" in said[0]
    assert [line.split(": ")[1].split(",")[0] for line in said[1:]] == ["1 of 2", "2 of 2"]
    assert world.rows("SELECT count() FROM lambda_metrics FINAL WHERE MetricName = 'Throttles'") == [(4,)]
    said.clear()
    world.job(said, metrics=metrics, inventory={"enabled": False}).run(int(NOW.timestamp()) + 300)
    assert said == []


# Inventory -----------------------------------------------------------------------------------------------------------


def test_the_inventory_has_functions_limits_mappings_versions_and_retention(world: World) -> None:
    functions = world.client("lambda")
    for index in range(5):
        make_function(world, f"f{index}")
    functions.put_function_concurrency(FunctionName="f1", ReservedConcurrentExecutions=0)
    functions.put_function_concurrency(FunctionName="f2", ReservedConcurrentExecutions=7)
    version = functions.publish_version(FunctionName="f3")["Version"]
    functions.create_alias(
        FunctionName="f3", Name="live", FunctionVersion=version, RoutingConfig={"AdditionalVersionWeights": {"1": 0.25}}
    )
    world.aws.provisioned["f3"] = [
        {
            "FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f3:live",
            "RequestedProvisionedConcurrentExecutions": 4,
            "AvailableProvisionedConcurrentExecutions": 3,
            "Status": "IN_PROGRESS",
        }
    ]
    world.client("kinesis").create_stream(StreamName="clicks", ShardCount=2)
    world.client("kinesis").increase_stream_retention_period(StreamName="clicks", RetentionPeriodHours=72)
    arn = world.client("kinesis").describe_stream_summary(StreamName="clicks")["StreamDescriptionSummary"]["StreamARN"]
    functions.create_event_source_mapping(
        EventSourceArn=arn, FunctionName="f4", BatchSize=50, StartingPosition="LATEST"
    )
    world.aws.page_size = 2
    world.aws.account_limits = (1000, 993)
    world.job(metrics={"enabled": False}).run(int(NOW.timestamp()))

    assert world.rows(
        "SELECT FunctionName, Runtime, MemorySizeMB, TimeoutS, Architecture, ReservedConcurrency, "
        "ProvisionedConcurrency, EventSources, isNotNull(LastModified) FROM lambda_functions ORDER BY FunctionName"
    ) == [
        (f"f{index}", "python3.12", 256, 7, "arm64", reserved, provisioned, sources, 1)
        for index, reserved, provisioned, sources in (
            (0, None, None, []),
            (1, 0, None, []),
            (2, 7, None, []),
            (3, None, 4, []),
            (4, None, None, [arn]),
        )
    ]
    assert world.rows("SELECT ConcurrentExecutions, UnreservedConcurrentExecutions FROM lambda_account_limits") == [
        (1000, 993)
    ]
    assert world.rows(
        "SELECT FunctionName, EventSourceArn, Kind, State, BatchSize FROM lambda_event_source_mappings"
    ) == [("f4", arn, "kinesis", "Enabled", 50)]
    assert world.rows(
        "SELECT FunctionName, Qualifier, Kind, FunctionVersion, Weights, ProvisionedConcurrency, ProvisionedStatus "
        "FROM lambda_function_versions ORDER BY Kind"
    ) == [
        ("f3", "live", "alias", "1", {"1": 0.25}, 4, "IN_PROGRESS"),
        ("f3", "1", "version", "1", {}, None, ""),
    ]
    assert world.rows("SELECT EventSourceArn, RetentionS, Shards FROM lambda_event_sources") == [(arn, 72 * 3600, 2)]


def test_every_poll_adds_to_the_history_and_asks_again_only_for_what_may_have_changed(world: World) -> None:
    make_function(world, "f")
    job = world.job(metrics={"enabled": False})
    now = int(NOW.timestamp())
    due = job.run(now)
    asked = world.aws.calls["GetFunctionConcurrency"]
    job.run(due)
    assert world.aws.calls["GetFunctionConcurrency"] == asked
    world.client("lambda").put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=5)
    world.aws.account_limits = (1000, 995)
    job.run(due + 300)
    assert [row[0] for row in world.rows("SELECT ReservedConcurrency FROM lambda_functions ORDER BY PolledAt")] == [
        None,
        None,
        5,
    ]


def test_a_part_that_may_not_be_read_costs_only_itself(world: World) -> None:
    make_function(world, "f")
    world.aws.faults["ListEventSourceMappings"] = ["AccessDeniedException"]
    world.aws.faults["GetAccountSettings"] = ["AccessDeniedException"]
    world.job(metrics={"enabled": False}).run(int(NOW.timestamp()))
    assert world.rows("SELECT FunctionName FROM lambda_functions") == [("f",)]
    trouble = world.rows("SELECT Trouble FROM lambda_poller_state FINAL WHERE Job = 'inventory'")[0][0]
    assert "get_account_settings" in trouble
    assert "list_event_source_mappings" in trouble


# In the collector ----------------------------------------------------------------------------------------------------


def test_a_collector_polls_beside_receiving(world: World, tmp_path: Path) -> None:
    put_points(world, 1)
    make_function(world, "f0")
    settings = tmp_path / "aws.yaml"
    settings.write_text(f"regions: [{REGION}]\nendpoint_url: {world.aws.url}\n", encoding="utf-8")
    with running_collector("--aws", str(settings), "--linger-ms", "50") as process, process.sql() as client:
        wait_for_rows(client, "SELECT FunctionName FROM lambda_functions", 1)
        found = wait_for_rows(client, "SELECT Sum FROM lambda_metrics WHERE MetricName = 'Invocations'", 2)
    assert found == [(3.0,), (3.0,)]


WRONG = {
    "metrics: {evry_s: 60}": "there is no field 'evry_s'",
    "metrics: {every_s: 61}": "metrics.every_s: 61 is not whole minutes",
    "regions: [mars]": "regions such as eu-west-1",
    "accounts: [{role_arn: 5}]": "accounts[0].role_arn: 5 is not text",
    "{": "aws.yaml",
}


@pytest.mark.parametrize("content", WRONG)
def test_a_file_that_is_wrong_is_named_with_what_is_wanted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "aws.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(AwsConfigError) as raised:
        load(path)
    assert WRONG[content] in str(raised.value)
    assert str(path) in str(raised.value)
