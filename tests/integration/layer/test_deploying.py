"""The commands that publish, check and attach, as one runs them, against an AWS API that really listens."""

from __future__ import annotations

import io
import os
import subprocess
import zipfile

import boto3
import pytest
from moto.server import ThreadedMotoServer

from deploy.layer.launcher import TARGETS, host_architecture
from tests.support.layer import REPOSITORY, layer_zip

pytestmark = pytest.mark.layer

ARCHITECTURE = host_architecture()
OTHER = next(each for each in TARGETS if each != ARCHITECTURE)
REGIONS = ["eu-central-1", "us-east-1"]
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example.com:4318"}


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGIONS[0],
    }
    server.stop()


@pytest.fixture
def client(moto):
    def make(service: str, region: str = REGIONS[0]):
        return boto3.client(
            service, region_name=region, endpoint_url=moto["AWS_ENDPOINT_URL"], aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )  # fmt: skip

    return make


@pytest.fixture
def run(moto, tmp_path):
    def start(command: str, *arguments: str, status: int = 0) -> str:
        done = subprocess.run(
            [REPOSITORY / "deploy" / command, *arguments],
            cwd=tmp_path, env={"PATH": os.environ["PATH"], **moto}, capture_output=True, text=True, check=False,
            timeout=60,
        )  # fmt: skip
        assert done.returncode == status, (done.stdout, done.stderr)
        return done.stdout

    return start


@pytest.fixture
def create(client):
    """Creates a function; gives its name."""
    role = client("iam").create_role(RoleName=f"r-{os.urandom(4).hex()}", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "")

    def new(name: str, **more: object) -> str:
        configuration = {
            "Runtime": "python3.11", "Handler": "app.handler", "MemorySize": 512,
            "Environment": {"Variables": ENDPOINT}, "Architectures": [ARCHITECTURE], **more,
        }  # fmt: skip
        client("lambda").create_function(
            FunctionName=name, Role=role, Code={"ZipFile": code.getvalue()}, **configuration
        )
        return name

    return new


@pytest.fixture
def published(run):
    """The ARN of the layer for the functions' architecture."""
    (line,) = run("publish-layer", "--region", REGIONS[0], "--arch", ARCHITECTURE).splitlines()
    return line.split()[2]


def layers_of(client, name: str) -> list[str]:
    configuration = client("lambda").get_function_configuration(FunctionName=name)
    return [layer["Arn"] for layer in configuration.get("Layers", [])]


def test_publishes_to_every_region_and_prints_the_arns(run, client):
    regions = [word for region in REGIONS for word in ("--region", region)]
    assert "would publish lambdascope" in run("publish-layer", *regions, "--arch", ARCHITECTURE, "--dry-run")
    assert client("lambda").list_layer_versions(LayerName="lambdascope")["LayerVersions"] == []
    lines = [line.split() for line in run("publish-layer", *regions, "--arch", ARCHITECTURE).splitlines()]
    assert [(region, architecture) for region, architecture, _ in lines] == [
        (region, ARCHITECTURE) for region in REGIONS
    ]
    for region, _, arn in lines:
        version = client("lambda", region).get_layer_version(LayerName=arn[:-2], VersionNumber=1)
        assert version["CompatibleArchitectures"] == [ARCHITECTURE]
        assert version["Content"]["CodeSize"] == layer_zip().stat().st_size


def test_attaches_to_many_functions_and_undoes_it(run, client, create, published, tmp_path):
    other = client("lambda").publish_layer_version(LayerName="other", Content={"ZipFile": b"PK"})["LayerVersionArn"]
    names = [create("orders-a"), create("orders-b", Layers=[other]), create("users")]
    would = run("attach", "orders-*", "--layer", published, "--dry-run").splitlines()
    assert would == [f"would change {name}: +{published}" for name in names[:2]]
    run("attach", "orders-*", "--layer", published, "--undo-file", "undo.jsonl")
    assert [layers_of(client, name) for name in names] == [[published], [other, published], []]
    run("attach", "--undo", str(tmp_path / "undo.jsonl"))
    assert [layers_of(client, name) for name in names] == [[], [other], []]


def test_a_newer_version_takes_the_place_of_the_older_and_every_one_is_removed(run, client, create, published):
    name = create("payments", Layers=[published])
    newer = run("publish-layer", "--arch", ARCHITECTURE).split()[2]
    assert newer != published
    run("attach", name, "--layer", newer)
    assert layers_of(client, name) == [newer]
    run("attach", name, "--layer", published, "--remove", "--undo-file", "again.jsonl")
    assert layers_of(client, name) == []


def test_the_doctor_reads_configuration_and_routes(run, client, create):
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24")["Subnet"]["SubnetId"] for number in range(2)
    ]
    group = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"][0]["GroupId"]
    network = {"SubnetIds": subnets, "SecurityGroupIds": [group]}
    healthy = create("healthy")
    closed = create("closed", VpcConfig=network, MemorySize=128)
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/other"}
    bare = create("bare", Environment={"Variables": variables}, Architectures=[OTHER])
    said = run("doctor", healthy, closed, bare, "--architecture", ARCHITECTURE, status=1).splitlines()
    assert [line.split(": ")[:3] for line in said] == [
        [healthy, "nothing stands in the way"],
        [closed, "warning", f"in a VPC without a way out of {', '.join(subnets)}"],
        [closed, "warning", "128 MB of memory"],
        [bare, "error", f"layer for {ARCHITECTURE}"],
        [bare, "error", "no endpoint"],
        [bare, "warning", "AWS_LAMBDA_EXEC_WRAPPER is taken"],
    ]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    gateway = ec2.create_nat_gateway(SubnetId=subnets[0], AllocationId=address)["NatGateway"]["NatGatewayId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=gateway)
    for subnet in subnets:
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    assert "way out" not in run("doctor", closed)
