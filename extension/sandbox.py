"""What the sandbox's environment says of itself, and the resource that is made of it."""

from __future__ import annotations

import posix

from extension import __version__
from semconv import attributes as a

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_BYTES_PER_MB = 1_048_576
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_ARN_PARTS_WITHOUT_QUALIFIER = 7


class SandboxEnvironment:
    """The variables that Lambda itself sets. Empty where they are missing.

    Attributes:
        memory_mb: 0 where it is not known.
        log_group, log_stream: not among an extension's variables; set by whoever has found them out.
    """

    __slots__ = (
        "function_name",
        "function_version",
        "initialization_type",
        "log_group",
        "log_stream",
        "memory_mb",
        "region",
        "runtime_api",
    )

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.runtime_api = environ.get("AWS_LAMBDA_RUNTIME_API", "")
        self.function_name = environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
        self.function_version = environ.get("AWS_LAMBDA_FUNCTION_VERSION", "")
        memory = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
        self.memory_mb = int(memory) if memory.isascii() and memory.isdigit() else 0
        self.region = environ.get("AWS_REGION", "") or environ.get("AWS_DEFAULT_REGION", "")
        self.initialization_type = environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", "")
        self.log_group = self.log_stream = ""


def resource_attributes(
    sandbox: SandboxEnvironment,
    instance_id: str,
    account_id: str,
    invoked_arn: str | None,
    service_name: str,
    more: tuple[tuple[str, str], ...],
) -> dict[str, object]:
    """The resource of every export: docs/span-model.md. What is unknown is left out; of `more`, what is not ours."""
    arn = function_arn(invoked_arn, sandbox.function_version)
    known: dict[str, object] = {
        a.SERVICE_NAME: service_name or dict(more).get(a.SERVICE_NAME, "") or sandbox.function_name,
        a.CLOUD_PROVIDER: "aws",
        a.CLOUD_PLATFORM: "aws_lambda",
        a.CLOUD_REGION: sandbox.region or _arn_part(arn, 3),
        a.CLOUD_ACCOUNT_ID: account_id or _arn_part(arn, 4),
        a.CLOUD_RESOURCE_ID: arn,
        a.FAAS_NAME: sandbox.function_name,
        a.FAAS_VERSION: sandbox.function_version,
        a.FAAS_INSTANCE: instance_id,
        a.FAAS_MAX_MEMORY: sandbox.memory_mb * _BYTES_PER_MB,
        a.AWS_LOG_GROUP_NAMES: [sandbox.log_group] if sandbox.log_group else [],
        a.AWS_LOG_STREAM_NAMES: [sandbox.log_stream] if sandbox.log_stream else [],
        a.HOST_ARCH: _ARCHITECTURES.get(posix.uname().machine, ""),
        a.TELEMETRY_DISTRO_NAME: "lambdascope",
        a.TELEMETRY_DISTRO_VERSION: __version__,
    }
    return {**dict(more), **{name: value for name, value in known.items() if value}}


def function_arn(invoked_arn: str | None, version: str) -> str:
    """The ARN of the function with its version: what was invoked may have an alias in that place."""
    if not invoked_arn:
        return ""
    parts = invoked_arn.split(":")[:_ARN_PARTS_WITHOUT_QUALIFIER]
    return ":".join([*parts, version] if version else parts)


def _arn_part(arn: str, index: int) -> str:
    parts = arn.split(":")
    return parts[index] if index < len(parts) else ""
