"""What clickhouse-go asks before all else over HTTP, and the answer that lets it go on. Pure.

The driver reads this one answer as ClickHouse writes it to a client of the revision that the driver names in
``client_protocol_version``: with information about each block, and a byte for each column's serialization. How the
answers after it are written it takes from ``revision()`` in this one. The engine writes for revision 0 (no information,
no byte), which is what clickhouse-connect and the formats' documentation know, so that is what we say we have.
"""

from __future__ import annotations

import re
from typing import Final

_HELLO: Final = re.compile(r"\s*SELECT displayName\(\), version\(\), revision\(\), timezone\(\)\s*;?\s*")
# BlockInfo: field 1 is_overflows 0; field 2 bucket_num -1; end. Then four columns and one row.
_BLOCK: Final = b"\x01\x00\x02\xff\xff\xff\xff\x00" + b"\x04\x01"
_NO_CUSTOM_SERIALIZATION: Final = b"\x00"


def is_hello(query: str, client_protocol_version: str) -> bool:
    """Whether this is the driver's first query."""
    return client_protocol_version.isdigit() and client_protocol_version != "0" and bool(_HELLO.fullmatch(query))


def answer(name: str, version: str, timezone: str) -> bytes:
    """The block that the driver reads."""
    columns = (
        ("displayName()", "String", _string(name)),
        ("version()", "String", _string(version)),
        ("revision()", "UInt32", bytes(4)),
        ("timezone()", "String", _string(timezone)),
    )
    parts = [_string(title) + _string(kind) + _NO_CUSTOM_SERIALIZATION + value for title, kind, value in columns]
    return _BLOCK + b"".join(parts)


def _string(text: str) -> bytes:
    data = text.encode()
    assert len(data) < 128, "a length of one byte"
    return bytes([len(data)]) + data
