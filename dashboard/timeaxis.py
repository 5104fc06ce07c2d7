"""Time: ranges, buckets, and what is still provisional. Instants are aware and in UTC throughout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MAX_POINTS: Final = 200
"""Buckets on one time axis. More cannot be told apart on a 1366-pixel screen."""

BUCKETS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)

STEPS_S: Final = (15, 60, 300)
"""The end of a live range moves in one of these steps, so that viewers share cached results: the longer the range, the
less a minute of it is to be seen."""
POINTS_PER_STEP: Final = 300
"""A step is at most so small a part of the range."""

PROVISIONAL_S: Final = 300
"""The newest figures may still grow for so long: the last report of a sandbox comes with its next invocation, and
exports are sent in batches. lambda_concurrency marks the same minutes as provisional."""

DAY_S: Final = 86_400
ABOUT_A_DAY_S: Final = DAY_S + 1800
"""The last 24 hours are up to a step and a bucket longer."""
HOUR_S: Final = 3600
LATE_S: Final = 3600
RELATIVE_S: Final = {"15m": 900, "1h": 3600, "6h": 21_600, "24h": 86_400, "7d": 604_800}


@dataclass(frozen=True, slots=True)
class Window:
    """A closed choice of time, with the width of its buckets: what the queries of one page run see."""

    begin: datetime
    end: datetime
    bucket_s: int
    now: datetime

    @property
    def span_s(self) -> float:
        """Length in seconds."""
        return (self.end - self.begin).total_seconds()

    @property
    def provisional_from(self) -> datetime:
        """Figures after this instant may still change."""
        return self.now - timedelta(seconds=PROVISIONAL_S)

    @property
    def look(self) -> tuple[datetime, datetime, int, datetime | None]:
        """What of it a chart shows: of two windows that look alike only the age of what is provisional differs, by less
        than the shortest step.
        """
        fresh = None if self.settled else floor_to(self.now, STEPS_S[0])
        return self.begin, self.end, self.bucket_s, fresh

    @property
    def settled(self) -> bool:
        """Whether all of it is so long ago that nothing but late data changes it."""
        return self.end <= self.provisional_from

    @property
    def over(self) -> bool:
        """Whether it ended so long ago that not even late data is likely."""
        return self.end <= self.now - timedelta(seconds=LATE_S)

    @property
    def previous(self) -> Window:
        """The window of the same length just before this one."""
        return Window(self.begin - (self.end - self.begin), self.begin, self.bucket_s, self.now)

    def parts(self, days: int) -> list[Window]:
        """Its last day in UTC, and before it as many days at a time; itself where it is no longer than one.

        What took long to find about days that are over need not be found again when a live range moves, and what needs
        much memory needs no more for a longer range. Wherever a range begins, its parts begin on the same days. Single
        days are whole ones: the last day's are among the last week's.

        Args:
            days: at most so many are one part.
        """
        if self.span_s <= (DAY_S if days == 1 else ABOUT_A_DAY_S):
            return [self]
        last = floor_to(self.end, DAY_S)
        cut = floor_to(self.begin, days * DAY_S) + timedelta(days=days)
        starts = [floor_to(self.begin, DAY_S if days == 1 else HOUR_S)]  # what was over before is no news of this time
        while cut < last:
            starts.append(cut)
            cut += timedelta(days=days)
        edges = [*starts, *([last] if starts[-1] < last < self.end else []), self.end]
        return [replace(self, begin=begin, end=end) for begin, end in pairwise(edges)]

    def at_least(self, bucket_s: int) -> Window:
        """The same window in points that are not narrower."""
        return self if self.bucket_s >= bucket_s else replace(self, bucket_s=bucket_s)

    def buckets(self) -> list[datetime]:
        """The start of every bucket, the first of which may begin before the window."""
        first = floor_to(self.begin, self.bucket_s)
        count = int((self.end - first).total_seconds() // self.bucket_s) + 1
        starts = (first + timedelta(seconds=self.bucket_s * i) for i in range(count))
        return [start for start in starts if start < self.end]


def bucket_for(span_s: float) -> int:
    """The narrowest bucket, in seconds, of which at most :data:`MAX_POINTS` cover a range."""
    return next((width for width in BUCKETS_S if span_s / width <= MAX_POINTS), BUCKETS_S[-1])


def step_for(span_s: float) -> int:
    """The seconds in which the end of a live range of this length moves, and after which it is read again."""
    return max((step for step in STEPS_S if step * POINTS_PER_STEP <= span_s), default=STEPS_S[0])


def relative_window(span_s: int, now: datetime) -> Window:
    """The last so many seconds. The end is rounded up to a step, so that it can be a cache key."""
    bucket_s = bucket_for(span_s)
    step_s = step_for(span_s)
    end = floor_to(now, step_s) + timedelta(seconds=step_s)
    return Window(floor_to(end - timedelta(seconds=span_s), bucket_s), end, bucket_s, now)


def absolute_window(begin: datetime, end: datetime, now: datetime) -> Window:
    """The time between two instants, as it is asked for."""
    return Window(begin, end, bucket_for((end - begin).total_seconds()), now)


def floor_to(instant: datetime, step_s: int) -> datetime:
    """The last multiple of a step since the epoch."""
    return datetime.fromtimestamp(instant.timestamp() // step_s * step_s, UTC)


def parse_instant(text: str) -> datetime | None:
    """An ISO 8601 instant, UTC where it names no zone; None for anything else."""
    try:
        instant = datetime.fromisoformat(text.strip().replace(" ", "T", 1))
    except ValueError:
        return None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)


def format_instant(instant: datetime) -> str:
    """ISO 8601 in UTC to the millisecond, as it stands in links; without a fraction of zero."""
    text = instant.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    return text.removesuffix(".000") + "Z"


def zone(name: str | None) -> ZoneInfo:
    """The viewer's zone, UTC where the browser did not say or said something unknown."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def both_zones(instant: datetime, viewer: ZoneInfo, *, seconds: bool = True) -> str:
    """An instant in the viewer's zone, with UTC beside it where that differs."""
    style = "%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M"
    utc = f"{instant.astimezone(UTC):{style}} UTC"
    local = instant.astimezone(viewer)
    if local.utcoffset() == timedelta(0):
        return utc
    return f"{local:{style}} {local.tzname()} ({instant.astimezone(UTC):%H:%M:%S} UTC)"


def between(begin: datetime, end: datetime, viewer: ZoneInfo) -> str:
    """A range for reading: the viewer's zone first, UTC beside it where that differs."""

    def shown(where: ZoneInfo) -> str:
        first, last = begin.astimezone(where), end.astimezone(where)
        tail = "%H:%M:%S" if first.date() == last.date() else "%Y-%m-%d %H:%M:%S"
        return f"{first:%Y-%m-%d %H:%M:%S} to {last:{tail}} {first.tzname()}"

    utc = shown(ZoneInfo("UTC"))
    return utc if begin.astimezone(viewer).utcoffset() == timedelta(0) else f"{shown(viewer)} · {utc}"
