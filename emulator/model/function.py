"""One function's share of the model's state."""

from __future__ import annotations

from collections import deque

from emulator.model.bucket import TokenBucket
from emulator.model.limits import NS_PER_S, FunctionLimits, Limits
from emulator.model.sandbox import Sandbox


class Pool:
    """The sandboxes of one version that wait for a request."""

    __slots__ = ("idle", "provisioned", "provisioned_idle", "provisioned_target")

    def __init__(self) -> None:
        self.idle: deque[Sandbox] = deque()
        """On-demand ones. The most recently used is last, so the longest idle is first."""
        self.provisioned_idle: list[Sandbox] = []
        self.provisioned: set[Sandbox] = set()
        """All that are provisioned, whatever they do."""
        self.provisioned_target = 0


class FunctionState:
    """What is known of a function: its limits, its sandboxes, its quotas."""

    __slots__ = ("busy", "busy_provisioned", "name", "pools", "requests", "reserved", "scaling", "version")

    def __init__(self, function: FunctionLimits, limits: Limits) -> None:
        self.name = function.name
        self.version = function.version
        self.reserved: int | None = None
        self.requests: TokenBucket | None = None
        """Requests per second of a function with reserved concurrency."""
        self.scaling = TokenBucket(limits.scaling_environments, limits.scaling_period_ns)
        self.busy = 0
        self.busy_provisioned = 0
        self.pools: dict[str, Pool] = {function.version: Pool()}

    def reserve(self, concurrency: int | None, limits: Limits) -> None:
        """Set the reserved concurrency and the request rate that follows from it."""
        self.reserved = concurrency
        self.requests = (
            TokenBucket(concurrency * limits.requests_per_s_per_concurrency, NS_PER_S) if concurrency else None
        )

    def pool(self, version: str) -> Pool:
        """The pool of a version, made when first asked for."""
        pool = self.pools.get(version)
        if pool is None:
            pool = self.pools[version] = Pool()
        return pool

    @property
    def provisioned_total(self) -> int:
        """Provisioned concurrency of all versions together."""
        return sum(pool.provisioned_target for pool in self.pools.values())
