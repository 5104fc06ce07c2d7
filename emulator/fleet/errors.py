"""What can go wrong in fleet mode.

::

    emulator.errors.EmulatorError
    └── FleetError
        ├── FleetConfigError        a description or an argument that is wrong: one line, exit code 2
        ├── ArchiveError            an archive that is not there, not whole or broken
        └── ExportError             a receiver refused, or was out of reach for too long
"""

from __future__ import annotations

from emulator.errors import EmulatorError


class FleetError(EmulatorError):
    """Base of what fleet mode raises."""


class FleetConfigError(FleetError):
    """The fleet cannot be as described. The message names the field, its value and what is accepted."""


class ArchiveError(FleetError):
    """An archive cannot be read. The message names the file."""


class ExportError(FleetError):
    """An export was given up. The message has the receiver's last answer."""
