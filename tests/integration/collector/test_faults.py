"""Whatever fails, and whenever: what is stored is what was acknowledged, each once, in every table and rollup.

LAMBDASCOPE_SOAK=1 runs 100 rounds in five pieces, and then some losses of power; without, each fault once.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.acknowledged import Sender, differences
from tests.support.collector_faults import EmbeddedWorld, ServerWorld, World

SOAK = os.environ.get("LAMBDASCOPE_SOAK") == "1"
ROUNDS_OF_A_PIECE = 20
STORES: dict[str, type[World]] = {"server": ServerWorld, "embedded": EmbeddedWorld}
PIECES = [
    (store, piece) for store, pieces in (("server", 3), ("embedded", 2)) for piece in range(pieces if SOAK else 1)
]


def load(world: World, faults: Sequence[str], rng: random.Random, told: str) -> list[Sender]:
    """Send all the while: four sandboxes little by little, one much at once. Returns when the spool is empty."""
    start_ns = time.time_ns() - 3 * 86_400 * 10**9  # recent telemetry, on two days
    senders = [Sender(f"sandbox-{number}", start_ns) for number in range(4)]
    senders.append(Sender("bulk", start_ns, items=1_600, rest_s=0.5))
    until, give_up = threading.Event(), threading.Event()
    address = world.collector.addresses.http
    threads = [threading.Thread(target=sender.run, args=(address, until, give_up)) for sender in senders]
    for thread in threads:
        thread.start()
    try:
        for fault in faults:
            time.sleep(rng.uniform(0.05, 0.6))  # load in between; how long does not matter
            getattr(world, fault)(lambda: time.sleep(rng.uniform(0.1, 1.2)))
    except BaseException:
        give_up.set()
        print(f"{told}: {fault}")
        raise
    finally:
        until.set()
        for thread in threads:
            thread.join()
    counts = {sender.name: len(sender.acknowledged) for sender in senders}
    print(f"{told}: {counts} exports of each signal")
    assert sum(counts.values()) > len(senders) * len(faults), f"{told}: too little was sent to prove anything"
    assert all(counts.values()), f"{told}: a sender got nothing through"
    deadline = time.monotonic() + 240
    while world.queued():
        assert time.monotonic() < deadline, f"{told}: still queued; {world.collector.stderr[-2000:]}"
        time.sleep(0.1)
    return senders


def stop_and_start(world: World, told: str) -> None:
    """A clean stop tells the store of the last exports. It is asked after one more start."""
    assert world.collector.stop() == 0, told
    world.collector.start()


@pytest.mark.root
@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("store", "piece"), PIECES, ids=[f"{store}-{piece}" for store, piece in PIECES])
def test_faults_lose_and_double_nothing(tmp_path: Path, store: str, piece: int) -> None:
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    with STORES[store](tmp_path) as world:
        faults = list(world.faults)
        if SOAK:
            faults += rng.choices(world.faults, k=ROUNDS_OF_A_PIECE - len(faults))
        rng.shuffle(faults)
        told = f"{store} {piece}, seed {seed}, {' '.join(faults)}"
        senders = load(world, faults, rng, told)
        stop_and_start(world, told)
        assert differences(world.rows, senders) == [], told


@pytest.mark.root
@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_faults_of_power_lose_nothing(tmp_path: Path) -> None:
    """Of the embedded store, which shares the disk: it may hold twice what was being inserted, as the docs say."""
    seed = random.randrange(1 << 32)
    told = f"power, seed {seed}"
    with EmbeddedWorld(tmp_path) as world:
        senders = load(world, ["cut_off_the_disk"] * (ROUNDS_OF_A_PIECE if SOAK else 2), random.Random(seed), told)
        stop_and_start(world, told)
        assert [difference for difference in differences(world.rows, senders) if difference.lacking] == [], told
