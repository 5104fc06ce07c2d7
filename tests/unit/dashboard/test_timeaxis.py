"""Windows, buckets, instants."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.timeaxis import (
    BUCKETS_S,
    MAX_POINTS,
    RELATIVE_S,
    absolute_window,
    between,
    both_zones,
    bucket_for,
    floor_to,
    format_instant,
    parse_instant,
    relative_window,
    step_for,
    zone,
)

NOW = datetime(2026, 3, 1, 12, 34, 56, 789_000, UTC)


@pytest.mark.parametrize(("span_s", "bucket_s"), [(60, 1), (900, 5), (3600, 30), (21_600, 120), (86_400, 600)])
def test_buckets_are_as_narrow_as_the_axis_allows(span_s, bucket_s):
    assert bucket_for(span_s) == bucket_s


@given(st.floats(1, 30 * 86_400))
def test_no_axis_has_too_many_points(span_s):
    bucket_s = bucket_for(span_s)
    assert bucket_s in BUCKETS_S
    assert span_s / bucket_s <= MAX_POINTS


@pytest.mark.parametrize("span_s", RELATIVE_S.values())
def test_a_relative_window_covers_its_span_up_to_now(span_s):
    window = relative_window(span_s, NOW)
    assert window.end >= NOW
    assert window.end - NOW <= timedelta(seconds=step_for(span_s))
    assert window.begin <= window.end - timedelta(seconds=span_s)
    assert window.begin.timestamp() % window.bucket_s == 0


@pytest.mark.parametrize(("ended_s", "settled"), [(301, True), (299, False), (-60, False)])
def test_a_time_is_settled_once_its_last_minutes_cannot_grow(ended_s, settled):
    end = NOW - timedelta(seconds=ended_s)
    assert absolute_window(end - timedelta(hours=1), end, NOW).settled is settled


def test_a_long_window_is_whole_days_from_that_of_its_begin_to_its_end():
    window = relative_window(RELATIVE_S["7d"], NOW)
    days = window.parts(days=1)
    assert [day.begin.timestamp() % 86_400 for day in days] == [0] * 8
    assert timedelta(0) <= window.begin - days[0].begin < timedelta(days=1)
    assert all(one.end == two.begin for one, two in pairwise(days))
    assert days[-1].end == window.end
    assert [day.over for day in days] == [True] * 7 + [False]


def test_what_was_found_of_the_days_of_a_week_is_what_the_last_day_asks():
    week, day = (relative_window(RELATIVE_S[name], NOW) for name in ("7d", "24h"))
    of_week, of_day = ([(part.begin, part.end) for part in one.parts(days=1)] for one in (week, day))
    assert of_day[:-1] == of_week[-2:-1]
    assert of_day[-1][0] == of_week[-1][0]


def test_the_last_24_hours_are_one_part_where_more_days_may_be():
    window = relative_window(RELATIVE_S["24h"], NOW)
    assert window.span_s > 86_400
    assert window.parts(days=31) == [window]


def test_a_short_window_is_its_own_only_part():
    assert relative_window(3600, NOW).parts(days=4) == [relative_window(3600, NOW)]


@pytest.mark.parametrize("days", [2, 4, 30])
@pytest.mark.parametrize("span_s", [90_000, 200_000, 604_800, 30 * 86_400])
def test_parts_of_several_days_begin_on_the_same_days_and_leave_the_last_day_to_itself(days, span_s):
    window = relative_window(span_s, NOW)
    parts = window.parts(days=days)
    assert all(one.end == two.begin for one, two in pairwise(parts))
    assert timedelta(0) <= window.begin - parts[0].begin < timedelta(hours=1)
    assert parts[-1].end == window.end
    assert parts[-1].begin.timestamp() % 86_400 == 0
    assert parts[-1].span_s <= 86_400
    assert all(one.begin.timestamp() % (days * 86_400) == 0 for one in parts[1:-1])


def test_two_viewers_in_the_same_quarter_minute_ask_for_the_same():
    one = relative_window(3600, NOW)
    other = relative_window(3600, NOW + timedelta(seconds=3))
    assert (one.begin, one.end) == (other.begin, other.end)


def test_buckets_cover_the_window_without_a_hole():
    window = absolute_window(NOW, NOW + timedelta(minutes=7), NOW)
    starts = window.buckets()
    assert starts[0] <= window.begin < starts[0] + timedelta(seconds=window.bucket_s)
    assert starts[-1] < window.end <= starts[-1] + timedelta(seconds=window.bucket_s)
    steps = {later - earlier for earlier, later in pairwise(starts)}
    assert steps == {timedelta(seconds=window.bucket_s)}


def test_a_window_that_ends_on_a_bucket_has_no_empty_last_one():
    begin = floor_to(NOW, 3600)
    window = absolute_window(begin, begin + timedelta(hours=1), NOW)
    assert len(window.buckets()) == 3600 // window.bucket_s


def test_the_window_before_ends_where_this_one_begins():
    window = absolute_window(NOW - timedelta(hours=2), NOW, NOW)
    assert window.previous.end == window.begin
    assert window.previous.span_s == window.span_s


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds are naive by contract
def test_instants_survive_a_link_to_the_millisecond(at):
    cut = at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert parse_instant(format_instant(cut)) == cut


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T12:00:00Z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01 12:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00:00+02:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        ("2026-13-01", None),
        ("\uff12\uff10\uff12\uff16", None),
    ],
)
def test_instants_are_read_as_utc_unless_they_say_otherwise(text, expected):
    assert parse_instant(text) == expected


def test_an_instant_is_shown_in_both_zones():
    assert both_zones(NOW, ZoneInfo("Europe/Berlin")) == "2026-03-01 13:34:56 CET (12:34:56 UTC)"
    assert both_zones(NOW, ZoneInfo("UTC")) == "2026-03-01 12:34:56 UTC"


def test_a_range_is_shown_in_both_zones():
    shown = between(NOW, NOW + timedelta(minutes=5), ZoneInfo("Asia/Kolkata"))
    assert shown == "2026-03-01 18:04:56 to 18:09:56 IST · 2026-03-01 12:34:56 to 12:39:56 UTC"


@pytest.mark.parametrize("name", [None, "", "Mars/Olympus", "../etc/passwd"])
def test_an_unknown_zone_is_utc(name):
    assert zone(name).key == "UTC"
