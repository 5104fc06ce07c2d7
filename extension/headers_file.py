"""Headers from a file: credentials that are not to stand in the environment. Loaded only where one is named."""

from __future__ import annotations

import posix

from extension.setting_kinds import parse_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from extension.diagnostics import Diagnostics

_MOST_BYTES = 65536


def read_headers(path: str, diagnostics: Diagnostics) -> tuple[tuple[str, str], ...]:
    """The headers in a file: one ``name=value`` per line, percent-encoded; empty lines and those with # do not count.

    None of them, and a line that does not show what is in the file, where it cannot be used.
    """
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
        try:
            text = posix.read(fd, _MOST_BYTES).decode("utf-8")
        finally:
            posix.close(fd)
        lines = (line.strip() for line in text.splitlines())
        return tuple(header for line in lines if line and line[0] != "#" for header in parse_headers(line))
    except OSError as error:
        diagnostics.say("headers-file", f"LAMBDASCOPE_HEADERS_FILE: {path}: {error.strerror}")
    except ValueError:
        diagnostics.say("headers-file", f"LAMBDASCOPE_HEADERS_FILE: {path} does not hold a name=value per line")
    return ()
