"""The doctor: every rule on its own, and the command against botocore's model of the API."""

from __future__ import annotations

import boto3
import pytest
from botocore.stub import Stubber

from deploy.doctor import findings, function_from, main
from deploy.network import closed_subnets

ARN = "arn:aws:lambda:eu-central-1:123456789012:layer:{}:1"
VARIABLES = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
HEALTHY = {
    "FunctionName": "f",
    "Architectures": ["arm64"],
    "PackageType": "Zip",
    "CodeSize": 1_000_000,
    "MemorySize": 512,
    "Environment": {"Variables": VARIABLES},
}


def layers(*names: str, size: int = 1000) -> dict[str, object]:
    return {"Layers": [{"Arn": ARN.format(name), "CodeSize": size} for name in names]}


def found(changes: dict[str, object], closed: tuple[str, ...] | None = None) -> list[tuple[str, str]]:
    function = function_from({**HEALTHY, **changes})
    return [(finding.severity, finding.subject) for finding in findings(function, "arm64", closed)]


def test_nothing_stands_in_the_way_of_a_usual_function():
    assert found({}) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"Architectures": ["x86_64"]}, ("error", "layer for arm64")),
        ({"PackageType": "Image"}, ("error", "container image")),
        (layers("a", "b", "c", "d", "e"), ("error", "5 layers")),
        (layers("a", "b", "c", "d", "lambdascope"), ("note", "already attached")),
        ({"CodeSize": 240_000_000}, ("error", "240 MB of code and layers")),
        (layers("a", "b", size=50_000_000), ("warning", "101 MB of code and layers")),
        ({"MemorySize": 128}, ("warning", "128 MB of memory")),
        ({"VpcConfig": {"VpcId": "vpc-1", "SubnetIds": ["s"]}}, ("warning", "in a VPC")),
        (
            {"CapacityProviderConfig": {"LambdaManagedInstancesCapacityProviderConfig": {}}},
            ("note", "Lambda Managed Instances"),
        ),
        ({"Environment": {"Variables": {}}}, ("error", "no endpoint")),
        ({"Environment": {}}, ("error", "no endpoint")),
    ],
)
def test_names_what_stands_in_the_way(changes, expected):
    assert found(changes) == [expected]


@pytest.mark.parametrize("changes", [{"VpcConfig": {"VpcId": ""}}, layers("a", "b", "c", "d"), {"MemorySize": 129}])
def test_says_nothing_of_what_is_well(changes):
    assert found(changes) == []


@pytest.mark.parametrize("name", ["LAMBDASCOPE_OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_knows_every_name_of_the_endpoint(name):
    assert found({"Environment": {"Variables": {name: "http://c:4318"}}}) == []


def test_names_a_wrapper_that_is_taken():
    variables = {**VARIABLES, "AWS_LAMBDA_EXEC_WRAPPER": "/opt/otel"}
    assert found({"Environment": {"Variables": variables}}) == [("warning", "AWS_LAMBDA_EXEC_WRAPPER is taken")]


def test_finds_nothing_wrong_with_our_own_wrapper():
    variables = {**VARIABLES, "AWS_LAMBDA_EXEC_WRAPPER": "/opt/lambdascope/wrapper"}
    assert found({"Environment": {"Variables": variables}}) == []


IN_VPC: dict[str, object] = {"VpcConfig": {"VpcId": "vpc-1", "SubnetIds": ["a", "b"]}}


@pytest.mark.parametrize(
    ("closed", "expected"),
    [
        (None, [("warning", "in a VPC")]),
        ((), []),
        (("a", "b"), [("warning", "in a VPC without a way out of a, b")]),
    ],
)
def test_tells_a_vpc_without_a_way_out_from_one_that_has_one(closed, expected):
    assert found(IN_VPC, closed) == expected


def test_an_address_in_the_vpc_needs_no_way_out():
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://10.0.0.5:4318"}
    assert found({**IN_VPC, "Environment": {"Variables": variables}}, ("a", "b")) == []


def table(
    *routes: dict[str, str], subnets: tuple[str, ...] = (), main: bool = False, vpc: str = "vpc-1"
) -> dict[str, object]:
    associations = [{"SubnetId": subnet} for subnet in subnets] + ([{"Main": True}] if main else [])
    local = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}
    return {"VpcId": vpc, "Routes": [local, *routes], "Associations": associations}


OUT = {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active"}


@pytest.mark.parametrize(
    ("tables", "closed"),
    [
        ([table(OUT, main=True)], ()),
        ([table(OUT, main=True, vpc="vpc-2"), table(main=True)], ("a", "b")),
        ([table(OUT, subnets=("a", "b")), table(main=True)], ()),
        ([table(OUT, subnets=("a",)), table(main=True)], ("b",)),
        ([table(subnets=("a",)), table(OUT, main=True)], ("a",)),
        ([table({**OUT, "State": "blackhole"}, main=True)], ("a", "b")),
        ([table({"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"}, main=True)], ("a", "b")),
        ([table({"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "vgw-1"}, main=True)], ()),
        ([table({"DestinationCidrBlock": "192.168.0.0/16", "TransitGatewayId": "t"}, main=True)], ("a", "b")),
        ([table({"DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "e"}, main=True)], ()),
        ([], ("a", "b")),
    ],
)
def test_reads_from_routes_which_subnets_are_closed(tables, closed):
    """By "Enable internet access for VPC-connected Lambda functions": it takes a NAT gateway or the like."""
    assert closed_subnets(tables, "vpc-1", ["a", "b"]) == closed


@pytest.fixture
def aws():
    client = boto3.client("lambda", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


def test_the_command_checks_each_function_and_goes_on_where_one_is_not_there(aws, capsys):
    client, stubber = aws
    stubber.add_response("get_function_configuration", HEALTHY, {"FunctionName": "f"})
    stubber.add_client_error("get_function_configuration", "ResourceNotFoundException", "Function not found: g")
    stubber.add_response("get_function_configuration", {**HEALTHY, "FunctionName": "h", "MemorySize": 128})
    assert main(["f", "g", "h"], lambda _: client) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0] == "f: nothing stands in the way"
    assert printed.out.splitlines()[1].startswith("h: warning: 128 MB of memory: ")
    assert "Function not found: g" in printed.err


@pytest.mark.parametrize(("architecture", "status"), [("arm64", 0), ("x86_64", 1)])
def test_the_exit_status_tells_whether_the_layer_would_work(aws, architecture, status):
    client, stubber = aws
    stubber.add_response("get_function_configuration", HEALTHY)
    assert main(["f", "--architecture", architecture], lambda _: client) == status
