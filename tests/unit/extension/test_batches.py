"""The queue: totals that add up, and a bound that holds."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from extension.batches import Batch, BatchQueue
from extension.state import Counts

LIMIT = 4000


def headers(batch):
    return {name.removeprefix("x-lambdascope-"): value for name, value in batch.headers}


def take(queue):
    batch = queue.take()
    assert batch is not None
    return batch


def seal(queue):
    queue.seal(lambda: "sandbox-1", b"".join)


def test_batches_are_numbered_and_carry_running_totals():
    queue = BatchQueue(1 << 20)
    for items in ((b"a", b"b"), (b"c",)):
        for item in items:
            queue.add(item)
        seal(queue)
    first = take(queue)
    assert (first.body, first.items) == (b"ab", 2)
    assert headers(first) == {"instance": "sandbox-1", "sequence": "1", "total": "2", "dropped": "0"}
    queue.done(first)
    second = take(queue)
    assert headers(second) == {"instance": "sandbox-1", "sequence": "2", "total": "3", "dropped": "0"}
    queue.done(second)
    assert queue.take() is None
    assert (len(queue), queue.bytes) == (0, 0)


def test_sealing_nothing_makes_no_batch_and_asks_for_no_instance():
    asked: list[str] = []
    BatchQueue(1000).seal(lambda: asked.append("instance") or "", b"".join)  # type: ignore[func-returns-value]
    assert asked == []


def test_a_large_queue_becomes_several_batches():
    queue = BatchQueue(4 << 20)
    for _ in range(20):
        queue.add(bytes(100_000))
    seal(queue)
    sizes = []
    while (batch := queue.take()) is not None:
        sizes.append(batch.items)
        queue.done(batch)
    assert sum(sizes) == 20
    assert len(sizes) == 4


class Accounts(RuleBasedStateMachine):
    """Whatever is done to a queue: delivered + dropped + waiting = added, and the last batch's headers say so."""

    def __init__(self):
        super().__init__()
        self.queue = BatchQueue(LIMIT)
        self.added = self.delivered = self.received_of_dropped = 0
        self.in_flight = None
        self.seen = []

    @rule(size=st.integers(min_value=0, max_value=900))
    def add(self, size):
        self.queue.add(bytes(size))
        self.added += 1

    @rule()
    def seal(self):
        seal(self.queue)

    @rule()
    def take(self):
        if self.in_flight is None:
            self.in_flight = self.queue.take()

    @rule(accepted=st.booleans())
    def settle(self, accepted):
        if self.in_flight is not None:
            if accepted:
                self.delivered += self.in_flight.items
                self.seen.append(headers(self.in_flight))
            self.queue.done(self.in_flight, dropped=0 if accepted else self.in_flight.items)
            self.in_flight = None

    @rule()
    def keep(self):
        if self.in_flight is not None:
            before = self.in_flight
            self.queue.keep(before)
            self.in_flight = None

    @invariant()
    def adds_up(self):
        assert self.delivered + self.queue.dropped + len(self.queue) == self.added

    @invariant()
    def is_bounded(self):
        held = self.in_flight.body if self.in_flight else b""
        assert self.queue.bytes <= LIMIT + len(held)

    @invariant()
    def a_batch_never_claims_more_than_was_added(self):
        for seen in self.seen[-1:]:
            assert self.delivered + int(seen["dropped"]) <= int(seen["total"]) <= self.added

    @invariant()
    def sequences_rise(self):
        numbers = [int(seen["sequence"]) for seen in self.seen]
        assert numbers == sorted(set(numbers))


test_accounts = Accounts.TestCase


@given(st.integers(min_value=1, max_value=60))
def test_the_oldest_go_first(count):
    queue = BatchQueue(1000)
    for n in range(count):
        queue.add(b"%03d" % n)
    seal(queue)
    batch = take(queue)
    kept = [int(batch.body[i : i + 3]) for i in range(0, len(batch.body), 3)]
    assert kept == list(range(count - len(kept), count))
    assert queue.dropped == count - len(kept)
    assert int(headers(batch)["total"]) == count


def test_what_was_dropped_last_is_told_by_an_empty_batch():
    """Else the collector would take what was dropped for what is missing, or never know of it."""
    queue = BatchQueue(1 << 20)
    queue.add(b"a")
    seal(queue)
    queue.done(take(queue), dropped=1)
    seal(queue)
    told = take(queue)
    assert (told.body, told.items) == (b"", 0)
    assert headers(told) == {"instance": "sandbox-1", "sequence": "2", "total": "1", "dropped": "1"}
    queue.done(told)
    seal(queue)
    assert queue.take() is None


def test_a_process_that_goes_on_tells_how_far_the_one_before_it_had_come():
    queue = BatchQueue(1 << 20, Counts(4, 40, 2))
    seal(queue)
    assert headers(take(queue)) == {"instance": "sandbox-1", "sequence": "5", "total": "40", "dropped": "2"}


def test_of_what_is_only_passed_on_nothing_is_told():
    queue = BatchQueue(200, numbered=False)
    for _ in range(3):
        queue.add_batch(Batch(bytes(100), (), 1))
    assert queue.dropped > 0
    while (batch := queue.take()) is not None:
        queue.done(batch, dropped=1)
    seal(queue)
    assert queue.take() is None
