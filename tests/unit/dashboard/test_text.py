"""Numbers as people read them."""

import math

import pytest

from dashboard.text import UNKNOWN, count, known, megabytes, milliseconds, plural, seconds, share


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, UNKNOWN),
        (math.nan, UNKNOWN),
        (0.0, "0 ms"),
        (0.42, "0.42 ms"),
        (18.26, "18.3 ms"),
        (741.6, "742 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (1_420, "1.42 s"),
        (14_990, "15.0 s"),
        (125_000, "2 min 5 s"),
    ],
)
def test_milliseconds(value, expected):
    assert milliseconds(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, UNKNOWN), (0.4, "0 s"), (59.6, "1 min"), (200, "3 min 20 s"), (18_600, "5 h 10 min"), (187_200, "2 d 4 h")],
)
def test_seconds(value, expected):
    assert seconds(value) == expected


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (0, 10, "0 %"),
        (1, 0, UNKNOWN),
        (None, 3, UNKNOWN),
        (1, 10_000, "< 0.1 %"),
        (1, 77, "1.3 %"),
        (1, 2, "50 %"),
        (math.nan, 2, UNKNOWN),
    ],
)
def test_share(part, whole, expected):
    assert share(part, whole) == expected


def test_counts_and_megabytes():
    assert [count(None), count(12345.0), megabytes(1024), megabytes(None)] == [UNKNOWN, "12,345", "1,024 MB", UNKNOWN]
    assert [plural(1, "row"), plural(2_000, "row"), plural(0, "entry", "entries")] == [
        "1 row",
        "2,000 rows",
        "0 entries",
    ]
    assert [known(None), known(math.nan), known(0.0)] == [False, False, True]
