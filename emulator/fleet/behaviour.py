"""How a function behaves: draws durations, failures and inits. Fast, since it runs for each of millions."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, NamedTuple

from emulator.fleet.facts import Init
from emulator.fleet.profiles import Profile
from emulator.model import InitType

_BINS: Final = 4096
_INIT_SPREAD: Final = 0.25
_POST_RUNTIME_SPREAD: Final = 0.4
_NORMAL: Final = tuple(NormalDist().inv_cdf((number + 0.5) / _BINS) for number in range(_BINS))
"""Quantiles of the normal distribution: drawing an index is five times as fast as ``random.gauss``."""
_MAX_INIT_US: Final = 9_900_000
"""Below Lambda's limit of 10 s, above which the init would be suppressed and done again in the invocation."""

SUCCESS: Final = "success"
_ERRORS: Final = ("Function.ValidationError", "Function.DownstreamError", "Function.KeyError")


@dataclass(slots=True)
class Disturbance:
    """What an incident does to a function while it lasts."""

    duration_ms: float | None = None
    duration_factor: float = 1.0
    init_factor: float = 1.0


class Run(NamedTuple):
    """What the handler and the extensions did. Microseconds."""

    latency_us: int
    response_us: int
    overhead_us: int
    runtime_us: int
    post_us: int
    status: str
    error_type: str | None
    produced_bytes: int
    max_memory_used_mb: int
    lost: str | None
    """Why the sandbox does not outlive it: the reason of its shutdown."""


class Behaviour:
    """One function's dice."""

    def __init__(self, profile: Profile, draw: random.Random) -> None:
        self.disturbance = Disturbance()
        self._profile = profile
        self._random = draw.random
        self._timeout_us = round(profile.timeout_s * 1_000_000)
        self._fails_below = profile.error_rate
        self._times_out_below = self._fails_below + profile.timeout_rate
        self._out_of_memory_below = self._times_out_below + profile.out_of_memory_rate
        self._memory_mb = tuple(
            max(40, round(profile.memory_mb * min(0.97, 0.35 + 0.25 * abs(score) * 0.6))) for score in _NORMAL[::64]
        )

    def _drawn_us(self, median_ms: float, spread: float) -> int:
        """A draw from the lognormal distribution, in whole microseconds from 1."""
        return int(median_ms * 1000.0 * math.exp(spread * _NORMAL[int(self._random() * _BINS)])) + 1

    def run(self, *, poisoned: bool) -> Run:
        """An invocation, from platform.start on. ``poisoned`` makes it fail."""
        draw, profile, disturbance = self._random, self._profile, self.disturbance
        median_ms = profile.duration_ms if disturbance.duration_ms is None else disturbance.duration_ms
        work_us = self._drawn_us(median_ms * disturbance.duration_factor, profile.duration_spread)
        post_us = self._drawn_us(profile.post_runtime_ms, _POST_RUNTIME_SPREAD)
        index = int(draw() * _BINS)
        memory_mb = self._memory_mb[index & 63]
        luck = draw()
        if work_us >= self._timeout_us or self._fails_below <= luck < self._times_out_below:
            return Run(
                0, 0, 0, self._timeout_us, 0, "timeout", "Sandbox.Timedout", 0, memory_mb, "timeout"
            )  # fmt: skip
        if self._times_out_below <= luck < self._out_of_memory_below:
            memory_mb = profile.memory_mb
            return Run(0, 0, 0, work_us, post_us, "error", "Runtime.OutOfMemory", 0, memory_mb, "failure")
        overhead_us = 300 + work_us % 400
        response_us = 20 + index % 80
        error_type = None
        if luck < self._fails_below or poisoned:
            error_type = "Function.PoisonRecord" if poisoned else _ERRORS[index % len(_ERRORS)]
        return Run(
            work_us,
            response_us,
            overhead_us,
            work_us + response_us + overhead_us,
            post_us,
            SUCCESS if error_type is None else "error",
            error_type,
            40 + index % 2000,
            memory_mb,
            None,
        )

    def init(self, start_us: int, init_type: InitType) -> Init:
        """An init from here on. A restore takes a quarter of the init that it saves."""
        profile = self._profile
        init_us = self._drawn_us(profile.init_ms * self.disturbance.init_factor, _INIT_SPREAD)
        if init_type is InitType.SNAP_START:
            return Init(start_us, 0, min(_MAX_INIT_US, max(1000, init_us // 4)), restore=True)
        extension_us = self._drawn_us(profile.extension_init_ms, _INIT_SPREAD)
        init_us = min(_MAX_INIT_US, init_us + extension_us)
        return Init(start_us, min(extension_us, init_us), init_us, restore=False)

    def shutdown_us(self) -> int:
        """How long extensions take to end."""
        return 1500 + int(self._random() * 30_000)
