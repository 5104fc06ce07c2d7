"""Limits of an account, as settings. The defaults are AWS's quotas of a full account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from emulator.model.errors import LimitError

NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Where Lambda stops. Sources: "Lambda quotas", "Lambda scaling behavior" and "Understanding concurrency" of AWS.

    Raises:
        LimitError: a value that no account can have.
    """

    account_concurrency: int = 1000
    """Concurrent executions of a region. New accounts have less."""
    unreserved_minimum: int = 100
    """What reserved and provisioned concurrency together must leave."""
    scaling_environments: int = 1000
    """Environments that one function may add in each scaling period."""
    scaling_period_ns: int = 10 * NS_PER_S
    requests_per_s_per_concurrency: int = 10
    """Requests per second that each unit of concurrency allows, for the account and for a reserved function."""
    caller_requests_per_s: int | None = None
    """A limit on all callers together, for which Lambda's reason is CallerRateLimitExceeded. None: no such limit."""
    idle_timeout_ns: int = 600 * NS_PER_S
    """How long a sandbox waits for another request. AWS publishes no figure; 5 to 15 minutes are usual."""
    lifetime_ns: int = 7200 * NS_PER_S
    """How old a sandbox may grow even in constant use. AWS says "every few hours"."""

    def __post_init__(self) -> None:
        for name in ("account_concurrency", "scaling_environments", "scaling_period_ns", "idle_timeout_ns"):
            if getattr(self, name) < 1:
                raise LimitError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.unreserved_minimum < 0:
            raise LimitError(f"unreserved_minimum must not be negative, and is {self.unreserved_minimum}")


@dataclass(frozen=True, slots=True)
class FunctionLimits:
    """What is set for one function. The page: "Configuring reserved concurrency for a function"."""

    name: str
    version: str = "$LATEST"
    reserved_concurrency: int | None = None
    """None: none, so the function draws from the account's unreserved pool. 0 turns the function off."""
