"""What the causes that SQL names mean, in words: a title and what to do. No Streamlit here.

The names are those of lambda_throttle_causes and lambda_stream_lag (docs/cloudwatch.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dashboard.text import UNKNOWN


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause as people read it."""

    title: str
    advice: str


THROTTLES: Final = {
    "reserved_concurrency": Cause(
        "Reserved concurrency used up", "Raise the function's reservation, or let its callers come more slowly."
    ),
    "reserved_request_rate": Cause(
        "Request rate of the reservation", "Short requests: 10 per second for each reserved sandbox. Reserve more."
    ),
    "reserved_zero": Cause("Reserved concurrency is 0", "Somebody switched the function off: remove the reservation."),
    "account_concurrency": Cause(
        "Account's concurrency used up", "See who took it below: reserve for the others, or ask AWS for a higher limit."
    ),
    "account_request_rate": Cause(
        "Account's request rate", "10 requests per second for each unit of the account's concurrency: ask for more."
    ),
    "scaling_rate": Cause(
        "Faster than Lambda adds sandboxes", "1,000 per function and 10 s: smooth the burst, or provision concurrency."
    ),
    "managed_instance_cpu": Cause("Managed instances: processor", "Let the capacity provider have more instances."),
    "managed_instance_memory": Cause("Managed instances: memory", "Let the capacity provider have more instances."),
    "managed_instance_disk": Cause("Managed instances: disk", "Let the capacity provider have more instances."),
    "managed_instance_concurrency": Cause(
        "Managed instances: concurrency", "Raise the concurrency of an execution environment, or add instances."
    ),
    "unknown": Cause("Not known", "No limit that is known was reached; deliver the inventory (docs/cloudwatch.md)."),
}

LAG: Final = {
    "poisoned_shard": Cause(
        "A shard stands still",
        "One record fails again and again: bound retries and age, and name a failure destination.",
    ),
    "slow_consumer": Cause(
        "The consumer is too slow",
        "Find what is slow, raise the batch size or the parallelization factor, or add shards.",
    ),
    "paused_mapping": Cause(
        "The mapping does not invoke", "Enable the event source mapping, or see why it cannot poll."
    ),
    "throttled": Cause("The consumer is throttled", "See the page Throttles for the limit that it met."),
    "catching_up": Cause("Catching up", "The age falls again: what waited is worked off."),
}

ASYNC: Final = {
    "reserved_zero": THROTTLES["reserved_zero"],
    "events_lost": Cause(
        "Events are lost", "Name a destination for failures, and see why attempts fail: errors, throttles, age."
    ),
}

FUNCTION: Final = {
    "stopped": Cause(
        "Nothing was invoked", "Its callers stopped, or its event source mapping does: see whether it is enabled."
    ),
    "paused_mapping": LAG["paused_mapping"],
}

CONFIDENCE: Final = {"exact": "AWS says so", "likely": "likely", "possible": "possible", "unknown": UNKNOWN}


BY_PAGE: Final = {"throttles": THROTTLES, "streams": LAG, "async": ASYNC, "function": FUNCTION}


def throttle(name: str) -> Cause:
    """A cause of throttles; one that a newer collector knows shows under its own name."""
    return _of(THROTTLES, name)


def lag(name: str) -> Cause:
    """A cause of lag, likewise."""
    return _of(LAG, name)


def of(page: str, name: str) -> Cause:
    """A cause that a page explains, likewise."""
    return _of(BY_PAGE[page], name)


def _of(known: Mapping[str, Cause], name: str) -> Cause:
    return known.get(name) or Cause(name.replace("_", " "), "")


def title(page: str, name: str) -> str:
    """The title of a cause that a page explains; on others than throttles and streams it is one itself."""
    return of(page, name).title if page in BY_PAGE else name
