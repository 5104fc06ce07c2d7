"""A request to the Telemetry API, checked by the documented rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from emulator import wire
from emulator.errors import SandboxApiError

SCHEMA_VERSIONS: Final = ("2022-07-01", "2022-12-13", "2025-01-29")
MANAGED_VERSIONS: Final = SCHEMA_VERSIONS[2:]
"""What Managed Instances accept."""
TYPES: Final = ("platform", "function", "extension")
HTTP: Final = "HTTP"
TCP: Final = "TCP"
PROTOCOLS: Final = (HTTP, TCP)
_METHODS: Final = ("POST", "PUT")


@dataclass(frozen=True, slots=True)
class Range:
    """A number's default and limits."""

    default: int
    least: int
    most: int


BUFFERING: Final = {
    "maxItems": Range(10_000, 1_000, 10_000),
    "maxBytes": Range(262_144, 262_144, 1_048_576),
    "timeoutMs": Range(1_000, 25, 30_000),
}


@dataclass(frozen=True, slots=True)
class Buffering:
    """When a batch is sent: at whichever of these comes first."""

    max_items: int
    max_bytes: int
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Destination:
    """Where records are sent."""

    protocol: str
    port: int
    path: str = "/"
    """Of HTTP, as the method."""
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Subscription:
    """What an extension wants, and where."""

    schema_version: str
    types: tuple[str, ...]
    buffering: Buffering
    destination: Destination


def parse(body: Any, versions: Sequence[str] = SCHEMA_VERSIONS) -> Subscription:
    """Check a request's JSON. Raises SandboxApiError (400 ValidationError) that names the field, value and rule."""
    if not isinstance(body, dict):
        raise _invalid("request body must be a JSON object")
    _reject_unknown(body, ("schemaVersion", "types", "buffering", "destination"), "")
    version = body.get("schemaVersion", SCHEMA_VERSIONS[0])
    if version not in versions:
        raise _invalid(f"/schemaVersion: must be one of {', '.join(versions)} but found {version!r}")
    destination = _destination(body.get("destination"))
    return Subscription(version, _types(body.get("types")), _buffering(body.get("buffering")), destination)


def _types(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _invalid("/types: must be an array")
    if not value:
        raise _invalid("/types: minimum 1 items required, but found 0 items")
    for item in value:
        if item not in TYPES:
            raise _invalid(f"/types: must be one of {', '.join(TYPES)} but found {item!r}")
    return tuple(dict.fromkeys(value))


def _buffering(value: Any) -> Buffering:
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise _invalid("/buffering: must be an object")
    _reject_unknown(value, tuple(BUFFERING), "/buffering")
    items, size, timeout = (_number(name, value.get(name), limits) for name, limits in BUFFERING.items())
    return Buffering(items, size, timeout)


def _number(name: str, value: Any, limits: Range) -> int:
    if value is None:
        return limits.default
    if not isinstance(value, int) or isinstance(value, bool):
        raise _invalid(f"/buffering/{name}: must be an integer but found {value!r}")
    if value < limits.least:
        raise _invalid(f"/buffering/{name}: must be >= {limits.least} but found {value}")
    if value > limits.most:
        raise _invalid(f"/buffering/{name}: must be <= {limits.most} but found {value}")
    return value


def _destination(value: Any) -> Destination:
    if not isinstance(value, dict):
        raise _invalid("/destination: must be an object")
    _reject_unknown(value, ("protocol", "URI", "method", "encoding", "port"), "/destination")
    protocol = value.get("protocol")
    if protocol not in PROTOCOLS:
        raise _invalid(f"/destination/protocol: must be one of {', '.join(PROTOCOLS)} but found {protocol!r}")
    if protocol == TCP:
        return Destination(TCP, _tcp_port(value))
    method = value.get("method", "POST")
    if method not in _METHODS:
        raise _invalid(f"/destination/method: must be one of {', '.join(_METHODS)} but found {method!r}")
    if value.get("encoding", "JSON") != "JSON":
        raise _invalid(f"/destination/encoding: must be JSON but found {value['encoding']!r}")
    port, path = _address(value.get("URI"))
    return Destination(HTTP, port, path, method)


def _tcp_port(value: dict[str, Any]) -> int:
    port = value.get("port")
    if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65_535:
        raise _invalid(f"/destination/port: must be a port but found {port!r}")
    return _not_reserved(port, "port")


def _not_reserved(port: int, field: str) -> int:
    if port == wire.RUNTIME_API_PORT:
        raise _invalid(f"Invalid destination: destination.{field} {port} is reserved")
    return port


def _address(uri: Any) -> tuple[int, str]:
    if not isinstance(uri, str):
        raise _invalid("/destination/URI: must be a string")
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise _invalid(f"Invalid destination: destination.URI is not a URI: {error}") from error
    if parts.scheme != "http":
        raise _invalid("Invalid destination: destination.URI scheme must be http")
    if parts.hostname not in wire.SANDBOX_HOSTS:
        raise _invalid("Invalid destination: destination.URI host must be sandbox.localdomain")
    if not port:
        raise _invalid("Invalid destination: destination.URI port must be specified")
    return _not_reserved(port, "URI port"), parts.path or "/"


def _reject_unknown(value: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in value:
        if key not in known:
            raise _invalid(f"{where}/{key}: is not known; known are {', '.join(known)}")


def _invalid(message: str) -> SandboxApiError:
    return SandboxApiError(400, "ValidationError", message)
