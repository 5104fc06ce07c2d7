"""Everything that can go wrong here, as one tree.

::

    ExtensionError
    ├── HttpError                 an exchange over HTTP did not come to its end
    │   ├── ConnectError          no connection: refused, unreachable, unknown host, TLS refused
    │   ├── ConnectionLost        the connection ended in the middle of an exchange
    │   ├── CredentialsUnavailable  the secret that an export needs is not to be had now
    │   ├── DeadlineExceeded      the time for the exchange was up
    │   └── MalformedMessage      the other side does not speak HTTP/1.1, or says more than is accepted
    ├── ApiRefused                the Extensions or Telemetry API answered with an error; has its status
    └── MalformedRecord           one telemetry record that cannot be understood

No error leaves the process as a failure of the function: ``agent`` catches :class:`ExtensionError` at its edges.
"""

from __future__ import annotations


class ExtensionError(Exception):
    """Base of all errors of this package."""


class HttpError(ExtensionError):
    """An exchange over HTTP did not come to its end."""


class ConnectError(HttpError):
    """No connection: refused, unreachable, unknown host, TLS refused."""


class ConnectionLost(HttpError):  # noqa: N818 - says what happened, as ConnectionResetError's siblings do
    """The connection ended in the middle of an exchange.

    Attributes:
        answered: whether a part of the answer had come, so that the other side is known to have had the request.
    """

    def __init__(self, message: str, *, answered: bool) -> None:
        super().__init__(message)
        self.answered = answered


class CredentialsUnavailable(HttpError):  # noqa: N818 - says what is missing
    """The secret that an export needs is not to be had now."""


class DeadlineExceeded(HttpError):  # noqa: N818 - the vocabulary of gRPC's status codes
    """The time for the exchange was up."""


class MalformedMessage(HttpError):  # noqa: N818 - a noun phrase, like its siblings
    """The other side does not speak HTTP/1.1, or says more than is accepted."""


class ApiRefused(ExtensionError):  # noqa: N818 - says what happened
    """The Extensions or Telemetry API answered with an error.

    Attributes:
        status: the HTTP status.
        body: the start of the answer's body, for the log line.
    """

    def __init__(self, what: str, status: int, body: str) -> None:
        super().__init__(f"{what} was answered with HTTP {status}: {body}" if body else f"{what}: HTTP {status}")
        self.status = status
        self.body = body


class MalformedRecord(ExtensionError):  # noqa: N818 - a noun phrase, like its siblings
    """One telemetry record that cannot be understood."""
