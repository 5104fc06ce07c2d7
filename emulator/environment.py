"""The environment variables of a function's runtime and of its extensions, as Lambda sets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from emulator import wire
from emulator.model import InitType
from emulator.telemetry.records import MANAGED

HIDDEN_FROM_EXTENSIONS: Final = (
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "_HANDLER",
)
"""What the Extensions API's documentation says an extension does not see."""

_LIBRARY_PATH: Final = "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:{task}:{task}/lib:{layer}/lib"


@dataclass(frozen=True, slots=True)
class SandboxFacts:
    """What the variables are made from."""

    function: str
    version: str
    handler: str
    memory_mb: int
    region: str
    log_format: str
    log_stream: str
    initialization_type: str
    max_concurrency: int | None
    """How many requests the runtime serves at once, on Managed Instances; else None."""
    execution_environment: str | None
    runtime_api: str
    task_root: str
    layer_root: str


def of_runtime(facts: SandboxFacts, own: Mapping[str, str]) -> dict[str, str]:
    """The runtime's environment. ``own`` are the function's own variables, which win but for Lambda's reserved ones."""
    defaults = {
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": _LIBRARY_PATH.format(task=facts.task_root, layer=facts.layer_root),
        "PATH": f"/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:{facts.layer_root}/bin",
        "TZ": ":UTC",
    }
    reserved = {
        **_credentials(facts),
        "AWS_DEFAULT_REGION": facts.region,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(facts.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": facts.function,
        "AWS_LAMBDA_FUNCTION_VERSION": facts.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": facts.initialization_type,
        "AWS_LAMBDA_LOG_FORMAT": facts.log_format,
        "AWS_LAMBDA_RUNTIME_API": facts.runtime_api,
        "AWS_REGION": facts.region,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": facts.task_root,
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "_HANDLER": facts.handler,
    }
    if facts.initialization_type != InitType.SNAP_START:
        reserved["AWS_LAMBDA_LOG_GROUP_NAME"] = f"/aws/lambda/{facts.function}"
        reserved["AWS_LAMBDA_LOG_STREAM_NAME"] = facts.log_stream
    if facts.max_concurrency is not None:
        reserved["AWS_LAMBDA_MAX_CONCURRENCY"] = str(facts.max_concurrency)
    if facts.execution_environment is not None:
        reserved["AWS_EXECUTION_ENV"] = facts.execution_environment
    return {**defaults, **own, **reserved}


def _credentials(facts: SandboxFacts) -> dict[str, str]:
    """Fixed ones; where a process may outlive them, as in a snapshot, the place to fetch new ones from."""
    if facts.initialization_type in (InitType.SNAP_START, MANAGED):
        return {
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": wire.CREDENTIALS_TOKEN,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{facts.runtime_api}{wire.CREDENTIALS_PATH}",
        }
    return {
        "AWS_ACCESS_KEY_ID": wire.ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": wire.SECRET,
        "AWS_SESSION_TOKEN": wire.SECRET,
    }


def of_extension(of_the_runtime: Mapping[str, str]) -> dict[str, str]:
    """An extension's environment: the runtime's without what Lambda hides."""
    return {name: value for name, value in of_the_runtime.items() if name not in HIDDEN_FROM_EXTENSIONS}
