"""What kinds of functions a fleet has: each a frozen description, drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from emulator.model import InitType


class Trigger(StrEnum):
    """Who invokes a function."""

    DIRECT = "direct"
    """Callers that wait for the answer, such as an API gateway."""
    ASYNCHRONOUS = "asynchronous"
    SQS = "sqs"
    KINESIS = "kinesis"
    DYNAMODB = "dynamodb"

    @property
    def is_stream(self) -> bool:
        """Whether the function reads shards."""
        return self in {Trigger.KINESIS, Trigger.DYNAMODB}


@dataclass(frozen=True, slots=True)
class Profile:
    """One function: how it is configured and how it behaves."""

    name: str
    trigger: Trigger
    requests_per_s: float
    """Averaged over a week. Of queues and streams: messages and records."""
    runtime_version: str
    architecture: str
    memory_mb: int
    timeout_s: float
    initialization: InitType
    provisioned_concurrency: int
    reserved_concurrency: int | None
    alias: str | None
    """What callers name; its version changes with each deployment. None: the bare function, always $LATEST."""
    deployments_per_week: float
    duration_ms: float
    """Median of the handler's time."""
    duration_spread: float
    """Standard deviation of the logarithm of the duration."""
    init_ms: float
    """Median of the whole init."""
    extension_init_ms: float
    """Median of the share in it of the extensions."""
    post_runtime_ms: float
    """Median of what extensions take after the handler's answer."""
    error_rate: float
    timeout_rate: float
    out_of_memory_rate: float
    proactive_init_rate: float
    """Sandboxes per hour that Lambda starts ahead of any request."""
    daily_swing: float
    """0: as much traffic at night as by day; 1: none at night."""
    peak_hour: float
    """UTC hour of the most traffic."""
    weekend_factor: float
    shards: int
    batch_size: int
    batching_window_s: float


_DOMAINS: Final = (
    "orders", "billing", "catalog", "search", "cart", "checkout", "payments", "shipping", "inventory", "pricing",
    "users", "auth", "sessions", "notify", "email", "reports", "audit", "media", "images", "reviews",
    "loyalty", "returns", "vendors", "tax", "fraud", "export", "import", "geo", "support", "ads",
)  # fmt: skip
_ROLES: Final = {
    Trigger.DIRECT: ("api", "query", "webhook", "graphql", "admin"),
    Trigger.ASYNCHRONOUS: ("handler", "scheduler"),
    Trigger.SQS: ("worker",),
    Trigger.KINESIS: ("stream",),
    Trigger.DYNAMODB: ("projector",),
}
_TRIGGERS: Final = ((Trigger.DIRECT, 11), (Trigger.ASYNCHRONOUS, 4), (Trigger.SQS, 2), (Trigger.KINESIS, 2),
    (Trigger.DYNAMODB, 1))  # fmt: skip
"""With how many of twenty functions have each."""
_RUNTIMES: Final = (
    # runtime version, median init in ms at 1,769 MB, median duration in ms there
    ("python:3.12.v38", 180.0, 40.0),
    ("python:3.13.v15", 170.0, 35.0),
    ("nodejs:22.v30", 160.0, 25.0),
    ("nodejs:20.v50", 170.0, 30.0),
    ("java:21.v29", 900.0, 30.0),
    ("dotnet:8.v24", 350.0, 20.0),
    ("provided:al2023.v70", 30.0, 8.0),
)
_MEMORY_MB: Final = (128, 256, 256, 512, 512, 1024, 1024, 1769, 3008)
_FULL_PROCESSOR_MB: Final = 1769


def generate(count: int, requests_per_s: float, seed: int) -> Iterator[Profile]:
    """That many different functions, whose rates fall off as in real fleets: a few take most of the traffic."""
    draw = random.Random(f"profiles/{seed}")
    weights = [1.0 / rank for rank in range(1, count + 1)]
    draw.shuffle(weights)
    scale = requests_per_s / sum(weights, start=1e-300)
    names = _names(draw)
    for weight in weights:
        trigger, name = next(names)
        yield _profile(name, trigger, weight * scale, draw)


def _names(draw: random.Random) -> Iterator[tuple[Trigger, str]]:
    """Triggers in fixed shares, so that even a small fleet has all of them; names without repetition."""
    triggers = [trigger for trigger, share in _TRIGGERS for _ in range(share)]
    seen: dict[str, int] = {}
    while True:
        draw.shuffle(triggers)
        for trigger in triggers:
            name = f"{draw.choice(_DOMAINS)}-{draw.choice(_ROLES[trigger])}"
            seen[name] = seen.get(name, 0) + 1
            yield trigger, name if seen[name] == 1 else f"{name}-{seen[name]}"


def _profile(name: str, trigger: Trigger, requests_per_s: float, draw: random.Random) -> Profile:
    runtime_version, init_ms, duration_ms = draw.choice(_RUNTIMES)
    memory_mb = draw.choice(_MEMORY_MB)
    # Less memory is less processor, but waiting for others takes as long.
    slowness = (_FULL_PROCESSOR_MB / min(memory_mb, _FULL_PROCESSOR_MB)) ** 0.5
    duration_ms *= slowness * draw.lognormvariate(0.5, 0.9) * (4 if trigger is not Trigger.DIRECT else 1)
    initialization = _initialization(runtime_version, trigger, draw)
    return Profile(
        name=name,
        trigger=trigger,
        requests_per_s=requests_per_s,
        runtime_version=runtime_version,
        architecture=draw.choice(("x86_64", "arm64", "arm64")),
        memory_mb=memory_mb,
        timeout_s=draw.choice((3.0, 10.0, 30.0, 60.0)) if duration_ms < 500 else draw.choice((60.0, 300.0)),
        initialization=initialization,
        provisioned_concurrency=draw.randint(1, 5) if initialization is InitType.PROVISIONED else 0,
        reserved_concurrency=None,
        alias="live" if initialization is not InitType.ON_DEMAND or draw.random() < 0.7 else None,
        deployments_per_week=draw.choice((0.2, 0.5, 1.0, 3.0)),
        duration_ms=duration_ms,
        duration_spread=draw.uniform(0.25, 0.8),
        init_ms=init_ms * slowness * draw.uniform(0.8, 2.5),
        extension_init_ms=draw.uniform(4.0, 25.0) * slowness,
        post_runtime_ms=draw.uniform(0.5, 4.0) * slowness,
        error_rate=draw.choice((0.0, 0.0005, 0.002, 0.01)),
        timeout_rate=draw.choice((0.0, 0.0, 0.0001, 0.0005)),
        out_of_memory_rate=draw.choice((0.0, 0.0, 0.0, 0.0002)),
        proactive_init_rate=draw.choice((0.0, 0.0, 0.02)),
        daily_swing=draw.uniform(0.3, 0.95) if trigger is not Trigger.ASYNCHRONOUS else draw.uniform(0.0, 0.4),
        peak_hour=draw.gauss(13.0, 2.5) % 24,
        weekend_factor=draw.uniform(0.35, 1.0),
        shards=draw.randint(2, 6) if trigger.is_stream else 1,
        batch_size=draw.choice((10, 50, 100)) if trigger.is_stream else 10,
        batching_window_s=draw.choice((0.0, 1.0, 5.0)) if trigger.is_stream or trigger is Trigger.SQS else 0.0,
    )


def _initialization(runtime_version: str, trigger: Trigger, draw: random.Random) -> InitType:
    chance = draw.random()
    if trigger is Trigger.DIRECT and chance < 0.08:
        return InitType.PROVISIONED
    if runtime_version.startswith("java") and chance < 0.5:
        return InitType.SNAP_START
    return InitType.ON_DEMAND
