"""Sizes as people write them."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def size_bytes(text: str) -> int:
    """``4194304``, ``64MiB`` or ``10G`` (all powers of 1024) in bytes.

    Raises:
        ValueError: with what is wanted.
    """
    match = re.fullmatch(r"([0-9]{1,15})(?:([kmgt])i?b?)?", text.strip().lower())
    if match is None or int(match[1]) == 0:
        raise ValueError("a size above 0 such as 4194304, 64MiB or 10GiB")
    return int(match[1]) * _UNITS[match[2] or ""]
