"""``make bench [ONLY=layer]``: every measurement, or those whose name begins with a word.

Each line is ``{"name", "value", "unit", "against"}``; ``against`` holds what was measured beside it in the same run.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Protocol

import benchmarks
from benchmarks import Measurement


class Benchmark(Protocol):
    """What a module of this package offers."""

    def measure(self) -> Iterable[Measurement]:
        """Runs and yields figures whose names begin with the module's name and a full stop."""


def main(arguments: list[str]) -> int:
    """Prints the lines of the modules that are selected; the exit status."""
    only = arguments[0] if arguments else ""
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")]
    selected = [name for name in names if name.startswith(only)]
    if not selected:
        print(f"bench: ONLY={only} selects nothing; there are {', '.join(sorted(names))}", file=sys.stderr)
        return 2
    for line in lines(selected):
        print(line, flush=True)
    return 0


def lines(names: Iterable[str]) -> Iterator[str]:
    """One JSON line per measurement, as each is taken."""
    for name in names:
        module: Benchmark = importlib.import_module(f"benchmarks.{name}")
        for measurement in module.measure():
            yield json.dumps(asdict(measurement))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
