"""What all event sources share: outcomes, samples of their metrics, and back-off."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from emulator.clock import NS_PER_S

MAX_EVENT_BYTES: Final = 6 * 1024 * 1024
"""Of a synchronous invocation's payload, so of a batch too."""


class Outcome(Enum):
    """How an invocation ended, as its source sees it."""

    SUCCESS = auto()
    FUNCTION_ERROR = auto()
    """The function returned an error, crashed or timed out."""
    NOT_INVOKED = auto()
    """Throttled, or a fault of the service: the function never saw the events."""


class Condition:
    """``requestContext.condition`` of an invocation record.

    AWS's pages show RetryAttemptsExhausted for streams and RetriesExhausted for asynchronous invocation. They show no
    record of events that grew too old, nor of a function turned off; those words are ours.
    """

    STREAM_RETRIES: Final = "RetryAttemptsExhausted"
    STREAM_AGE: Final = "RecordAgeExceeded"
    ASYNC_RETRIES: Final = "RetriesExhausted"
    ASYNC_AGE: Final = "EventAgeExceeded"
    ASYNC_DISABLED: Final = "ZeroReservedConcurrency"


@dataclass(frozen=True, slots=True)
class MetricSample:
    """A sample of a CloudWatch metric of this source: its name in AWS/Lambda, when, and the value."""

    metric: str
    at_ns: int
    value: float


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that double from a first to a longest."""

    first_s: float
    longest_s: float

    def delay_ns(self, failures: int) -> int:
        """The delay after that many failures in a row, which is at least 1."""
        return round(min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 60)) * NS_PER_S)
