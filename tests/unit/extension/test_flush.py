"""When to flush: whole histories of invocations, without a clock."""

from itertools import pairwise

from extension.exporter import ExportHealth
from extension.flush import FlushPlanner


def history(planner, count, gap_s, *, start_s=1000.0, queued=1):
    """The plans of so many invocations, so far apart."""
    return [planner.on_invoke(start_s + n * gap_s, queued) for n in range(count)]


def test_the_first_invocations_flush_at_their_end():
    plans = history(FlushPlanner("adaptive", 0, ExportHealth()), 19, 0.1)
    assert all(plan.at_end and not plan.now for plan in plans)


def test_sparse_traffic_goes_on_to_flush_at_the_end():
    assert all(plan.at_end for plan in history(FlushPlanner("adaptive", 0, ExportHealth()), 100, 61.0))


def test_dense_traffic_flushes_beside_the_work_and_not_at_each_invocation():
    plans = history(FlushPlanner("adaptive", 0, ExportHealth()), 300, 0.1)[20:]
    assert not any(plan.at_end for plan in plans)
    assert 2 <= sum(plan.now for plan in plans) <= 4  # 28 s, every 10 s


def test_much_that_waits_does_not_wait_for_the_period():
    planner = FlushPlanner("adaptive", 0, ExportHealth())
    history(planner, 30, 0.1)
    assert planner.on_invoke(1003.05, 1 << 20).now


def test_traffic_that_thins_out_is_sparse_again():
    planner = FlushPlanner("adaptive", 0, ExportHealth())
    history(planner, 30, 0.1)
    assert history(planner, 25, 300.0, start_s=2000.0)[-1].at_end


def test_end_and_periodic():
    assert all(plan.at_end for plan in history(FlushPlanner("end", 0, ExportHealth()), 50, 0.1))
    plans = history(FlushPlanner("periodic", 2.0, ExportHealth()), 50, 0.5)
    assert not any(plan.at_end for plan in plans)
    assert sum(plan.now for plan in plans) == 13


def test_nothing_queued_is_nothing_to_flush_at_the_start():
    plans = history(FlushPlanner("periodic", 2.0, ExportHealth()), 50, 0.5, queued=0)
    assert not any(plan.now for plan in plans)


def test_a_clock_set_back_does_not_stop_the_flushes():
    planner = FlushPlanner("periodic", 2.0, ExportHealth())
    assert planner.on_invoke(1000.0, 1).now
    assert planner.on_invoke(10.0, 1).now


def billed_ms(gap_s, count, mode="end"):
    """What an outage that began before the first invocation adds to the invocations from the fourth on, on average."""
    health = ExportHealth()
    planner = FlushPlanner(mode, 0, health)
    added = []
    for n in range(count):
        now_s = 1000.0 + n * gap_s
        plan = planner.on_invoke(now_s, 1000)
        if plan.now:
            health.failed(now_s, 0.0)
        waited = 0.0
        if plan.at_end:
            waited = plan.patience_s  # a black hole: all of it is waited for
            health.failed(now_s + waited, 0.0)
            planner.waited(waited, delivered=False)
        added.append(waited * 1000)
    return sum(added[3:]) / len(added[3:])


def test_an_outage_costs_less_than_five_milliseconds_per_invocation():
    for gap_s in (0.01, 1.0, 70.0, 300.0):
        assert billed_ms(gap_s, 2000) < 5
        assert billed_ms(gap_s, 100) < 5


def test_during_an_outage_tries_become_rare_and_never_cease():
    health = ExportHealth()
    planner = FlushPlanner("adaptive", 0, health)
    tries = []
    for n in range(20_000):
        now_s = 1000.0 + n * 0.1
        plan = planner.on_invoke(now_s, 1000)
        if plan.now or plan.at_end:
            tries.append(now_s)
            health.failed(now_s, 0.0)
            planner.waited(0.0, delivered=False)
    gaps = [b - a for a, b in pairwise(tries)]
    assert 59 < gaps[-1] < 62
    assert len(tries) < 50


def test_retry_after_is_obeyed():
    health = ExportHealth()
    planner = FlushPlanner("end", 0, health)
    planner.on_invoke(1000.0, 1)
    health.failed(1000.0, 300.0)
    planner.waited(0.01, delivered=False)
    assert not any(p.now or p.at_end for p in history(planner, 299, 1.0, start_s=1000.5))
    plan = planner.on_invoke(1301.0, 1)
    assert plan.now or plan.at_end


def test_a_collector_that_is_back_gets_the_old_patience():
    health = ExportHealth()
    planner = FlushPlanner("end", 0, health)
    full = planner.on_invoke(1000.0, 1).patience_s
    health.failed(1000.0, 0.0)
    planner.waited(full, delivered=False)
    assert planner.on_invoke(1100.0, 1).patience_s < full / 100
    health.succeeded()
    planner.waited(0.01, delivered=True)
    assert planner.on_invoke(1200.0, 1).patience_s == full
