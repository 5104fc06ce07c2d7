"""Every exception of the collector.

::

    CollectorError
    ├── SetupError                 a setting, file, port or store is not usable: one line, exit code 2
    ├── RequestError               what a request is refused with; the type decides the gRPC code and the HTTP status
    │   ├── MalformedError         INVALID_ARGUMENT, 400: sending it again cannot help
    │   ├── UnsupportedTypeError   UNIMPLEMENTED, 415
    │   ├── UnauthenticatedError   UNAUTHENTICATED, 401: no token, or not one of ours
    │   ├── TooLargeError          RESOURCE_EXHAUSTED without RetryInfo, 413
    │   └── UnavailableError       UNAVAILABLE with RetryInfo, 503 with Retry-After: send it again later
    │       └── ThrottledError     UNAVAILABLE with RetryInfo, 429 with Retry-After: the client's own rate is used up
    ├── Http2Error                 a client breaks HTTP/2: its connection ends with GOAWAY
    └── StoreError                 ClickHouse did not take what it was given
        ├── StoreUnavailableError  transient: the same again, later
        ├── StoreRefusedError      permanent: the same again would be refused again
        └── UndecodedError         ClickHouse cannot decode the requests: we do it, and send rows
"""

from __future__ import annotations


class CollectorError(Exception):
    """Base of all of them."""


class SetupError(CollectorError):
    """The process cannot start as it was told to. The message names the thing."""


class RequestError(CollectorError):
    """A request that is not accepted. The message is sent to the client."""


class MalformedError(RequestError):
    """The bytes are not what their type says."""


class UnsupportedTypeError(RequestError):
    """A content type or encoding that the collector does not read."""


class UnauthenticatedError(RequestError):
    """No token, or one that is not known."""


class TooLargeError(RequestError):
    """Larger than the limit, before or after decompression."""


class UnavailableError(RequestError):
    """The collector cannot take it now.

    Attributes:
        retry_after_s: seconds after which to send the same request again.
    """

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ThrottledError(UnavailableError):
    """The client has used up its rate."""


class Http2Error(CollectorError):
    """What a client sends is not HTTP/2 as RFC 9113 has it.

    Attributes:
        code: of section 7, which it is told.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class StoreError(CollectorError):
    """ClickHouse did not take what it was given."""


class StoreUnavailableError(StoreError):
    """It may take the same later: not reachable, out of memory or disk, time out."""


class StoreRefusedError(StoreError):
    """It would refuse the same again: a value or a statement that it cannot take."""


class UndecodedError(StoreError):
    """It cannot decode the requests as they came, and has stored nothing of them."""
