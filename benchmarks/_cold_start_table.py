"""``make cold-start-table``: what the layer does to cold starts, by runtime and memory, as a table in README.md.

Each figure is the median of interleaved cold starts in the emulator; it needs root, for the processor share.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from benchmarks._cold_start import ColdStart
from benchmarks._emulated import ROOT, RUNTIMES, Cell, cold_starts, medians
from benchmarks._extension_process import undisturbed
from benchmarks.layer import LAYER_ZIP, least_layer

MEMORY_MB: Final = (128, 512, 1769)
ROUNDS: Final = 15
NAMES: Final = {"python": "Python", "nodejs": "Node.js", "shell": "shell"}
BEGIN: Final = "<!-- cold starts: make cold-start-table -->"
END: Final = "<!-- end of cold starts -->"


def table(cells: Mapping[Cell, ColdStart]) -> Iterator[str]:
    """The lines of the table."""
    kinds = "without | least C extension | layer"
    yield f"| runtime | memory | init: {kinds} | first call: {kinds} |"
    yield "|---|---|---|---|---|---|---|---|"
    for runtime in RUNTIMES:
        for size in MEMORY_MB:
            row = [cells[Cell(runtime, size, kind)] for kind in ("without", "least", "layer")]
            figures = [each.init_ms for each in row] + [each.init_ms + each.answer_ms for each in row]
            yield f"| {NAMES[runtime]} | {size} MB | {' | '.join(f'{figure:.0f}' for figure in figures)} |"


def with_table(text: str, lines: Iterator[str]) -> str:
    """The text with the table between its marks.

    Raises:
        ValueError: it does not have them.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN} … {END}")
    body = "\n".join(lines)
    return f"{before}{begin}\n{body}\n{end}{after}"


def main() -> int:
    """Measure, and write the table into the README; the exit status."""
    readme = ROOT / "README.md"
    with tempfile.TemporaryDirectory(prefix="lambdascope-bench-") as name, undisturbed():
        Path(name).chmod(0o755)
        layers = {"without": None, "least": least_layer(Path(name)), "layer": LAYER_ZIP}
        lines = list(table(medians(cold_starts(layers, MEMORY_MB, ROUNDS))))
    readme.write_text(with_table(readme.read_text(encoding="utf-8"), iter(lines)), encoding="utf-8")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
