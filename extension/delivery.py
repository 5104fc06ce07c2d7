"""What the collector's answer to an export means: the rules of the OTLP specification, "OTLP/HTTP Response". Pure."""

from __future__ import annotations

from extension.protobuf import Fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from extension.http_message import Message

ACCEPTED: Final = "accepted"
RETRY: Final = "retry"
REFUSED: Final = "refused"

_RETRYABLE = frozenset({429, 502, 503, 504})
LONGEST_RETRY_AFTER_S = 3600.0


class Verdict:
    """What is to be done with a batch.

    Attributes:
        outcome: ACCEPTED, RETRY (keep it) or REFUSED (drop it; it would be refused again).
        rejected: how many items of an accepted batch the collector left out.
        retry_after_s: how long the collector wants to be left alone.
        reason: for the log line.
        unauthenticated: whether other credentials might make a difference.
    """

    __slots__ = ("outcome", "reason", "rejected", "retry_after_s", "unauthenticated")

    def __init__(
        self,
        outcome: str,
        reason: str = "",
        *,
        rejected: int = 0,
        retry_after_s: float = 0.0,
        unauthenticated: bool = False,
    ) -> None:
        self.outcome = outcome
        self.reason = reason
        self.rejected = rejected
        self.retry_after_s = retry_after_s
        self.unauthenticated = unauthenticated


def judge(answer: Message) -> Verdict:
    """Read the collector's answer."""
    status = answer.status
    if 200 <= status < 300:
        rejected, message = partial_success(answer.body)
        return Verdict(ACCEPTED, message or _oddity(answer), rejected=rejected)
    reason = f"HTTP {status}"
    if status in _RETRYABLE:
        return Verdict(RETRY, reason, retry_after_s=_retry_after_s(answer.headers.get("retry-after", "")))
    return Verdict(REFUSED, reason, unauthenticated=status in {401, 403})


def _oddity(answer: Message) -> str:
    """What is to be told of a success: that it comes from something that knows nothing of OTLP, say a web page."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()
    if kind.startswith("text/html"):
        return f"HTTP {answer.status} with a page of {kind}; this is hardly the address of a collector"
    return ""


def partial_success(body: bytes) -> tuple[int, str]:
    """How many items were rejected, and why: field 1 of an Export…ServiceResponse. JSON and the like count as none."""
    rejected, message = 0, ""
    try:
        for number, value in Fields(body):
            if number == 1 and isinstance(value, bytes):
                for inner, content in Fields(value):
                    if inner == 1 and isinstance(content, int):
                        rejected = content
                    elif inner == 2 and isinstance(content, bytes):
                        message = content.decode("utf-8", "replace")
    except ValueError:
        return 0, ""
    return rejected, message


def _retry_after_s(value: str) -> float:
    """Seconds of a Retry-After header; 0 for a date, for which the usual back-off serves."""
    seconds = float(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0.0
    return min(seconds, LONGEST_RETRY_AFTER_S)
