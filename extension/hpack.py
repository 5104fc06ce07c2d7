"""Header compression for HTTP/2 (RFC 7541), as much as a client needs that keeps no dynamic table.

What is sent is literal and without an index, which any peer can read. What is received may refer to the static table
and be Huffman-coded; it cannot refer to a dynamic table, since our SETTINGS allow it none (section 4.2).
"""

from __future__ import annotations

_STATIC_NAMES = (
    "",
    ":authority", ":method", ":method", ":path", ":path", ":scheme", ":scheme", ":status", ":status", ":status",
    ":status", ":status", ":status", ":status", "accept-charset", "accept-encoding", "accept-language", "accept-ranges",
    "accept", "access-control-allow-origin", "age", "allow", "authorization", "cache-control", "content-disposition",
    "content-encoding", "content-language", "content-length", "content-location", "content-range", "content-type",
    "cookie", "date", "etag", "expect", "expires", "from", "host", "if-match", "if-modified-since", "if-none-match",
    "if-range", "if-unmodified-since", "last-modified", "link", "location", "max-forwards", "proxy-authenticate",
    "proxy-authorization", "range", "referer", "refresh", "retry-after", "server", "set-cookie",
    "strict-transport-security", "transfer-encoding", "user-agent", "vary", "via", "www-authenticate",
)  # fmt: skip
"""The static table (RFC 7541, appendix A), by index from 1."""
_STATIC_VALUES = {
    2: "GET", 3: "POST", 4: "/", 5: "/index.html", 6: "http", 7: "https", 8: "200", 9: "204", 10: "206", 11: "304",
    12: "400", 13: "404", 14: "500", 16: "gzip, deflate",
}  # fmt: skip
_CODE_LENGTHS = (
    "ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHFIBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJB"
    "KABABABBBACCBBBABCBAABCCCCCKGJIXPRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRS"
    "VVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWVZ"
)
"""The lengths of the Huffman codes (appendix B) of 0 to 255 and the end of the string: A for 5 bits to Z for 30.

The code is canonical: among those of one length the codes follow the symbols, so that the lengths say it all.
"""
_SHORTEST = 5
_END_OF_STRING = 256
_MAX_INTEGER = 1 << 28
_symbols: dict[tuple[int, int], int] = {}
"""Symbols by length and code; made when the first string needs it."""


class HpackError(ValueError):
    """A header block that cannot be decoded, after which the connection cannot be used."""


def encode(headers: list[tuple[str, str]]) -> bytes:
    """A header block: literals without indexing (section 6.2.2), without Huffman coding. Names are in lower case."""
    out = bytearray()
    for name, value in headers:
        out.append(0)
        for text in (name.encode("latin-1", "replace"), value.encode("latin-1", "replace")):
            _put_integer(out, len(text))
            out += text
    return bytes(out)


def decode(block: bytes) -> list[tuple[str, str]]:
    """The headers of a block, in their order.

    Raises:
        HpackError: it is malformed, or refers to a dynamic table.
    """
    reader = _Reader(block)
    headers = []
    while not reader.at_end:
        first = reader.peek()
        if first & 0x80:  # section 6.1: indexed
            index = reader.integer(7)
            headers.append((_static_name(index), _STATIC_VALUES.get(index, "")))
        elif first & 0xE0 == 0x20:  # section 6.3: a new size of the dynamic table, which can only be 0
            if reader.integer(5) != 0:
                raise HpackError("a dynamic table that we do not keep")
        else:  # sections 6.2.1 to 6.2.3: literal; with indexing, it is forgotten at once
            index = reader.integer(6 if first & 0x40 else 4)
            name = _static_name(index) if index else reader.string()
            headers.append((name, reader.string()))
    return headers


def _static_name(index: int) -> str:
    if not 0 < index < len(_STATIC_NAMES):
        raise HpackError(f"no entry {index} in the static table")
    return _STATIC_NAMES[index]


def _put_integer(out: bytearray, value: int) -> None:
    """An integer with a prefix of 7 bits that are otherwise 0 (section 5.1)."""
    if value < 127:
        out.append(value)
        return
    out.append(127)
    value -= 127
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


class _Reader:
    """Reads the primitives of section 5."""

    __slots__ = ("_at", "_block")

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._block)

    def peek(self) -> int:
        if self.at_end:
            raise HpackError("cut off")
        return self._block[self._at]

    def integer(self, prefix_bits: int) -> int:
        most = (1 << prefix_bits) - 1
        value = self.peek() & most
        self._at += 1
        if value < most:
            return value
        shift = 0
        while True:
            byte = self.peek()
            self._at += 1
            value += (byte & 127) << shift
            shift += 7
            if value > _MAX_INTEGER or shift > 35:
                raise HpackError("an integer too large")
            if byte < 128:
                return value

    def string(self) -> str:
        is_huffman = self.peek() & 0x80
        length = self.integer(7)
        data = self._block[self._at : self._at + length]
        if len(data) != length:
            raise HpackError("cut off")
        self._at += length
        return (_huffman(data) if is_huffman else data).decode("latin-1")


def _huffman(data: bytes) -> bytes:
    if not _symbols:
        _make_symbols()
    out = bytearray()
    code = length = 0
    for byte in data:
        for bit in range(7, -1, -1):
            code = code << 1 | byte >> bit & 1
            length += 1
            symbol = _symbols.get((length, code))
            if symbol is not None:
                if symbol == _END_OF_STRING:
                    raise HpackError("the end of the string within it")
                out.append(symbol)
                code = length = 0
            elif length > 30:
                raise HpackError("no Huffman code")
    if length > 7 or code != (1 << length) - 1:  # section 5.2: less than a byte of padding, of ones
        raise HpackError("wrong padding")
    return bytes(out)


def _make_symbols() -> None:
    code = 0
    for length in range(_SHORTEST, 31):
        letter = chr(ord("A") + length - _SHORTEST)
        code <<= 1
        at = _CODE_LENGTHS.find(letter)
        while at >= 0:
            _symbols[length, code] = at
            code += 1
            at = _CODE_LENGTHS.find(letter, at + 1)
