"""``python -m emulator``."""

from __future__ import annotations

import sys

from emulator import cli, process
from emulator.errors import EmulatorError


def _say(line: str) -> None:
    sys.stderr.write(f"emulator: {line}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    """Run. Returns the exit code: 2 where the emulator cannot start as asked."""
    try:
        process.run(cli.parse(arguments), _say)
    except EmulatorError as error:
        _say(str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
