"""What holds for the model whatever happens, by Hypothesis."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from emulator.model import Admitted, FunctionLimits, LimitError, Limits, Model, Sandbox, SandboxState, Throttled
from emulator.model.bucket import TokenBucket

FUNCTIONS = ("plain", "other", "reserved")
LIMITS = Limits(
    account_concurrency=12,
    unreserved_minimum=2,
    scaling_environments=4,
    scaling_period_ns=1000,
    idle_timeout_ns=500,
    lifetime_ns=3000,
)


class Scaling(RuleBasedStateMachine):
    """Random requests, ends, losses, deployments and reservations, against what is counted beside the model."""

    busy = Bundle("busy")
    starting = Bundle("starting")

    def __init__(self) -> None:
        super().__init__()
        ids = itertools.count()
        functions = [FunctionLimits("plain"), FunctionLimits("other"), FunctionLimits("reserved", "1", 3)]
        self.model = Model(LIMITS, functions, lambda: str(next(ids)))
        self.now_ns = 0
        self.requests = self.admitted = self.throttled = 0
        self.in_use: set[Sandbox] = set()
        self.gone: set[Sandbox] = set()

    @rule(by_ns=st.integers(0, 700))
    def wait(self, by_ns):
        self.now_ns += by_ns

    @rule(function=st.sampled_from(FUNCTIONS), target=busy)
    def ask(self, function):
        self.requests += 1
        decision = self.model.ask(function, self.now_ns)
        if isinstance(decision, Throttled):
            self.throttled += 1
            return None
        self.admitted += 1
        assert decision.sandbox not in self.in_use, "a sandbox runs one request at a time"
        assert decision.sandbox not in self.gone, "a sandbox that was shut down comes back"
        assert decision.cold == (decision.sandbox.invocations == 1 and not decision.sandbox.proactive)
        self.in_use.add(decision.sandbox)
        return decision.sandbox

    @rule(sandbox=consumes(busy), loses=st.booleans())
    def end(self, sandbox, loses):
        if sandbox is None:
            return
        self.in_use.remove(sandbox)
        if loses:
            self.model.lost(sandbox)
            self.gone.add(sandbox)
        else:
            self.model.finished(sandbox, self.now_ns)

    @rule(function=st.sampled_from(FUNCTIONS), concurrency=st.none() | st.integers(0, 12))
    def reserve(self, function, concurrency):
        before = self.model.reserved_concurrency(function)
        try:
            self.model.reserve(function, concurrency)
        except LimitError:
            assert self.model.reserved_concurrency(function) == before

    @rule(function=st.sampled_from(FUNCTIONS), version=st.sampled_from(["1", "2"]))
    def deploy(self, function, version):
        self.model.deploy(function, version, self.now_ns)

    @rule(function=st.sampled_from(FUNCTIONS), target=starting)
    def warm(self, function):
        return self.model.warm(function, self.now_ns)

    @rule(sandbox=consumes(starting))
    def ready(self, sandbox):
        self.model.ready(sandbox, self.now_ns)

    @precondition(lambda self: self.now_ns > 0)
    @rule()
    def reap(self):
        for retired in self.model.reap(self.now_ns):
            assert retired.sandbox not in self.gone, "retired once"
            assert retired.at_ns <= self.now_ns
            self.gone.add(retired.sandbox)

    @invariant()
    def requests_are_admitted_or_throttled(self):
        assert self.requests == self.admitted + self.throttled

    @invariant()
    def counts_are_those_of_the_sandboxes(self):
        assert self.model.usage().concurrent == len(self.in_use)
        for function in FUNCTIONS:
            assert self.model.concurrency(function) == sum(one.function == function for one in self.in_use)
        unreserved = [one for one in self.in_use if self.model.reserved_concurrency(one.function) is None]
        assert self.model.usage().unreserved == len(unreserved)

    @invariant()
    def idle_sandboxes_are_idle(self):
        assert all(sandbox.state is SandboxState.IDLE for sandbox in self.model.idle_sandboxes())


TestScaling = Scaling.TestCase
TestScaling.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(["plain", "reserved"]), st.integers(0, 40)), max_size=150),
    account=st.integers(3, 10),
    reserved=st.integers(0, 3),
)
def test_no_function_and_no_account_is_ever_above_its_limit(steps, account, reserved):
    ids = itertools.count()
    limits = Limits(account_concurrency=account, unreserved_minimum=0)
    functions = [FunctionLimits("plain"), FunctionLimits("reserved", reserved_concurrency=reserved)]
    model = Model(limits, functions, lambda: str(next(ids)))
    running: list[tuple[int, Sandbox]] = []
    for now_ns, (function, duration_ns) in enumerate(steps):
        for end in [end for end in running if end[0] <= now_ns]:
            running.remove(end)
            model.finished(end[1], now_ns)
        decision = model.ask(function, now_ns)
        if isinstance(decision, Admitted):
            running.append((now_ns + 1 + duration_ns, decision.sandbox))
        assert model.concurrency("reserved") <= reserved
        assert model.concurrency("plain") <= account - reserved
        assert model.usage().claimed <= account


@given(
    capacity=st.integers(1, 50),
    period_ns=st.integers(1, 5000),
    gaps=st.lists(st.integers(0, 3000), min_size=1, max_size=200),
)
def test_a_bucket_gives_at_most_its_capacity_and_what_time_has_refilled(capacity, period_ns, gaps):
    bucket = TokenBucket(capacity, period_ns)
    taken, now_ns = 0, 0
    for gap_ns in gaps:
        now_ns += gap_ns
        if bucket.has_token(now_ns):
            bucket.take()
            taken += 1
        assert taken * period_ns <= capacity * period_ns + now_ns * capacity
