"""Heads of OTLP/HTTP requests: what is read the quick way, and what is left to the HTTP library."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.otlp.signals import Signal
from collector.receiver.head import Head, read

PLAIN = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 12"


def test_a_plain_export() -> None:
    assert read(PLAIN) == Head(Signal.TRACES, 12, "", False, "", None, None, None, None)


def test_all_that_is_kept() -> None:
    """Names in any case, values without the blanks around them."""
    block = (
        b"POST /v1/logs HTTP/1.1\r\nhost: x\r\nCONTENT-TYPE:application/x-protobuf \r\ncontent-length:\t7\r\n"
        b"Content-Encoding: GZIP\r\nConnection: Close\r\nAuthorization: Bearer abc\r\nX-Lambdascope-Instance: a b\r\n"
        b"x-lambdascope-sequence: 3\r\nx-lambdascope-total: 9\r\nx-lambdascope-dropped: 1\r\nUser-Agent: it's me"
    )
    assert read(block) == Head(Signal.LOGS, 7, "gzip", True, "Bearer abc", "a b", "3", "9", "1")


@pytest.mark.parametrize(
    "change",
    [
        (b"POST", b"GET"),
        (b"POST", b"post"),
        (b"/v1/traces", b"/v1/traces/"),
        (b"/v1/traces", b"/v1/traces?a=b"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"x-protobuf", b"json"),
        (b"x-protobuf", b"x-protobuf; charset=utf-8"),
        (b"Content-Length: 12", b"Content-Length: +12"),
        (b"Content-Length: 12", b"Content-Length: 1_2"),
        (b"Content-Length: 12", b"Content-Length: 12, 12"),
        (b"Content-Length: 12", b"Content-Length: 12\r\nContent-Length: 12"),
        (b"Content-Length: 12", b"Transfer-Encoding: chunked"),
        (b"Content-Length: 12", b"Content-Length: 12\r\nTransfer-Encoding: chunked"),
        (b"Content-Length: 12", b"Content-Length: 12\r\nExpect: 100-continue"),
        (b"Content-Length: 12", b"Content-Length: 12\r\nContent-Encoding: br"),
        (b"Content-Length: 12", b"Content-Length : 12"),
        (b"Content-Length: 12", b"Content-Length: 12\r\n folded: line"),
        (b"Content-Length: 12", b"Content-Length: 12\nX: y"),
        (b"Content-Length: 12", b"Content-Length: 12\r\nX: \x00"),
        (b"Content-Length: 12", b"Content-Length: 12\r\nX: \xc3\xa9"),
        (b"Content-Length: 12", b"Content-Length: 12\r\nConnection: upgrade"),
        (b"Content-Length: 12", b"Content-Length: 12\r\nno colon"),
    ],
)
def test_anything_else_is_left_to_the_library(change: tuple[bytes, bytes]) -> None:
    """Among it whatever two readers could understand differently (RFC 9112, 6.3 and 11.2: request smuggling)."""
    block = PLAIN.replace(*change)
    assert block != PLAIN
    assert read(block) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_left(noise: bytes) -> None:
    for block in (noise, PLAIN + b"\r\n" + noise, noise + PLAIN):
        head = read(block)
        assert head is None or head.length == 12
