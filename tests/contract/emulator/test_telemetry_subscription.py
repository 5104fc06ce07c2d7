"""The rules of ``PUT /2022-07-01/telemetry``.

Source: "Lambda Telemetry API reference" of the Lambda developer guide; the wording of range errors is that of AWS's
Runtime Interface Emulator.
"""

from typing import Any

import pytest

from emulator.errors import SandboxApiError
from emulator.telemetry.subscription import Buffering, Destination, parse

GOOD = {
    "schemaVersion": "2025-01-29",
    "types": ["platform", "function"],
    "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25},
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/in"},
}


def changed(path, value):
    body = {key: dict(item) if isinstance(item, dict) else item for key, item in GOOD.items()}
    *folders, last = path.split("/")
    place: Any = body
    for folder in folders:
        place = place[folder]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return body


def test_a_full_request():
    subscription = parse(GOOD)

    assert subscription.types == ("platform", "function")
    assert subscription.buffering == Buffering(max_items=1000, max_bytes=262144, timeout_ms=25)
    assert subscription.destination == Destination("HTTP", 8080, "/in", "POST")


def test_defaults():
    """maxItems 10,000, maxBytes 256 KB, timeoutMs 1,000; the first schema version; POST."""
    body = changed("buffering", None)
    del body["schemaVersion"]

    subscription = parse(body)

    assert subscription.buffering == Buffering(max_items=10_000, max_bytes=262_144, timeout_ms=1_000)
    assert subscription.schema_version == "2022-07-01"


@pytest.mark.parametrize("version", ["2022-07-01", "2022-12-13", "2025-01-29"])
def test_every_schema_version(version):
    assert parse(changed("schemaVersion", version)).schema_version == version


@pytest.mark.parametrize("host", ["sandbox.localdomain", "sandbox"])
def test_every_name_of_the_sandbox(host):
    assert parse(changed("destination/URI", f"http://{host}:4243")).destination.port == 4243


def test_a_tcp_destination_is_a_port():
    """Telemetry API reference, "Destination": for TCP, a port and no URI."""
    body = {**GOOD, "destination": {"protocol": "TCP", "port": 8080}}

    assert parse(body).destination == Destination("TCP", 8080)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schemaVersion", "2023-01-01", "/schemaVersion: must be one of"),
        ("types", [], "/types: minimum 1 items required"),
        ("types", ["logs"], "/types: must be one of platform, function, extension but found 'logs'"),
        ("types", None, "/types: must be an array"),
        ("buffering/maxItems", 10, "/buffering/maxItems: must be >= 1000 but found 10"),
        ("buffering/maxItems", 10_001, "/buffering/maxItems: must be <= 10000 but found 10001"),
        ("buffering/maxBytes", 262_143, "/buffering/maxBytes: must be >= 262144 but found 262143"),
        ("buffering/maxBytes", 1_048_577, "/buffering/maxBytes: must be <= 1048576 but found 1048577"),
        ("buffering/timeoutMs", 10, "/buffering/timeoutMs: must be >= 25 but found 10"),
        ("buffering/timeoutMs", 30_001, "/buffering/timeoutMs: must be <= 30000 but found 30001"),
        ("buffering/timeoutMs", "25", "/buffering/timeoutMs: must be an integer but found '25'"),
        ("buffering/more", 1, "/buffering/more: is not known"),
        ("destination", None, "/destination: must be an object"),
        ("destination/protocol", "UDP", "/destination/protocol: must be one of HTTP, TCP but found 'UDP'"),
        ("destination", {"protocol": "TCP"}, "/destination/port: must be a port but found None"),
        ("destination", {"protocol": "TCP", "port": "80"}, "/destination/port: must be a port but found '80'"),
        ("destination", {"protocol": "TCP", "port": 9001}, "destination.port 9001 is reserved"),
        ("destination/method", "GET", "/destination/method: must be one of POST, PUT but found 'GET'"),
        ("destination/encoding", "XML", "/destination/encoding: must be JSON"),
        ("destination/URI", "http://localhost:80", "destination.URI host must be sandbox.localdomain"),
        ("destination/URI", "http://127.0.0.1:80", "destination.URI host must be sandbox.localdomain"),
        ("destination/URI", "http://sandbox.localdomain", "destination.URI port must be specified"),
        ("destination/URI", "http://sandbox.localdomain:9001", "port 9001 is reserved"),
        ("destination/URI", "http://sandbox.localdomain:99999", "destination.URI is not a URI"),
        ("destination/URI", "https://sandbox.localdomain:80", "destination.URI scheme must be http"),
    ],
)
def test_a_wrong_request_is_a_validation_error_that_names_the_field(path, value, message):
    with pytest.raises(SandboxApiError) as refused:
        parse(changed(path, value))

    assert (refused.value.status, refused.value.error_type) == (400, "ValidationError")
    assert message in refused.value.message


@pytest.mark.parametrize("body", [None, [], "text"])
def test_the_body_must_be_an_object(body):
    with pytest.raises(SandboxApiError, match="JSON object"):
        parse(body)
