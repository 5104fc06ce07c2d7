"""When an alert fires and is resolved: examples, and a property against a plain reading of the rule."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from collector.alerts.metrics import METRICS
from collector.alerts.rules import Rule, Threshold
from collector.alerts.state import Sample, change, step, unknown

T0 = datetime(2026, 11, 21, tzinfo=UTC)
SERIES = (("FunctionName", "orders"),)
RULE = Rule(
    name="r",
    title="R",
    metric=METRICS["error_rate"],
    tiers=(("warning", Threshold(">", 1, "> 1")), ("critical", Threshold(">", 10, "> 10"))),
    window=timedelta(minutes=5),
    hold=timedelta(minutes=2),
    clear=timedelta(minutes=3),
    minimum_traffic=0,
    missing="ok",
    ignore=frozenset(),
    advice="",
)


def run(values, rule=RULE, traffic=None, repeat_s=None):
    """What is told, as (minute, kind, severity)."""
    told = []
    alert = unknown(rule, SERIES)
    for minute, value in enumerate(values):
        at = T0 + timedelta(minutes=minute)
        sample = None if value is None else Sample(SERIES, value, traffic)
        after = step(rule, alert, sample, at)
        news = change(repeat_s, alert, after, at)
        if news:
            told.append((minute, news.kind, news.severity))
            after = replace(after, told_at=at)
        alert = after
    return told


def test_a_bound_must_be_broken_for_long_enough():
    assert run([5, 5, 0, 5, 5, 5]) == [(5, "firing", "warning")]


def test_it_is_resolved_once_and_only_when_it_stays_so():
    assert run([5, 5, 5, 0, 0, 5, 0, 0, 0, 0]) == [(2, "firing", "warning"), (9, "resolved", "warning")]


def test_it_becomes_worse_and_milder():
    values = [5, 5, 5, 20, 20, 20, 5, 5, 5, 5, 0, 0, 0, 0]
    assert run(values) == [
        (2, "firing", "warning"),
        (5, "changed", "critical"),
        (9, "changed", "warning"),
        (13, "resolved", "warning"),
    ]


def test_the_worst_at_once_is_told_once():
    assert run([20, 20, 20, 20]) == [(2, "firing", "critical")]


def test_little_traffic_says_nothing():
    assert run([20] * 9, replace(RULE, minimum_traffic=30), traffic=29) == []
    assert run([20] * 9, replace(RULE, minimum_traffic=30), traffic=30) == [(2, "firing", "critical")]


def test_what_missing_means():
    gone = [5, 5, 5, None, None, None, None, None]
    assert run(gone) == [(2, "firing", "warning"), (6, "resolved", "warning")]
    assert run(gone, replace(RULE, missing="keep")) == [(2, "firing", "warning")]
    assert run(gone, replace(RULE, missing="alert")) == [(2, "firing", "warning"), (5, "changed", "critical")]


def test_it_is_told_again_where_asked_for():
    assert run([5] * 9, repeat_s=180) == [
        (2, "firing", "warning"),
        (5, "repeated", "warning"),
        (8, "repeated", "warning"),
    ]


ONE_TIER = replace(RULE, tiers=(("warning", Threshold(">", 1, "> 1")),))


@given(st.lists(st.sampled_from([0.0, 5.0]), max_size=60), st.integers(0, 4), st.integers(0, 4))
def test_it_is_as_a_plain_reading_of_the_rule_has_it(values, hold, clear):
    rule = replace(ONE_TIER, hold=timedelta(minutes=hold), clear=timedelta(minutes=clear))
    on = False
    expected: list[tuple[int, str, str]] = []
    for minute in range(len(values)):
        # All of the last hold + 1 minutes on the other side, and none of them before the last turn.
        last = expected[-1][0] + 1 if expected else 0
        span = values[max(last, minute - (clear if on else hold)) : minute + 1]
        if len(span) == (clear if on else hold) + 1 and all((value > 1) != on for value in span):
            on = not on
            expected.append((minute, "firing" if on else "resolved", "warning"))
    assert run(values, rule) == expected
