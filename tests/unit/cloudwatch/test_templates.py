"""deploy/cloudformation: valid by cfn-lint, and no right more or less than the code and the services use."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from collector.cloudwatch.registry import METRICS

ROOT = Path(__file__).parents[3]
TEMPLATES = sorted((ROOT / "deploy" / "cloudformation").glob("*.yaml"))
CODE = sorted((ROOT / "collector" / "aws").glob("*.py"))
WITHOUT_PERMISSION = {"sts:GetCallerIdentity"}
"""STS answers everybody who has credentials."""


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as what they hold."""


def _short_form(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _short_form)


def resources(template: str) -> dict[str, dict[str, Any]]:
    path = ROOT / "deploy" / "cloudformation" / template
    document = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    return dict(document["Resources"])


def allowed(role: dict[str, Any]) -> set[str]:
    statements = [one for policy in role["Properties"]["Policies"] for one in policy["PolicyDocument"]["Statement"]]
    assert all(one["Effect"] == "Allow" for one in statements)
    actions = [one["Action"] if isinstance(one["Action"], list) else [one["Action"]] for one in statements]
    return {action for group in actions for action in group}


def called() -> Iterator[tuple[str, str]]:
    """Service and operation of each call of :class:`collector.aws.sessions.Place` in the code."""
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            service, operation = node.args[:2]
            if name in {"call", "pages"} and isinstance(service, ast.Constant) and isinstance(operation, ast.Constant):
                yield str(service.value), str(operation.value)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_cfn_lint_finds_nothing(template: Path) -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint")), str(template)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (run.returncode, run.stdout) == (0, ""), run.stdout + run.stderr


def test_the_pollers_role_may_do_exactly_what_the_code_asks_for() -> None:
    actions = set()
    for service, operation in called():
        client = boto3.client(service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
        actions.add(f"{service}:{client.meta.method_to_api_mapping[operation]}")
    assert len(actions) > 8
    assert allowed(resources("poller-role.yaml")["Poller"]) == actions - WITHOUT_PERMISSION


def test_no_role_has_wildcards_among_its_actions() -> None:
    for path in TEMPLATES:
        for resource in resources(path.name).values():
            if resource["Type"] == "AWS::IAM::Role":
                assert not any("*" in action for action in allowed(resource))


@pytest.mark.parametrize("template", ["metric-stream.yaml", "log-subscription.yaml"])
def test_firehose_delivers_as_the_endpoint_wants_it_and_backs_up_what_fails(template: str) -> None:
    found = resources(template)
    delivery = found["Delivery"]["Properties"]["HttpEndpointDestinationConfiguration"]
    assert delivery["RequestConfiguration"] == {"ContentEncoding": "GZIP"}
    assert delivery["BufferingHints"]["SizeInMBs"] <= 64
    assert delivery["S3BackupMode"] == "FailedDataOnly"
    assert delivery["SecretsManagerConfiguration"]["Enabled"] is True
    assert allowed(found["DeliveryRole"]) >= {"s3:PutObject", "secretsmanager:GetSecretValue", "logs:PutLogEvents"}


def test_the_stream_sends_metrics_that_the_registry_has() -> None:
    path = ROOT / "deploy" / "cloudformation" / "metric-stream.yaml"
    parameters = yaml.load(path.read_text(encoding="utf-8"), _Loader)["Parameters"]
    names = set(parameters["MetricNames"]["Default"].split(","))
    assert names <= {metric.metric_name for metric in METRICS}
    assert {"Throttles", "IteratorAge", "ConcurrentExecutions", "ClaimedAccountConcurrency"} <= names
