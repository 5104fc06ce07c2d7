"""What an account's functions do, as samples of AWS/Lambda's metrics. Real sandboxes and fleets tell it the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from emulator.metrics.aggregate import ACCOUNT, Mapping, MetricAggregator, Target
from emulator.metrics.points import MetricPoint
from emulator.model import Usage
from emulator.sources import MetricSample


class Concurrency(Protocol):
    """What is busy now. :class:`emulator.model.Model` has it."""

    def usage(self) -> Usage:
        """Of the account."""

    def concurrency(self, function: str) -> int:
        """Of a function."""

    def provisioned_concurrency(self, function: str) -> tuple[int, int]:
        """Busy provisioned sandboxes of a function, and how many were asked for."""


class Meter:
    """Turns what happens into minutes of metrics.

    Args:
        aggregator: gathers the samples.
    """

    def __init__(self, aggregator: MetricAggregator) -> None:
        self._aggregator = aggregator

    def ran(
        self, target: Target, start_ns: int, *, duration_ms: float, post_runtime_ms: float | None, failed: bool
    ) -> None:
        """A request that ran. All of it is stamped with its start, as AWS does."""
        self._aggregator.invocation(
            target, start_ns, duration_ms=duration_ms, post_runtime_ms=post_runtime_ms, failed=failed
        )

    def throttle(self, target: Target, at_ns: int) -> None:
        """A request that was answered with 429."""
        self._aggregator.throttle(target, at_ns)

    def iterator_age(self, target: Target, at_ns: int, age_ms: float) -> None:
        """How old the last record of a stream's batch was when the function got it."""
        self._aggregator.sample("IteratorAge", target, at_ns, age_ms)

    def provisioned(self, target: Target, at_ns: int, *, spilled_over: bool) -> None:
        """A request for a version with provisioned concurrency: whether it had such a sandbox, or none was free."""
        name = "SpilloverInvocations" if spilled_over else "Invocations"
        self._aggregator.sample(f"ProvisionedConcurrency{name}", target, at_ns, 1)

    def source(self, source: Target | Mapping, samples: Iterable[MetricSample]) -> None:
        """Samples of an event source."""
        for sample in samples:
            self._aggregator.sample(sample.metric, source, sample.at_ns, sample.value)

    def levels(
        self, target: Target, at_ns: int, now: Concurrency, *, sampled: bool, provisioned: Target | None
    ) -> None:
        """Concurrency after an admission, which CloudWatch samples, or after an end.

        Args:
            target: the function.
            at_ns: when.
            now: the concurrency from now on. The region has figures of its own, which are not the sum.
            sampled: whether it was an admission.
            provisioned: the alias or version that has provisioned concurrency, if one does.
        """
        level, usage = self._aggregator.level, now.usage()
        level("ConcurrentExecutions", ACCOUNT, at_ns, usage.concurrent, sampled=sampled)
        level("UnreservedConcurrentExecutions", ACCOUNT, at_ns, usage.unreserved, sampled=sampled)
        level("ClaimedAccountConcurrency", ACCOUNT, at_ns, usage.claimed, sampled=sampled)
        level("ConcurrentExecutions", target, at_ns, now.concurrency(target.function), sampled=sampled)
        if provisioned is not None:
            busy, asked_for = now.provisioned_concurrency(target.function)
            level("ProvisionedConcurrentExecutions", provisioned, at_ns, busy, sampled=sampled)
            level("ProvisionedConcurrencyUtilization", provisioned, at_ns, busy / asked_for, sampled=sampled)

    def flush(self, now_ns: int, *, unfinished: bool = False) -> list[MetricPoint]:
        """The points that are published now; see :meth:`MetricAggregator.flush`."""
        return self._aggregator.flush(now_ns, unfinished=unfinished)
