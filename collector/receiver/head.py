"""The head of an OTLP/HTTP request, read the quick way. Pure.

Nearly all requests of a fleet are a POST of protobuf with its length said, to one of three paths. These are read here,
in a fraction of what a general parser and its request objects cost. Anything else, and anything odd, is left to the
HTTP library (:mod:`collector.receiver.http`), so nothing here is lenient.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from collector.otlp.signals import PROTOCOLS, Signal
from collector.receiver.compression import ENCODINGS
from semconv import attributes

END: Final = b"\r\n\r\n"
MAX_BYTES: Final = 16 << 10
"""Of a head that is read here."""

_REQUEST_LINES: Final = {f"POST {protocol.path} HTTP/1.1".encode(): signal for signal, protocol in PROTOCOLS.items()}
# RFC 9110, 5.1 and 5.5: a token, a colon, visible characters, blanks and tabs. No folded lines, nothing above ASCII.
_FIELDS: Final = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e]*(?:\r\n|\Z))+")
_LENGTH: Final = re.compile(r"[0-9]{1,15}")
_LEFT_TO_THE_LIBRARY: Final = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te"})
_PROTOBUF: Final = "application/x-protobuf"

_KEPT: Final = {
    b"content-length": "length",
    b"content-type": "content_type",
    b"content-encoding": "encoding",
    b"connection": "connection",
    b"authorization": "authorization",
    attributes.EXPORT_INSTANCE_HEADER.encode(): "instance",
    attributes.EXPORT_SEQUENCE_HEADER.encode(): "sequence",
    attributes.EXPORT_TOTAL_HEADER.encode(): "total",
    attributes.EXPORT_DROPPED_HEADER.encode(): "dropped",
}


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of a plain export says.

    Attributes:
        signal: by its path.
        length: of the body, in bytes.
        encoding: of the body, one of ours or empty.
        close: whether the client wants the connection closed after the answer.
        authorization: that header's value; empty where there is none.
        instance, sequence, total, dropped: the layer's headers; None where they are missing.
    """

    signal: Signal
    length: int
    encoding: str
    close: bool
    authorization: str
    instance: str | None
    sequence: str | None
    total: str | None
    dropped: str | None


def read(block: bytes) -> Head | None:
    """The head in these bytes, which end before the empty line; None where the library is to read them."""
    line, _, rest = block.partition(b"\r\n")
    signal = _REQUEST_LINES.get(line)
    if signal is None or _FIELDS.fullmatch(rest) is None:
        return None
    values: dict[str, str] = {}
    for field in rest.split(b"\r\n"):
        name, _, value = field.partition(b":")
        name = name.lower()
        if (key := _KEPT.get(name)) is not None:
            if key in values:
                return None
            values[key] = value.strip(b" \t").decode("ascii")
        elif name in _LEFT_TO_THE_LIBRARY:
            return None
    return _head(signal, values)


def _head(signal: Signal, values: dict[str, str]) -> Head | None:
    length = values.get("length", "")
    encoding = values.get("encoding", "").lower()
    connection = values.get("connection", "keep-alive").lower()
    if (
        values.get("content_type") != _PROTOBUF
        or _LENGTH.fullmatch(length) is None
        or (encoding and encoding not in ENCODINGS)
        or connection not in {"keep-alive", "close"}
    ):
        return None
    return Head(
        signal,
        int(length),
        encoding,
        connection == "close",
        values.get("authorization", ""),
        values.get("instance"),
        values.get("sequence"),
        values.get("total"),
        values.get("dropped"),
    )
