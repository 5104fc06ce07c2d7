"""What was found about two parts of a window, put together."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from dashboard.charts import parts
from dashboard.timeaxis import absolute_window

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
WINDOW = absolute_window(MIDNIGHT - timedelta(days=2), MIDNIGHT + timedelta(hours=12), MIDNIGHT + timedelta(hours=12))
WHO = {"AccountId": "1", "Region": "r", "EventSourceArn": "arn"}


def at(hours: float) -> pd.Timestamp:
    return pd.Timestamp(MIDNIGHT + timedelta(hours=hours))


def episode(function, since, first, last, throttled, share):
    said = {"Confidence": "likely", "Evidence": f"{throttled}", "Trigger": "", "Effect": ""}
    return {**WHO, "FunctionName": function, "Cause": "reserved_concurrency", "Since": at(since),
            "FirstMinute": at(first), "LastMinute": at(last), "Throttled": throttled, "Share": share,
            **said}  # fmt: skip


def test_a_stretch_of_throttling_over_midnight_is_one():
    before = pd.DataFrame([episode("a", -1, -1, 0, 30, 0.5), episode("gone", -60, -60, -50, 9, 0.5)])
    after = pd.DataFrame([episode("a", -1, 0, 2, 90, 0.9), episode("b", 1, 1, 2, 5, 1.0)])
    rows = parts.episodes([before, after], WINDOW.begin)
    assert list(rows["FunctionName"]) == ["a", "b"]
    first = rows.iloc[0]
    assert (first["FirstMinute"], first["LastMinute"], first["Throttled"], first["Evidence"]) == (
        at(-1),
        at(2),
        120,
        "90",
    )
    assert first["Share"] == pytest.approx(120 / 160)


def test_who_held_concurrency_is_counted_once_a_minute_whoever_was_throttled():
    def held(function, holder, most, minutes):
        return {**WHO, "FunctionName": function, "Holder": holder, "Held": most, "Rose": most, "At": minutes[0],
                "AllMinutes": minutes}  # fmt: skip

    rows = parts.holders(
        [
            pd.DataFrame([held("a", "big", 700, [1, 2]), held("b", "big", 800, [2, 3])]),
            pd.DataFrame([held("a", "x", 3, [9])]),
        ]
    )
    assert rows[["FunctionName", "Held", "At", "Minutes"]].to_numpy().tolist() == [["big", 800, 2, 3], ["x", 3, 9, 1]]


def consumer(function, cause, age_ms, share, last, begin, ages):
    return {**WHO, "FunctionName": function, "WorstCause": cause, "WorstConfidence": "likely", "WorstSince": at(begin),
            "WorstEvidence": cause, "MaxAgeMs": age_ms, "WorstShare": share, "LastMinute": at(last), "LastAgeMs": last,
            "LastState": f"at {last}", "Ages": ages, "AgeBegin": at(begin), "AgeStep_s": 3600.0}  # fmt: skip


def test_a_consumer_has_its_worst_cause_and_its_latest_state():
    before = pd.DataFrame([consumer("a", "poisoned_shard", 9e6, 0.3, -2, -48, [1.0, 7.0] + [0.0] * 46),
                           consumer("b", "", 10.0, 0.0, -3, -48, [0.0] * 48)])  # fmt: skip
    after = pd.DataFrame([consumer("a", "catching_up", 9.5e6, 0.2, 11, 0, [5.0] + [0.0] * 11)])
    rows = parts.consumers([before, after], WINDOW)
    assert list(rows["FunctionName"]) == ["a", "b"]
    first = rows.iloc[0]
    assert (first["WorstCause"], first["MaxAgeMs"], first["WorstShare"]) == ("poisoned_shard", 9.5e6, 0.3)
    assert (first["LastState"], first["LastAgeMs"]) == ("at 11", 11)
    # 48 points of 75 minutes: the second hour lies in the second one, midnight in the 39th.
    assert (len(first["Ages"]), first["Ages"][1], first["Ages"][38]) == (48, 7.0, 5.0)


def test_figures_of_all_functions_add_up():
    rows = [{"Bucket": at(-1), "FunctionName": name, "Polled": 3} for name in "ab"]
    whole = parts.summed([pd.DataFrame(rows), pd.DataFrame([{"Bucket": at(1), "FunctionName": "a", "Polled": 4}])],
                         "Bucket", WINDOW.begin)  # fmt: skip
    assert whole["Polled"].tolist() == [6, 4]


def test_nothing_stays_nothing():
    assert parts.episodes([pd.DataFrame(), pd.DataFrame()], WINDOW.begin).empty
    assert parts.holders([pd.DataFrame()]).empty
    assert parts.consumers([pd.DataFrame()], WINDOW).empty
    assert parts.summed([pd.DataFrame()], "Bucket", WINDOW.begin).empty
