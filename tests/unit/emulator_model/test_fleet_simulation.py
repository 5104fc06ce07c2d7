"""What happens in a fleet: conservation, limits, incidents, reproducibility."""

import itertools
import random
from collections import Counter
from typing import Any

import pytest

from emulator.fleet.errors import FleetConfigError
from emulator.fleet.facts import Invocation, Shutdown, Throttle, UnwaitedInit
from emulator.fleet.profiles import Profile, Trigger
from emulator.fleet.rhythm import arrivals, rate_at
from emulator.fleet.truth import Peak, Truth
from tests.support.fleet import (
    HOUR_US,
    MINUTE_US,
    START_US,
    facts_of,
    fleet_of,
    history,
    one_function,
    requests_of,
    with_seed,
)


def kinds(facts, kind):
    return [fact for fact in facts if isinstance(fact, kind)]


def run(fleet):
    return facts_of(history(fleet))


def truth_of(facts) -> Truth:
    truth = Truth()
    truth.add(facts)
    return truth


def between(facts, from_min: float, to_min: float):
    low, high = START_US + from_min * MINUTE_US, START_US + to_min * MINUTE_US
    return [fact for fact in facts if low <= (fact.at_us if isinstance(fact, Throttle) else fact.start_us) < high]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    fleet = fleet_of({"days": 0.1, "functions": 25, "requests_per_s": 2})
    first, second, other = (
        (
            [request.body for request in requests_of(one, facts_of(minutes))],
            [minute.points for minute in minutes],
        )
        for one in (fleet, fleet, with_seed(fleet, 2))
        for minutes in [history(one, with_metrics=True)]
    )
    assert first == second
    assert first[0]
    assert first[0] != other[0]


def test_metrics_do_not_change_what_happens():
    fleet = fleet_of({"days": 0.05, "functions": 25, "requests_per_s": 3})
    plain, metered = (
        requests_of(fleet, facts_of(history(fleet, with_metrics=with_metrics))) for with_metrics in (False, True)
    )
    assert plain == metered


def test_every_sandbox_runs_one_invocation_at_a_time_and_is_shut_down_after_its_last():
    facts = run(fleet_of({"days": 0.1, "functions": 30, "requests_per_s": 4, "limits": {"idle_timeout_s": 120}}))
    by_sandbox: dict[object, list[Invocation]] = {}
    for invocation in kinds(facts, Invocation):
        by_sandbox.setdefault(invocation.sandbox, []).append(invocation)
    assert len(by_sandbox) > 30
    ends = {shutdown.sandbox: shutdown.at_us for shutdown in kinds(facts, Shutdown)}
    for sandbox, invocations in by_sandbox.items():
        for before, after in itertools.pairwise(invocations):
            assert before.end_us <= after.busy_start_us
            assert after.init is None
        assert ends.get(sandbox, invocations[-1].end_us) >= invocations[-1].end_us


def test_the_platforms_sums_hold():
    """start + runtimeDone = end; the three response phases make the runtime's time; billed is rounded up."""
    facts = run(fleet_of({"days": 0.1, "functions": 40, "requests_per_s": 4}))
    invocations = kinds(facts, Invocation)
    for one in invocations:
        assert one.start_us % 1000 == 0
        assert one.runtime_us <= one.duration_us
        parts_us = one.latency_us + one.response_us + one.overhead_us
        assert parts_us in {0, one.runtime_us}
        init_us = 0 if one.init is None else one.init.duration_us
        assert one.billed_ms * 1000 - 1000 < one.duration_us + init_us <= one.billed_ms * 1000
        assert one.duration_us <= one.sandbox.profile.timeout_s * 1_000_000 or one.error_type != "Sandbox.Timedout"
        if one.init is not None:
            assert 0 <= one.start_us - one.init.end_us < 1000
            assert one.init.extension_us <= one.init.duration_us
    assert {one.init is None for one in invocations} == {True, False}


def test_peak_concurrency_equals_a_sweep_over_all_intervals():
    facts = run(fleet_of({"days": 0.05, "functions": 20, "requests_per_s": 30}))
    intervals = [(one.busy_start_us // 1000, one.end_us // 1000) for one in kinds(facts, Invocation)]
    deltas = sorted([(end, -1) for start, end in intervals if end > start]
        + [(start, 1) for start, end in intervals if end > start])  # fmt: skip
    level = highest = 0
    for _, delta in deltas:
        level += delta
        highest = max(highest, level)
    summary = truth_of(facts).summary(fleet_of({}), START_US, START_US + HOUR_US)
    assert summary["peak_concurrency"] == highest > 3


@pytest.mark.parametrize(
    ("intervals", "highest"),
    [([], 0), ([(0, 5), (5, 9)], 1), ([(0, 5), (4, 9)], 2), ([(3, 3), (3, 3)], 0), ([(0, 9), (1, 2), (2, 3)], 2)],
)
def test_intervals_are_half_open(intervals, highest):
    peak = Peak()
    for interval in intervals:
        peak.add(*interval)
    assert peak.highest == highest


# Incidents -----------------------------------------------------------------------------------------------------------

TABLE: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    # (incident, its cause of throttling, described function, limits)
    ({"kind": "reserved_limit", "reserved": 5, "requests_per_s": 40, "duration_ms": 400}, "reserved_concurrency", {}),
    ({"kind": "reserved_zero"}, "reserved_zero", {}),
    (
        {"kind": "request_rate_limit", "reserved": 2, "requests_per_s": 60, "duration_ms": 3},
        "reserved_request_rate",
        {},
    ),
    (
        {"kind": "account_limit", "requests_per_s": 60, "duration_ms": 1000},
        "account_concurrency",
        {"account_concurrency": 30, "unreserved_minimum": 0},
    ),
    (
        {"kind": "scaling_rate_limit", "burst": 200, "duration_ms": 2000},
        "scaling_rate",
        {"account_concurrency": 5000, "scaling_environments": 50},
    ),
]


@pytest.mark.parametrize(("incident", "cause", "limits"), TABLE, ids=[row[0]["kind"] for row in TABLE])
def test_an_incident_throttles_for_its_cause_while_it_lasts(incident, cause, limits):
    fleet = one_function(
        {**incident, "start_h": 0.25, "for_min": 5}, hours=0.5, requests_per_s=1, timeout_s=60, limits=limits
    )
    facts = run(fleet)
    throttles = kinds(facts, Throttle)
    ((commonest, _), *_) = Counter(one.cause for one in throttles).most_common()
    assert commonest == cause
    assert throttles == kinds(between(throttles, 15, 20), Throttle)
    assert len(throttles) > 100


def test_reserved_zero_lets_nothing_through_and_ends():
    facts = run(one_function({"kind": "reserved_zero", "start_h": 0.25, "for_min": 5}, hours=0.5, requests_per_s=2))
    invocations = kinds(facts, Invocation)
    assert between(invocations, 15, 20) == []
    assert between(invocations, 20, 30)


def test_one_function_that_takes_all_concurrency_throttles_the_others():
    fleet = fleet_of({
        "days": 0.02,
        "limits": {"account_concurrency": 30, "unreserved_minimum": 0},
        "describe": [
            {"name": "glutton", "requests_per_s": 0.1, "timeout_s": 60},
            {"name": "victim", "requests_per_s": 5, "duration_ms": 20},
        ],
        "incidents": [{"kind": "account_limit", "function": "glutton", "start_h": 0.1, "for_min": 6,
            "requests_per_s": 60, "duration_ms": 1000}],
    })  # fmt: skip
    truth = truth_of(run(fleet))
    assert truth.functions["victim"].throttles > 50
    assert truth.summary(fleet, 0, 1)["peak_concurrency"] == 30


def ages(facts, from_min, to_min):
    return [one.iterator_age_ms for one in between(kinds(facts, Invocation), from_min, to_min)]


STREAM: dict[str, Any] = {
    "trigger": "kinesis",
    "requests_per_s": 20,
    "shards": 3,
    "batch_size": 100,
    "batching_window_s": 1,
}


def test_a_poisoned_shard_ages_while_the_others_go_on():
    facts = run(one_function({"kind": "poisoned_shard", "shard": 1, "start_h": 0.25, "for_min": 20}, hours=1, **STREAM))
    during = between(kinds(facts, Invocation), 15, 35)
    failed = [one for one in during if one.error_type == "Function.PoisonRecord"]
    good = [one for one in during if one.error_type is None]
    assert max(one.iterator_age_ms for one in failed) > 18 * 60_000
    assert max(one.iterator_age_ms for one in good) < 10_000
    assert all(one.error_type is None for one in between(kinds(facts, Invocation), 36, 60))
    assert max(ages(facts, 35, 40)) > 10 * 60_000
    assert max(ages(facts, 50, 60)) < 10_000


def test_a_slow_consumer_falls_behind_and_catches_up():
    incident = {"kind": "slow_consumer", "factor": 100, "start_h": 0.25, "for_min": 15}
    facts = run(one_function(incident, hours=1, duration_ms=300, timeout_s=300, **STREAM))
    assert max(ages(facts, 0, 15)) < 10_000
    assert max(ages(facts, 15, 35)) > 5 * 60_000
    assert max(ages(facts, 55, 60)) < 10_000


def test_a_paused_mapping_is_silent_and_then_old():
    facts = run(one_function({"kind": "paused_mapping", "start_h": 0.25, "for_min": 20}, hours=1, **STREAM))
    assert between(kinds(facts, Invocation), 15.1, 35) == []
    assert max(ages(facts, 35, 36)) > 15 * 60_000
    records = sum(one.records for one in kinds(facts, Invocation))
    assert records == pytest.approx(20 * 3600, rel=0.05)


def test_a_slow_init_comes_with_a_version_and_goes_with_another():
    incident = {"kind": "slow_init", "factor": 10, "start_h": 0.25, "for_min": 20}
    facts = run(one_function(incident, hours=1, requests_per_s=5, duration_ms=400))
    by_version: dict[str, list[int]] = {}
    for one in kinds(facts, Invocation):
        if one.init is not None:
            by_version.setdefault(one.sandbox.version, []).append(one.init.duration_us)
    assert list(by_version) == ["1", "2", "3"]
    assert min(by_version["2"]) > 3 * max(by_version["1"] + by_version["3"])


# Kinds of functions --------------------------------------------------------------------------------------------------


def test_asynchronous_errors_are_retried_with_the_same_request_id():
    facts = run(one_function(hours=1, trigger="asynchronous", requests_per_s=0.2, error_rate=0.5))
    attempts: dict[str, list[Invocation]] = {}
    for one in kinds(facts, Invocation):
        attempts.setdefault(one.request_id, []).append(one)
    assert {len(tries) for tries in attempts.values()} >= {1, 2, 3}
    for tries in attempts.values():
        assert len(tries) <= 3
        assert all(one.error_type is not None for one in tries[:-1])
        assert len({(one.sandbox, one.attempt) for one in tries}) == len(tries)
        for before, after in itertools.pairwise(tries):
            assert after.start_us - before.end_us >= 60_000_000


def test_provisioned_sandboxes_are_initialised_ahead_and_nobody_waits_for_them():
    facts = run(
        one_function(hours=0.5, requests_per_s=2, initialization="provisioned-concurrency", provisioned_concurrency=3)
    )
    ahead = kinds(facts, UnwaitedInit)
    assert [one.init_type for one in ahead] == ["provisioned-concurrency"] * 3
    used = [one for one in kinds(facts, Invocation) if one.init_type == "provisioned-concurrency"]
    assert used
    assert all(one.init is None and not one.proactive for one in used)


def test_snapstart_restores_instead_of_initialising():
    facts = run(one_function(hours=0.5, requests_per_s=1, initialization="snap-start"))
    inits = [one.init for one in kinds(facts, Invocation) if one.init is not None]
    assert inits
    assert all(init.restore and init.extension_us == 0 for init in inits)


def test_a_proactive_init_is_told_on_the_first_invocation_only():
    facts = run(one_function(hours=3, requests_per_s=0.05, proactive_init_rate=5, duration_ms=5))
    proactive = [one for one in kinds(facts, Invocation) if one.proactive]
    assert proactive
    assert len({one.sandbox for one in proactive}) == len(proactive)
    started = {one.sandbox: one.init for one in kinds(facts, UnwaitedInit)}
    for one in proactive:
        assert one.init is None
        assert one.start_us - started[one.sandbox].end_us > 10_000_000


@pytest.mark.parametrize(
    ("rate", "error_type", "reason"),
    [("timeout_rate", "Sandbox.Timedout", "timeout"), ("out_of_memory_rate", "Runtime.OutOfMemory", "failure")],
)
def test_a_timeout_or_lack_of_memory_ends_the_sandbox(rate, error_type, reason):
    rates: dict[str, Any] = {rate: 0.1}
    facts = run(one_function(hours=0.5, requests_per_s=1, **rates))
    failed = [one for one in kinds(facts, Invocation) if one.error_type is not None]
    assert {one.error_type for one in failed} == {error_type}
    ends = {one.sandbox: (one.at_us, one.reason) for one in kinds(facts, Shutdown)}
    finished = [one for one in failed if one.end_us < START_US + HOUR_US // 2]
    assert len(finished) > 100
    assert all(ends[one.sandbox] == (one.end_us, reason) for one in finished)


def test_more_provisioned_than_the_account_has_is_refused():
    fleet = one_function(initialization="provisioned-concurrency", provisioned_concurrency=901)
    with pytest.raises(FleetConfigError, match="below the minimum of 100"):
        run(fleet)


# Rhythm --------------------------------------------------------------------------------------------------------------


def profile(**described) -> Profile:
    return one_function(**described).profiles[0]


def test_traffic_follows_the_hour_and_the_weekday_and_keeps_its_mean():
    one = profile(requests_per_s=3.0, daily_swing=0.8, peak_hour=15, weekend_factor=0.5)
    week = [rate_at(one, START_US // 1000 + minute * 60_000) for minute in range(7 * 1440)]
    assert sum(week) / len(week) == pytest.approx(3.0, rel=1e-3)
    assert max(range(1440), key=week.__getitem__) == 15 * 60
    assert min(range(1440), key=week.__getitem__) == 3 * 60
    assert week[5 * 1440 + 900] == pytest.approx(week[4 * 1440 + 900] / 2)


@pytest.mark.parametrize("mean", [0.01, 0.7, 20.0, 400.0])
def test_arrivals_have_the_mean_that_is_asked_for(mean):
    draw = random.Random(1)
    counts = [arrivals(mean, draw) for _ in range(20_000)]
    assert sum(counts) / len(counts) == pytest.approx(mean, rel=0.1)
    assert min(counts) >= 0


def test_all_triggers_are_at_work_in_a_generated_fleet():
    facts = run(fleet_of({"days": 0.1, "functions": 40, "requests_per_s": 5}))
    assert {one.sandbox.profile.trigger for one in kinds(facts, Invocation)} == set(Trigger)
