"""Incidents as they happen: what each changes when it begins and puts back when it ends."""

from __future__ import annotations

from typing import Protocol

from emulator.fleet.behaviour import Disturbance
from emulator.fleet.feeds import Feed, SqsFeed, StreamFeed
from emulator.fleet.incidents import (
    AccountLimit,
    Incident,
    PausedMapping,
    PoisonedShard,
    RequestRateLimit,
    ReservedLimit,
    ReservedZero,
    ScalingRateLimit,
    SlowConsumer,
    SlowInit,
)
from emulator.fleet.profiles import Profile


class Stage(Protocol):
    """What an incident can reach of its function."""

    profile: Profile
    feed: Feed
    requests_per_s: float | None
    burst: int

    def disturb(self, disturbance: Disturbance) -> None:
        """Change how it behaves."""

    def reserve(self, concurrency: int | None) -> None:
        """Set its reserved concurrency."""

    def deploy(self, now_us: int) -> None:
        """Publish a new version."""


def begin(incident: Incident, stage: Stage, now_us: int) -> None:
    """The incident starts."""
    match incident:
        case ReservedLimit() | RequestRateLimit():
            stage.reserve(incident.reserved)
            stage.requests_per_s = incident.requests_per_s
            stage.disturb(Disturbance(duration_ms=incident.duration_ms))
        case ReservedZero():
            stage.reserve(0)
        case AccountLimit():
            stage.requests_per_s = incident.requests_per_s
            stage.disturb(Disturbance(duration_ms=incident.duration_ms))
        case ScalingRateLimit():
            stage.burst = incident.burst
            stage.disturb(Disturbance(duration_ms=incident.duration_ms))
        case SlowConsumer():
            stage.disturb(Disturbance(duration_factor=incident.factor))
        case SlowInit():
            stage.disturb(Disturbance(init_factor=incident.factor))
            stage.deploy(now_us)
        case _:
            _begin_at_source(incident, stage.feed, now_us)


def _begin_at_source(incident: Incident, feed: Feed, now_us: int) -> None:
    if isinstance(incident, PoisonedShard) and isinstance(feed, StreamFeed):
        feed.poison(incident.shard, now_us)
    elif isinstance(incident, PausedMapping) and isinstance(feed, StreamFeed | SqsFeed):
        feed.source.enabled = False


def end(incident: Incident, stage: Stage, now_us: int) -> None:
    """The incident is over: all is as it was, but for what has piled up."""
    stage.disturb(Disturbance())
    stage.requests_per_s = None
    stage.burst = 0
    feed = stage.feed
    match incident:
        case ReservedLimit() | RequestRateLimit() | ReservedZero():
            stage.reserve(stage.profile.reserved_concurrency)
        case SlowInit():
            stage.deploy(now_us)
        case PoisonedShard() if isinstance(feed, StreamFeed):
            feed.poisoned = False
        case PausedMapping() if isinstance(feed, StreamFeed | SqsFeed):
            feed.source.enabled = True
            feed.poll(now_us)
        case _:
            pass
