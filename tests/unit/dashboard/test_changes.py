"""What is told of a fleet against the span before, and what is chance."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from dashboard.charts.changes import changes
from dashboard.text import UNKNOWN
from dashboard.timeaxis import absolute_window

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = absolute_window(BEGIN, BEGIN + timedelta(hours=1), BEGIN + timedelta(days=1))
LONG_AGO = pd.Timestamp(WINDOW.previous.begin)
NONE = pd.DataFrame()

SAME = {
    "FunctionName": "f", "IsTotal": 0, "Invocations": 1000, "Failed": 10, "ColdStarts": 20, "P50Ms": 100.0,
    "P95Ms": 200.0, "PreviousInvocations": 1000, "PreviousFailed": 10, "PreviousColdStarts": 20, "PreviousP50Ms": 100.0,
    "PreviousP95Ms": 200.0,
}  # fmt: skip


def told(rows: list[dict[str, object]], first: pd.Timestamp = LONG_AGO) -> list[tuple[str, str, str, str]]:
    total = {**SAME, "FunctionName": "", "IsTotal": 1}
    frame = pd.DataFrame([total, *rows]).assign(FirstStart=first)
    found = changes(frame, NONE, NONE, WINDOW)
    return [tuple(one) for one in found[["FunctionName", "What", "Before", "Now"]].to_numpy()]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"Failed": 30}, []),  # 1 % to 3 %: 3.2 standard errors
        ({"Failed": 60}, [("f", "failed", "1.0 %", "6.0 %")]),
        ({"Failed": 60, "Invocations": 29}, []),
        ({"ColdStarts": 0, "PreviousColdStarts": 100}, [("f", "cold starts", "10 %", "0 %")]),
        ({"P95Ms": 290.0}, []),
        ({"P95Ms": 310.0}, [("f", "duration p95", "200 ms", "310 ms")]),
        ({"P50Ms": 3.0, "PreviousP50Ms": 1.0}, []),  # three times as long, and 2 ms
        ({"P50Ms": 50.0}, [("f", "duration p50", "100 ms", "50.0 ms")]),
        ({"P50Ms": None}, []),
        ({"PreviousInvocations": 0}, [("f", "new function", UNKNOWN, "1,000 invocations")]),
        ({"PreviousInvocations": 12, "Failed": 900}, []),
    ],
)
def test_what_moved_by_more_than_chance(change, expected):
    assert told([SAME | change]) == expected


def test_where_the_span_before_is_not_stored_nothing_is_compared():
    assert told([SAME | {"Failed": 900}, SAME | {"PreviousInvocations": 0}], pd.Timestamp(BEGIN)) == []


def test_releases_and_settings_come_first_the_newest_on_top():
    rows = pd.DataFrame([{**SAME, "IsTotal": 1}, SAME | {"Failed": 500}]).assign(FirstStart=LONG_AGO)
    at = [pd.Timestamp(BEGIN + timedelta(minutes=minute)) for minute in (10, 20, 30)]
    releases = pd.DataFrame({
        "FunctionName": ["f", "g"], "FirstSeen": [at[0], at[2]],
        "BeforeVersion": ["6", "1"], "FunctionVersion": ["7", "1"],
        "BeforeRuntime": ["a", "python:3.13.v1"], "RuntimeVersion": ["a", "python:3.13.v2"],
    })  # fmt: skip
    configured = pd.DataFrame(
        {"FunctionName": ["h"], "At": [at[1]], "What": ["timeout, s"], "Before": ["3"], "Now": [""]}
    )
    found = changes(rows, releases, configured, WINDOW)
    assert [tuple(one) for one in found[["FunctionName", "What", "Before", "Now", "Page"]].to_numpy()] == [
        ("g", "runtime version", "python:3.13.v1", "python:3.13.v2", "runtimes"),
        ("h", "timeout, s", "3", UNKNOWN, "function"),
        ("f", "version", "6", "7", "cold_starts"),
        ("f", "failed", "1.0 %", "50 %", "function"),
    ]
    assert list(found["At"][:3]) == at[::-1]
    assert pd.isna(found["At"].iloc[3])


def test_the_largest_change_of_figures_comes_first():
    assert [name for name, *_ in told([SAME | {"Failed": 60}, SAME | {"FunctionName": "g", "Failed": 300}])] == [
        "g",
        "f",
    ]
