"""The documented answer to a request over a limit. The limits themselves are the model's, with tests of their own.

Source: "Invoke" of the Lambda API reference (TooManyRequestsException), "Understanding concurrency" of the guide.
"""

import pytest

from emulator.model import Reason
from emulator.service import too_many_requests


@pytest.mark.parametrize("reason", list(Reason))
def test_a_throttled_request_has_status_429_and_a_reason(reason):
    refused = too_many_requests(reason)

    assert (refused.status, refused.error_type) == (429, "TooManyRequestsException")
    assert refused.body == {"message": "Rate Exceeded.", "Reason": reason, "Type": "User"}
