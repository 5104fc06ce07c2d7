"""What is found in a record: nothing raises, what is good is found, and the registry's view is its data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import collector
from collector.cloudwatch import access, registry
from collector.cloudwatch.errors import AccessKeyError
from collector.cloudwatch.point import Reason
from collector.cloudwatch.sniff import read_record

GOOD = json.dumps(
    {"metric_name": "Errors", "namespace": "AWS/Lambda", "timestamp": 60_000, "value": {"sum": 1}}
).encode()


@given(st.binary(max_size=300))
def test_nothing_raises_and_every_byte_is_accounted_for(data: bytes) -> None:
    reading = read_record(data)
    assert reading.points or reading.faults or not data.strip()


@given(st.lists(st.one_of(st.just(GOOD), st.binary(max_size=40).filter(lambda line: b"\n" not in line)), max_size=8))
def test_good_lines_are_found_among_any_others(lines: list[bytes]) -> None:
    """The first line tells the format, so it is a good one; others may be anything without a newline."""
    data = b"\n".join([GOOD, *lines])
    assert len(read_record(data).points) == 1 + lines.count(GOOD)


def test_a_message_of_123_bytes_begins_with_a_brace_and_is_no_json() -> None:
    message = b"\x0a\x79" + b"\x12\x77" + b"\x12\x75" + b"\x0a\x73" + b"n" * 115
    assert len(message) == 123
    assert [fault.reason for fault in read_record(b"{" + message).faults] == [Reason.NOT_A_SUMMARY]


def test_the_view_is_the_data() -> None:
    path = Path(collector.__file__).parent / "schema" / "0010_lambda_metric_registry.sql"
    assert path.read_text(encoding="utf-8") == registry.view_sql()


@pytest.mark.parametrize(
    ("address", "forwarded", "expected"),
    [
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("127.0.0.1", True, False),
        ("10.0.0.1", False, False),
        ("", False, False),
    ],
)
def test_without_keys_only_this_machine_may_deliver(address: str, forwarded: bool, expected: bool) -> None:
    assert access.is_loopback(access.Caller(None, address, forwarded)) is expected


def test_keys_are_read_again_when_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("old\n", encoding="utf-8")
    guard = access.Access(path)
    guard.check(access.Caller("old", "10.0.0.1", forwarded=False))
    path.write_text("new key\n", encoding="utf-8")
    guard.check(access.Caller("new key", "10.0.0.1", forwarded=False))
    with pytest.raises(AccessKeyError):
        guard.check(access.Caller("old", "10.0.0.1", forwarded=False))
