"""What could not be sent before a reset comes through it unchanged, and what is not ours does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extension import leftovers, state
from extension.batches import BatchQueue

OWNER = state.first_line("boot-1", "127.0.0.1:9001", "orders:$LATEST")
MOST = 1 << 20


def filled(*groups):
    queue = BatchQueue(1 << 20)
    for items in groups:
        for item in items:
            queue.add(item)
        queue.seal(lambda: "sandbox-1/77", b"".join)
    return queue


def contents(queue):
    return [(batch.body, batch.headers, batch.items) for batch in queue.batches()]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "state")


@given(st.lists(st.lists(st.binary(max_size=300), min_size=1, max_size=4), min_size=1, max_size=4))
def test_bytes_and_numbers_stay(tmp_path_factory, groups):
    path = str(tmp_path_factory.mktemp("kept") / "state")
    spans, logs = filled(*groups), filled([b"\nbatch spans 1 x 1 1 0 3\nabc"])
    leftovers.keep(path, OWNER, {"spans": spans, "logs": logs})
    new = {"spans": BatchQueue(1 << 20), "logs": BatchQueue(1 << 20)}
    leftovers.take(path, OWNER, new, MOST)
    assert contents(new["spans"]) == contents(spans)
    assert contents(new["logs"]) == contents(logs)
    assert new["spans"].bytes == spans.bytes


def test_it_is_taken_once_and_read_by_its_owner_only(path, tmp_path):
    leftovers.keep(path, OWNER, {"spans": filled([b"a"])})
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    first, second = BatchQueue(1 << 20), BatchQueue(1 << 20)
    leftovers.take(path, OWNER, {"spans": first}, MOST)
    leftovers.take(path, OWNER, {"spans": second}, MOST)
    assert (len(first), len(second), list(tmp_path.iterdir())) == (1, 0, [])


def test_without_anything_to_keep_there_is_no_file(path, tmp_path):
    leftovers.keep(path, OWNER, {"spans": BatchQueue(1 << 20)})
    assert list(tmp_path.iterdir()) == []


def test_another_sandboxs_is_left_out(path):
    leftovers.keep(path, OWNER, {"spans": filled([b"a"])})
    queue = BatchQueue(1 << 20)
    leftovers.take(path, state.first_line("boot-2", "127.0.0.1:9001", "orders:$LATEST"), {"spans": queue}, MOST)
    assert len(queue) == 0


def test_a_link_is_not_followed(path, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    leftovers.keep(str(elsewhere), OWNER, {"spans": filled([b"a"])})
    (tmp_path / "state.batches").symlink_to(tmp_path / "elsewhere.batches")
    queue = BatchQueue(1 << 20)
    leftovers.take(path, OWNER, {"spans": queue}, MOST)
    assert len(queue) == 0
    leftovers.keep(path, OWNER, {"spans": filled([b"b"])})
    assert b"b" not in (tmp_path / "elsewhere.batches").read_bytes().removeprefix(OWNER.encode())[-1:]


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=80))
def test_whatever_stands_in_it_nothing_is_raised(tail, cut):
    whole = OWNER.encode() + b"batch spans 2 sandbox-1 3 7 0 4\nabcd"
    for data in (OWNER.encode() + tail, whole + tail, whole[:-cut] if cut else whole):
        for signal, batch in leftovers.read(data, OWNER):
            assert isinstance(signal, str)
            assert batch.items >= 0
    [(signal, batch)] = leftovers.read(whole, OWNER)
    assert (signal, batch.body, batch.counts) == ("spans", b"abcd", state.Counts(3, 7, 0))
