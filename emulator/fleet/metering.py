"""The fleet's facts as samples of AWS/Lambda metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from emulator.fleet.behaviour import SUCCESS
from emulator.fleet.facts import Invocation, Throttle
from emulator.fleet.profiles import Profile
from emulator.metrics import ACCOUNT, Mapping, MetricAggregator, MetricPoint, Target
from emulator.model import InitType, Model
from emulator.sources import MetricSample

_NS_PER_US: Final = 1000


def mapping_uuid(function: str) -> str:
    """The UUID of a function's event source mapping."""
    return str(uuid5(NAMESPACE_URL, f"event-source-mapping/{function}"))


class Meter:
    """Turns what happens into minutes of metrics."""

    def __init__(self, profiles: Sequence[Profile]) -> None:
        self._aggregator = MetricAggregator()
        self._mappings = {profile.name: Mapping(mapping_uuid(profile.name)) for profile in profiles}
        self._targets: dict[tuple[str, str | None], Target] = {}

    def invocation(self, fact: Invocation, now_us: int, model: Model, *, spilled_over: bool) -> None:
        """A request was admitted at ``now_us``. What it will have taken is stamped with its start, as AWS does."""
        sandbox = fact.sandbox
        profile = sandbox.profile
        target = self._target(profile, sandbox.version)
        start_ns = fact.start_us * _NS_PER_US
        duration_ms = fact.duration_us / 1000
        post_ms = (fact.duration_us - fact.runtime_us) / 1000
        failed = fact.status != SUCCESS
        aggregator = self._aggregator
        aggregator.invocation(target, start_ns, duration_ms=duration_ms, post_runtime_ms=post_ms, failed=failed)
        if fact.iterator_age_ms is not None:
            aggregator.sample("IteratorAge", target, start_ns, fact.iterator_age_ms)
        if profile.provisioned_concurrency:
            name = "SpilloverInvocations" if spilled_over else "Invocations"
            aggregator.sample(f"ProvisionedConcurrency{name}", target, start_ns, 1)
        self._levels(profile, now_us, model, sampled=True)

    def finished(self, fact: Invocation, now_us: int, model: Model) -> None:
        """A sandbox is free again."""
        self._levels(fact.sandbox.profile, now_us, model, sampled=False)

    def throttle(self, fact: Throttle) -> None:
        """A request was answered with 429."""
        self._aggregator.throttle(self._target(fact.profile, None), fact.at_us * _NS_PER_US)

    def source(self, function: str, samples: Iterable[MetricSample], *, of_mapping: bool) -> None:
        """Samples of an event source."""
        for sample in samples:
            source = self._mappings[function] if of_mapping else Target(function)
            self._aggregator.sample(sample.metric, source, sample.at_ns, sample.value)

    def flush(self, now_us: int) -> list[MetricPoint]:
        """The points that are published now."""
        return self._aggregator.flush(now_us * _NS_PER_US)

    def _levels(self, profile: Profile, now_us: int, model: Model, *, sampled: bool) -> None:
        """Concurrency after an admission or an end. The region has figures of its own, which are not the sum."""
        at_ns = now_us * _NS_PER_US
        level = self._aggregator.level
        usage = model.usage()
        level("ConcurrentExecutions", ACCOUNT, at_ns, usage.concurrent, sampled=sampled)
        level("UnreservedConcurrentExecutions", ACCOUNT, at_ns, usage.unreserved, sampled=sampled)
        level("ClaimedAccountConcurrency", ACCOUNT, at_ns, usage.claimed, sampled=sampled)
        target = self._target(profile, None)
        level("ConcurrentExecutions", target, at_ns, model.concurrency(profile.name), sampled=sampled)
        if profile.initialization is InitType.PROVISIONED:
            busy, asked_for = model.provisioned_concurrency(profile.name)
            level("ProvisionedConcurrentExecutions", target, at_ns, busy, sampled=sampled)
            level("ProvisionedConcurrencyUtilization", target, at_ns, busy / asked_for, sampled=sampled)

    def _target(self, profile: Profile, version: str | None) -> Target:
        executed = None if profile.alias is None else version
        known = self._targets.get((profile.name, executed))
        if known is None:
            known = self._targets[profile.name, executed] = Target(profile.name, profile.alias, executed)
        return known
