"""Paths, headers and limits of Lambda's HTTP APIs, as its documentation names them."""

from __future__ import annotations

from typing import Final

# Invoke API -----------------------------------------------------------------------------------------------------------

INVOKE_PATH: Final = "/2015-03-31/functions/{name}/invocations"
STREAM_PATH: Final = "/2021-11-15/functions/{name}/response-streaming-invocations"
MAX_PAYLOAD_BYTES: Final = 6 * 1024 * 1024
"""Of a synchronous request and of its answer."""
MAX_STREAM_BYTES: Final = 200 * 1024 * 1024
"""Of a streamed answer."""
FAST_STREAM_BYTES: Final = 6 * 1024 * 1024
"""Of it, what is passed on at any speed."""
SLOW_STREAM_BYTES_PER_S: Final = 2 * 1024 * 1024
"""The speed of the rest."""
MAX_EVENT_PAYLOAD_BYTES: Final = 1024 * 1024
"""Of an asynchronous request."""
LOG_TAIL_BYTES: Final = 4096
TRACE_HEADER: Final = "X-Amzn-Trace-Id"
LOG_SINK_BYTES: Final = 256 * 1024
"""A longer line of log becomes several records."""

# Runtime API ----------------------------------------------------------------------------------------------------------

RUNTIME_API_PORT: Final = 9001
RUNTIME_PATH: Final = "/2018-06-01/runtime"
REQUEST_ID: Final = "Lambda-Runtime-Aws-Request-Id"
DEADLINE: Final = "Lambda-Runtime-Deadline-Ms"
INVOKED_ARN: Final = "Lambda-Runtime-Invoked-Function-Arn"
TRACE_ID: Final = "Lambda-Runtime-Trace-Id"
CLIENT_CONTEXT: Final = "Lambda-Runtime-Client-Context"
FUNCTION_ERROR_TYPE: Final = "Lambda-Runtime-Function-Error-Type"
FUNCTION_ERROR_BODY: Final = "Lambda-Runtime-Function-Error-Body"
"""A trailer: the error as JSON, in base64."""
RESPONSE_MODE: Final = "Lambda-Runtime-Function-Response-Mode"
STREAMING: Final = "streaming"

# Credentials ----------------------------------------------------------------------------------------------------------

CREDENTIALS_PATH: Final = "/2021-04-23/credentials"
CREDENTIALS_TOKEN: Final = "emulated"  # noqa: S105 - opens nothing
ACCESS_KEY_ID: Final = "ASIAEMULATEDEXAMPLE0"
SECRET: Final = "emulated"  # noqa: S105 - opens nothing

# Extensions API -------------------------------------------------------------------------------------------------------

EXTENSION_PATH: Final = "/2020-01-01/extension"
EXTENSION_NAME: Final = "Lambda-Extension-Name"
EXTENSION_ID: Final = "Lambda-Extension-Identifier"
EXTENSION_EVENT_ID: Final = "Lambda-Extension-Event-Identifier"
EXTENSION_FEATURES: Final = "Lambda-Extension-Accept-Feature"
EXTENSION_ERROR_TYPE: Final = "Lambda-Extension-Function-Error-Type"
MAX_EXTENSIONS: Final = 10
DISABLE_EXTENSIONS_FILE: Final = "disable-extensions-jwigqn8j"
"""A file of this name at the top of /opt turns all extensions off."""

# Telemetry API --------------------------------------------------------------------------------------------------------

LOGS_PATH: Final = "/2020-08-15/logs"
"""Of the Logs API, which the Telemetry API has taken the place of."""
TELEMETRY_PATH: Final = "/2022-07-01/telemetry"
SANDBOX_HOSTS: Final = ("sandbox.localdomain", "sandbox")
