"""What holds for event sources whatever the function does, by Hypothesis."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.sources import (
    AsyncConfig,
    AsyncQueue,
    Outcome,
    SqsBatch,
    SqsConfig,
    SqsSource,
    StreamConfig,
    StreamRecord,
    StreamSource,
)

SECOND = 1_000_000_000
OUTCOMES = st.sampled_from(Outcome)


@settings(max_examples=80, deadline=None)
@given(
    arrivals=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=60),
    config=st.builds(
        StreamConfig,
        shards=st.integers(1, 3),
        batch_size=st.integers(1, 8),
        batching_window_s=st.sampled_from([0.0, 3.0]),
        parallelization_factor=st.integers(1, 3),
        bisect_on_error=st.booleans(),
        max_retries=st.integers(0, 3),
        max_record_age_s=st.sampled_from([-1.0, 40.0]),
    ),
    data=st.data(),
)
def test_every_record_is_processed_or_discarded_once_and_keys_stay_in_order(arrivals, config, data):
    source = StreamSource(config)
    sent = []
    now_ns = 0
    for key, gap_s in arrivals:
        now_ns += gap_s * SECOND
        sent.append(source.put(f"key-{key}", b"x", now_ns))
    processed: list[StreamRecord] = []
    discarded: list[StreamRecord] = []
    firsts: dict[str, list[int]] = {}
    while (due_ns := source.next_poll_ns()) is not None:
        now_ns = due_ns
        for batch in source.poll(now_ns):
            assert len({record.shard for record in batch.records}) == 1
            assert 1 <= len(batch.records) <= config.batch_size
            assert batch.iterator_age_ns >= 0
            for record in batch.records:
                firsts.setdefault(record.partition_key, []).append(record.number)
            outcome = data.draw(OUTCOMES)
            source.complete(batch, outcome, now_ns)
            processed += batch.records if outcome is Outcome.SUCCESS else ()
        discarded += [record for discard in source.take_discards() for record in discard.batch.records]
    discarded += [record for discard in source.take_discards() for record in discard.batch.records]
    gone = processed + discarded
    assert len(gone) + source.expired == len(sent)
    assert len({(record.shard, record.number) for record in gone}) == len(gone)
    for order in firsts.values():
        first_seen = list(dict.fromkeys(order))
        assert first_seen == sorted(first_seen)


@settings(max_examples=60, deadline=None)
@given(
    gaps_s=st.lists(st.integers(0, 20), max_size=40),
    config=st.builds(
        SqsConfig,
        batch_size=st.integers(1, 10),
        max_receive_count=st.integers(1, 4),
        maximum_concurrency=st.integers(2, 10),
    ),
    data=st.data(),
)
def test_every_message_is_deleted_or_a_dead_letter_and_never_in_two_batches_at_once(gaps_s, config, data):
    ids = itertools.count()
    source = SqsSource(config, lambda: str(next(ids)))
    now_ns = 0
    for gap_s in gaps_s:
        now_ns += gap_s * SECOND
        source.send("", now_ns)
    deleted: set[str] = set()
    in_flight: list[SqsBatch] = []
    while (due_ns := source.next_poll_ns()) is not None or in_flight:
        now_ns = max(now_ns, due_ns or now_ns)
        in_flight += source.poll(now_ns)
        held = [message.id for batch in in_flight for message in batch.messages]
        assert len(held) == len(set(held))
        assert len(in_flight) <= config.maximum_concurrency
        if in_flight:
            batch = in_flight.pop(data.draw(st.integers(0, len(in_flight) - 1)))
            outcome = data.draw(OUTCOMES)
            source.complete(batch, outcome, now_ns)
            if outcome is Outcome.SUCCESS:
                deleted |= {message.id for message in batch.messages}
    dead = {message.id for message in source.dead_letters}
    assert not deleted & dead
    assert deleted | dead == {str(number) for number in range(len(gaps_s))}


@settings(max_examples=60, deadline=None)
@given(outcomes=st.lists(st.lists(OUTCOMES, max_size=8), max_size=12))
def test_every_asynchronous_event_ends_once(outcomes):
    ids = itertools.count()
    source = AsyncQueue(AsyncConfig(max_event_age_s=1000.0), lambda: str(next(ids)))
    plans = {source.send(None, 0).request_id: iter(plan) for plan in outcomes}
    while (now_ns := source.next_poll_ns()) is not None:
        for event in source.poll(now_ns):
            source.complete(event, next(plans[event.request_id], Outcome.SUCCESS), now_ns)
    ends = source.take_ends()
    assert sorted(end.event.request_id for end in ends) == sorted(plans)
    dropped = sum(sample.value for sample in source.take_samples() if sample.metric == "AsyncEventsDropped")
    assert dropped == sum(end.condition != "Success" for end in ends)
