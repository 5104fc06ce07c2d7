"""What real sandboxes do, told to the metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from emulator.functions import FunctionConfig
from emulator.lifecycle.actions import InvocationDone
from emulator.metrics import Concurrency, Mapping, Meter, MetricPoint, Target
from emulator.model import Admitted, InitType
from emulator.request import InvokeInput
from emulator.sources import MetricSample

_SUCCESS: Final = "success"


class ServiceMeter:
    """Keeps what each running request addressed until it is over, since its metrics are only then known."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._targets: dict[str, Target] = {}
        """Of the requests under way."""

    def admitted(
        self, asked: InvokeInput, config: FunctionConfig, decision: Admitted, now: Concurrency, now_ns: int
    ) -> None:
        """A request has a sandbox."""
        target = self._targets[asked.request_id] = target_of(asked, config)
        provisioned = _provisioned(config)
        if provisioned is not None:
            has_one = decision.sandbox.init_type is InitType.PROVISIONED
            self._meter.provisioned(target if target.alias else provisioned, now_ns, spilled_over=not has_one)
        self._meter.levels(Target(config.name), now_ns, now, sampled=True, provisioned=provisioned)

    def admitted_to_instance(self, asked: InvokeInput, config: FunctionConfig) -> None:
        """A request has a place on a Managed Instance, whose concurrency is no part of the account's."""
        self._targets[asked.request_id] = target_of(asked, config)

    def throttled(self, asked: InvokeInput, config: FunctionConfig, now_ns: int) -> None:
        """A request was answered with 429."""
        target = target_of(asked, config)
        self._meter.throttle(target, now_ns)
        if config.managed is not None:
            self._meter.source(target, [MetricSample("ConcurrencyThrottles", now_ns, 1)])

    def ended(self, config: FunctionConfig, outcome: InvocationDone) -> None:
        """An invocation is over."""
        target = self._targets.get(outcome.request_id) or Target(config.name)
        self._meter.ran(
            target,
            outcome.start_ns,
            duration_ms=outcome.duration_ms,
            post_runtime_ms=outcome.duration_ms - outcome.runtime_done_ms,
            failed=outcome.status != _SUCCESS,
        )

    def forget(self, request_id: str) -> None:
        """A request is over, or was never run."""
        self._targets.pop(request_id, None)

    def freed(self, config: FunctionConfig, now: Concurrency, now_ns: int) -> None:
        """A sandbox is not busy any more."""
        self._meter.levels(Target(config.name), now_ns, now, sampled=False, provisioned=_provisioned(config))

    def iterator_age(self, target: Target, at_ns: int, age_ms: float) -> None:
        """How old the last record of a stream's batch was when the function got it."""
        self._meter.iterator_age(target, at_ns, age_ms)

    def source(self, source: Target | Mapping, samples: Iterable[MetricSample]) -> None:
        """Samples of an event source."""
        self._meter.source(source, samples)

    def flush(self, now_ns: int, *, unfinished: bool) -> list[MetricPoint]:
        """The points to publish now."""
        return self._meter.flush(now_ns, unfinished=unfinished)


def target_of(asked: InvokeInput, config: FunctionConfig) -> Target:
    """What a request addressed: the bare function, a version, or an alias and the version behind it."""
    qualifier = asked.invoked_arn.split(":function:")[-1].partition(":")[2] or None
    return Target(config.name, qualifier, config.version if qualifier in config.aliases else None)


def _provisioned(config: FunctionConfig) -> Target | None:
    """What has the function's provisioned concurrency: its alias, where it has one, else its version."""
    if not config.provisioned_concurrency:
        return None
    return Target(config.name, config.aliases[0] if config.aliases else config.version)
