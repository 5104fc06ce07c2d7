"""What can go wrong, as one tree.

::

    EmulatorError
    ├── StartupError            bad input or a machine that cannot do it: one line, exit code 2
    │   └── ScenarioError       a scenario file that is missing or wrong
    ├── IsolationError          a holder or a process could not be started
    └── ApiError                an answer of an HTTP API other than success
        ├── InvokeError         of the invoke API: AWS's error body and x-amzn-ErrorType
        └── SandboxApiError     of the Runtime, Extensions and Telemetry APIs: errorType and errorMessage
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class EmulatorError(Exception):
    """Base of all errors of this package."""


class StartupError(EmulatorError):
    """The emulator cannot start as asked. The message is one line that names the thing."""


class ScenarioError(StartupError):
    """A scenario file is missing or wrong. The message names the file, the field, its value and what is accepted."""


class IsolationError(EmulatorError):
    """A sandbox's holder or one of its processes could not be started."""


class ApiError(EmulatorError):
    """An HTTP answer other than success."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.message = message


class InvokeError(ApiError):
    """An error of the invoke API, in the form that AWS's SDKs read."""

    def __init__(
        self, status: int, error_type: str, message: str, *, message_key: str = "Message", **members: Any
    ) -> None:
        super().__init__(status, error_type, message)
        self.body: Mapping[str, Any] = {**members, message_key: message}


class SandboxApiError(ApiError):
    """An error of one of the APIs inside a sandbox."""

    @property
    def body(self) -> Mapping[str, Any]:
        """The answer's JSON."""
        return {"errorMessage": self.message, "errorType": self.error_type}
