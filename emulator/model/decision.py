"""Lambda's answer to a request, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from emulator.model.sandbox import Sandbox


class Reason(StrEnum):
    """``Reason`` in the body of a 429, as Lambda's API model lists them (``ThrottleReason``)."""

    CONCURRENT = "ConcurrentInvocationLimitExceeded"
    RATE = "FunctionInvocationRateLimitExceeded"
    RESERVED_CONCURRENT = "ReservedFunctionConcurrentInvocationLimitExceeded"
    RESERVED_RATE = "ReservedFunctionInvocationRateLimitExceeded"
    CALLER_RATE = "CallerRateLimitExceeded"


class Cause(StrEnum):
    """What was exhausted. Finer than Lambda's reasons, which callers alone see and which fold some causes together."""

    ACCOUNT_CONCURRENCY = "account_concurrency"
    RESERVED_CONCURRENCY = "reserved_concurrency"
    RESERVED_ZERO = "reserved_zero"
    SCALING_RATE = "scaling_rate"
    ACCOUNT_REQUEST_RATE = "account_request_rate"
    RESERVED_REQUEST_RATE = "reserved_request_rate"
    CALLER_REQUEST_RATE = "caller_request_rate"


@dataclass(frozen=True, slots=True)
class Admitted:
    """The request has a sandbox. Report its end with ``finished`` or ``lost``."""

    sandbox: Sandbox
    cold: bool
    """The sandbox is new: the request waits for its init."""
    spilled_over: bool
    """The version has provisioned concurrency, and none of it was free."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """The request is answered with status 429."""

    cause: Cause
    reason: Reason


Decision = Admitted | Throttled

THROTTLES: Final[Mapping[tuple[Cause, bool], Throttled]] = {
    (cause, reserved): Throttled(cause, reason)
    for cause, of_unreserved, of_reserved in (
        (Cause.ACCOUNT_CONCURRENCY, Reason.CONCURRENT, Reason.CONCURRENT),
        (Cause.RESERVED_CONCURRENCY, Reason.RESERVED_CONCURRENT, Reason.RESERVED_CONCURRENT),
        (Cause.RESERVED_ZERO, Reason.RESERVED_CONCURRENT, Reason.RESERVED_CONCURRENT),
        # AWS does not say which reason the scaling rate has; the reasons of concurrency are the ones that fit.
        (Cause.SCALING_RATE, Reason.CONCURRENT, Reason.RESERVED_CONCURRENT),
        (Cause.ACCOUNT_REQUEST_RATE, Reason.RATE, Reason.RATE),
        (Cause.RESERVED_REQUEST_RATE, Reason.RESERVED_RATE, Reason.RESERVED_RATE),
        (Cause.CALLER_REQUEST_RATE, Reason.CALLER_RATE, Reason.CALLER_RATE),
    )
    for reserved, reason in ((False, of_unreserved), (True, of_reserved))
}
"""The answer by cause and by whether the function has reserved concurrency."""
