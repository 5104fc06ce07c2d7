"""Samples into minutes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.metrics import ACCOUNT, Mapping, MetricAggregator, MetricPoint, Target

MINUTE = 60_000_000_000
T0 = 29_833_333 * MINUTE
PLAIN = Target("f")
ALIASED = Target("f", "live", "7")


def by_name(points: list[MetricPoint], metric: str) -> dict[tuple[str, ...], tuple[float, ...]]:
    return {
        tuple(name for name, _ in point.dimensions): (point.count, point.total, point.minimum, point.maximum)
        for point in points
        if point.metric == metric
    }


def test_an_invocation_is_published_under_its_documented_dimension_sets():
    metrics = MetricAggregator(delay_s=0)
    metrics.invocation(ALIASED, T0, duration_ms=12.5, post_runtime_ms=2.0, failed=True)
    points = metrics.flush(T0 + MINUTE)
    resource = ("FunctionName", "Resource")
    assert by_name(points, "Duration") == dict.fromkeys(
        [(), ("FunctionName",), resource, (*resource, "ExecutedVersion")], (1, 12.5, 12.5, 12.5)
    )
    assert set(by_name(points, "PostRuntimeExtensionsDuration")) == {("FunctionName",), resource}
    assert by_name(points, "Errors")[()] == (1, 1, 1, 1)
    assert by_name(points, "Throttles")[()] == (1, 0, 0, 0)
    values = {value for point in points for _, value in point.dimensions}
    assert values == {"f", "f:live", "7"}


def test_the_bare_function_has_its_name_as_resource_and_no_executed_version():
    metrics = MetricAggregator(delay_s=0)
    metrics.invocation(PLAIN, T0, duration_ms=1, post_runtime_ms=None, failed=False)
    points = metrics.flush(T0 + MINUTE)
    assert max(len(point.dimensions) for point in points) == 2
    assert {dict(point.dimensions).get("Resource", "f") for point in points} == {"f"}
    assert by_name(points, "PostRuntimeExtensionsDuration") == {}


def test_a_throttled_request_is_no_invocation():
    metrics = MetricAggregator(delay_s=0)
    metrics.throttle(PLAIN, T0)
    points = metrics.flush(T0 + MINUTE)
    assert {point.metric for point in points} == {"Throttles"}
    assert by_name(points, "Throttles")[()] == (1, 1, 1, 1)


def test_targets_of_a_function_are_summed_and_kept_apart():
    metrics = MetricAggregator(delay_s=0)
    for duration_ms in (1.0, 5.0):
        metrics.invocation(PLAIN, T0, duration_ms=duration_ms, post_runtime_ms=None, failed=False)
    metrics.invocation(ALIASED, T0 + 1, duration_ms=9.0, post_runtime_ms=None, failed=False)
    points = [point for point in metrics.flush(T0 + MINUTE) if point.metric == "Duration"]
    figures = {point.dimensions: (point.count, point.total, point.minimum, point.maximum) for point in points}
    assert figures[()] == figures[("FunctionName", "f"),] == (3, 15.0, 1.0, 9.0)
    assert figures[("FunctionName", "f"), ("Resource", "f")] == (2, 6.0, 1.0, 5.0)
    assert figures[("FunctionName", "f"), ("Resource", "f:live")] == (1, 9.0, 9.0, 9.0)


def test_minutes_are_published_late_and_again_when_they_change():
    """Points are stamped with the start of the invocation, which may have been a quarter of an hour ago."""
    metrics = MetricAggregator(delay_s=120, keep_s=1800)
    metrics.sample("Invocations", PLAIN, T0, 1)
    assert metrics.flush(T0 + 3 * MINUTE - 1) == []
    first = metrics.flush(T0 + 3 * MINUTE)
    assert metrics.flush(T0 + 4 * MINUTE) == []
    metrics.sample("Invocations", PLAIN, T0 + 30, 1)
    again = metrics.flush(T0 + 15 * MINUTE)
    assert [by_name(points, "Invocations")[()][0] for points in (first, again)] == [1, 2]
    metrics.flush(T0 + 31 * MINUTE)
    metrics.sample("Invocations", PLAIN, T0 + 30, 1)
    assert (metrics.flush(T0 + 40 * MINUTE), metrics.too_late) == ([], 1)


def test_concurrency_lasts_into_the_minutes_of_a_long_invocation_and_is_absent_afterwards():
    metrics = MetricAggregator(delay_s=0)
    metrics.level("ConcurrentExecutions", PLAIN, T0, 1, sampled=True)
    metrics.level("ConcurrentExecutions", PLAIN, T0 + 1, 2, sampled=True)
    metrics.level("ConcurrentExecutions", PLAIN, T0 + 2, 1, sampled=False)
    metrics.level("ConcurrentExecutions", PLAIN, T0 + 2 * MINUTE + 5, 0, sampled=False)
    points = [point for point in metrics.flush(T0 + 10 * MINUTE) if len(point.dimensions) == 1]
    assert [((point.start_ns - T0) // MINUTE, point.maximum) for point in points] == [(0, 2), (1, 1), (2, 1)]


def test_the_regions_concurrency_is_not_the_sum_of_the_functions():
    metrics = MetricAggregator(delay_s=0)
    metrics.level("ConcurrentExecutions", PLAIN, T0, 2, sampled=True)
    metrics.level("ConcurrentExecutions", ACCOUNT, T0, 5, sampled=True)
    assert by_name(metrics.flush(T0 + MINUTE), "ConcurrentExecutions") == {
        (): (1, 5, 5, 5),
        ("FunctionName",): (1, 2, 2, 2),
        ("FunctionName", "Resource"): (1, 2, 2, 2),
    }


def test_idle_minutes_have_no_points():
    metrics = MetricAggregator(delay_s=0)
    metrics.level("ProvisionedConcurrencyUtilization", PLAIN, T0, 0.5, sampled=True)
    metrics.level("ProvisionedConcurrencyUtilization", PLAIN, T0 + 1, 0, sampled=False)
    assert len(metrics.flush(T0 + MINUTE)) == 1
    assert metrics.flush(T0 + 60 * MINUTE) == []


@pytest.mark.parametrize(
    ("metric", "source", "dimensions"),
    [
        ("ClaimedAccountConcurrency", ACCOUNT, ()),
        ("UnreservedConcurrentExecutions", ACCOUNT, ()),
        ("PolledEventCount", Mapping("uuid-1"), (("EventSourceMappingUUID", "uuid-1"),)),
        ("ProvisionedConcurrencyInvocations", ALIASED, (("FunctionName", "f"), ("Resource", "f:live"))),
    ],
)
def test_metrics_with_a_single_set(metric, source, dimensions):
    metrics = MetricAggregator(delay_s=0)
    metrics.sample(metric, source, T0, 3)
    (point,) = metrics.flush(T0 + MINUTE)
    assert (point.metric, point.dimensions, point.start_ns) == (metric, dimensions, T0)


def test_an_unknown_metric_is_an_error():
    with pytest.raises(KeyError, match="Invocation"):
        MetricAggregator().sample("Invocation", PLAIN, T0, 1)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([PLAIN, ALIASED, Target("g")]), st.integers(0, 5 * MINUTE), st.floats(0, 1e6), st.booleans()
        )
    )
)
def test_the_points_of_any_set_add_up_to_the_truth(requests):
    metrics = MetricAggregator(delay_s=0)
    for target, offset_ns, duration_ms, failed in requests:
        metrics.invocation(target, T0 + offset_ns, duration_ms=duration_ms, post_runtime_ms=None, failed=failed)
    points = metrics.flush(T0 + 10 * MINUTE)
    for size in (0, 1, 2):
        of_set = [point for point in points if len(point.dimensions) == size]
        assert sum(point.total for point in of_set if point.metric == "Invocations") == len(requests)
        assert sum(point.total for point in of_set if point.metric == "Errors") == sum(one[3] for one in requests)
        assert sum(point.count for point in of_set if point.metric == "Duration") == len(requests)
    for point in points:
        assert point.count * point.minimum <= point.total * (1 + 1e-9) + 1e-9
        assert point.total <= point.count * point.maximum * (1 + 1e-9) + 1e-9
