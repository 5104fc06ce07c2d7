"""HPACK by the examples of RFC 7541, appendix C, and by blocks of any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extension import hpack

TEXT = st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=300)


@pytest.mark.parametrize(
    ("block", "headers"),
    [
        ("400a637573746f6d2d6b65790d637573746f6d2d686561646572", [("custom-key", "custom-header")]),  # C.2.1
        ("040c2f73616d706c652f70617468", [(":path", "/sample/path")]),  # C.2.2
        ("100870617373776f726406736563726574", [("password", "secret")]),  # C.2.3
        ("82", [(":method", "GET")]),  # C.2.4
        (
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",  # C.4.1, Huffman-coded
            [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")],
        ),
        (
            "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
            [
                (":status", "302"), ("cache-control", "private"), ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
                ("location", "https://www.example.com"),
            ],  # C.6.1
        ),
        ("20", []),  # section 6.3: the size of the dynamic table that we allow
        ("600161", [("cookie", "a")]),
    ],
)  # fmt: skip
def test_reads(block, headers):
    assert hpack.decode(bytes.fromhex(block)) == headers


@pytest.mark.parametrize(
    ("block", "why"),
    [
        ("be", "no entry 62"),  # C.4.2: refers to the dynamic table
        ("80", "no entry 0"),
        ("3f21", "dynamic table"),
        ("400a6375", "cut off"),
        ("40", "cut off"),
        ("ffffffffffff0f", "too large"),
        ("0001610184ffffffff", "cut off|padding"),
        ("00016181fe", "padding"),
        ("00016184ffffffff", "end of the string"),
    ],
)
def test_refuses(block, why):
    with pytest.raises(hpack.HpackError, match=why):
        hpack.decode(bytes.fromhex(block))


@given(st.binary(max_size=400))
def test_any_bytes_are_headers_or_an_error(block):
    try:
        headers = hpack.decode(block)
    except hpack.HpackError:
        return
    assert all(isinstance(name, str) and isinstance(value, str) for name, value in headers)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=8))
def test_what_is_written_is_read(headers):
    assert hpack.decode(hpack.encode(headers)) == headers
