"""Things that go wrong at known moments, so that what shows them can be held to the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

from emulator.fields import Fields
from emulator.fleet.profiles import Profile, Trigger
from emulator.model import Cause, InitType

_LONG_H: Final = 24 * 366


@dataclass(frozen=True, slots=True)
class Incident:
    """Base of all kinds: to whom, when, how long."""

    kind: ClassVar[str]
    cause: ClassVar[str]
    """What a diagnosis should find: a cause of throttles as the model names it, or the incident itself."""
    triggers: ClassVar[frozenset[Trigger]]
    """Which functions it can happen to."""

    function: str | None
    """None until one has been chosen for it."""
    start_h: float
    """Hours after the start of the fleet's history."""
    for_min: float


_DIRECT: Final = frozenset({Trigger.DIRECT})
_STREAMS: Final = frozenset({Trigger.KINESIS, Trigger.DYNAMODB})


@dataclass(frozen=True, slots=True)
class ReservedLimit(Incident):
    """A throttling storm: more traffic than the reserved concurrency can serve."""

    kind: ClassVar[str] = "reserved_limit"
    cause: ClassVar[str] = Cause.RESERVED_CONCURRENCY
    triggers: ClassVar[frozenset[Trigger]] = _DIRECT
    reserved: int
    requests_per_s: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class ReservedZero(Incident):
    """Somebody sets the reserved concurrency to 0."""

    kind: ClassVar[str] = "reserved_zero"
    cause: ClassVar[str] = Cause.RESERVED_ZERO
    triggers: ClassVar[frozenset[Trigger]] = frozenset(Trigger)


@dataclass(frozen=True, slots=True)
class AccountLimit(Incident):
    """One function takes all of the account's concurrency, and the others are throttled."""

    kind: ClassVar[str] = "account_limit"
    cause: ClassVar[str] = Cause.ACCOUNT_CONCURRENCY
    triggers: ClassVar[frozenset[Trigger]] = _DIRECT
    requests_per_s: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class RequestRateLimit(Incident):
    """Throttled with hardly any concurrency: short requests above 10 per second and unit of reserved concurrency."""

    kind: ClassVar[str] = "request_rate_limit"
    cause: ClassVar[str] = Cause.RESERVED_REQUEST_RATE
    triggers: ClassVar[frozenset[Trigger]] = _DIRECT
    reserved: int
    requests_per_s: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class ScalingRateLimit(Incident):
    """Bursts at the start of each minute, faster than a function may add environments."""

    kind: ClassVar[str] = "scaling_rate_limit"
    cause: ClassVar[str] = Cause.SCALING_RATE
    triggers: ClassVar[frozenset[Trigger]] = _DIRECT
    burst: int
    """Requests within one second."""
    duration_ms: float


@dataclass(frozen=True, slots=True)
class PoisonedShard(Incident):
    """A record that no attempt gets past: its shard stands still, the others go on."""

    kind: ClassVar[str] = "poisoned_shard"
    cause: ClassVar[str] = "poisoned_shard"
    triggers: ClassVar[frozenset[Trigger]] = _STREAMS
    shard: int


@dataclass(frozen=True, slots=True)
class SlowConsumer(Incident):
    """Batches take longer than records need to arrive: the iterator age climbs on all shards."""

    kind: ClassVar[str] = "slow_consumer"
    cause: ClassVar[str] = "slow_consumer"
    triggers: ClassVar[frozenset[Trigger]] = _STREAMS
    factor: float


@dataclass(frozen=True, slots=True)
class PausedMapping(Incident):
    """The event source mapping is disabled: no invocation and no point, then an age as long as the pause."""

    kind: ClassVar[str] = "paused_mapping"
    cause: ClassVar[str] = "paused_mapping"
    triggers: ClassVar[frozenset[Trigger]] = _STREAMS | {Trigger.SQS}


@dataclass(frozen=True, slots=True)
class SlowInit(Incident):
    """A release whose init takes longer, until the next release takes it back."""

    kind: ClassVar[str] = "slow_init"
    cause: ClassVar[str] = "slow_init"
    triggers: ClassVar[frozenset[Trigger]] = frozenset(Trigger)
    factor: float


_Reader = Callable[[Fields], Mapping[str, Any]]
_KINDS: Final[tuple[tuple[type[Incident], _Reader], ...]] = (
    (ReservedLimit, lambda fields: {"reserved": fields.integer("reserved", 1, 100_000, 5), **_load(fields, 40, 400)}),
    (ReservedZero, lambda _: {}),
    (AccountLimit, lambda fields: _load(fields, 150, 9000)),
    (RequestRateLimit, lambda fields: {"reserved": fields.integer("reserved", 1, 100_000, 2), **_load(fields, 60, 4)}),
    (ScalingRateLimit, lambda fields: {
        "burst": fields.integer("burst", 1, 1_000_000, 2000),
        "duration_ms": fields.number("duration_ms", 1, 900_000, 4000),
    }),
    (PoisonedShard, lambda fields: {"shard": fields.integer("shard", 0, 10_000, 0)}),
    (SlowConsumer, lambda fields: {"factor": fields.number("factor", 1, 10_000, 50)}),
    (PausedMapping, lambda _: {}),
    (SlowInit, lambda fields: {"factor": fields.number("factor", 1, 1000, 6)}),
)  # fmt: skip
KINDS: Final = {incident.kind: (incident, reader) for incident, reader in _KINDS}
"""Class and reader of its own fields, by kind."""


def _load(fields: Fields, requests_per_s: float, duration_ms: float) -> dict[str, float]:
    return {
        "requests_per_s": fields.number("requests_per_s", 0.01, 100_000, requests_per_s),
        "duration_ms": fields.number("duration_ms", 0.1, 900_000, duration_ms),
    }


def read(fields: Fields) -> Incident:
    """An incident out of its mapping. Raises emulator.errors.ScenarioError, which names the field."""
    incident, reader = KINDS[fields.choice("kind", tuple(KINDS))]
    named = fields.anything("function", None) is not None
    made = incident(
        function=fields.text("function") if named else None,
        start_h=fields.number("start_h", 0, _LONG_H),
        for_min=fields.number("for_min", 1, 60 * _LONG_H),
        **reader(fields),
    )
    fields.finish()
    return made


def suits(incident: Incident, profile: Profile) -> bool:
    """Whether the incident can happen to a function, and would show what it is meant to show."""
    provisioned = profile.initialization is InitType.PROVISIONED
    if isinstance(incident, SlowInit) and (profile.alias is None or profile.initialization is not InitType.ON_DEMAND):
        return False
    if isinstance(incident, ReservedLimit | ReservedZero | RequestRateLimit) and provisioned:
        return False  # Lambda refuses a reservation below what is provisioned
    if isinstance(incident, PoisonedShard) and incident.shard >= profile.shards:
        return False
    if 1.5 * getattr(incident, "duration_ms", 0.0) > 1000 * profile.timeout_s:
        return False  # it would time out instead
    return profile.trigger in incident.triggers


_LONGEST_INIT_MS: Final = 9000
"""Lambda ends an init after 10 s, and inits differ."""
_LONG_WAIT_MS: Final = 10_000
"""A record that waits no longer for the batch before it is none that anybody misses;"""
_LONG_WAIT_WINDOWS: Final = 5
"""nor is one that waits no longer than that many of the windows in which a batch gathers."""
_FEW: Final = 3


class Felt(NamedTuple):
    """How much of an incident a function would feel; greater is more."""

    shows: bool
    """What the incident is known by would be there."""
    is_whole: bool
    """Nothing else would be there: no batch that times out, no init that Lambda ends."""
    busy: float
    """The function's traffic; of a shard, by the time that its batches take."""


def felt(incident: Incident, profile: Profile) -> Felt:
    """How much of the incident a function would feel."""
    if isinstance(incident, SlowConsumer):
        is_whole = 1.5 * incident.factor * profile.duration_ms <= 1000 * profile.timeout_s
        busy = profile.requests_per_s / profile.shards * profile.duration_ms
        return Felt(_waiting(incident, profile) >= _FEW, is_whole, busy)
    is_whole = not isinstance(incident, SlowInit) or incident.factor * profile.init_ms <= _LONGEST_INIT_MS
    return Felt(is_whole, is_whole, profile.requests_per_s)


def _waiting(incident: SlowConsumer, profile: Profile) -> float:
    """How many records may be expected to come while their shard is busy for long: they are what is late.

    A shard takes a batch, and those that come meanwhile wait for its end. Those that time out are tried again.
    """
    come = profile.requests_per_s * 60 * incident.for_min
    batch_ms = incident.factor * profile.duration_ms
    if batch_ms > 1500 * profile.timeout_s:
        return come
    come_meanwhile = profile.requests_per_s / profile.shards * batch_ms / 1000
    long_ms = max(_LONG_WAIT_MS, 1000 * _LONG_WAIT_WINDOWS * profile.batching_window_s)
    if batch_ms < long_ms and come_meanwhile < profile.batch_size:
        return 0.0
    return come * come_meanwhile / (1 + come_meanwhile)
