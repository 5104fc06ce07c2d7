"""``python -m emulator``, ``python -m emulator fleet`` and ``python -m emulator replay``."""

from __future__ import annotations

import sys

from emulator import cli, process, replay
from emulator.errors import EmulatorError
from emulator.fleet.__main__ import main as fleet_main


def _say(line: str) -> None:
    sys.stderr.write(f"emulator: {line}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    """Run. Returns the exit code: 2 where the emulator cannot start as asked."""
    if arguments[:1] == ["fleet"]:
        return fleet_main(arguments[1:])
    try:
        if arguments[:1] == ["replay"]:
            replay.main(arguments[1:], _say)
            return 0
        process.run(cli.parse(arguments), _say)
    except EmulatorError as error:
        _say(str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
