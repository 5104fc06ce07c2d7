"""Paths, headers and versions of Lambda's APIs. Constants only.

Source: "Using the Lambda Extensions API" and "Lambda Telemetry API" of the AWS Lambda Developer Guide.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

REGISTER_PATH: Final = "/2020-01-01/extension/register"
NEXT_PATH: Final = "/2020-01-01/extension/event/next"
TELEMETRY_PATH: Final = "/2022-07-01/telemetry"

EXTENSION_NAME: Final = "lambdascope"
"""The file name of the layer's entry in /opt/extensions: Lambda refuses any other name."""
NAME_HEADER: Final = "Lambda-Extension-Name"
FEATURE_HEADER: Final = "Lambda-Extension-Accept-Feature"
IDENTIFIER_HEADER: Final = "Lambda-Extension-Identifier"

SANDBOX_HOST: Final = "sandbox.localdomain"
"""The only host that a telemetry destination may name."""
SCHEMA_VERSIONS: Final = ("2025-01-29", "2022-07-01")
"""Newest first; the next one is tried where the platform rejects one with 400."""
BUFFER_MAX_ITEMS: Final = 1000
BUFFER_MAX_BYTES: Final = 262144
BUFFER_TIMEOUT_MS: Final = 25
"""The least that Lambda allows: the end of an invocation is known this much after the fact."""

MANAGED_INSTANCES: Final = "lambda-managed-instances"
"""The value of AWS_LAMBDA_INITIALIZATION_TYPE where extensions may not register for INVOKE."""
