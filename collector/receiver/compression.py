"""Decompression with a limit, so that a bomb costs no more than an honest request."""

from __future__ import annotations

import sys
import zlib
from typing import TYPE_CHECKING, Any, Final

from isal import isal_zlib

from collector.errors import MalformedError, TooLargeError, UnsupportedTypeError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

GZIP_MAGIC: Final = b"\x1f\x8b"
"""No protobuf message begins like this: wire type 7 does not exist."""

_GZIP_ERROR: Final[type[Exception]] = isal_zlib.error  # type: ignore[assignment]  # its stub names an instance
_GZIP_WBITS: Final = 31
_AUTO_WBITS: Final = 47
_DECOMPRESSORS: Final[dict[str, Callable[[], Any]]] = {
    # ISA-L takes half of zlib's processor time for it.
    "gzip": lambda: isal_zlib.decompressobj(_GZIP_WBITS),
    "x-gzip": lambda: isal_zlib.decompressobj(_GZIP_WBITS),
    "deflate": lambda: zlib.decompressobj(_AUTO_WBITS),
    "zstd": zstd.ZstdDecompressor,
}
ENCODINGS: Final = tuple(_DECOMPRESSORS)
"""Content encodings beside ``identity``."""


def decompress(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body without its content encoding.

    Raises:
        TooLargeError: more than ``max_bytes`` come out.
        MalformedError: the bytes are not of this encoding, or incomplete.
        UnsupportedTypeError: the encoding is not known.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return body
    if name not in _DECOMPRESSORS:
        raise UnsupportedTypeError(f"content encoding {encoding[:64]!r} is not supported; use {', '.join(ENCODINGS)}")
    decompressor = _DECOMPRESSORS[name]()
    try:
        data: bytes = decompressor.decompress(body, max_bytes + 1)
    except (_GZIP_ERROR, zlib.error, zstd.ZstdError) as error:
        raise MalformedError(f"the body is not {name} ({error})") from None
    if len(data) > max_bytes:
        raise TooLargeError(f"the request is larger than {max_bytes} bytes after decompression")
    if not decompressor.eof:
        raise MalformedError(f"the body is {name} that ends too early")
    if decompressor.unused_data:
        raise MalformedError(f"the body has bytes after the end of its {name} data")
    return data


def gunzip_if_gzip(body: bytes, max_bytes: int) -> bytes:
    """For gRPC, whose messages do not carry their encoding to us: gzip is told by its first bytes."""
    if body.startswith(GZIP_MAGIC):
        return decompress(body, "gzip", max_bytes)
    if len(body) > max_bytes:
        raise TooLargeError(f"the request is larger than {max_bytes} bytes")
    return body
