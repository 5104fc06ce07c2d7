"""A block is handed to the engine as a file: what the file holds is the block, whatever was in it before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.native.library import Block, load
from collector.otlp.signals import Signal
from collector.store import handover
from collector.store.handover import Handover
from tests.support.collector import lambda_span, trace_request


@pytest.fixture
def given() -> Iterator[Handover]:
    handed = Handover()
    yield handed
    handed.close()


def block(spans: int) -> Block:
    made = load()[Signal.TRACES].block(
        [trace_request([lambda_span(f"name {n}", start_ns=n, duration_ns=1) for n in range(spans)]).SerializeToString()]
    )
    assert made is not None
    return made


def test_the_file_is_the_block_and_nothing_of_the_one_before(given: Handover) -> None:
    for spans in (3, 3000, 1, 4000):
        made = block(spans)
        given.put(made)
        assert Path(given.path).read_bytes() == made.to_bytes()
        assert len(made.to_bytes()) == made.size()
        given.rest()


def test_what_a_large_block_took_is_given_back(given: Handover, monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = block(3), block(3000)
    monkeypatch.setattr(handover, "KEPT_BYTES", small.size())
    given.put(small)
    given.rest()
    assert Path(given.path).stat().st_size == small.size()
    given.put(large)
    given.rest()
    assert Path(given.path).stat().st_size == 0
    given.put(small)
    assert Path(given.path).read_bytes() == small.to_bytes()
