"""``make layer-report``: what is in a layer's zip file, largest first, and what each part of it takes."""

from __future__ import annotations

import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD: Final = f"{'zipped':>10} {'unzipped':>10}"


def report(file: Path) -> Iterator[str]:
    """The lines of the report. Sizes are in bytes."""
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
    zipped: Counter[str] = Counter()
    unzipped: Counter[str] = Counter()
    yield f"{_HEAD}  file"
    for entry in sorted(entries, key=lambda entry: (-entry.compress_size, entry.filename)):
        yield f"{entry.compress_size:>10} {entry.file_size:>10}  {entry.filename}"
        zipped[_part(entry.filename)] += entry.compress_size
        unzipped[_part(entry.filename)] += entry.file_size
    yield f"\n{_HEAD}  part"
    for part, size in zipped.most_common():
        yield f"{size:>10} {unzipped[part]:>10}  {part}"
    yield f"{file.stat().st_size:>10} {unzipped.total():>10}  {file.name}, {len(entries)} files"


def _part(name: str) -> str:
    """The folder, of modules as a whole."""
    folder = name.rpartition("/")[0]
    head, python, _ = folder.partition("/python3.")
    return f"{head}/python3/" if python else f"{folder}/"


def main(arguments: list[str]) -> int:
    """Print the report about the file that is named; the exit status."""
    file = Path(arguments[0])
    if not file.is_file():
        print(f"layer-report: {file} is missing: run `make layer`", file=sys.stderr)
        return 1
    print("\n".join(report(file)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
