"""Headers of gRPC calls: what is read the quick way, what is left to the library, and that blocks are not mixed up."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest
from hpack import Decoder, Encoder
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import Http2Error
from collector.otlp.signals import Signal
from collector.receiver import frames
from collector.receiver.call import MAX_BYTES, Call, Foreign, HeaderBlocks, read, refusal

Fields = list[tuple[bytes, bytes]]

PATH = b"/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PLAIN: Fields = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", PATH),
    (b":authority", b"localhost:4317"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
    (b"user-agent", b"a client"),
]


def changed(name: bytes, value: bytes | None) -> Fields:
    """With another value of a header, or without it; added where it is not there."""
    kept = [(key, value if key == name and value is not None else old) for key, old in PLAIN]
    if value is None:
        return [(key, old) for key, old in kept if key != name]
    return kept if name in dict(PLAIN) else [*kept, (name, value)]


def test_a_plain_export() -> None:
    assert read(PLAIN) == Call(Signal.TRACES, "", None, None, None, None, b"a client")


def test_all_that_is_kept() -> None:
    fields = [
        *changed(b":path", PATH.replace(b"trace", b"logs").replace(b"Trace", b"Logs")),
        (b"grpc-encoding", b"gzip"),
        (b"grpc-timeout", b"9999999u"),
        (b"authorization", b"Bearer abc"),
        (b"x-lambdascope-instance", b"a b"),
        (b"x-lambdascope-sequence", b"3"),
        (b"x-lambdascope-total", b"9"),
        (b"x-lambdascope-dropped", b""),
        (b"anything-else", b"x y"),
    ]
    assert read(fields) == Call(Signal.LOGS, "Bearer abc", "a b", "3", "9", "", b"a client")


@pytest.mark.parametrize(
    "fields",
    [
        changed(b":method", b"GET"),
        changed(b":method", None),
        changed(b":scheme", b"ftp"),
        changed(b":path", b"/grpc.health.v1.Health/Check"),
        changed(b":path", PATH + b"/"),
        changed(b":path", PATH + b"?a=b"),
        changed(b":path", b"http://localhost" + PATH),
        changed(b":path", None),
        changed(b":authority", None),
        changed(b":authority", b""),
        changed(b"te", None),
        changed(b"te", b"trailers, deflate"),
        changed(b"content-type", b"application/grpc+json"),
        changed(b"content-type", b"application/grpc; charset=utf-8"),
        changed(b"content-type", None),
        changed(b"grpc-encoding", b"deflate"),
        changed(b"grpc-encoding", b"identity, gzip"),
        changed(b"grpc-timeout", b"1"),
        changed(b"grpc-timeout", b"123456789m"),
        changed(b"grpc-timeout", b"-1S"),
        changed(b"content-length", b"12"),
        changed(b"content-encoding", b"gzip"),
        changed(b"connection", b"close"),
        changed(b"transfer-encoding", b"chunked"),
        changed(b"host", b"elsewhere"),
        changed(b":protocol", b"websocket"),
        changed(b":status", b"200"),
        changed(b"Upper", b"case"),
        changed(b"", b"no name"),
        changed(b"a name", b"x"),
        changed(b"x", b" blank before"),
        changed(b"x", b"blank behind "),
        changed(b"x", b"line\r\nfeed: y"),
        changed(b"x", b"\x00"),
        changed(b"x", b"\xc3\xa9"),
        changed(b"x", b"y" * 9000),
        [*PLAIN, (b":path", PATH)],
        [*PLAIN, (b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")],
        [*PLAIN, (b"te", b"trailers")],
        [PLAIN[5], *PLAIN[:5], PLAIN[6]],
        [*PLAIN[:3], (b"x", b"y"), *PLAIN[3:]],
    ],
)
def test_anything_else_is_left_to_the_library(fields: Fields) -> None:
    """Among it whatever two readers could understand differently."""
    assert fields != PLAIN
    found = read(fields)
    assert isinstance(found, Foreign)
    assert found == Foreign(b"a client", is_text=all(value.isascii() for _, value in fields))


def test_a_path_that_no_server_should_see() -> None:
    assert read(changed(b":path", b"/\xec")) == Foreign(b"a client", is_text=False)


texts = st.binary(max_size=12)
some_fields = st.lists(
    st.one_of(st.sampled_from([*PLAIN, (b"authorization", b"Bearer a"), (b"x", b"y")]), st.tuples(texts, texts)),
    max_size=9,
)


@given(some_fields)
def test_any_headers_are_read_or_left(fields: Fields) -> None:
    found = read(fields)
    assert isinstance(found, Foreign) or dict(fields)[b":path"] == PATH


@given(st.lists(st.tuples(st.one_of(st.just(PLAIN), some_fields), st.booleans(), st.booleans()), max_size=20))
def test_blocks_mean_what_they_would_mean_alone(calls: list[tuple[Fields, bool, bool]]) -> None:
    """Those that are known from before among them, whatever the table went through between."""
    encoder, blocks = Encoder(), HeaderBlocks()
    for fields, huffman, sensitive in calls:
        block = encoder.encode([(name, value, sensitive) for name, value in fields], huffman=huffman)
        assert blocks.read(block) == read(fields)


def test_a_block_means_something_else_once_the_table_has_changed() -> None:
    """Were it remembered by its bytes alone, a call would be made with the credentials of the call before."""
    blocks, encoder = HeaderBlocks(), Encoder()
    newest = b"\xbe"  # index 62: the newest entry of the dynamic table
    block = b"".join(frames.field_line(name, value) for name, value in PLAIN) + newest
    found = []
    for token in (b"Bearer a", b"Bearer b"):
        blocks.read(encoder.encode([(b"authorization", token)]))
        found += [blocks.read(block), blocks.read(block)]
    assert [call.authorization for call in found if isinstance(call, Call)] == ["Bearer a"] * 2 + ["Bearer b"] * 2


def test_a_table_that_was_emptied() -> None:
    """A change of the table's size touches it as well as a new entry does."""
    blocks = HeaderBlocks()
    encoder = Encoder()
    blocks.read(encoder.encode(PLAIN))
    block = encoder.encode(PLAIN)
    assert blocks.read(block) == blocks.read(block) == read(PLAIN)
    blocks.read(b"\x20" + b"\x82")
    with pytest.raises(Http2Error) as refused:
        blocks.read(block)
    assert refused.value.code == frames.COMPRESSION_ERROR


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_any_bytes_are_headers_or_refused(noise: list[bytes]) -> None:
    blocks = HeaderBlocks()
    for block in noise:
        try:
            blocks.read(block)
        except Http2Error:  # and nothing else
            return


def test_a_bomb_of_headers() -> None:
    """One large entry, and then references to it, one byte each."""
    blocks = HeaderBlocks()
    value = b"\x7f" + b"\x81\x17" + b"a" * 3072
    block = b"\x40\x01x" + value + b"\xbe" * 1000
    with pytest.raises(Http2Error) as refused:
        blocks.read(block)
    assert refused.value.code == frames.ENHANCE_YOUR_CALM
    assert len(block) < MAX_BYTES


@given(st.text(max_size=60), st.binary(max_size=200))
def test_refusals_are_headers_of_any_reader(message: str, status: bytes) -> None:
    frame = frames.read(refusal(3, message, status).on(7), 0)
    assert frame is not None
    assert (frame.kind, frame.flags, frame.stream) == (frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 7)
    fields = dict(Decoder().decode(frame.payload, raw=True))
    assert fields[b":status"] == b"200"
    assert fields[b"grpc-status"] == b"3"
    assert fields[b"grpc-message"].isascii()
    assert unquote_to_bytes(fields[b"grpc-message"]).decode() == message


def test_a_table_is_set_twice_in_a_block_and_no_more() -> None:
    """RFC 7541, 4.2. Thousands have room in a block, and each takes time."""
    blocks = HeaderBlocks()
    for _ in range(3):
        blocks.read(b"\x20\x3f\xe1\x1f" + Encoder().encode([(b"a", b"b")]))
    with pytest.raises(Http2Error) as refused:
        blocks.read(b"\x20" * 3)
    assert refused.value.code == frames.COMPRESSION_ERROR
