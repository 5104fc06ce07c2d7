"""Whether a function in a VPC reaches anything outside it: read from the route tables of its subnets.

A function's network interfaces have private addresses only, so a route to an internet gateway serves them nothing: it
takes a NAT gateway or something else that forwards. Source: AWS, "Giving Lambda functions access to resources in an
Amazon VPC" and "Enable internet access for VPC-connected Lambda functions".
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EVERYWHERE: Final = frozenset({"0.0.0.0/0", "::/0"})
_FORWARDERS: Final = (
    "NatGatewayId", "TransitGatewayId", "NetworkInterfaceId", "InstanceId", "EgressOnlyInternetGatewayId",
    "LocalGatewayId", "CarrierGatewayId", "CoreNetworkArn", "VpcPeeringConnectionId",
)  # fmt: skip
"""Keys of a route whose target forwards what comes from a private address, or may do so."""


def closed_subnets(tables: Sequence[Mapping[str, Any]], vpc: str, subnets: Sequence[str]) -> tuple[str, ...]:
    """Those of `subnets` of `vpc` from which no route leads out of it (`tables`: of ``DescribeRouteTables``)."""
    main: Mapping[str, Any] = {}
    explicit: dict[str, Mapping[str, Any]] = {}
    for table in tables:
        for association in table.get("Associations", ()):
            if association.get("Main") and table.get("VpcId") == vpc:
                main = table
            elif "SubnetId" in association:
                explicit[association["SubnetId"]] = table
    return tuple(subnet for subnet in subnets if not _leads_out(explicit.get(subnet, main)))


def _leads_out(table: Mapping[str, Any]) -> bool:
    for route in table.get("Routes", ()):
        destination = route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock")
        gateway = route.get("GatewayId", "")
        forwards = any(route.get(key) for key in _FORWARDERS) or gateway.startswith("vgw-")
        if destination in _EVERYWHERE and forwards and route.get("State", "active") == "active":
            return True
    return False


def is_private(endpoint: str) -> bool:
    """Whether the host of a URL is an address that routers of the internet do not forward. A name is not."""
    try:
        return ipaddress.ip_address(urlsplit(endpoint).hostname or "").is_private
    except ValueError:
        return False
