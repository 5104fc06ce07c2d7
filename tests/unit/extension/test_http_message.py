"""HTTP/1.1 out of a byte stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extension.errors import MalformedMessage
from extension.http_message import MessageReader

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=1\r\nWiki\r\n5\r\npedia\r\n0\r\nTrailer: 1\r\n\r\n"


def read_all(data, piece=1, *, answers=True, limit=1000):
    """All messages of a stream that comes in pieces."""
    reader = MessageReader(limit, answers=answers)
    found = []
    for at in range(0, len(data), piece):
        reader.feed(data[at : at + piece])
        while (message := reader.message()) is not None:
            found.append(message)
    last = reader.end_of_stream()
    return [*found, last] if last else found


@pytest.mark.parametrize("piece", [1, 3, 1000])
@pytest.mark.parametrize(
    ("data", "bodies"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", [b"hello"]),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 2, [b"", b""]),
        (CHUNKED + CHUNKED, [b"Wikipedia", b"Wikipedia"]),
        (b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nok", [b"", b"ok"]),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", [b"ok"]),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", [b"until the end"]),
        (b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", [b"x"]),
    ],
)
def test_answers(data, bodies, piece):
    assert [message.body for message in read_all(data, piece)] == bodies


def test_requests_have_no_body_without_a_length():
    data = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    assert [(m.start_line, m.body) for m in read_all(data, answers=False)] == [
        ("GET /a HTTP/1.1", b""), ("POST / HTTP/1.1", b"{}")]  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 2000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
        b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 1001,
    ],
)
def test_what_is_refused(data):
    with pytest.raises(MalformedMessage):
        read_all(data, 4096)


@given(st.binary(), st.booleans())
def test_no_bytes_raise_anything_else(data, answers):
    reader = MessageReader(1000, answers=answers)
    reader.feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" if not answers else b"")
    reader.feed(data)
    try:
        while (message := reader.message()) is not None:
            assert message.body is not None
    except MalformedMessage:
        return


@pytest.mark.parametrize(
    ("head", "kept"),
    [("HTTP/1.1 200 OK", True), ("HTTP/1.1 200 OK\r\nConnection: close", False), ("HTTP/1.0 200 OK", False),
     ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive", True)],
)  # fmt: skip
def test_keep_alive(head, kept):
    [message] = read_all(head.encode() + b"\r\nContent-Length: 0\r\n\r\n")
    assert message.keep_alive is kept


def test_a_status_is_a_number():
    [message] = read_all(b"HTTP/1.1 OK 200\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(MalformedMessage):
        assert message.status
