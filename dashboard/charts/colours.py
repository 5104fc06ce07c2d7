"""One colour per meaning, the same on every page. Chosen to differ for the colour-blind on light and dark alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from zlib import crc32

from semconv import phases

FAILED: Final = "#d1450b"
SUCCEEDED: Final = "#5b8db8"
ACCOUNT: Final = "#8a94a0"
IDLE: Final = "#8a94a0"
NEUTRAL: Final = "#8a94a0"
OWN_SPAN: Final = "#a0663d"
"""Spans that the function's own tracing sent."""

REST_OF_INIT: Final = "rest of init"
"""What remains of init when its known parts are taken off."""

PHASES: Final = {
    phases.EXTENSION_INIT: "#e08a00",
    phases.RUNTIME_INIT: "#56b4e9",
    phases.FUNCTION_INIT: "#2374b8",
    phases.RUNTIME_AND_FUNCTION_INIT: "#3a88c8",
    REST_OF_INIT: "#a9b4bf",
    phases.RESTORE: "#c2679a",
    phases.INIT: "#a9b4bf",
    phases.INVOKE: "#0a9b74",
    phases.RESPONSE_LATENCY: "#4db695",
    phases.RESPONSE_DURATION: "#7fc9b0",
    phases.RUNTIME_OVERHEAD: "#9c8b00",
    phases.POST_RUNTIME: "#7f63b8",
    phases.SHUTDOWN: "#6f7b87",
}

ACTIVITIES: Final = {
    "init": PHASES[phases.RUNTIME_AND_FUNCTION_INIT],
    "restore": PHASES[phases.RESTORE],
    "invoke": PHASES[phases.INVOKE],
    "failed invoke": FAILED,
    "shutdown": PHASES[phases.SHUTDOWN],
}

SERIES: Final = (
    "#2374b8",
    "#e08a00",
    "#0a9b74",
    "#c2679a",
    "#7f63b8",
    "#9c8b00",
    "#3fa0dc",
    "#a0663d",
    "#5f7f3b",
    "#b05454",
)
OTHERS: Final = "#8a94a0"

PERCENTILES: Final = {"p50": "#3fa0dc", "p95": "#2374b8", "p99": "#7f63b8"}


def series_colours(names: Iterable[str]) -> dict[str, str]:
    """A colour per series: by a hash of its name, the next free one where two fall together.

    So a function keeps its colour over pages and reloads as long as few are shown at once, and no two of up to ten
    share one.
    """
    taken: dict[str, str] = {}
    for name in sorted(set(names)):
        start = crc32(name.encode()) % len(SERIES)
        order = [SERIES[(start + step) % len(SERIES)] for step in range(len(SERIES))]
        free = [colour for colour in order if colour not in taken.values()]
        taken[name] = (free or order)[0]
    return taken


ALIVE: Final = {"busy": "#2374b8", "idle": "#a9c9e4", "idle, perhaps gone": "#d9dde2"}
"""What a sandbox that is alive does."""
