"""``deploy/publish-layer``: publish ``dist/layer-ARCHITECTURE.zip`` to regions, and print the ARNs.

One line per layer, ``REGION ARCHITECTURE ARN``. With ``--dry-run`` nothing is published, and the line says what
would be.
Needs ``lambda:PublishLayerVersion``. What has been published before a failure stays, and is printed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

DIST: Final = Path(__file__).resolve().parents[1] / "dist"
ARCHITECTURES: Final = ("x86_64", "arm64")
MOST_BYTES: Final = 50_000_000
"""Of a zip file that is sent with the request (AWS, "Lambda quotas")."""

Clients = Callable[[str | None], Any]
"""boto3's client for Lambda in a region; None is the configured one."""


class PublishError(Exception):
    """A layer cannot be published; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One layer version that is to be published. `region` None is the configured one."""

    region: str | None
    architecture: str
    name: str
    file: Path


def plans(regions: list[str], architectures: list[str], name: str, dist: Path = DIST) -> list[Plan]:
    """What is to be published: every architecture that is wanted, or else every one that is built, in each region.

    Raises:
        PublishError: nothing is built, or not what is wanted, or it is too large.
    """
    built = {each: dist / f"layer-{each}.zip" for each in ARCHITECTURES if (dist / f"layer-{each}.zip").is_file()}
    wanted = architectures or list(built)
    for architecture in wanted or ["x86_64"]:
        if architecture not in built:
            raise PublishError(f"{dist}/layer-{architecture}.zip is missing: run `make layer ARCH={architecture}`")
        if built[architecture].stat().st_size > MOST_BYTES:
            raise PublishError(
                f"{built[architecture]} has more than {MOST_BYTES // 10**6} MB, which Lambda does not take"
            )
    everywhere: list[str | None] = [*regions] or [None]
    return [Plan(region, each, name, built[each]) for region in everywhere for each in wanted]


def publish(planned: list[Plan], clients: Clients) -> Iterator[tuple[Plan, str]]:
    """Publish; each plan with the ARN of its layer version."""
    for plan in planned:
        client = clients(plan.region)
        answer = client.publish_layer_version(
            LayerName=plan.name,
            Description="Lambdascope: what an AWS Lambda fleet is doing",
            Content={"ZipFile": plan.file.read_bytes()},
            CompatibleArchitectures=[plan.architecture],
            LicenseInfo="Apache-2.0",
        )
        yield plan, answer["LayerVersionArn"]


def _boto3_client(region: str | None) -> Any:
    import boto3  # noqa: PLC0415 - a dry run does without it

    return boto3.client("lambda", region_name=region)


def main(arguments: list[str], clients: Clients = _boto3_client, dist: Path = DIST) -> int:
    """Publish what the arguments say; the exit status."""
    parser = argparse.ArgumentParser(prog="deploy/publish-layer", description="Publish the built layers to AWS Lambda.")
    parser.add_argument("--region", action="append", default=[], help="may be repeated; default: the configured one")
    parser.add_argument(
        "--arch", action="append", default=[], choices=ARCHITECTURES, help="default: all that are built"
    )
    parser.add_argument("--name", default="lambdascope", help="of the layer (default: %(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be published")
    given = parser.parse_args(arguments)
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - so that --help is quick

    try:
        planned = plans(given.region, given.arch, given.name, dist)
        if given.dry_run:
            for plan in planned:
                size_mb = plan.file.stat().st_size / 1e6
                where = plan.region or "configured-region"
                print(f"{where} {plan.architecture} would publish {plan.name}, {size_mb:.1f} MB")
            return 0
        for plan, arn in publish(planned, clients):
            print(f"{arn.split(':')[3]} {plan.architecture} {arn}", flush=True)
    except (PublishError, BotoCoreError, ClientError) as error:
        print(f"publish-layer: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
