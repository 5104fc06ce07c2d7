"""Certificate authorities as OpenSSL's hashed directory: a file per authority, found by its name's hash when needed.

Loading a bundle of all of them costs about 25 ms of processor time at each start; looking one up costs nothing that can
be measured. Source of the hash: OpenSSL, ``X509_NAME_hash`` and ``x509_name_canon`` in crypto/x509/x_name.c.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----\s+(?P<base64>[A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")

_SEQUENCE, _SET, _CONTEXT_0 = 0x30, 0x31, 0xA0
_UTF8 = 0x0C
_ENCODINGS: Final = {_UTF8: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1A: "ascii", 0x1C: "utf-32-be",
    0x1E: "utf-16-be"}  # fmt: skip
"""The string types whose spelling OpenSSL evens out, by tag."""


def hashed_directory(bundle: str) -> dict[str, bytes]:
    """The files of the directory for the PEM certificates in `bundle`: name such as ``5ed36f99.0`` to content."""
    files: dict[str, bytes] = {}
    for match in _PEM.finditer(bundle):
        der = base64.b64decode(match["base64"])
        name = subject_hash(der)
        number = sum(1 for other in files if other.startswith(name))
        body = base64.encodebytes(der).decode().replace("\n", "")
        lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
        pem = f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"
        files[f"{name}.{number}"] = pem.encode()
    return dict(sorted(files.items()))


def subject_hash(certificate: bytes) -> str:
    """What ``openssl x509 -subject_hash`` prints for a certificate in DER."""
    (_, whole), *_ = _elements(certificate)
    (_, to_be_signed), *_ = _elements(whole)
    fields = list(_elements(to_be_signed))
    without_version = fields[1:] if fields[0][0] == _CONTEXT_0 else fields
    subject = without_version[4][1]  # serial number, signature, issuer, validity, subject
    canonical = b"".join(_canonical_set(content) for _, content in _elements(subject))
    digest = hashlib.sha1(canonical, usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def _canonical_set(content: bytes) -> bytes:
    """One set of attributes of a name; DER wants its members in order."""
    attributes = []
    for _, attribute in _elements(content):
        (oid_tag, oid), (tag, value) = _elements(attribute)
        attributes.append(_encoded(_SEQUENCE, _encoded(oid_tag, oid) + _encoded(*_canonical_value(tag, value))))
    return _encoded(_SET, b"".join(sorted(attributes)))


def _canonical_value(tag: int, value: bytes) -> tuple[int, bytes]:
    if tag not in _ENCODINGS:
        return tag, value
    words = value.decode(_ENCODINGS[tag]).encode().split()
    return _UTF8, b" ".join(words).lower()


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements of a DER sequence of elements, as (tag, content)."""
    at = 0
    while at < len(der):
        tag, length, start = der[at], der[at + 1], at + 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(der[at + 2 : start])
        yield tag, der[start : start + length]
        at = start + length


def _encoded(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(size)]) + size + content
