"""Lambda's documented rules of scaling, one test each, naming the page that has the rule."""

import itertools

import pytest

from emulator.model import (
    Admitted,
    Cause,
    FunctionLimits,
    InitType,
    LimitError,
    Limits,
    Model,
    Reason,
    Throttled,
    UnknownFunctionError,
)

SECOND = 1_000_000_000


def model_of(*functions: FunctionLimits, **limits: int) -> Model:
    ids = itertools.count()
    return Model(Limits(**limits), functions, lambda: f"sandbox-{next(ids)}")


def ask_many(model: Model, function: str, count: int, now_ns: int = 0):
    return [model.ask(function, now_ns) for _ in range(count)]


def admitted(decisions) -> list[Admitted]:
    return [decision for decision in decisions if isinstance(decision, Admitted)]


def reasons(decisions) -> set[str]:
    return {decision.reason.value for decision in decisions if isinstance(decision, Throttled)}


def causes(decisions) -> set[Cause]:
    return {decision.cause for decision in decisions if isinstance(decision, Throttled)}


LIMIT_TABLE = [
    # (rule and its page, functions, account concurrency, asks of "f", admitted, reason)
    (
        "Understanding concurrency: the account's quota is shared by all functions",
        [FunctionLimits("f")],
        50,
        60,
        50,
        Reason.CONCURRENT,
    ),
    (
        "Configuring reserved concurrency: it is also the function's upper limit",
        [FunctionLimits("f", reserved_concurrency=7)],
        200,
        9,
        7,
        Reason.RESERVED_CONCURRENT,
    ),
    (
        "Configuring reserved concurrency: 0 stops the processing of events",
        [FunctionLimits("f", reserved_concurrency=0)],
        200,
        3,
        0,
        Reason.RESERVED_CONCURRENT,
    ),
    (
        "Configuring reserved concurrency: other functions cannot use what is reserved",
        [FunctionLimits("f"), FunctionLimits("g", reserved_concurrency=60)],
        200,
        150,
        140,
        Reason.CONCURRENT,
    ),
    (
        "Lambda scaling behavior: 1,000 environments of a function in 10 seconds",
        [FunctionLimits("f")],
        5000,
        1200,
        1000,
        Reason.CONCURRENT,
    ),
]


@pytest.mark.parametrize(("rule", "functions", "account", "asks", "expected", "reason"), LIMIT_TABLE)
def test_a_burst_is_admitted_up_to_the_limit(rule, functions, account, asks, expected, reason):
    model = model_of(*functions, account_concurrency=account)
    decisions = ask_many(model, "f", asks)
    assert len(admitted(decisions)) == expected, rule
    assert reasons(decisions) == {reason.value}


RATE_TABLE = [
    # (rule and its page, reserved, account, asks of one sandbox in a second, admitted, reason)
    ("Understanding concurrency: requests per second = 10 x concurrency", None, 10, 130, 100, Reason.RATE),
    ("the same for a function with reserved concurrency", 3, 200, 40, 30, Reason.RESERVED_RATE),
]


@pytest.mark.parametrize(("rule", "reserved", "account", "asks", "expected", "reason"), RATE_TABLE)
def test_short_requests_are_held_to_ten_times_the_concurrency(rule, reserved, account, asks, expected, reason):
    model = model_of(FunctionLimits("f", reserved_concurrency=reserved), account_concurrency=account)
    decisions = []
    for _ in range(asks):  # one after the other within an instant: concurrency never exceeds 1
        decision = model.ask("f", 0)
        decisions.append(decision)
        if isinstance(decision, Admitted):
            model.finished(decision.sandbox, 0)
    assert len(admitted(decisions)) == expected, rule
    assert reasons(decisions) == {reason.value}
    assert isinstance(model.ask("f", SECOND), Admitted)


def test_all_callers_together_may_have_a_limit():
    """API model of Invoke: the reason CallerRateLimitExceeded."""
    model = model_of(FunctionLimits("f"), caller_requests_per_s=2)
    assert reasons(ask_many(model, "f", 3)) == {"CallerRateLimitExceeded"}


def test_reasons_are_those_of_the_api():
    """ThrottleReason of Lambda's API, but for ConcurrentSnapshotCreateLimitExceeded, which is not about requests."""
    assert {reason.value for reason in Reason} == {
        "ConcurrentInvocationLimitExceeded",
        "FunctionInvocationRateLimitExceeded",
        "ReservedFunctionConcurrentInvocationLimitExceeded",
        "ReservedFunctionInvocationRateLimitExceeded",
        "CallerRateLimitExceeded",
    }


def test_the_scaling_rate_refills_all_the_time_and_accrues_nothing():
    """Lambda scaling behavior: refilled continuously; unused portions do not accrue."""
    model = model_of(FunctionLimits("f"), account_concurrency=100_000)
    assert len(admitted(ask_many(model, "f", 1500, now_ns=100 * SECOND))) == 1000
    assert len(admitted(ask_many(model, "f", 1500, now_ns=101 * SECOND))) == 100
    assert len(admitted(ask_many(model, "f", 1500, now_ns=161 * SECOND))) == 1000


def test_the_scaling_rate_is_each_functions_own():
    """Lambda scaling behavior: each function can scale independently of other functions."""
    model = model_of(FunctionLimits("f"), FunctionLimits("g"), account_concurrency=10_000)
    assert causes(ask_many(model, "f", 1001)) == {Cause.SCALING_RATE}
    assert causes(ask_many(model, "g", 1000)) == set()


def test_the_most_recently_used_sandbox_is_used_again():
    """What is seen on Lambda: traffic gathers on few sandboxes, so that the rest can be shut down."""
    model = model_of(FunctionLimits("f"))
    first, second = admitted(ask_many(model, "f", 2))
    model.finished(first.sandbox, 5)
    model.finished(second.sandbox, 9)
    decision = model.ask("f", 10)
    assert isinstance(decision, Admitted)
    assert (decision.sandbox, decision.cold) == (second.sandbox, False)


def test_an_idle_sandbox_is_shut_down():
    """Lambda execution environment: it stays for some time in anticipation of another invocation."""
    model = model_of(FunctionLimits("f"), idle_timeout_ns=60 * SECOND)
    (decision,) = admitted(ask_many(model, "f", 1))
    model.finished(decision.sandbox, SECOND)
    assert model.next_reap_ns() == 61 * SECOND
    assert model.reap(61 * SECOND - 1) == []
    assert [(retired.sandbox, retired.at_ns) for retired in model.reap(99 * SECOND)] == [
        (decision.sandbox, 61 * SECOND)
    ]
    assert model.reap(99 * SECOND) == []
    assert model.next_reap_ns() is None


def test_a_sandbox_past_its_idle_time_gets_no_request_even_before_it_is_reaped():
    model = model_of(FunctionLimits("f"), idle_timeout_ns=60 * SECOND)
    (decision,) = admitted(ask_many(model, "f", 1))
    model.finished(decision.sandbox, SECOND)
    again = model.ask("f", 61 * SECOND)
    assert isinstance(again, Admitted)
    assert again.cold


def test_environments_are_ended_every_few_hours_even_in_constant_use():
    """Lambda execution environment: terminated every few hours for maintenance."""
    model = model_of(FunctionLimits("f"), lifetime_ns=100 * SECOND)
    (decision,) = admitted(ask_many(model, "f", 1))
    model.finished(decision.sandbox, 99 * SECOND)
    again = model.ask("f", 99 * SECOND)
    assert isinstance(again, Admitted)
    assert not again.cold
    model.finished(again.sandbox, 100 * SECOND)
    assert [retired.sandbox for retired in model.reap(100 * SECOND)] == [decision.sandbox]


def test_a_hundred_must_stay_unreserved():
    """PutFunctionConcurrency: UnreservedConcurrentExecution may not fall below its minimum of 100."""
    model = model_of(FunctionLimits("f"), FunctionLimits("g"), account_concurrency=1000)
    model.reserve("f", 900)
    with pytest.raises(LimitError, match="99 of the account's 1000 would be left"):
        model.reserve("g", 1)
    with pytest.raises(LimitError):
        model.provision("g", "$LATEST", 1, 0)
    model.reserve("f", None)
    model.reserve("g", 900)


def test_zero_can_be_reserved_on_the_smallest_account():
    model = model_of(FunctionLimits("f"), account_concurrency=10)
    model.reserve("f", 0)
    assert causes(ask_many(model, "f", 1)) == {Cause.RESERVED_ZERO}


def test_claimed_concurrency_is_what_decides():
    """Monitoring concurrency: claimed = unreserved + all reserved + provisioned of functions without reservation."""
    model = model_of(
        FunctionLimits("plain"), FunctionLimits("reserved", reserved_concurrency=100), FunctionLimits("provisioned")
    )
    for sandbox in model.provision("provisioned", "$LATEST", 50, 0):
        model.ready(sandbox, 1)
    ask_many(model, "plain", 3, 2)
    ask_many(model, "reserved", 4, 2)
    ask_many(model, "provisioned", 55, 2)
    usage = model.usage()
    assert usage.concurrent == 3 + 4 + 55
    assert usage.unreserved == 3 + 5
    assert usage.claimed == 8 + 100 + 50


def test_provisioned_concurrency_of_a_reserved_function_is_counted_once():
    """Monitoring concurrency: for a function with both, only the reserved figure counts."""
    model = model_of(FunctionLimits("f", reserved_concurrency=100))
    model.provision("f", "$LATEST", 60, 0)
    assert model.usage().claimed == 100
    with pytest.raises(LimitError, match="provisioned concurrency 101 is above the reserved 100"):
        model.provision("f", "$LATEST", 101, 0)
    with pytest.raises(LimitError, match="more than 59 reserved"):
        model.reserve("f", 59)


def test_requests_beyond_provisioned_concurrency_spill_over():
    """Configuring provisioned concurrency: what it cannot take runs on demand, unless a reservation forbids."""
    model = model_of(FunctionLimits("f", reserved_concurrency=3))
    for sandbox in model.provision("f", "$LATEST", 2, 0):
        model.ready(sandbox, 1)
    decisions = ask_many(model, "f", 4, 2)
    assert [(one.sandbox.init_type, one.cold, one.spilled_over) for one in admitted(decisions)] == [
        (InitType.PROVISIONED, False, False),
        (InitType.PROVISIONED, False, False),
        (InitType.ON_DEMAND, True, True),
    ]
    assert causes(decisions) == {Cause.RESERVED_CONCURRENCY}


def test_provisioned_sandboxes_do_not_idle_out_and_are_replaced():
    model = model_of(FunctionLimits("f"), idle_timeout_ns=SECOND)
    (sandbox,) = model.provision("f", "$LATEST", 1, 0)
    model.ready(sandbox, 1)
    assert model.reap(100 * SECOND) == []
    model.lost(sandbox)
    (replacement,) = model.replenish("f", "$LATEST", 101 * SECOND)
    model.ready(replacement, 102 * SECOND)
    assert model.provision("f", "$LATEST", 0, 103 * SECOND) == []
    assert [retired.sandbox for retired in model.reap(103 * SECOND)] == [replacement]


def test_a_provisioned_sandbox_that_is_not_wanted_any_more_is_retired_when_it_is_ready():
    model = model_of(FunctionLimits("f"))
    (sandbox,) = model.provision("f", "$LATEST", 1, 0)
    model.provision("f", "$LATEST", 0, 1)
    model.ready(sandbox, 2)
    assert [retired.sandbox for retired in model.reap(2)] == [sandbox]


def test_a_proactively_started_sandbox_takes_the_next_request():
    """Lambda execution environment: environments may be initialised before a request needs them."""
    model = model_of(FunctionLimits("f"))
    warmed = model.warm("f", 0)
    early = model.ask("f", 1)
    assert isinstance(early, Admitted)
    assert early.cold
    model.ready(warmed, 2)
    later = model.ask("f", 3)
    assert isinstance(later, Admitted)
    assert (later.sandbox, later.cold, later.sandbox.proactive) == (warmed, False, True)
    assert model.usage().concurrent == 2


def test_a_deployment_starts_over():
    """Lambda execution environment: code or configuration changed, so new requests get new environments."""
    model = model_of(FunctionLimits("f", version="1"))
    busy, idle = (decision.sandbox for decision in admitted(ask_many(model, "f", 2)))
    model.finished(idle, 5)
    model.deploy("f", "2", 6)
    decision = model.ask("f", 7)
    assert isinstance(decision, Admitted)
    assert (decision.cold, decision.sandbox.version) == (True, "2")
    model.finished(busy, 8)
    assert [(retired.sandbox, retired.at_ns) for retired in model.reap(9)] == [(idle, 6), (busy, 8)]


def test_an_unknown_function_is_named():
    with pytest.raises(UnknownFunctionError, match="'nobody'"):
        model_of().ask("nobody", 0)


@pytest.mark.parametrize("name", ["account_concurrency", "scaling_environments", "scaling_period_ns"])
def test_a_limit_below_one_is_named(name):
    with pytest.raises(LimitError, match=name):
        Limits(**{name: 0})
