"""``make bench [ONLY=layer]``: every measurement, or those of one module, or ``ONLY=collector.requests``: a piece.

Each line is ``{"name", "value", "unit", "against"}``; ``against`` holds what was measured beside it in the same run.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Protocol

import benchmarks
from benchmarks import Measurement

Piece = Callable[[], Iterable[Measurement]]


class Benchmark(Protocol):
    """What a module of this package offers.

    One that takes long may also offer ``PIECES``: what its parts are called, and what runs each.
    """

    def measure(self) -> Iterable[Measurement]:
        """Runs and yields figures whose names begin with the module's name and a full stop."""


def main(arguments: list[str]) -> int:
    """Prints the lines of the modules that are selected; the exit status."""
    only, _, piece = (arguments[0] if arguments else "").partition(".")
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")]
    selected = [name for name in names if name.startswith(only)]
    if piece:
        pieces = pieces_of(only) if only in names else {}
        if piece not in pieces:
            print(f"bench: {only} has these pieces: {', '.join(pieces) or 'none'}", file=sys.stderr)
            return 2
        write(pieces[piece]())
        return 0
    if not selected:
        print(f"bench: ONLY={only} selects nothing; there are {', '.join(sorted(names))}", file=sys.stderr)
        return 2
    for name in selected:
        module: Benchmark = importlib.import_module(f"benchmarks.{name}")
        write(module.measure())
    return 0


def pieces_of(name: str) -> Mapping[str, Piece]:
    """Of a module: empty where it is measured as a whole."""
    pieces: Mapping[str, Piece] = getattr(importlib.import_module(f"benchmarks.{name}"), "PIECES", {})
    return pieces


def write(measurements: Iterable[Measurement]) -> None:
    """One JSON line per measurement, as each is taken."""
    for measurement in measurements:
        print(json.dumps(asdict(measurement)), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
