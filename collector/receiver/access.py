"""Who may export: bearer tokens, kept as hashes in a file that may change while the collector runs.

A line of the file is the SHA-256 of a token in hexadecimal, and what the token is good for::

    # checkout team, until the rotation of May is through
    9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 tenant=checkout bytes_per_s=1MiB items_per_s=2000

Tokens are random, 256 bits, so a plain hash of one tells nothing. Several lines may be good for the same: that is how a
token is replaced without a gap.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from collector.errors import SetupError, ThrottledError, UnauthenticatedError
from collector.units import size_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEME: Final = "Bearer"
_LOOK_AGAIN_S: Final = 1.0
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_TENANT: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_RESERVED: Final = frozenset({"default", "system", "information_schema"})
_BURST_S: Final = 2.0
"""How many seconds of its rate a token may use at once."""


@dataclass(slots=True)
class Rate:
    """What may pass in a second, with :data:`_BURST_S` of it saved up. 0 is without limit."""

    per_s: float
    _left: float = 0.0
    _at_s: float = -1e9

    def take(self, amount: float, now_s: float) -> float:
        """Take so much; returns 0, or the seconds after which to ask again, having taken nothing.

        What is larger than all that can be saved passes when the store is full, and is paid for afterwards.
        """
        if not self.per_s:
            return 0.0
        full = self.per_s * _BURST_S
        self._left = min(full, self._left + (now_s - self._at_s) * self.per_s)
        self._at_s = now_s
        missing = min(amount, full) - self._left
        if missing > 0:
            return missing / self.per_s
        self._left -= amount
        return 0.0


@dataclass(slots=True)
class Credential:
    """What a token is good for.

    Attributes:
        tenant: the database that its telemetry goes to; empty for the store's own.
        bytes_rate: of decompressed requests.
        items_rate: of spans, records and points.
    """

    tenant: str = ""
    bytes_rate: Rate = field(default_factory=lambda: Rate(0))
    items_rate: Rate = field(default_factory=lambda: Rate(0))

    def spend(self, size_bytes: int, items: int, now_s: float) -> None:
        """Count a request against the token's rates.

        Raises:
            ThrottledError: it has used them up.
        """
        wait_s = max(self.bytes_rate.take(size_bytes, now_s), self.items_rate.take(items, now_s))
        if wait_s:
            raise ThrottledError("the token's rate is used up", retry_after_s=wait_s)


ANYBODY: Final = Credential()
"""Whoever comes, where no tokens are asked for."""


def new_token() -> tuple[str, str]:
    """A token for a client, and its hash for the file."""
    token = secrets.token_urlsafe(32)
    return token, hashlib.sha256(token.encode()).hexdigest()


def parse_tokens(text: str) -> dict[bytes, Credential]:
    """The credentials of a file by their hashes.

    Raises:
        ValueError: naming the line, and never what it holds.
    """
    found: dict[bytes, Credential] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if not _HASH.fullmatch(words[0]):
            raise ValueError(f"line {number} does not begin with the SHA-256 of a token in lower-case hexadecimal")
        try:
            found[bytes.fromhex(words[0])] = _credential(words[1:])
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    if not found:
        raise ValueError("holds no token")
    return found


def _credential(words: list[str]) -> Credential:
    credential = Credential()
    for word in words:
        name, _, value = word.partition("=")
        if name == "tenant":
            if not _TENANT.fullmatch(value) or value in _RESERVED:
                raise ValueError("tenant= takes a name of lower-case letters, digits and underscores")
            credential.tenant = value
        elif name == "bytes_per_s":
            credential.bytes_rate = Rate(size_bytes(value))
        elif name == "items_per_s":
            if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) == 0:
                raise ValueError("items_per_s= takes a whole number above 0")
            credential.items_rate = Rate(int(value))
        else:
            raise ValueError("takes tenant=, bytes_per_s= and items_per_s=")
    return credential


class Tokens:
    """The tokens of a file, read again when it changes. A bad one leaves the last good one in force."""

    def __init__(
        self, path: Path, warn: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Read it.

        Raises:
            SetupError: it cannot be read, or is not what it should be.
        """
        self._path = path
        self._warn = warn
        self._monotonic = monotonic
        self._looked_s = monotonic()
        self._stamp = self._stat()
        try:
            self._credentials = self._read()
        except (OSError, ValueError) as error:
            raise SetupError(f"tokens {path}: {_reason(error)}") from None

    @property
    def tenants(self) -> frozenset[str]:
        """The databases that are written to."""
        return frozenset(credential.tenant for credential in self._credentials.values())

    def check(self, authorization: str) -> Credential:
        """What the client may do.

        Args:
            authorization: the header's value; empty where there is none.

        Raises:
            UnauthenticatedError: no token, or an unknown one.
        """
        now_s = self._monotonic()
        if now_s - self._looked_s >= _LOOK_AGAIN_S:
            self._looked_s = now_s
            self._reload()
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != SCHEME.lower() or not token:
            raise UnauthenticatedError("a bearer token is needed")
        digest = hashlib.sha256(token.strip().encode(errors="surrogateescape")).digest()
        found: Credential | None = None
        for (
            known,
            credential,
        ) in self._credentials.items():  # all of them, in a time that does not tell which one it was
            if hmac.compare_digest(known, digest):
                found = credential
        if found is None:
            raise UnauthenticatedError("the bearer token is not known")
        return found

    def _reload(self) -> None:
        stamp = self._stat()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._replace(self._read())
        except (OSError, ValueError) as error:
            self._warn(f"tokens {self._path}: {_reason(error)}; the tokens of before stay in force")

    def _replace(self, credentials: dict[bytes, Credential]) -> None:
        """A token that stays keeps what it has used of its rates."""
        for digest, new in credentials.items():
            old = self._credentials.get(digest)
            if old and (old.tenant, old.bytes_rate.per_s, old.items_rate.per_s) == (
                new.tenant,
                new.bytes_rate.per_s,
                new.items_rate.per_s,
            ):
                credentials[digest] = old
        self._credentials = credentials

    def _read(self) -> dict[bytes, Credential]:
        return parse_tokens(self._path.read_text(encoding="utf-8"))

    def _stat(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return (status.st_ino, status.st_mtime_ns, status.st_size)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8"
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)


class Open:
    """No tokens: whoever reaches the port may export."""

    tenants: frozenset[str] = frozenset({""})

    def check(self, authorization: str) -> Credential:  # noqa: ARG002  # the same as Tokens
        """Anybody."""
        return ANYBODY


Gate = Tokens | Open
