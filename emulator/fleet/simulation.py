"""A fleet in simulated time: traffic into the model, facts and metrics out. Pure, and the same for the same seed."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Final

from emulator.fleet import director
from emulator.fleet.behaviour import SUCCESS, Behaviour, Disturbance, Run
from emulator.fleet.config import Fleet
from emulator.fleet.errors import FleetConfigError
from emulator.fleet.facts import Fact, Init, Invocation, SandboxFacts, Shutdown, Throttle, UnwaitedInit
from emulator.fleet.feeds import OnEnd, feed_of
from emulator.fleet.ids import random_uuid
from emulator.fleet.incidents import Incident
from emulator.fleet.metering import Meter
from emulator.fleet.profiles import Profile, Trigger
from emulator.fleet.rhythm import MINUTE_MS, arrivals, rate_at
from emulator.metrics import MetricPoint
from emulator.model import Admitted, FunctionLimits, InitType, LimitError, Model, Sandbox, Throttled
from emulator.sources import MetricSample, Outcome

_US_PER_MS: Final = 1000
_US_PER_MINUTE: Final = 60_000_000
_NS_PER_US: Final = 1000
_READY_AFTER_US: Final = 10_001_000
"""How long after its end a proactive init's sandbox is given out. Sooner than 10 s, and those who only see telemetry
would call the next invocation a cold start (docs/span-model.md); waiting keeps one truth for everybody."""


@dataclass(frozen=True, slots=True)
class Minute:
    """What one minute brought. Facts are in the order of their requests."""

    end_us: int
    facts: list[Fact]
    points: list[MetricPoint]
    """Of the minutes that CloudWatch publishes now."""


class _Function:
    """A function on its way through time. It is the stage of its incidents."""

    def __init__(self, profile: Profile, simulation: Simulation, seed: int) -> None:
        self.profile = profile
        self.behaviour = Behaviour(profile, random.Random(f"{seed}/behaviour/{profile.name}"))
        self.feed = feed_of(profile, simulation, random.Random(f"{seed}/feed/{profile.name}"))
        self.number = 1
        self.requests_per_s: float | None = None
        self.burst = 0
        self._simulation = simulation

    @property
    def version(self) -> str:
        """What requests are served by now."""
        return "$LATEST" if self.profile.alias is None else str(self.number)

    @property
    def on_demand_type(self) -> InitType:
        """Of a sandbox that is started for a request."""
        initialization = self.profile.initialization
        return InitType.ON_DEMAND if initialization is InitType.PROVISIONED else initialization

    def disturb(self, disturbance: Disturbance) -> None:
        """Change how it behaves."""
        self.behaviour.disturbance = disturbance

    def reserve(self, concurrency: int | None) -> None:
        """Set its reserved concurrency."""
        self._simulation.model.reserve(self.profile.name, concurrency)

    def deploy(self, now_us: int) -> None:
        """Publish a new version."""
        before = self.version
        self.number += 1
        self._simulation.deployed(self, before, now_us)


class Simulation:
    """Runs a fleet.

    Args:
        fleet: what there is.
        start_us: a whole minute, in microseconds since the epoch.
        with_metrics: whether to make CloudWatch's points, which takes about as long as the rest.

    Raises:
        FleetConfigError: reservations or provisioned concurrency that the account has no room for.
    """

    def __init__(self, fleet: Fleet, start_us: int, *, with_metrics: bool) -> None:
        self._fleet = fleet
        self._start_us = start_us
        self._end_us = start_us + round(fleet.days * 1440) * _US_PER_MINUTE
        self._random = random.Random(f"{fleet.seed}/simulation")
        self._agenda: list[tuple[int, int, Callable[[int], None]]] = []
        self._order = count()
        self._numbers = count()
        self._sandboxes: dict[Sandbox, SandboxFacts] = {}
        self._facts: list[Fact] = []
        self._meter = Meter(fleet.profiles) if with_metrics else None
        limits = [
            FunctionLimits(one.name, "$LATEST" if one.alias is None else "1", one.reserved_concurrency)
            for one in fleet.profiles
        ]
        try:
            self.model = Model(fleet.limits, limits, self.new_id)
            self._functions = {one.name: _Function(one, self, fleet.seed) for one in fleet.profiles}
            self._plan()
        except LimitError as error:
            raise FleetConfigError(str(error)) from error

    @property
    def end_us(self) -> int:
        """The end of the history."""
        return self._end_us

    def minutes(self) -> Iterator[Minute]:
        """The history, minute by minute. Can be read once."""
        for minute_us in range(self._start_us, self._end_us, _US_PER_MINUTE):
            for at_us, function in self._arrivals(minute_us):
                self._advance(at_us)
                function.feed.arrive(at_us)
            end_us = minute_us + _US_PER_MINUTE
            self._advance(end_us - 1)
            self._reap(end_us)
            facts, self._facts = self._facts, []
            yield Minute(end_us, facts, self._meter.flush(end_us) if self._meter else [])
        if self._meter:
            yield Minute(self._end_us, [], self._meter.flush(self._end_us + 10 * _US_PER_MINUTE))

    # What feeds ask for ----------------------------------------------------------------------------------------------

    def new_id(self) -> str:
        """A random UUID of the fleet's own chance."""
        return random_uuid(self._random)

    def at(self, at_us: int, action: Callable[[int], None]) -> None:
        """Do something at a time."""
        heapq.heappush(self._agenda, (at_us, next(self._order), action))

    def is_disabled(self, function: str) -> bool:
        """Whether the function's reserved concurrency is 0."""
        return self.model.reserved_concurrency(function) == 0

    def sample(self, function: str, samples: Iterable[MetricSample], *, of_mapping: bool) -> None:
        """Samples of a source."""
        if self._meter:
            self._meter.source(function, samples, of_mapping=of_mapping)

    def invoke(
        self,
        function: str,
        request_id: str,
        now_us: int,
        on_end: OnEnd | None = None,
        *,
        poisoned: bool = False,
        iterator_age_ms: int | None = None,
        records: int = 1,
    ) -> None:
        """A request, in all its length: what will come of it is decided when it is admitted."""
        known = self._functions[function]
        decision = self.model.ask(function, now_us * _NS_PER_US, known.on_demand_type)
        if isinstance(decision, Throttled):
            fact = Throttle(known.profile, now_us, decision.cause, decision.reason)
            self._facts.append(fact)
            if self._meter:
                self._meter.throttle(fact)
            if on_end is not None:
                on_end(Outcome.NOT_INVOKED, now_us)
            return
        run = known.behaviour.run(poisoned=poisoned)
        invocation = self._invocation(known, decision, request_id, now_us, run, iterator_age_ms, records)
        self._facts.append(invocation)
        if self._meter:
            self._meter.invocation(invocation, now_us, self.model, spilled_over=decision.spilled_over)
        self.at(invocation.end_us, partial(self._finished, decision.sandbox, invocation, run.lost, on_end))

    # An invocation ---------------------------------------------------------------------------------------------------

    def _invocation(
        self,
        function: _Function,
        decision: Admitted,
        request_id: str,
        now_us: int,
        run: Run,
        iterator_age_ms: int | None,
        records: int,
    ) -> Invocation:
        sandbox = decision.sandbox
        facts = self._facts_of(sandbox, function.profile)
        facts.invocations += 1
        start_us = -(-now_us // _US_PER_MS) * _US_PER_MS
        init = None
        if decision.cold:
            init = function.behaviour.init(start_us, sandbox.init_type)
            start_us = -(-init.end_us // _US_PER_MS) * _US_PER_MS
        duration_us = run.runtime_us + run.post_us
        # Since August 2025 the init of an on-demand sandbox is billed, as restores have been all along.
        billed_us = duration_us + (init.duration_us if init is not None else 0)
        return Invocation(
            facts,
            request_id,
            facts.failed.get(request_id, 0) + 1,
            start_us,
            init,
            sandbox.proactive and facts.invocations == 1,
            sandbox.init_type,
            run.latency_us,
            run.response_us,
            run.overhead_us,
            run.runtime_us,
            duration_us,
            -(-billed_us // _US_PER_MS),
            run.max_memory_used_mb,
            run.status,
            run.error_type,
            run.produced_bytes,
            iterator_age_ms,
            records,
        )

    def _finished(
        self, sandbox: Sandbox, invocation: Invocation, lost: str | None, on_end: OnEnd | None, now_us: int
    ) -> None:
        if invocation.status != SUCCESS and invocation.sandbox.profile.trigger is Trigger.ASYNCHRONOUS:
            invocation.sandbox.failed[invocation.request_id] = invocation.attempt
        if lost is None:
            self.model.finished(sandbox, now_us * _NS_PER_US)
        else:
            # Lambda resets such a sandbox and inits it again within its next invocation. Here it is replaced.
            self.model.lost(sandbox)
            self._shut_down(sandbox, now_us, lost)
            self._start(self.model.replenish(sandbox.function, sandbox.version, now_us * _NS_PER_US), now_us)
        if self._meter:
            self._meter.finished(invocation, now_us, self.model)
        if on_end is not None:
            on_end(Outcome.SUCCESS if invocation.status == SUCCESS else Outcome.FUNCTION_ERROR, now_us)

    # Sandboxes -------------------------------------------------------------------------------------------------------

    def _facts_of(self, sandbox: Sandbox, profile: Profile) -> SandboxFacts:
        facts = self._sandboxes.get(sandbox)
        if facts is None:
            facts = SandboxFacts(next(self._numbers), sandbox.id, profile, sandbox.version)
            self._sandboxes[sandbox] = facts
        return facts

    def _start(self, sandboxes: Iterable[Sandbox], now_us: int) -> None:
        """Init sandboxes that no request waits for."""
        for sandbox in sandboxes:
            function = self._functions[sandbox.function]
            init = function.behaviour.init(-(-now_us // _US_PER_MS) * _US_PER_MS, sandbox.init_type)
            self._facts.append(UnwaitedInit(self._facts_of(sandbox, function.profile), init, sandbox.init_type))
            self.at(self._ready_us(sandbox, init), partial(self._ready, sandbox))

    @staticmethod
    def _ready_us(sandbox: Sandbox, init: Init) -> int:
        return init.end_us if sandbox.init_type is InitType.PROVISIONED else init.end_us + _READY_AFTER_US

    def _ready(self, sandbox: Sandbox, now_us: int) -> None:
        self.model.ready(sandbox, now_us * _NS_PER_US)

    def _shut_down(self, sandbox: Sandbox, at_us: int, reason: str) -> None:
        facts = self._sandboxes.pop(sandbox)
        duration_us = self._functions[sandbox.function].behaviour.shutdown_us()
        self._facts.append(Shutdown(facts, at_us, duration_us, reason))

    def _reap(self, now_us: int) -> None:
        for retired in self.model.reap(now_us * _NS_PER_US):
            self._shut_down(retired.sandbox, retired.at_ns // _NS_PER_US, "spindown")

    def deployed(self, function: _Function, before: str, now_us: int) -> None:
        """A function has a new version."""
        name, profile, now_ns = function.profile.name, function.profile, now_us * _NS_PER_US
        self.model.deploy(name, function.version, now_ns)
        if profile.provisioned_concurrency:
            self.model.provision(name, before, 0, now_ns)
            self._provision(function, now_us)

    def _provision(self, function: _Function, now_us: int) -> None:
        profile = function.profile
        wanted = profile.provisioned_concurrency
        self._start(self.model.provision(profile.name, function.version, wanted, now_us * _NS_PER_US), now_us)

    # Time ------------------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Provisioned concurrency, deployments, proactive inits and incidents."""
        history_h = (self._end_us - self._start_us) / (60 * _US_PER_MINUTE)
        for function in self._functions.values():
            profile = function.profile
            if profile.provisioned_concurrency:
                self._provision(function, self._start_us)
            if profile.alias is not None:
                self._plan_many(profile.deployments_per_week * history_h / 168, function.deploy)
            if profile.proactive_init_rate:
                self._plan_many(profile.proactive_init_rate * history_h, partial(self._warm, function))
        for incident in self._fleet.incidents:
            self._plan_incident(incident)

    def _plan_many(self, mean: float, action: Callable[[int], None]) -> None:
        for _ in range(arrivals(mean, self._random)):
            self.at(self._random.randrange(self._start_us, self._end_us, _US_PER_MS), action)

    def _plan_incident(self, incident: Incident) -> None:
        assert incident.function is not None, "build() has given each incident its function"
        stage = self._functions[incident.function]
        start_us = self._start_us + round(incident.start_h * 60) * _US_PER_MINUTE
        self.at(start_us, lambda now_us: director.begin(incident, stage, now_us))
        self.at(
            start_us + round(incident.for_min) * _US_PER_MINUTE,
            lambda now_us: director.end(incident, stage, now_us),
        )

    def _warm(self, function: _Function, now_us: int) -> None:
        if function.on_demand_type is InitType.ON_DEMAND and not self.is_disabled(function.profile.name):
            self._start([self.model.warm(function.profile.name, now_us * _NS_PER_US)], now_us)

    def _arrivals(self, minute_us: int) -> list[tuple[int, _Function]]:
        """When requests come within a minute, in whole milliseconds."""
        draw = self._random
        self._advance(minute_us)
        came: list[tuple[int, int, _Function]] = []
        for index, function in enumerate(self._functions.values()):
            rate = function.requests_per_s
            if rate is None:
                rate = rate_at(function.profile, minute_us // _US_PER_MS)
            offsets_ms = [int(draw.random() * MINUTE_MS) for _ in range(arrivals(rate * 60, draw))]
            offsets_ms += [number * 1000 // function.burst for number in range(function.burst)]
            came += [(minute_us + offset_ms * _US_PER_MS, index, function) for offset_ms in offsets_ms]
        came.sort(key=lambda one: one[:2])
        return [(at_us, function) for at_us, _, function in came]

    def _advance(self, until_us: int) -> None:
        agenda = self._agenda
        while agenda and agenda[0][0] <= until_us:
            at_us, _, action = heapq.heappop(agenda)
            action(at_us)
