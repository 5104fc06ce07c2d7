"""The choices of a viewer and the query string are the same thing in two forms."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.filters import (
    CUSTOM,
    RANGES,
    STATUSES,
    Filters,
    InvocationFilters,
    InvocationKey,
    parse_filters,
    parse_invocation_filters,
    parse_invocation_key,
)
from dashboard.timeaxis import RELATIVE_S

NOW = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)
INSTANTS = st.integers(0, 4_000_000_000_000).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)
NAMES = st.text(min_size=1, max_size=20)


@given(
    st.sampled_from(RANGES),
    INSTANTS,
    INSTANTS,
    st.sets(NAMES, max_size=4),
    st.sampled_from(["", "123456789012/eu-west-1"]),
    st.booleans(),
)
def test_a_link_gives_back_what_its_sender_saw(range_, begin, end, functions, scope, live):
    only_custom = range_ == CUSTOM
    chosen = Filters(
        range_, begin if only_custom else None, end if only_custom else None, tuple(sorted(functions)), scope, live
    )
    assert parse_filters(chosen.query()) == chosen


def test_defaults_leave_the_address_bare():
    assert Filters().query() == {}
    assert parse_filters({}) == Filters()


@pytest.mark.parametrize(
    "query",
    [
        {"range": ["9y"]},
        {"from": ["then"], "to": ["\x00"]},
        {"scope": ["a/b/c"]},
        {"live": ["maybe"]},
        {"function": [""]},
        {"nothing": ["of", "ours"]},
        {"range": []},
    ],
)
def test_a_link_never_fails(query):
    assert parse_filters(query) == Filters()


def test_a_custom_range_without_an_end_lasts_until_now():
    window = Filters(CUSTOM, begin=NOW - timedelta(minutes=5)).window(NOW)
    assert (window.begin, window.end) == (NOW - timedelta(minutes=5), NOW)


def test_a_range_that_ends_before_it_begins_is_the_hour_before_its_end():
    window = Filters(CUSTOM, begin=NOW, end=NOW - timedelta(days=1)).window(NOW)
    assert window.end - window.begin == timedelta(hours=1)


@pytest.mark.parametrize("range_", RELATIVE_S)
def test_only_a_live_relative_range_refreshes(range_):
    assert Filters(range_).refresh_s == {"15m": 15, "1h": 15, "6h": 60, "24h": 60, "7d": 300}[range_]
    assert Filters(range_, live=False).refresh_s is None
    assert Filters(CUSTOM).refresh_s is None


def test_scope_is_account_and_region():
    chosen = Filters(scope="123456789012/eu-west-1")
    assert (chosen.account, chosen.region) == ("123456789012", "eu-west-1")
    assert (Filters().account, Filters().region) == ("", "")


@given(
    st.sampled_from(["", *STATUSES]),
    st.booleans(),
    st.integers(0, 900_000).map(float),
    st.from_regex(r"[0-9a-f-]{0,36}", fullmatch=True),
    st.none() | INSTANTS,
    st.none() | INSTANTS,
)
def test_the_filters_of_invocations_survive_a_link(status, cold_only, min_ms, request, at, until):
    chosen = InvocationFilters(status, cold_only, min_ms, request, at, until)
    read = parse_invocation_filters(chosen.query())
    assert read == chosen or (min_ms >= 1e6 and read.min_ms == pytest.approx(min_ms, rel=1e-5))


@pytest.mark.parametrize("text", ["-5", "nan", "inf", "many", ""])
def test_a_least_duration_that_is_none_is_no_filter(text):
    assert parse_invocation_filters({"min_ms": [text]}).min_ms == 0


@pytest.mark.parametrize(
    "key",
    [InvocationKey("r"), InvocationKey("r", "i", 2), InvocationKey("r", "i", 1, NOW), InvocationKey("r", start=NOW)],
)
def test_the_key_of_an_invocation_survives_a_link(key):
    assert parse_invocation_key(key.query()) == key


def test_no_request_is_no_key():
    assert parse_invocation_key({"request": [" "]}) is None
