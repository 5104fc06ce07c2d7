"""The parent of all processes of one sandbox, and process 1 of its PID namespace where it has one.

It starts processes, reports their end, freezes and thaws them, and takes them all with it when it ends: the kernel
kills a PID namespace with its process 1, and without namespaces the holder kills its descendants itself. It ends when
the emulator closes the channel, which the kernel does for an emulator that was killed.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from emulator.isolation import linux, messages, root

_EXEC_FAILED = 127


@dataclass(frozen=True, slots=True)
class HolderSettings:
    """What the emulator asks of a holder. Sent as JSON."""

    namespaces: bool
    addresses: list[str]
    """Addresses of the loopback interface beside 127.0.0.1."""
    hostname: str
    user: tuple[int, int] | None
    """User and group of the programs; None: those of the emulator."""
    view: dict[str, Any]
    """:class:`root.View` as a mapping; empty without namespaces."""


def run(settings: HolderSettings, channel: socket.socket) -> NoReturn:
    """Be the holder. Called in a freshly forked process, which this ends."""
    status = 1
    try:
        if settings.namespaces:
            linux.die_with_parent()  # and with us the whole PID namespace
        os.setsid()
        _prepare(settings, channel)
        _Holder(settings, channel).serve()
        status = 0
    except OSError as error:
        _try_send(channel, {"event": "failed", "message": str(error)})
    finally:
        os._exit(status)


def _prepare(settings: HolderSettings, channel: socket.socket) -> None:
    descriptors: list[int] = []
    if settings.namespaces:
        linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS)
        socket.sethostname(settings.hostname)
        linux.bring_up_loopback(settings.addresses)
        descriptors.append(os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        view = dict(settings.view)
        view["visible"] = tuple(view["visible"])
        root.enter(root.View(**view))
    else:
        linux.adopt_orphans()
    messages.send(channel, {"event": "ready"}, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)


def _try_send(channel: socket.socket, message: dict[str, Any]) -> None:
    try:
        messages.send(channel, message)
    except OSError:
        pass  # the emulator is gone, and so is whoever would read this


class _Holder:
    def __init__(self, settings: HolderSettings, channel: socket.socket) -> None:
        self._namespaces = settings.namespaces
        self._user = settings.user
        self._channel = channel
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        """Answer commands until the emulator closes the channel; then kill what is left."""
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        try:
            while True:
                ready = dict(poll.poll())
                if self._wake_read in ready:
                    os.read(self._wake_read, 4096)
                    self._reap()
                if self._channel.fileno() in ready and not self._command():
                    return
        finally:
            self._signal_all(signal.SIGKILL)

    def _command(self) -> bool:
        try:
            message, descriptors = messages.receive(self._channel)
        except OSError:
            return False
        if message is None:
            return False
        match message["do"]:
            case "spawn":
                self._spawn(message, descriptors)
            case "signal":
                self._signal_one(message["pid"], message["signal"])
            case "signal_all":
                self._signal_all(message["signal"])
        return True

    def _spawn(self, message: dict[str, Any], descriptors: list[int]) -> None:
        try:
            pid = self._start(message["argv"], message["environment"], message["folder"], descriptors)
        except OSError as error:
            self._tell({"event": "spawn_failed", "name": message["name"], "message": str(error)})
        else:
            self._tell({"event": "spawned", "name": message["name"], "pid": pid})
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _start(self, argv: list[str], environment: dict[str, str], folder: str, given: list[int]) -> int:
        """Fork and execute, as leader of a session of its own. Raises OSError where it cannot be executed."""
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            try:
                _prepare_child(folder, given, self._user)
                os.execve(argv[0], argv, environment)  # noqa: S606 - executing what layer or function hold is the task
            except OSError as error:
                os.write(write_end, f"{error.errno} {argv[0]}: {error.strerror}".encode())
            finally:
                os._exit(_EXEC_FAILED)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as failure:
            text = failure.read()
        if text:
            number, _, message = text.decode().partition(" ")
            raise OSError(int(number), message)
        return pid

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._tell({"event": "exited", "pid": pid, "status": os.waitstatus_to_exitcode(status)})

    def _signal_one(self, pid: int, number: int) -> None:
        """Signal a process and its group. What has ended already needs no signal."""
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            pass

    def _signal_all(self, number: int) -> None:
        """Signal every process of the sandbox but this one."""
        try:
            if self._namespaces:
                os.kill(-1, number)
            else:
                _signal_descendants(number)
        except ProcessLookupError:
            pass

    def _tell(self, message: dict[str, Any]) -> None:
        _try_send(self._channel, message)


def _signal_descendants(number: int) -> None:
    """Signal all descendants, again until no new ones turn up: a stopped or dead process starts no more."""
    seen: set[int] = set()
    while found := _descendants(os.getpid()) - seen:
        for pid in found:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        seen |= found


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        try:
            below = {int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split()}
        except OSError:
            continue
        waiting.extend(below - found)
        found |= below
    return found


def _prepare_child(folder: str, given: list[int], user: tuple[int, int] | None) -> None:
    """Between fork and exec. ``given`` are stdout, stderr, and the doors of control groups."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(given[0], 1)
    os.dup2(given[1], 2)
    for door in given[2:]:
        os.write(door, b"0")
    if user is not None:
        os.fchown(1, *user)  # so that programs may open /dev/stdout and /dev/stderr
        os.fchown(2, *user)
        linux.become(*user)
    linux.die_with_parent()
    os.chdir(folder)
