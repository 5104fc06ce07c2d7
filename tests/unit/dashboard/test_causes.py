"""Causes in words, releases that made init slower, and what is one incident."""

import math
import random
import statistics
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from dashboard import causes
from dashboard.charts import cold_starts, fleet
from dashboard.timeaxis import absolute_window

T0 = datetime(2026, 11, 21, tzinfo=UTC)
WINDOW = absolute_window(T0, T0 + timedelta(days=1), T0 + timedelta(days=2))
SCHEMA = Path(__file__).parents[3] / "collector" / "schema"


@pytest.mark.parametrize(
    ("file", "known"),
    [("0021_lambda_throttle_causes.sql", causes.THROTTLES), ("0022_lambda_stream_lag.sql", causes.LAG)],
)
def test_every_cause_that_is_worded_is_one_that_sql_names(file, known):
    text = (SCHEMA / file).read_text(encoding="utf-8")
    for name in known:
        assert f"'{name}'" in text, name


def test_a_cause_of_a_newer_collector_shows_under_its_own_name():
    assert causes.throttle("moon_phase") == causes.Cause("moon phase", "")
    assert causes.title("streams", "moon_phase") == "moon phase"
    assert causes.title("cold_starts", "Init of version 2, after 1") == "Init of version 2, after 1"


def version(name, number, hour, p50, cold, before=None, spread=1.0):
    """`spread`: by how much the longest init is above the median, and the shortest below."""
    before = before or ("", 0.0, 0)
    return {
        "AccountId": "1", "Region": "r", "FunctionName": name, "FunctionVersion": number,
        "RuntimeVersion": "python:3.12.v1",
        "FirstSeen": pd.Timestamp(T0 + timedelta(hours=hour)), "LastSeen": pd.Timestamp(T0 + timedelta(hours=hour + 1)),
        "ColdStarts": cold, "P50Ms": p50, "BeforeVersion": before[0], "BeforeP50Ms": before[1],
        "LeastMs": p50 / spread, "TypicalMs": p50, "BeforeMostMs": before[1] * spread, "BeforeTypicalMs": before[1],
        "BeforeColdStarts": before[2], "BeforeRuntime": "python:3.12.v1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("now", "cold", "before", "slower"),
    [
        (300, 5, 100, True),
        (149, 5, 100, False),
        (140, 5, 60, True),
        (99, 5, 50, False),
        (200, 2, 100, False),
        (170, 3, 100, False),
    ],
)
def test_a_release_is_pointed_out_where_init_is_much_slower(now, cold, before, slower):
    rows = pd.DataFrame([version("a", "1", -5, before, 9), version("a", "2", 3, now, cold, ("1", before, 9))])
    found = cold_starts.releases(rows, WINDOW)
    assert list(found["FunctionVersion"]) == ["2"]
    assert list(found["Slower"]) == [slower]
    assert list(found["What"]) == ["Init of version 2, after 1"]


@pytest.mark.parametrize(
    ("now", "cold", "cold_before", "spread", "sure"),
    [
        (300, 2, 9, 1.2, "possible"),
        (300, 2, 9, 1.5, None),
        (300, 2, 4, 1.2, None),
        (400, 1, 9, 1.2, "possible"),
        (300, 1, 9, 1.2, None),
        (300, 9, 2, 1.2, "possible"),
        (300, 9, 2, 1.5, None),
        (400, 3, 9, 1.9, "likely"),
    ],
)
def test_few_cold_starts_tell_of_a_release_where_each_is_longer_than_all_before(now, cold, cold_before, spread, sure):
    before = ("1", 100.0, cold_before)
    [found] = cold_starts.releases(pd.DataFrame([version("a", "2", 3, now, cold, before, spread)]), WINDOW).to_dict(
        "records"
    )
    assert found["Slower"] == (sure is not None)
    assert sure in (None, found["Sure"])


@pytest.mark.parametrize("before", [1, 2, 3, 5, 8, 30, 200])
@pytest.mark.parametrize("cold", [1, 2, 3, 4, 6, 12, 50])
def test_no_release_is_pointed_out_by_chance(cold, before):
    # A thousand releases of like inits, as the emulator's fleets draw them: the hundreds of a week happen to have few.
    draw = random.Random(1000 * cold + before)

    def drawn(count: int, median_ms: float) -> list[float]:
        return [draw.lognormvariate(math.log(median_ms), 0.25) for _ in range(count)]

    def found(times: float, number: int) -> pd.Series:
        rows = []
        for one in range(number):
            new, old = drawn(cold, times * 800), drawn(before, 800)
            row = version(f"f{one}", "2", 3, statistics.median(new), cold, ("1", statistics.median(old), before))
            typical = {"TypicalMs": statistics.geometric_mean(new), "BeforeTypicalMs": statistics.geometric_mean(old)}
            rows.append({**row, **typical, "LeastMs": min(new), "BeforeMostMs": max(old)})
        return cold_starts.releases(pd.DataFrame(rows), WINDOW)["Slower"]

    assert not found(1, 1000).any()
    if min(cold, before) >= 3:
        assert found(6, 100).mean() > 0.95


def test_an_update_of_the_runtime_is_named_as_one():
    row = {**version("a", "1", 3, 300.0, 5, ("1", 100.0, 9)), "RuntimeVersion": "python:3.12.v2"}
    [what] = cold_starts.releases(pd.DataFrame([row]), WINDOW)["What"]
    assert what == "Init on runtime python:3.12.v2, after python:3.12.v1"


def stretch(function, cause, first, last, weight, kind="throttles"):
    begin, end = (pd.Timestamp(T0 + timedelta(minutes=minute)) for minute in (first, last))
    return {"Page": kind, "FunctionName": function, "Cause": cause, "Began": begin, "Ended": end, "Sure": "likely",
            "Why": f"{function} {weight}", "Weight": weight}  # fmt: skip


NOTHING = cold_starts.releases(pd.DataFrame(), WINDOW)


def test_what_one_limit_of_the_account_does_to_many_is_one_incident():
    rows = [stretch("big", "account_concurrency", 0, 10, 900), stretch("small", "account_concurrency", 8, 12, 3),
            stretch("late", "account_concurrency", 20, 25, 2), stretch("other", "account_concurrency", 60, 61, 7),
            stretch("a", "reserved_concurrency", 0, 5, 9), stretch("b", "reserved_concurrency", 0, 5, 8)]  # fmt: skip
    found = fleet.incidents([pd.DataFrame(rows)], T0, NOTHING)
    shared = found[found["Cause"] == "account_concurrency"]
    assert list(shared["FunctionName"]) == ["other", "big"]
    assert list(shared["Others"]) == ["", "2 more"]
    assert list(shared["Lasted"]) == ["1 min", "25 min"]
    assert sorted(found[found["Cause"] == "reserved_concurrency"]["FunctionName"]) == ["a", "b"]


def test_the_newest_incident_comes_first_and_slow_releases_are_among_them():
    slow = cold_starts.releases(pd.DataFrame([version("s", "2", 3, 300.0, 5, ("1", 100.0, 9))]), WINDOW)
    found = fleet.incidents([pd.DataFrame([stretch("a", "reserved_zero", 0, 5, 9)])], T0, slow)
    assert list(found["FunctionName"]) == ["s", "a"]
    assert list(found["Page"]) == ["cold_starts", "throttles"]
    assert fleet.incidents([], T0, NOTHING).empty


def test_what_lasts_from_part_to_part_is_one_incident_and_what_was_over_before_is_none():
    days = [
        pd.DataFrame([stretch("a", "poisoned_shard", -90, -60, 9), stretch("a", "poisoned_shard", 0, 20, 9)]),
        pd.DataFrame([stretch("a", "poisoned_shard", 5, 50, 30), stretch("b", "poisoned_shard", 30, 40, 1)]),
    ]
    found = fleet.incidents(days, T0 - timedelta(minutes=5), NOTHING)
    assert list(found["FunctionName"]) == ["b", "a"]
    assert list(found["Lasted"]) == ["10 min", "50 min"]
    assert found["Why"].iloc[1] == "a 30"


def test_a_ripple_in_a_stream_is_no_incident():
    found = fleet.incidents(
        [pd.DataFrame([stretch("short", "slow_consumer", 0, 4, 67, "streams"),
                       stretch("long", "slow_consumer", 0, 6, 67, "streams"),
                       stretch("old", "poisoned_shard", 0, 2, 900, "streams"),
                       stretch("t", "reserved_zero", 0, 1, 1)])],
        T0, NOTHING)  # fmt: skip
    assert set(found["FunctionName"]) == {"long", "old", "t"}


@pytest.mark.parametrize(
    ("other", "explained"),
    [
        (("a", "paused_mapping", 0, 30, 900, "streams"), True),
        (("a", "paused_mapping", 0, 30, 40, "function"), True),
        (("b", "paused_mapping", 0, 30, 40, "function"), False),
        (("a", "reserved_zero", 0, 30, 312, "async"), True),
        (("a", "reserved_concurrency", 20, 25, 900), True),
        (("b", "reserved_concurrency", 0, 30, 900), False),
        (("b", "account_concurrency", 0, 30, 900), True),
        (("a", "reserved_concurrency", 31, 40, 900), False),
    ],
)
def test_that_nothing_was_invoked_is_told_where_nothing_else_explains_it(other, explained):
    rows = [stretch("a", "stopped", 0, 30, 50, "function"), stretch(*other)]
    found = fleet.incidents([pd.DataFrame(rows)], T0, NOTHING)
    assert ("stopped" not in set(found["Cause"])) is explained
    assert len(found) == 1 if explained else len(found) == 2


def test_throttles_of_unknown_cause_are_the_rest_of_the_known_ones_that_they_follow():
    rows = [stretch("a", "scaling_rate", 0, 1, 134), stretch("a", "unknown", 1, 3, 90),
            stretch("a", "unknown", 40, 42, 5), stretch("b", "unknown", 1, 3, 7)]  # fmt: skip
    found = fleet.incidents([pd.DataFrame(rows)], T0, NOTHING).sort_values(["FunctionName", "Began"])
    assert list(found["FunctionName"]) == ["a", "a", "b"]
    assert list(found["Cause"]) == ["scaling_rate", "unknown", "unknown"]
    assert list(found["Lasted"]) == ["3 min", "2 min", "2 min"]
