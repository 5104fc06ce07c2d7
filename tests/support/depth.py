"""For the tests of what is opt-in: the layer's other programs, built alone, and the proxy as a process."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.layer.launcher import PROXY, WRAPPER, compile_launcher, compile_program, host_architecture

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
PROBE = REPOSITORY / "extension" / "probe"
WAIT_S = 60.0
LARGEST_MESSAGE = 1 << 16


@functools.cache
def programs() -> Path:
    """A folder like /opt with the layer's native programs and the probe, built once for all tests of a process."""
    folder = tempfile.TemporaryDirectory(prefix="lambdascope-programs-")
    _kept.append(folder)
    root, architecture, cache = Path(folder.name) / "opt", host_architecture(), Path(folder.name) / "zig"
    compile_launcher(root / "extensions" / "lambdascope", architecture, cache)
    compile_program(root / "lambdascope" / "wrapper", architecture, cache, WRAPPER)
    compile_program(root / "lambdascope" / "proxy", architecture, cache, PROXY)
    (root / "lambdascope" / "probe").symlink_to(PROBE)
    return root


_kept: list[tempfile.TemporaryDirectory[str]] = []


@dataclass
class RunningProxy:
    """The proxy, and what it says.

    Attributes:
        address: where it listens.
        events: the other end of its datagram socket.
    """

    address: tuple[str, int]
    events: socket.socket
    process: subprocess.Popen[bytes]
    announcer: str

    def event(self) -> bytes:
        """The next message about an event."""
        self.events.settimeout(WAIT_S)
        return self.events.recv(LARGEST_MESSAGE)

    def no_event(self) -> bool:
        """Whether there is none now."""
        self.events.setblocking(False)
        try:
            return not self.events.recv(LARGEST_MESSAGE)
        except BlockingIOError:
            return True


@contextlib.contextmanager
def running_proxy(upstream: tuple[str, int], program: Path | None = None) -> Iterator[RunningProxy]:
    """The proxy in front of `upstream`, as the launcher starts it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    name = f"\0lambdascope-test/{os.urandom(8).hex()}"
    with ours, contextlib.ExitStack() as stack:
        with theirs, socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as announcer:
            announcer.bind(name)
            announcer.listen()
            address = listener.getsockname()
            fds = (listener.fileno(), announcer.fileno(), theirs.fileno())
            process = subprocess.Popen(
                [
                    program or programs() / "lambdascope" / "proxy",
                    "{}:{}".format(*upstream),
                    str(fds[0]),
                    str(address[1]),
                    str(fds[1]),
                    str(fds[2]),
                ],
                pass_fds=fds,
            )
        stack.callback(process.wait)
        stack.callback(process.kill)
        yield RunningProxy(address, ours, process, name)
        assert process.poll() is None, f"the proxy ended with {process.returncode}"
