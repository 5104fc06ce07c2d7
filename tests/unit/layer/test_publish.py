"""Publishing: what goes where, and that a dry run calls nobody."""

from __future__ import annotations

import boto3
import pytest
from botocore.stub import Stubber

from deploy.publish import MOST_BYTES, main


@pytest.fixture
def dist(tmp_path):
    for architecture in ("x86_64", "arm64"):
        (tmp_path / f"layer-{architecture}.zip").write_bytes(architecture.encode())
    return tmp_path


class Regions:
    """Stubbed clients, one per region."""

    def __init__(self) -> None:
        self.stubbers: dict[str | None, Stubber] = {}

    def stubber(self, region: str) -> Stubber:
        if region not in self.stubbers:
            client = boto3.client("lambda", region_name=region, aws_access_key_id="a", aws_secret_access_key="b")
            self.stubbers[region] = Stubber(client)
            self.stubbers[region].activate()
        return self.stubbers[region]

    def client(self, region):
        return self.stubbers[region].client

    def expect(self, region: str, architecture: str) -> str:
        arn = f"arn:aws:lambda:{region}:123456789012:layer:lambdascope:{len(architecture)}"
        self.stubber(region).add_response(
            "publish_layer_version",
            {"LayerVersionArn": arn},
            {
                "LayerName": "lambdascope",
                "Description": "Lambdascope: what an AWS Lambda fleet is doing",
                "Content": {"ZipFile": architecture.encode()},
                "CompatibleArchitectures": [architecture],
                "LicenseInfo": "Apache-2.0",
            },
        )
        return f"{region} {architecture} {arn}"


@pytest.fixture
def regions():
    made = Regions()
    yield made
    for stubber in made.stubbers.values():
        stubber.assert_no_pending_responses()


def no_client(region):
    raise AssertionError(f"a client for {region} was asked for")


def test_publishes_every_built_architecture_in_every_region_and_prints_the_arns(dist, regions, capsys):
    expected = [regions.expect(r, a) for r in ("eu-central-1", "us-east-1") for a in ("x86_64", "arm64")]
    assert main(["--region", "eu-central-1", "--region", "us-east-1"], regions.client, dist) == 0
    assert capsys.readouterr().out.splitlines() == expected


def test_prints_what_was_published_before_a_failure(dist, regions, capsys):
    expected = regions.expect("eu-central-1", "x86_64")
    regions.stubber("eu-central-1").add_client_error("publish_layer_version", "CodeStorageExceededException", "full")
    assert main(["--region", "eu-central-1"], regions.client, dist) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [expected]
    assert "CodeStorageExceededException" in printed.err


def test_a_dry_run_says_what_would_be_published_and_calls_nobody(dist, capsys):
    assert main(["--region", "eu-west-1", "--arch", "arm64", "--dry-run"], no_client, dist) == 0
    assert capsys.readouterr().out == "eu-west-1 arm64 would publish lambdascope, 0.0 MB\n"


def test_names_what_is_to_be_built_first(dist, tmp_path, capsys):
    (dist / "layer-arm64.zip").unlink()
    assert main(["--arch", "arm64"], no_client, dist) == 1
    assert main([], no_client, tmp_path / "empty") == 1
    printed = capsys.readouterr().err
    assert "run `make layer ARCH=arm64`" in printed
    assert "run `make layer ARCH=x86_64`" in printed


def test_refuses_what_lambda_does_not_take(dist, capsys):
    with (dist / "layer-x86_64.zip").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    assert main([], no_client, dist) == 1
    assert "more than 50 MB" in capsys.readouterr().err
