"""What keeps the embedded engine from starting after a full disk, and can be put right."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

_TABLES: Final = "store/*/*"
_MUTATIONS: Final = "mutation_*.txt"


def repair(store: Path) -> None:
    """Remove the entries of mutations that were never written. Call before the engine is started.

    ClickHouse gives such an entry its name although the disk has no room for what it says, and then loads the table no
    more, nor any other. Whoever asked for that mutation was told that it failed.

    Raises:
        OSError: the folder cannot be read or changed.
    """
    for entry in store.glob(f"{_TABLES}/{_MUTATIONS}"):
        if not entry.stat().st_size:
            log.warning("store: %s is empty, as a full disk leaves it; it is removed", entry)
            entry.unlink()
