"""Who may deliver: Firehose's access keys, in a file that can change while the collector runs."""

from __future__ import annotations

import hmac
import ipaddress
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collector.cloudwatch.errors import AccessKeyError
from collector.errors import SetupError

log = logging.getLogger(__name__)

MAX_KEY_BYTES: Final = 4096
"""Longest key that Firehose sends."""


@dataclass(frozen=True, slots=True)
class Caller:
    """What a request shows of who sent it.

    Attributes:
        access_key: the header's value, verbatim; None where there is none.
        address: the peer's; empty where it is not known.
        forwarded: whether a proxy says that it speaks for somebody else.
    """

    access_key: str | None
    address: str
    forwarded: bool


def parse_keys(content: bytes) -> tuple[bytes, ...]:
    """The keys of a file, one per line, verbatim but for the end of the line; empty lines are skipped.

    Raises:
        ValueError: with what is wrong; never with a key.
    """
    keys = tuple(line.removesuffix(b"\r") for line in content.split(b"\n") if line.strip())
    if not keys:
        raise ValueError("holds no key")
    if any(len(key) > MAX_KEY_BYTES for key in keys):
        raise ValueError(f"holds a key of more than {MAX_KEY_BYTES} bytes, which Firehose would not send")
    return keys


def matches(keys: tuple[bytes, ...], given: str) -> bool:
    """Whether it is one of the keys. All are compared, each in a time that does not tell how much of it is right."""
    offered = given.encode(errors="surrogateescape")
    return sum([hmac.compare_digest(key, offered) for key in keys]) > 0


def is_loopback(caller: Caller) -> bool:
    """Whether the request comes from this machine, and not through a proxy on it."""
    try:
        address = ipaddress.ip_address(caller.address)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback and not caller.forwarded


class Access:
    """Lets a caller in or not.

    With a file, its keys are asked for, everywhere. Firehose may send the previous key for as long as it repeats an old
    request, so both stand in the file while a key changes. Without a file, only this machine may deliver.
    """

    def __init__(self, path: Path | None) -> None:
        """Read the file.

        Raises:
            SetupError: it cannot be read, or holds no key.
        """
        self._path = path
        self._keys: tuple[bytes, ...] = ()
        self._version: tuple[int, int, int] | None = None
        if path is not None:
            try:
                self._reload(path)
            except (OSError, ValueError) as error:
                raise SetupError(f"firehose keys {path}: {_said(error)}") from None

    def check(self, caller: Caller) -> None:
        """Return if the caller may deliver.

        Raises:
            AccessKeyError: else.
        """
        if self._path is None:
            if not is_loopback(caller):
                raise AccessKeyError("no access key is configured here, so only this machine may deliver")
            return
        try:
            self._reload(self._path)
        except (OSError, ValueError) as error:
            if self._version is not None:  # said once; the keys that were read stay good
                log.error("firehose keys %s: %s; the keys read before stay", self._path, _said(error))  # noqa: TRY400  # the reason is the message
                self._version = None
        if caller.access_key is None:
            raise AccessKeyError("the header X-Amz-Firehose-Access-Key is missing")
        if not matches(self._keys, caller.access_key):
            raise AccessKeyError("the access key is not one of those configured here")

    def _reload(self, path: Path) -> None:
        """Read the file if it is another than before."""
        status = path.stat()
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        if version != self._version:
            self._keys = parse_keys(path.read_bytes())
            self._version = version


def _said(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
