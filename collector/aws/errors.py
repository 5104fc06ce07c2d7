"""Exceptions beside those of :mod:`collector.errors`.

::

    collector.errors.CollectorError
    ├── SetupError
    │   └── AwsConfigError     the file of accounts and regions is not as it should be; names the field
    └── AwsError               AWS did not answer, or not with what was asked for; the same again later may help
"""

from __future__ import annotations

from collector.errors import CollectorError, SetupError


class AwsConfigError(SetupError):
    """The message names the file, the field and what is wanted."""


class AwsError(CollectorError):
    """The message has the operation and AWS's own code and text.

    Attributes:
        code: AWS's, such as ``ThrottlingException``; empty where there was no answer.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code
