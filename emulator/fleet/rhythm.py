"""When requests come: the hour, the weekday, and chance."""

from __future__ import annotations

import math
import random
from typing import Final

from emulator.fleet.profiles import Profile

MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_MONDAY_MS: Final = 4 * _DAY_MS
"""The epoch was a Thursday; four days later a week begins."""


def rate_at(profile: Profile, at_ms: int) -> float:
    """Requests per second of a function at a time; its weekly mean is the profile's."""
    hour = at_ms % _DAY_MS / _HOUR_MS
    daily = 1.0 + profile.daily_swing * math.cos(2 * math.pi * (hour - profile.peak_hour) / 24)
    weekday = (at_ms - _MONDAY_MS) % (7 * _DAY_MS) // _DAY_MS
    mean_factor = (5 + 2 * profile.weekend_factor) / 7
    return profile.requests_per_s * daily * (profile.weekend_factor if weekday >= 5 else 1.0) / mean_factor


def arrivals(mean: float, draw: random.Random) -> int:
    """How many requests come where ``mean`` are expected: a draw from the Poisson distribution."""
    if mean > 50:
        return max(0, round(draw.gauss(mean, math.sqrt(mean))))
    threshold = math.exp(-mean)
    count, product = 0, draw.random()
    while product > threshold:
        count += 1
        product *= draw.random()
    return count
