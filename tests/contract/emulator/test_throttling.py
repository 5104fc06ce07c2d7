"""The documented answers to a request over a limit.

Source: "Invoke" of the Lambda API reference (TooManyRequestsException), "Understanding concurrency" of the guide.
"""

import pytest

from emulator.concurrency import Limiter
from emulator.errors import InvokeError


def reason(limiter, function):
    with pytest.raises(InvokeError, match="Rate Exceeded") as refused:
        limiter.acquire(function)
    assert (refused.value.status, refused.value.error_type) == (429, "TooManyRequestsException")
    assert refused.value.body["message"] == "Rate Exceeded."
    assert refused.value.body["Type"] == "User"
    return refused.value.body["Reason"]


def test_the_accounts_limit():
    limiter = Limiter(2, {})
    limiter.acquire("a")
    limiter.acquire("b")

    assert reason(limiter, "a") == "ConcurrentInvocationLimitExceeded"
    limiter.release("b")
    limiter.acquire("a")


def test_reserved_concurrency_is_a_limit_and_a_guarantee():
    limiter = Limiter(3, {"kept": 2})
    limiter.acquire("other")

    assert reason(limiter, "other") == "ConcurrentInvocationLimitExceeded"
    limiter.acquire("kept")
    limiter.acquire("kept")
    assert reason(limiter, "kept") == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_reserved_concurrency_of_zero_turns_a_function_off():
    assert reason(Limiter(10, {"off": 0}), "off") == "ReservedFunctionConcurrentInvocationLimitExceeded"
