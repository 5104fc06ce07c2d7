"""``deploy/doctor FUNCTION…``: what stands in the way of attaching the layer to a function, and what to do.

Reads the function's configuration (``lambda:GetFunctionConfiguration``), for one in a VPC the routes of its subnets
(``ec2:DescribeRouteTables``, if that is allowed), and changes nothing. Exit status 1 where the layer would not work, 0
otherwise. Source of the limits: AWS, "Lambda quotas" and "Working with Lambda extensions".
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from deploy.network import closed_subnets, is_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_LAYERS: Final = 5
MOST_UNZIPPED_MB: Final = 250
LAYER_UNZIPPED_MB: Final = 20
"""The most that the default layer takes unzipped; ``make layer-report`` has the exact figure."""
SMALL_MEMORY_MB: Final = 128
OUR_WRAPPER: Final = "/opt/lambdascope/wrapper"
USUAL_RATIO: Final = 3
"""Unzipped to zipped size of code, as a guess: Lambda tells the zipped one only."""

_ENDPOINT: Final = re.compile(r"(LAMBDASCOPE_)?OTEL_EXPORTER_OTLP_(TRACES_|LOGS_)?ENDPOINT")

Clients = Callable[[str], Any]
"""boto3's client for a service, by its name."""

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found; `advice` says what to do. An error means that the layer would not work."""

    severity: Severity
    subject: str
    advice: str


@dataclass(frozen=True, slots=True)
class Function:
    """What of a function's configuration matters to the layer.

    Attributes:
        architecture: x86_64 or arm64.
        layers: ARNs of the layer versions that it has.
        zipped_bytes: of its code and its layers, as Lambda tells them.
        wrapper: AWS_LAMBDA_EXEC_WRAPPER; empty where it is not set.
        vpc: the VPC's identifier; empty where it is in none.
        subnets: of that VPC, in which its network interfaces are.
        endpoint: where to export to; empty where its environment does not say.
    """

    name: str
    architecture: str
    is_image: bool
    layers: tuple[str, ...]
    zipped_bytes: int
    memory_mb: int
    wrapper: str
    vpc: str
    subnets: tuple[str, ...]
    on_managed_instances: bool
    endpoint: str


def function_from(configuration: Mapping[str, Any]) -> Function:
    """Read the answer of ``GetFunctionConfiguration``."""
    variables = configuration.get("Environment", {}).get("Variables", {})
    layers = configuration.get("Layers", [])
    network = configuration.get("VpcConfig", {})
    endpoints = (value for name, value in sorted(variables.items()) if _ENDPOINT.fullmatch(name) and value)
    return Function(
        name=configuration["FunctionName"],
        architecture=configuration.get("Architectures", ["x86_64"])[0],
        is_image=configuration.get("PackageType") == "Image",
        layers=tuple(layer["Arn"] for layer in layers),
        zipped_bytes=configuration.get("CodeSize", 0) + sum(layer.get("CodeSize", 0) for layer in layers),
        memory_mb=configuration.get("MemorySize", SMALL_MEMORY_MB),
        wrapper=variables.get("AWS_LAMBDA_EXEC_WRAPPER", ""),
        vpc=network.get("VpcId", ""),
        subnets=tuple(network.get("SubnetIds", ())),
        on_managed_instances=bool(configuration.get("CapacityProviderConfig")),
        endpoint=next(endpoints, ""),
    )


def findings(function: Function, layer_architecture: str, closed: tuple[str, ...] | None = None) -> Iterator[Finding]:
    """What is to be said of attaching the layer for `layer_architecture`; nothing where all is well.

    `closed` are those of its subnets from which nothing outside the VPC is reached; None where that is not known.
    """
    if function.is_image:
        yield Finding("error", "container image", "it takes no layers: copy the unpacked layer into the image's /opt")
    else:
        yield from _room_findings(function)
    if function.architecture != layer_architecture:
        advice = f"the function is {function.architecture}: take the layer that is built for it"
        yield Finding("error", f"layer for {layer_architecture}", advice)
    if not function.endpoint:
        yield Finding("error", "no endpoint", "set OTEL_EXPORTER_OTLP_ENDPOINT to the address of your collector")
    if function.vpc and not is_private(function.endpoint):
        yield from _network_findings(closed)
    if function.wrapper not in {"", OUR_WRAPPER}:
        advice = (
            f"{function.wrapper} stays in place, and Lambda allows one: do without Lambdascope's, "
            f"or set AWS_LAMBDA_EXEC_WRAPPER={OUR_WRAPPER} and LAMBDASCOPE_NEXT_WRAPPER={function.wrapper}"
        )
        yield Finding("warning", "AWS_LAMBDA_EXEC_WRAPPER is taken", advice)
    if function.memory_mb <= SMALL_MEMORY_MB:
        advice = "an export takes some 50 ms there, which is billed: see the settings of flushing, or give it more"
        yield Finding("warning", f"{function.memory_mb} MB of memory", advice)
    if function.on_managed_instances:
        yield Finding("note", "Lambda Managed Instances", "exports follow a clock, since there is no end of invocation")


def _network_findings(closed: tuple[str, ...] | None) -> Iterator[Finding]:
    if closed is None:
        advice = "make sure that its subnets reach the collector: by address in the VPC, or through a NAT gateway"
        yield Finding("warning", "in a VPC", advice)
    elif closed:
        advice = (
            "it reaches the collector only by an address in the VPC; else give its subnets a route to a NAT gateway "
            "(one to an internet gateway does not serve functions)"
        )
        yield Finding("warning", f"in a VPC without a way out of {', '.join(closed)}", advice)


def _room_findings(function: Function) -> Iterator[Finding]:
    ours = [arn for arn in function.layers if arn.split(":")[6:7] == ["lambdascope"]]
    if ours:
        yield Finding("note", "already attached", f"{ours[0]} is replaced, rather than added to")
    elif len(function.layers) >= MOST_LAYERS:
        yield Finding("error", f"{len(function.layers)} layers", f"Lambda allows {MOST_LAYERS}: remove or merge one")
    zipped_mb = function.zipped_bytes / 1e6
    if zipped_mb + LAYER_UNZIPPED_MB > MOST_UNZIPPED_MB:
        advice = f"with {LAYER_UNZIPPED_MB} MB more it exceeds {MOST_UNZIPPED_MB} MB unzipped: make it smaller"
        yield Finding("error", f"{zipped_mb:.0f} MB of code and layers", advice)
    elif zipped_mb * USUAL_RATIO + LAYER_UNZIPPED_MB > MOST_UNZIPPED_MB:
        advice = (
            f"that is zipped; unzipped, and with {LAYER_UNZIPPED_MB} MB more, it must not exceed {MOST_UNZIPPED_MB} MB"
        )
        yield Finding("warning", f"{zipped_mb:.0f} MB of code and layers", advice)


def report(function: Function, found: list[Finding]) -> str:
    """What is printed."""
    lines = [f"{finding.severity}: {finding.subject}: {finding.advice}" for finding in found]
    return "\n".join(f"{function.name}: {line}" for line in lines or ["nothing stands in the way"])


def _closed_subnets(function: Function, clients: Clients) -> tuple[str, ...] | None:
    """Those from which nothing outside is reached; None where we may not ask."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - so that --help is quick

    try:
        pages = clients("ec2").get_paginator("describe_route_tables").paginate()
        tables = [table for page in pages for table in page["RouteTables"]]
    except (BotoCoreError, ClientError):
        return None
    return closed_subnets(tables, function.vpc, function.subnets)


def main(arguments: list[str], clients: Clients | None = None) -> int:
    """Check the functions that are named; the exit status."""
    parser = argparse.ArgumentParser(prog="deploy/doctor", description="Check functions before attaching the layer.")
    parser.add_argument("function", nargs="+", help="name or ARN")
    parser.add_argument("--region", help="where it is not set otherwise")
    parser.add_argument("--architecture", choices=("x86_64", "arm64"), help="of the layer; default: the function's own")
    given = parser.parse_args(arguments)
    import boto3  # noqa: PLC0415 - so that --help is quick
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - likewise

    def configured(service: str) -> Any:
        return boto3.client(service, region_name=given.region)

    clients = clients or configured
    status = 0
    for name in given.function:
        try:
            function = function_from(clients("lambda").get_function_configuration(FunctionName=name))
        except (BotoCoreError, ClientError) as error:
            print(f"{name}: error: {error}", file=sys.stderr)
            status = 1
            continue
        closed = _closed_subnets(function, clients) if function.vpc else ()
        found = list(findings(function, given.architecture or function.architecture, closed))
        print(report(function, found))
        status = max(status, int(any(finding.severity == "error" for finding in found)))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
