"""A small, single-threaded process from which each sandbox's holder is forked: a millisecond instead of a start.

Started by the emulator, with which it shares one channel. It ends when the emulator does.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from emulator.isolation import holder, linux, messages, root


def main(descriptor: int, parent_pid: int) -> None:
    """Serve fork requests on the given socket until it is closed."""
    linux.die_with_parent()
    if os.getppid() != parent_pid:
        return
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    channel = socket.socket(fileno=descriptor)
    while True:
        message, descriptors = messages.receive(channel)
        if message is None:
            return
        if message["do"] == "probe":
            messages.send(channel, {"missing": _what_is_missing()})
        else:
            messages.send(channel, {"pid": _fork(message["settings"], descriptors[0], channel)})


def _fork(settings: dict[str, Any], descriptor: int, channel: socket.socket) -> int:
    own = holder.HolderSettings(**settings)
    if own.namespaces:
        linux.unshare(linux.CLONE_NEWPID)  # for children only
    pid = os.fork()
    if pid == 0:
        channel.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        holder.run(own, socket.socket(fileno=descriptor))
    os.close(descriptor)
    if own.namespaces:
        _return_to_own_pid_namespace()
    return pid


def _return_to_own_pid_namespace() -> None:
    """Have children born in our own namespace again. Otherwise the kernel would refuse the next unshare."""
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        linux.setns(own, linux.CLONE_NEWPID)
    finally:
        os.close(own)


def _what_is_missing() -> str | None:
    """None where a sandbox can have namespaces here, else the reason in a few words. Tried, not guessed."""
    read_end, write_end = os.pipe()
    with tempfile.TemporaryDirectory(prefix="lambda-probe-") as folder:
        try:
            linux.unshare(linux.CLONE_NEWPID)
        except OSError as error:
            return str(error)
        if os.fork() == 0:
            _probe(folder, write_end)
        os.close(write_end)
        with os.fdopen(read_end) as answer:
            missing = answer.read() or None
        _return_to_own_pid_namespace()
    return missing


def _probe(folder: str, answer: int) -> None:
    """In a child: build a whole view as a sandbox would, and write what failed, or nothing."""
    try:
        linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS)
        linux.bring_up_loopback(["192.0.2.1"])
        base = Path(folder)
        for name in ("root", "layer", "code", "tmp"):
            (base / name).mkdir()
        (base / "hosts").touch()
        mount_point, layer, code, tmp, hosts = (str(base / n) for n in ("root", "layer", "code", "tmp", "hosts"))
        root.enter(root.View(mount_point, layer, code, tmp, hosts, visible=()))
    except OSError as error:
        os.write(answer, str(error).encode())
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
