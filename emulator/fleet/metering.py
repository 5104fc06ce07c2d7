"""The fleet's facts as samples of AWS/Lambda metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from emulator import metrics
from emulator.fleet.behaviour import SUCCESS
from emulator.fleet.facts import Invocation, Throttle
from emulator.fleet.profiles import Profile
from emulator.metrics import Mapping, MetricAggregator, MetricPoint, Target
from emulator.model import InitType, Model
from emulator.sources import MetricSample

_NS_PER_US: Final = 1000


def mapping_uuid(function: str) -> str:
    """The UUID of a function's event source mapping."""
    return str(uuid5(NAMESPACE_URL, f"event-source-mapping/{function}"))


class Meter:
    """Tells the metrics what the simulation does."""

    def __init__(self, profiles: Sequence[Profile]) -> None:
        self._meter = metrics.Meter(MetricAggregator())
        self._mappings = {profile.name: Mapping(mapping_uuid(profile.name)) for profile in profiles}
        self._targets: dict[tuple[str, str | None], Target] = {}

    def invocation(self, fact: Invocation, now_us: int, model: Model, *, spilled_over: bool) -> None:
        """A request was admitted at ``now_us``. What it will have taken is stamped with its start, as AWS does."""
        sandbox = fact.sandbox
        target = self._target(sandbox.profile, sandbox.version)
        start_ns = fact.start_us * _NS_PER_US
        duration_ms = fact.duration_us / 1000
        post_ms = (fact.duration_us - fact.runtime_us) / 1000
        failed = fact.status != SUCCESS
        self._meter.ran(target, start_ns, duration_ms=duration_ms, post_runtime_ms=post_ms, failed=failed)
        if fact.iterator_age_ms is not None:
            self._meter.iterator_age(target, start_ns, fact.iterator_age_ms)
        if sandbox.profile.provisioned_concurrency:
            self._meter.provisioned(target, start_ns, spilled_over=spilled_over)
        self._levels(sandbox.profile, now_us, model, sampled=True)

    def finished(self, fact: Invocation, now_us: int, model: Model) -> None:
        """A sandbox is free again."""
        self._levels(fact.sandbox.profile, now_us, model, sampled=False)

    def throttle(self, fact: Throttle) -> None:
        """A request was answered with 429."""
        self._meter.throttle(self._target(fact.profile, None), fact.at_us * _NS_PER_US)

    def source(self, function: str, samples: Iterable[MetricSample], *, of_mapping: bool) -> None:
        """Samples of an event source."""
        self._meter.source(self._mappings[function] if of_mapping else Target(function), samples)

    def flush(self, now_us: int) -> list[MetricPoint]:
        """The points that are published now."""
        return self._meter.flush(now_us * _NS_PER_US)

    def _levels(self, profile: Profile, now_us: int, model: Model, *, sampled: bool) -> None:
        target = self._target(profile, None)
        provisioned = target if profile.initialization is InitType.PROVISIONED else None
        self._meter.levels(target, now_us * _NS_PER_US, model, sampled=sampled, provisioned=provisioned)

    def _target(self, profile: Profile, version: str | None) -> Target:
        executed = None if profile.alias is None else version
        known = self._targets.get((profile.name, executed))
        if known is None:
            known = self._targets[profile.name, executed] = Target(profile.name, profile.alias, executed)
        return known
