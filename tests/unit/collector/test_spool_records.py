"""Segments: what is written is read, whatever happened to the file in between."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.otlp.signals import Signal
from collector.spool.plan import MAX_BATCH_ITEMS, batches
from collector.spool.record import MAGIC, ExportId, Record, scan
from collector.spool.segment import Recovery, recover_one

numbers = st.none() | st.integers(0, 1 << 62)
export_ids = st.none() | st.builds(ExportId, st.text(min_size=1, max_size=20), st.integers(1, 1 << 40), numbers)
records = st.builds(
    Record,
    st.sampled_from(Signal),
    st.integers(0, 1 << 31),
    st.integers(0, 1 << 63),
    export_ids,
    st.binary(max_size=200),
    st.sampled_from(["", "tenant", "t" * 63]),
)


def encoded(found: list[Record]) -> bytes:
    return MAGIC + b"".join(record.encode() for record in found)


@given(st.lists(records, max_size=5))
def test_what_is_written_is_read(written: list[Record]) -> None:
    result = scan(encoded(written))
    assert (list(result.records), result.bad_bytes, result.torn) == (written, 0, False)


@given(st.lists(records, min_size=1, max_size=4), st.data())
def test_a_torn_tail_costs_the_last_record_only(written: list[Record], data: st.DataObject) -> None:
    whole = encoded(written)
    cut = data.draw(st.integers(len(encoded(written[:-1])), len(whole) - 1))
    result = scan(whole[:cut])
    assert list(result.records) == written[:-1]
    assert result.good_bytes + result.bad_bytes == cut
    assert result.torn == (result.bad_bytes > 0)


@given(st.lists(records, min_size=2, max_size=4), st.data())
def test_a_flipped_bit_is_noticed(written: list[Record], data: st.DataObject) -> None:
    """Never a wrong record: the scan ends before the one that was hit."""
    damaged = bytearray(encoded(written))
    position = data.draw(st.integers(0, len(damaged) - 1))
    damaged[position] ^= 1 << data.draw(st.integers(0, 7))
    result = scan(bytes(damaged))
    assert list(result.records) == written[: len(result.records)]
    assert len(result.records) < len(written)
    assert result.bad_bytes > 0


@given(st.binary(max_size=300))
def test_any_bytes_are_scanned(data: bytes) -> None:
    assert scan(data).good_bytes + scan(data).bad_bytes == len(data)
    assert scan(MAGIC + data).bad_bytes <= len(data)


def some_records(number: int, body: bytes = b"x" * 100) -> list[Record]:
    return [Record(Signal.TRACES, 1, index, None, body) for index in range(number)]


def test_recovery_cuts_a_torn_tail_off_and_counts_it(tmp_path: Path) -> None:
    path = tmp_path / "00000000000000000007-0123456789abcdef.segment"
    path.write_bytes(encoded(some_records(3))[:-10])
    found = Recovery()
    recover_one(path, found)
    assert path.read_bytes() == encoded(some_records(2))
    assert found.torn_bytes == len(some_records(1)[0].encode()) - 10
    assert found.damaged_bytes == 0
    assert [segment.items[Signal.TRACES] for segment in found.segments] == [2]


def test_recovery_keeps_what_damage_cut_off(tmp_path: Path) -> None:
    """Records behind the damage may have been acknowledged, so their bytes are kept for people to look at."""
    path = tmp_path / "00000000000000000007-0123456789abcdef.segment"
    whole = bytearray(encoded(some_records(3)))
    whole[len(encoded(some_records(1))) + 50] ^= 1
    path.write_bytes(whole)
    found = Recovery()
    recover_one(path, found)
    assert found.damaged_bytes == 2 * len(some_records(1)[0].encode())
    assert (tmp_path / "damaged" / path.name).stat().st_size == found.damaged_bytes
    assert path.read_bytes() == encoded(some_records(1))


def test_recovery_removes_a_segment_without_records(tmp_path: Path) -> None:
    path = tmp_path / "00000000000000000007-0123456789abcdef.segment"
    for content in (b"", MAGIC[:3], MAGIC):
        path.write_bytes(content)
        found = Recovery()
        recover_one(path, found)
        assert (found.segments, path.exists(), found.damaged_bytes) == ([], False, 0)


def test_batches_are_a_function_of_the_segment() -> None:
    """Same records, same boundaries, same tokens: that is what makes a replay harmless."""
    rng = random.Random(3)
    mixed = [Record(rng.choice(list(Signal)), rng.randrange(1, 20_000), 0, None, b"") for _ in range(60)]
    once, again = (list(batches("segment", mixed)) for _ in range(2))
    assert once == again
    assert len({batch.token for batch in once}) == len(once)
    assert all(batch.items <= MAX_BATCH_ITEMS for batch in once)
    for signal in Signal:
        flat = [record for batch in once if batch.signal is signal for record in batch.records]
        assert flat == [record for record in mixed if record.signal is signal]


def test_a_record_larger_than_a_batch_is_a_batch() -> None:
    large = Record(Signal.LOGS, MAX_BATCH_ITEMS + 1, 0, None, b"")
    assert [len(batch.records) for batch in batches("segment", [large, large])] == [1, 1]


@pytest.mark.parametrize(
    ("instance", "sequence", "expected"),
    [
        ("i", "1", ExportId("i", 1)),
        ("i", "0", None),
        ("i", "-1", None),
        ("i", "1.5", None),
        ("i", "٣", None),
        ("i", "", None),
        ("i", None, None),
        ("", "1", None),
        (None, "1", None),
        ("i" * 257, "1", None),
        ("i", "9" * 19, None),
        ("i", "9" * 5000, None),
    ],
)
def test_export_ids_come_from_headers(instance: str | None, sequence: str | None, expected: ExportId | None) -> None:
    assert ExportId.from_headers(instance, sequence) == expected
