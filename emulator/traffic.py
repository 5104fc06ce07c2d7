"""When requests come: arrival times of the patterns a scenario can ask for, as pure functions of a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Constant:
    """A request every 1/rate seconds."""

    rate_per_s: float


@dataclass(frozen=True, slots=True)
class Poisson:
    """Independent requests: exponential gaps."""

    rate_per_s: float


@dataclass(frozen=True, slots=True)
class Bursts:
    """``size`` requests at once, every ``every_s`` seconds."""

    size: int
    every_s: float


@dataclass(frozen=True, slots=True)
class Wave:
    """Independent requests whose rate follows a cosine from its least to its most and back."""

    least_per_s: float
    most_per_s: float
    period_s: float

    def rate_at(self, seconds: float) -> float:
        """Requests per second at a time after the start."""
        swing = (1 - math.cos(2 * math.pi * seconds / self.period_s)) / 2
        return self.least_per_s + (self.most_per_s - self.least_per_s) * swing


Pattern = Constant | Poisson | Bursts | Wave


def arrivals(pattern: Pattern, seed: int) -> Iterator[float]:
    """Seconds after the start of each request, endless and never falling."""
    draw = random.Random(seed)
    match pattern:
        case Constant(rate_per_s):
            number = 0
            while True:
                yield number / rate_per_s
                number += 1
        case Poisson(rate_per_s):
            at_s = 0.0
            while True:
                at_s += draw.expovariate(rate_per_s)
                yield at_s
        case Bursts(size, every_s):
            number = 0
            while True:
                yield from [number * every_s] * size
                number += 1
        case Wave():
            yield from _thinned(pattern, draw)


def _thinned(wave: Wave, draw: random.Random) -> Iterator[float]:
    """A Poisson stream of a changing rate: one of the highest rate, of which a share is kept (Lewis and Shedler)."""
    at_s = 0.0
    while True:
        at_s += draw.expovariate(wave.most_per_s)
        if draw.random() * wave.most_per_s < wave.rate_at(at_s):
            yield at_s
