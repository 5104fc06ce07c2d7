"""RFC 3339 times as nanoseconds since the epoch, without ``datetime`` (2 ms of imports)."""

from __future__ import annotations

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

_DAYS_BEFORE_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LAST_YEAR = 2261
"""The last whole year whose nanoseconds fit into 63 bits, which is what OTLP's readers have for a time."""
_EPOCH_DAY = 719162
"""Days from 0001-01-01 to 1970-01-01."""


_MINUTE, _MILLISECONDS = 17, 24
"""Length of a time up to its seconds, and of one as the platform writes it: ``2024-05-20T16:29:44.833Z``."""
_minute: tuple[str, int] = ("", 0)
"""The minute that was read last, since nearly all times of an invocation are in the same."""


def parse_time_ns(text: object) -> int | None:
    """Nanoseconds since the epoch of an RFC 3339 time; None where it cannot be read.

    Lenient where Lambda's own documents are: a colon before the milliseconds (``12:01:23:521Z``), a space for the
    ``T``, a comma in the fraction, an offset without a colon, and none (taken as UTC). Digits beyond nanoseconds are
    cut off.
    """
    global _minute  # noqa: PLW0603 - one value that is replaced as a whole, so that threads cannot disagree
    if not isinstance(text, str) or len(text) < 19 or not text.isascii():
        return None
    known, known_ns = _minute
    usual = len(text) == _MILLISECONDS and text[19] == "." and text[23] == "Z"
    if usual and text[:_MINUTE] == known:
        seconds, milliseconds = text[17:19], text[20:23]
        if seconds.isdigit() and milliseconds.isdigit() and seconds < "60":
            return known_ns + int(seconds) * NS_PER_S + int(milliseconds) * NS_PER_MS
    time_ns = _parse(text)
    if usual and time_ns is not None and text[17:19] < "60":
        _minute = text[:_MINUTE], time_ns - time_ns % (60 * NS_PER_S)
    return time_ns


def _parse(text: str) -> int | None:
    try:
        day_ns = _day(int(text[0:4]), int(text[5:7]), int(text[8:10])) * 86400 * NS_PER_S
        clock_ns = _clock(int(text[11:13]), int(text[14:16]), int(text[17:19])) * NS_PER_S
        fraction_ns, offset = _fraction(text[19:])
        offset_ns = _offset_s(offset) * NS_PER_S
    except ValueError:
        return None
    if (text[4], text[7], text[13], text[16]) != ("-", "-", ":", ":") or text[10] not in "Tt ":
        return None
    return day_ns + clock_ns + fraction_ns - offset_ns


def _day(year: int, month: int, day: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not (1970 <= year <= _LAST_YEAR and 1 <= month <= 12 and 1 <= day <= _DAYS_IN_MONTH[month - 1]):
        raise ValueError("not a date")
    if month == 2 and day == 29 and not leap:
        raise ValueError("not a leap year")
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 - _EPOCH_DAY
    return days + _DAYS_BEFORE_MONTH[month - 1] + (1 if leap and month > 2 else 0) + day - 1


def _clock(hour: int, minute: int, second: int) -> int:
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second <= 60):
        raise ValueError("not a time of day")
    return hour * 3600 + minute * 60 + second


def _fraction(rest: str) -> tuple[int, str]:
    """Nanoseconds, and what follows them."""
    if rest[:1] not in {".", ":", ","}:
        return 0, rest
    digits = rest[1:].rstrip("Zz")
    for sign in "+-":
        digits = digits.partition(sign)[0]
    if not digits.isdigit():
        raise ValueError("not a fraction")
    return int(digits[:9].ljust(9, "0")), rest[1 + len(digits) :]


def _offset_s(offset: str) -> int:
    if offset in {"", "Z", "z"}:
        return 0
    digits = offset[1:3] + offset[-2:]
    if offset[0] not in "+-" or offset[3:-2] not in {"", ":"} or len(offset) < 5 or not digits.isdigit():
        raise ValueError("not an offset")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return seconds if offset[0] == "+" else -seconds
