"""When a batch is due, how large it is, and what is dropped."""

import json

from emulator.clock import NS_PER_MS
from emulator.faults import FaultsConfig
from emulator.telemetry.buffer import QUEUED_BATCHES, Buffer, Dropped
from emulator.telemetry.hub import Hub
from emulator.telemetry.subscription import Buffering, Destination, Subscription

LIMITS = Buffering(max_items=3, max_bytes=100, timeout_ms=50)


def filled(*sizes, at_ms=0):
    buffer = Buffer(LIMITS)
    for size in sizes:
        buffer.add(b"x" * size, at_ms * NS_PER_MS)
    return buffer


def test_nothing_waits_for_nothing():
    assert Buffer(LIMITS).due_ns() is None


def test_a_batch_is_due_when_its_oldest_record_has_waited_long_enough():
    buffer = filled(1, at_ms=10)
    buffer.add(b"y", 30 * NS_PER_MS)

    assert buffer.due_ns() == 60 * NS_PER_MS


def test_a_batch_is_due_at_once_when_it_has_enough_items_or_bytes():
    assert filled(1, 1, 1, at_ms=10).due_ns() == 10 * NS_PER_MS
    assert filled(60, 40, at_ms=10).due_ns() == 10 * NS_PER_MS


def test_a_flush_makes_what_waits_due_and_nothing_later():
    buffer = filled(1, at_ms=10)
    buffer.flush()
    assert buffer.due_ns() == 10 * NS_PER_MS
    buffer.take()
    buffer.add(b"z", 20 * NS_PER_MS)
    assert buffer.due_ns() == 70 * NS_PER_MS


def test_a_batch_ends_with_the_record_that_reaches_the_bytes():
    buffer = filled(60, 60, 60)

    assert [len(record) for record in buffer.take()] == [60, 60]
    assert [len(record) for record in buffer.take()] == [60]


def test_a_full_queue_drops_and_counts_and_tells_when_there_is_room():
    buffer = filled(*[100] * QUEUED_BATCHES)

    assert not buffer.add(b"lost", 0)
    assert not buffer.add(b"too", 0)
    assert buffer.take_dropped() is None
    for _ in range(QUEUED_BATCHES):
        buffer.take()
    assert buffer.take_dropped() == Dropped(records=2, size_bytes=7)
    assert buffer.take_dropped() is None


class Received:
    def __init__(self):
        self.records = []

    def add(self, record):
        self.records.append(json.loads(record))


def subscription(*types, version="2025-01-29"):
    return Subscription(version, types, LIMITS, Destination("HTTP", 80))


def test_a_subscriber_gets_what_was_before_it_of_the_types_it_asked_for():
    hub, received = Hub(FaultsConfig()), Received()
    hub.emit(0, "platform.initStart", {"phase": "init"})
    hub.emit(0, "function", "printed")

    hub.subscribe("a", subscription("platform"), 0, lambda: received)
    hub.emit(1_500_000, "platform.start", {"requestId": "r"})
    hub.emit(2_000_000, "extension", "mine")

    assert received.records == [
        {"time": "1970-01-01T00:00:00.000Z", "type": "platform.initStart", "record": {"phase": "init"}},
        {
            "time": "1970-01-01T00:00:00.000Z",
            "type": "platform.telemetrySubscription",
            "record": {"name": "a", "state": "Subscribed", "types": ["platform"]},
        },
        {"time": "1970-01-01T00:00:00.001Z", "type": "platform.start", "record": {"requestId": "r"}},
    ]


def test_subscribing_twice_changes_nothing_and_says_so():
    hub, received = Hub(FaultsConfig()), Received()
    hub.subscribe("a", subscription("platform"), 0, lambda: received)
    hub.subscribe("a", subscription("platform"), 0, Received)

    assert [record["record"]["state"] for record in received.records] == ["Subscribed", "Already subscribed"]
