"""The headers of a gRPC call, read the quick way, and those of its answer ("gRPC over HTTP2"). Pure.

Nearly all calls are an export: POST to one of three paths, plain or gzip. These are read here. Anything else, and
anything odd, is left to the gRPC library (:mod:`collector.receiver.grpc`), so nothing here is lenient.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hpack import Decoder
from hpack.exceptions import HPACKDecodingError, HPACKError, OversizedHeaderListError
from hpack.table import HeaderTable

from collector.errors import Http2Error
from collector.otlp.signals import PROTOCOLS, Signal
from collector.receiver import frames
from collector.receiver.http2 import Answer
from semconv import attributes

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BYTES: Final = 16 << 10
"""Of a header block, and of the headers that come out of it with 32 bytes for each (RFC 9113, 6.5.2)."""
_MAX_READ_BYTES: Final = 8 << 10
"""Beyond this the library decides: from here on it refuses some."""

_MOST_SIZED: Final = 2

_PATHS: Final = {f"/{protocol.service}/Export".encode(): signal for signal, protocol in PROTOCOLS.items()}
_CONTENT_TYPES: Final = frozenset({b"application/grpc", b"application/grpc+proto"})
_ENCODINGS: Final = frozenset({b"identity", b"gzip"})
_TIMEOUT: Final = re.compile(rb"[0-9]{1,8}[HMSmun]")
# RFC 9113, 8.2.1, without what only a lenient reader takes: bytes above ASCII, tabs, blanks at the ends.
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE: Final = re.compile(rb"(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?")
_LEFT_TO_THE_LIBRARY: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"host", b"content-length",
     b"expect", b"trailer", b"content-encoding", b"grpc-internal-encoding-request"}
)  # fmt: skip
_EXPORT_HEADERS: Final = (
    attributes.EXPORT_INSTANCE_HEADER.encode(),
    attributes.EXPORT_SEQUENCE_HEADER.encode(),
    attributes.EXPORT_TOTAL_HEADER.encode(),
    attributes.EXPORT_DROPPED_HEADER.encode(),
)
_USER_AGENT: Final = b"user-agent"
_PSEUDO: Final = frozenset({b":method", b":scheme", b":path", b":authority"})
_ONCE: Final = _PSEUDO | {
    b"te", b"content-type", b"grpc-encoding", b"grpc-timeout", b"authorization", _USER_AGENT, *_EXPORT_HEADERS
}  # fmt: skip

_ANSWER_HEADERS: Final = b"\x88" + frames.field_line(b"content-type", b"application/grpc")
"""``:status: 200`` is entry 8 of the static table."""
_EMPTY_MESSAGE: Final = bytes(5)
_UNSAFE: Final = re.compile(rb"[^\x20-\x24\x26-\x7e]")


@dataclass(frozen=True, slots=True)
class Call:
    """What the headers of a plain export say.

    Attributes:
        signal: by its path.
        authorization: that header's value; empty where there is none.
        instance, sequence, total, dropped: the layer's headers; None where they are missing.
        user_agent: tells clients on one address apart.
    """

    signal: Signal
    authorization: str = field(repr=False)
    instance: str | None
    sequence: str | None
    total: str | None
    dropped: str | None
    user_agent: bytes


@dataclass(frozen=True, slots=True)
class Foreign:
    """Headers of anything else.

    Attributes:
        user_agent: as above.
        is_text: whether all is ASCII, as gRPC's headers have to be, but for the binary values of names that say so.
            The library does not survive every other.
    """

    user_agent: bytes
    is_text: bool


def read(fields: Sequence[tuple[bytes, bytes]]) -> Call | Foreign:
    """What these headers ask for."""
    values: dict[bytes, bytes] = {}
    size = 0
    odd = past_pseudo = False
    for name, value in fields:
        size += len(name) + len(value) + 32
        pseudo = name in _PSEUDO
        odd = odd or (pseudo and past_pseudo) or _VALUE.fullmatch(value) is None  # RFC 9113, 8.3: they come first
        past_pseudo = past_pseudo or not pseudo
        if name in _ONCE:
            odd = odd or name in values
            values[name] = value
        else:
            odd = odd or name in _LEFT_TO_THE_LIBRARY or _NAME.fullmatch(name) is None
    if not odd and size <= _MAX_READ_BYTES and (call := _call(values)) is not None:
        return call
    is_text = all(name.isascii() and (value.isascii() or name.endswith(b"-bin")) for name, value in fields)
    return Foreign(values.get(_USER_AGENT, b""), is_text)


def _call(values: dict[bytes, bytes]) -> Call | None:
    signal = _PATHS.get(values.get(b":path", b""))
    if (
        signal is None
        or values.get(b":method") != b"POST"
        or values.get(b":scheme") not in {b"http", b"https"}
        or not values.get(b":authority")
        or values.get(b"te") != b"trailers"
        or values.get(b"content-type") not in _CONTENT_TYPES
        or values.get(b"grpc-encoding", b"identity") not in _ENCODINGS
        or _TIMEOUT.fullmatch(values.get(b"grpc-timeout", b"1S")) is None
    ):
        return None
    instance, sequence, total, dropped = (
        values[name].decode("ascii") if name in values else None for name in _EXPORT_HEADERS
    )
    authorization = values.get(b"authorization", b"").decode("ascii")
    return Call(signal, authorization, instance, sequence, total, dropped, values.get(_USER_AGENT, b""))


class _Table(HeaderTable):
    """Tells when it was touched, and how often a block has set its size."""

    touched = False
    times_sized = 0

    def add(self, name: bytes, value: bytes) -> None:
        self.touched = True
        super().add(name, value)

    @property
    def maxsize(self) -> int:
        return self._maxsize

    @maxsize.setter
    def maxsize(self, newmax: int) -> None:
        self.touched = True
        self.times_sized += 1
        if self.times_sized > _MOST_SIZED:  # RFC 7541, 4.2; each takes time, and a block has room for thousands
            raise HPACKDecodingError("the table's size is set too often")
        HeaderTable.maxsize.__set__(self, newmax)  # type: ignore[attr-defined]  # a property's


class HeaderBlocks:
    """The header blocks of one connection, in their order: each may refer to what those before it left.

    A block that leaves the table as it was means the same when it comes again before the table changes: clients send
    nearly the same headers with every call, and after the first calls the very same bytes.
    """

    _MOST_KNOWN: Final = 32
    _MOST_KNOWN_BYTES: Final = 1 << 10

    def __init__(self, most_bytes: int = MAX_BYTES) -> None:
        """``most_bytes`` is for the headers of a block, counted as :data:`MAX_BYTES` says."""
        self._most_bytes = most_bytes
        self._decoder = Decoder(most_bytes)
        self._table = self._decoder.header_table = _Table()
        self._known: dict[bytes, Call | Foreign] = {}

    def read(self, block: bytes) -> Call | Foreign:
        """What the next block asks for.

        Raises:
            Http2Error: it cannot be decoded, or gives too much; the connection is of no further use.
        """
        known = self._known.get(block)
        if known is not None:
            return known
        self._table.touched, self._table.times_sized = False, 0
        try:
            call = read(list(self._decoder.decode(block, raw=True)))
        except OversizedHeaderListError:
            raise Http2Error(frames.ENHANCE_YOUR_CALM, f"headers of more than {self._most_bytes} bytes") from None
        except (HPACKError, IndexError, ValueError) as error:
            raise Http2Error(frames.COMPRESSION_ERROR, f"HPACK: {error}") from None
        if self._table.touched or len(self._known) >= self._MOST_KNOWN:
            self._known.clear()
        elif len(block) <= self._MOST_KNOWN_BYTES:
            self._known[block] = call
        return call


ACCEPTED: Final = Answer.of(_ANSWER_HEADERS, _EMPTY_MESSAGE, frames.field_line(b"grpc-status", b"0"))
"""An Export…ServiceResponse without partial_success: all is accepted."""


def refusal(code: int, message: str, status: bytes) -> Answer:
    """An answer without a message of its own.

    Args:
        code: gRPC's.
        message: for people.
        status: a google.rpc.Status.
    """
    said = _UNSAFE.sub(lambda unsafe: b"%%%02X" % unsafe[0][0], message.encode())
    fields = {
        b"grpc-status": b"%d" % code,
        b"grpc-message": said,
        b"grpc-status-details-bin": b64encode(status).rstrip(b"="),
    }
    return Answer.of(_ANSWER_HEADERS + b"".join(frames.field_line(name, value) for name, value in fields.items()))
