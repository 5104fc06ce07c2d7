"""Lambda's scaling as one deterministic state machine in simulated time.

No clock, no thread, no process: whoever drives it says what time it is. The real emulator and fleet mode ask the same
object, so what one shows the other shows too. Times are nanoseconds on any scale that never steps back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from emulator.model.bucket import TokenBucket
from emulator.model.decision import THROTTLES, Admitted, Cause, Decision
from emulator.model.errors import LimitError, SandboxStateError, UnknownFunctionError
from emulator.model.function import FunctionState, Pool
from emulator.model.limits import NS_PER_S, FunctionLimits, Limits
from emulator.model.sandbox import InitType, Sandbox, SandboxState


@dataclass(frozen=True, slots=True)
class Usage:
    """Concurrency of the account, as CloudWatch's metrics name it ("Monitoring concurrency")."""

    concurrent: int
    """Busy sandboxes of all functions: ConcurrentExecutions."""
    unreserved: int
    """Those of functions without reservation that are not provisioned: UnreservedConcurrentExecutions."""
    claimed: int
    """What decides about throttling: unreserved ones, all reservations, and provisioned ones without reservation."""


@dataclass(frozen=True, slots=True)
class Retired:
    """A sandbox that is to be shut down."""

    sandbox: Sandbox
    at_ns: int


class Model:
    """Decides on each request which sandbox serves it, or that none does and why.

    Args:
        limits: of the account.
        functions: that exist from the start; more may come by :meth:`declare`.
        new_id: makes the ids of sandboxes.
    """

    def __init__(self, limits: Limits, functions: Iterable[FunctionLimits], new_id: Callable[[], str]) -> None:
        self.limits = limits
        self._new_id = new_id
        self._functions: dict[str, FunctionState] = {}
        self._concurrent = 0
        self._unreserved = 0
        self._set_aside = 0
        """Reservations, and provisioned concurrency of functions without one."""
        self._retired: list[Retired] = []
        rate = limits.requests_per_s_per_concurrency
        self._account_requests = TokenBucket(limits.account_concurrency * rate, NS_PER_S)
        self._caller_requests = (
            None if limits.caller_requests_per_s is None else TokenBucket(limits.caller_requests_per_s, NS_PER_S)
        )
        for function in functions:
            self.declare(function)

    # Configuration ---------------------------------------------------------------------------------------------------

    def declare(self, function: FunctionLimits) -> None:
        """Add a function. Raises LimitError where its reservation does not fit."""
        self._functions[function.name] = FunctionState(function, self.limits)
        if function.reserved_concurrency is not None:
            self.reserve(function.name, function.reserved_concurrency)

    def reserve(self, function: str, concurrency: int | None) -> None:
        """PutFunctionConcurrency, or DeleteFunctionConcurrency with None.

        Raises:
            LimitError: it would leave less than the account must keep unreserved, or less than what is provisioned.
        """
        state = self._state(function)
        if concurrency is not None and concurrency < state.provisioned_total:
            raise LimitError(f"{function}: has {state.provisioned_total} provisioned, more than {concurrency} reserved")
        aside = self._set_aside - self._aside(state) + (state.provisioned_total if concurrency is None else concurrency)
        self._check_room(function, aside, self._set_aside)
        if state.reserved is None:
            self._unreserved -= state.busy - state.busy_provisioned
        state.reserve(concurrency, self.limits)
        if state.reserved is None:
            self._unreserved += state.busy - state.busy_provisioned
        self._set_aside = aside

    def provision(self, function: str, version: str, concurrency: int, now_ns: int) -> list[Sandbox]:
        """PutProvisionedConcurrencyConfig. The sandboxes to start; say ``ready`` when each is initialised.

        Sandboxes beyond the new figure are retired: idle ones now, busy ones when they are done.

        Raises:
            LimitError: above the function's reservation, or leaving less than the account must keep unreserved.
        """
        state = self._state(function)
        pool = state.pool(version)
        total = state.provisioned_total - pool.provisioned_target + concurrency
        if state.reserved is None:
            aside = self._set_aside - state.provisioned_total + total
            self._check_room(function, aside, self._set_aside)
            self._set_aside = aside
        elif total > state.reserved:
            raise LimitError(f"{function}: provisioned concurrency {total} is above the reserved {state.reserved}")
        pool.provisioned_target = concurrency
        while len(pool.provisioned) > concurrency and pool.provisioned_idle:
            self._retire(pool.provisioned_idle.pop(), now_ns)
        return self.replenish(function, version, now_ns)

    def replenish(self, function: str, version: str, now_ns: int) -> list[Sandbox]:
        """The sandboxes to start so that a version has its provisioned concurrency again, after some were lost."""
        pool = self._state(function).pool(version)
        missing = pool.provisioned_target - len(pool.provisioned)
        started = [self._start(function, version, InitType.PROVISIONED, now_ns) for _ in range(missing)]
        pool.provisioned.update(started)
        return started

    def deploy(self, function: str, version: str, now_ns: int) -> None:
        """From now on requests get this version. On-demand sandboxes of others are retired, busy ones when done."""
        state = self._state(function)
        for name, pool in state.pools.items():
            while name != version and pool.idle:
                self._retire(pool.idle.popleft(), now_ns)
        state.version = version
        state.pool(version)

    # Requests --------------------------------------------------------------------------------------------------------

    def ask(self, function: str, now_ns: int, init_type: InitType = InitType.ON_DEMAND) -> Decision:
        """Decide on a request.

        A request that is throttled uses up no quota. Of the free sandboxes a provisioned one comes first, then the
        most recently used; where there is none a new one is started, of kind ``init_type``.

        Raises:
            UnknownFunctionError: nobody declared the function.
        """
        state = self._state(function)
        cause = self._rate_exceeded(state, now_ns)
        if cause is not None:
            return THROTTLES[cause, state.reserved is not None]
        pool = state.pools[state.version]
        if pool.provisioned_idle and (state.reserved is None or state.busy < state.reserved):
            return self._admit(state, pool.provisioned_idle.pop(), cold=False, spilled_over=False)
        cause = self._concurrency_exceeded(state)
        if cause is not None:
            return THROTTLES[cause, state.reserved is not None]
        spilled_over = pool.provisioned_target > 0
        sandbox = self._most_recent(pool, now_ns)
        if sandbox is not None:
            return self._admit(state, sandbox, cold=False, spilled_over=spilled_over)
        if not state.scaling.has_token(now_ns):
            return THROTTLES[Cause.SCALING_RATE, state.reserved is not None]
        state.scaling.take()
        sandbox = self._start(function, state.version, init_type, now_ns)
        return self._admit(state, sandbox, cold=True, spilled_over=spilled_over)

    def finished(self, sandbox: Sandbox, now_ns: int) -> None:
        """The runtime and every extension have asked for the next event: the sandbox is free."""
        self._make_free(self._release(sandbox), sandbox, now_ns)

    # Sandboxes without requests --------------------------------------------------------------------------------------

    def warm(self, function: str, now_ns: int, init_type: InitType = InitType.ON_DEMAND) -> Sandbox:
        """Lambda's proactive init: a sandbox that no request waits for. Say ``ready`` when it is initialised."""
        sandbox = self._start(function, self._state(function).version, init_type, now_ns)
        sandbox.proactive = True
        return sandbox

    def ready(self, sandbox: Sandbox, now_ns: int) -> None:
        """The init of a provisioned or proactive sandbox is over: requests may have it."""
        if sandbox.state is not SandboxState.STARTING:
            raise SandboxStateError(f"{sandbox!r} was not starting")
        self._make_free(self._state(sandbox.function), sandbox, now_ns)

    def lost(self, sandbox: Sandbox) -> None:
        """The sandbox is gone, whatever it was doing: its processes died, or it could not be started."""
        pool = self._state(sandbox.function).pool(sandbox.version)
        if sandbox.state is SandboxState.BUSY:
            self._release(sandbox)
        elif sandbox in pool.idle:
            pool.idle.remove(sandbox)
        elif sandbox in pool.provisioned_idle:
            pool.provisioned_idle.remove(sandbox)
        pool.provisioned.discard(sandbox)
        sandbox.state = SandboxState.GONE

    def reap(self, now_ns: int) -> list[Retired]:
        """The sandboxes to shut down: idle for too long, too old, or of an old version. Each is named once."""
        for state in self._functions.values():
            for pool in state.pools.values():
                while pool.idle and self._expires_ns(pool.idle[0]) <= now_ns:
                    self._retire(pool.idle[0], self._expires_ns(pool.idle.popleft()))
        retired, self._retired = self._retired, []
        return retired

    def next_reap_ns(self) -> int | None:
        """When ``reap`` will have something; None while no sandbox waits."""
        if self._retired:
            return min(retired.at_ns for retired in self._retired)
        idle = (pool.idle[0] for state in self._functions.values() for pool in state.pools.values() if pool.idle)
        return min((self._expires_ns(sandbox) for sandbox in idle), default=None)

    # Figures ---------------------------------------------------------------------------------------------------------

    def usage(self) -> Usage:
        """Concurrency of the account now."""
        return Usage(self._concurrent, self._unreserved, self._unreserved + self._set_aside)

    def concurrency(self, function: str) -> int:
        """Busy sandboxes of a function now."""
        return self._state(function).busy

    def provisioned_concurrency(self, function: str) -> tuple[int, int]:
        """Busy provisioned sandboxes of a function, and how many were asked for, of all versions together."""
        state = self._state(function)
        return state.busy_provisioned, state.provisioned_total

    def reserved_concurrency(self, function: str) -> int | None:
        """What is reserved for a function."""
        return self._state(function).reserved

    def idle_sandboxes(self) -> Iterator[Sandbox]:
        """Those that wait for a request."""
        for state in self._functions.values():
            for pool in state.pools.values():
                yield from pool.idle
                yield from pool.provisioned_idle

    # Rules -----------------------------------------------------------------------------------------------------------

    def _rate_exceeded(self, state: FunctionState, now_ns: int) -> Cause | None:
        """Requests per second; and 0 reserved, which is a rate of 0 too. The tokens are taken on admission."""
        if self._caller_requests is not None and not self._caller_requests.has_token(now_ns):
            return Cause.CALLER_REQUEST_RATE
        if state.reserved == 0:
            return Cause.RESERVED_ZERO
        if state.requests is not None and not state.requests.has_token(now_ns):
            return Cause.RESERVED_REQUEST_RATE
        if not self._account_requests.has_token(now_ns):
            return Cause.ACCOUNT_REQUEST_RATE
        return None

    def _concurrency_exceeded(self, state: FunctionState) -> Cause | None:
        if state.reserved is not None:
            return Cause.RESERVED_CONCURRENCY if state.busy >= state.reserved else None
        room = self.limits.account_concurrency - self._set_aside
        return Cause.ACCOUNT_CONCURRENCY if self._unreserved >= room else None

    def _most_recent(self, pool: Pool, now_ns: int) -> Sandbox | None:
        """The most recently used sandbox that is not about to be reaped."""
        if pool.idle and self._expires_ns(pool.idle[-1]) > now_ns:
            return pool.idle.pop()
        return None

    def _admit(self, state: FunctionState, sandbox: Sandbox, *, cold: bool, spilled_over: bool) -> Admitted:
        if self._caller_requests is not None:
            self._caller_requests.take()
        if state.requests is not None:
            state.requests.take()
        self._account_requests.take()
        self._concurrent += 1
        state.busy += 1
        if sandbox.init_type is InitType.PROVISIONED:
            state.busy_provisioned += 1
        elif state.reserved is None:
            self._unreserved += 1
        sandbox.state = SandboxState.BUSY
        sandbox.invocations += 1
        return Admitted(sandbox, cold, spilled_over)

    def _release(self, sandbox: Sandbox) -> FunctionState:
        if sandbox.state is not SandboxState.BUSY:
            raise SandboxStateError(f"{sandbox!r} has no request")
        state = self._state(sandbox.function)
        self._concurrent -= 1
        state.busy -= 1
        if sandbox.init_type is InitType.PROVISIONED:
            state.busy_provisioned -= 1
        elif state.reserved is None:
            self._unreserved -= 1
        return state

    # Parts -----------------------------------------------------------------------------------------------------------

    def _state(self, function: str) -> FunctionState:
        try:
            return self._functions[function]
        except KeyError:
            raise UnknownFunctionError(f"function {function!r} was never declared") from None

    def _start(self, function: str, version: str, init_type: InitType, now_ns: int) -> Sandbox:
        return Sandbox(self._new_id(), function, version, init_type, now_ns)

    def _make_free(self, state: FunctionState, sandbox: Sandbox, now_ns: int) -> None:
        """Keep the sandbox for the next request, or retire one that is too old or too many."""
        pool = state.pool(sandbox.version)
        sandbox.state = SandboxState.IDLE
        sandbox.idle_since_ns = now_ns
        if sandbox.init_type is InitType.PROVISIONED:
            keep, free = len(pool.provisioned) <= pool.provisioned_target, pool.provisioned_idle.append
        else:
            young = now_ns - sandbox.created_ns < self.limits.lifetime_ns
            keep, free = young and sandbox.version == state.version, pool.idle.append
        if keep:
            free(sandbox)
        else:
            self._retire(sandbox, now_ns)

    def _retire(self, sandbox: Sandbox, at_ns: int) -> None:
        sandbox.state = SandboxState.GONE
        self._functions[sandbox.function].pool(sandbox.version).provisioned.discard(sandbox)
        self._retired.append(Retired(sandbox, at_ns))

    def _expires_ns(self, sandbox: Sandbox) -> int:
        return sandbox.idle_since_ns + self.limits.idle_timeout_ns

    def _aside(self, state: FunctionState) -> int:
        return state.provisioned_total if state.reserved is None else state.reserved

    def _check_room(self, function: str, aside: int, before: int) -> None:
        left = self.limits.account_concurrency - aside
        if aside > before and left < self.limits.unreserved_minimum:
            raise LimitError(
                f"{function}: {left} of the account's {self.limits.account_concurrency} would be left unreserved, "
                f"below the minimum of {self.limits.unreserved_minimum}"
            )
