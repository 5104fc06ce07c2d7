"""Trailers of chunked requests, however the bytes come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.trailers import Framing

CHUNKED = (
    b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: A, B\r\n\r\n"
    b"5\r\n0\r\n\r\n\r\n3;note=1\r\nabc\r\n0\r\nA: one\r\nLambda-B:two \r\n\r\n"
)
PLAIN = b"POST /b HTTP/1.1\r\nContent-Length: 9\r\n\r\n0\r\nX: y\r\n"
GET = b"GET /c HTTP/1.1\r\nHost: x\r\n\r\n"
TRAILERS = {"a": "one", "lambda-b": "two"}


@given(st.lists(st.integers(1, len(CHUNKED) * 3), max_size=20))
def test_pieces_make_no_difference(cuts):
    whole = GET + PLAIN + CHUNKED
    framing = Framing()
    start = 0
    for cut in sorted({cut % len(whole) for cut in cuts}):
        framing.feed(whole[start:cut])
        start = cut
    framing.feed(whole[start:])

    assert framing.trailers == TRAILERS


@pytest.mark.parametrize("after", [GET, PLAIN])
def test_the_next_request_has_its_own(after):
    framing = Framing()
    framing.feed(CHUNKED)
    framing.feed(after)

    assert framing.trailers == {}


def test_what_is_no_chunk_is_given_up_quietly():
    framing = Framing()
    framing.feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n0\r\nA: b\r\n\r\n")

    assert framing.trailers == {}
