"""What the simulation refuses.

::

    emulator.errors.EmulatorError
    └── ModelError
        ├── UnknownFunctionError    a function or version that nobody declared
        ├── LimitError              a reservation that the account has no room for
        └── SandboxStateError       a report that does not fit what the sandbox is doing
"""

from __future__ import annotations

from emulator.errors import EmulatorError


class ModelError(EmulatorError):
    """Base of what the simulation raises."""


class UnknownFunctionError(ModelError):
    """The function was never declared. The message names it."""


class LimitError(ModelError):
    """A reserved or provisioned concurrency that Lambda's API would refuse. The message says by how much."""


class SandboxStateError(ModelError):
    """``finished`` for an idle sandbox, ``ready`` for a busy one, and the like: a mistake of the caller."""
