"""Numbers as people read them. Unknown is a dash, never a zero."""

from __future__ import annotations

import math
from typing import Final

UNKNOWN: Final = "\u2013"
"""An en dash."""


def known(value: float | None) -> bool:
    """Whether a figure is there."""
    return value is not None and not math.isnan(value)


def milliseconds(value: float | None) -> str:
    """A duration with the unit that fits it: ``0.42 ms``, ``18.3 ms``, ``742 ms``, ``1.42 s``, ``2 min 5 s``."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if abs(value) < 1:
        return f"{value:.2f} ms" if value else "0 ms"
    if abs(value) < 100:
        return f"{value:.1f} ms"
    if abs(value) < 999.5:
        return f"{value:.0f} ms"
    if abs(value) < 59_950:
        return f"{value / 1000:.2f} s" if abs(value) < 9_995 else f"{value / 1000:.1f} s"
    return seconds(value / 1000)


def seconds(value: float | None) -> str:
    """A span of time in the two largest units: ``12 s``, ``3 min 20 s``, ``5 h 10 min``, ``2 d 4 h``."""
    if value is None or math.isnan(value):
        return UNKNOWN
    total = round(value)
    if total < 60:
        return f"{total} s"
    for size, unit, smaller, smaller_unit in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if total >= size:
            large, rest = divmod(total, size)
            small = rest // smaller
            return f"{large} {unit} {small} {smaller_unit}" if small else f"{large} {unit}"
    return f"{total} s"


def count(value: float | None) -> str:
    """A whole number with thousands set apart."""
    return UNKNOWN if value is None or math.isnan(value) else f"{round(value):,}"


def share(part: float | None, whole: float | None) -> str:
    """A percentage with as many digits as it deserves; a dash where there is nothing to share."""
    if part is None or whole is None or math.isnan(part) or math.isnan(whole) or whole <= 0:
        return UNKNOWN
    percent = 100 * part / whole
    if percent == 0:
        return "0 %"
    if percent < 0.1:
        return "< 0.1 %"
    return f"{percent:.1f} %" if percent < 10 else f"{percent:.0f} %"


def megabytes(value: float | None) -> str:
    """Memory in MB as Lambda counts it."""
    return UNKNOWN if value is None or math.isnan(value) else f"{value:,.0f} MB"


def plural(number: int, noun: str, plural_noun: str = "") -> str:
    """``1 function``, ``3 functions``."""
    return f"{number:,} {noun if number == 1 else plural_noun or noun + 's'}"
