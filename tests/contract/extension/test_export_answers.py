"""What each answer of a collector means. Source: OTLP specification, "OTLP/HTTP Response" and "…Throttling"."""

import pytest

from extension.delivery import judge
from extension.http_message import Message


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "accepted"), (202, "accepted"), (301, "refused"), (400, "refused"), (401, "refused"), (404, "refused"),
     (413, "refused"), (429, "retry"), (500, "refused"), (501, "refused"), (502, "retry"), (503, "retry"),
     (504, "retry")],
)  # fmt: skip
def test_status(status, outcome):
    assert judge(Message(f"HTTP/1.1 {status} Whatever", {}, b"")).outcome == outcome


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0), ("-1", 0.0), ("99999999", 3600.0), ("", 0.0)],
)
def test_retry_after(value, seconds):
    assert judge(Message("HTTP/1.1 503 Busy", {"retry-after": value}, b"")).retry_after_s == seconds
