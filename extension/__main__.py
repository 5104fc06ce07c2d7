"""Entry point of the extension: ``python -m extension``, and what the layer's launcher starts."""

from __future__ import annotations

import posix
import sys

from extension import bootstrap
from extension.diagnostics import Diagnostics
from extension.errors import ExtensionError
from extension.settings import from_environ

EXIT_HOPELESS = 1
"""The platform does not talk to us. A launcher that supervises this process goes on in its place."""


def main() -> int:
    """Run the extension until the platform shuts the sandbox down; the exit code."""
    environ = {_text(name): _text(value) for name, value in posix.environ.items()}
    diagnostics = Diagnostics()
    try:
        settings = from_environ(environ, diagnostics.say)
        started = bootstrap.reach_next(environ, settings, diagnostics)
        # From here on the platform waits for nothing of ours, so this is the time for the other imports.
        from extension.agent import Agent  # noqa: PLC0415
        from extension.sandbox import SandboxEnvironment  # noqa: PLC0415

        agent = Agent(started, SandboxEnvironment(environ), settings, diagnostics)
        started.handoff.tell_taken_over()
        return agent.run()
    except ExtensionError as error:
        diagnostics.say("hopeless", f"stopped: {error}")
        return EXIT_HOPELESS
    except Exception as error:  # noqa: BLE001 - a traceback in the customer's log helps nobody; the launcher goes on
        diagnostics.say("bug", f"stopped: {type(error).__name__}: {error}")
        return EXIT_HOPELESS


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


if __name__ == "__main__":
    sys.exit(main())
