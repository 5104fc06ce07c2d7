"""The emulator's end: starts the zygote, asks it for holders, and commands those."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from emulator.errors import IsolationError
from emulator.isolation import linux, messages
from emulator.isolation.holder import HolderSettings

_ZYGOTE = (
    "import sys; sys.path.insert(0, sys.argv[3]); from emulator.isolation import zygote; "
    "zygote.main(int(sys.argv[1]), int(sys.argv[2]))"
)
_REPOSITORY = str(Path(__file__).resolve().parents[2])
_PROBE_TIMEOUT_S = 10.0


class Zygote:
    """The process that holders are forked from. Use :meth:`start`, and :meth:`stop` when all holders are closed."""

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket) -> None:
        self._process = process
        self._channel = channel
        self._turn = asyncio.Lock()

    @classmethod
    def start(cls) -> Zygote:
        """Start it. Its session is its own, so that a Ctrl-C in the terminal reaches the emulator alone."""
        ours, theirs = messages.pair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _ZYGOTE, str(theirs.fileno()), str(os.getpid()), _REPOSITORY],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return cls(process, ours)

    def what_is_missing(self) -> str | None:
        """Try whether sandboxes can have namespaces here. None where they can, else the kernel's reason.

        Raises IsolationError.
        """
        self._channel.settimeout(_PROBE_TIMEOUT_S)
        try:
            messages.send(self._channel, {"do": "probe"})
            answer, _ = messages.receive(self._channel)
        except OSError as error:
            raise IsolationError(f"the process that starts sandboxes does not answer: {error}") from error
        self._channel.settimeout(0)
        if answer is None:
            raise IsolationError("the process that starts sandboxes has ended")
        missing: str | None = answer["missing"]
        return missing

    async def fork(self, settings: HolderSettings, on_exit: Callable[[str, int], None]) -> Holder:
        """Fork a holder and wait until its namespaces are there. ``on_exit`` gets name and exit code of its programs.

        Raises IsolationError.
        """
        ours, theirs = messages.pair()
        with theirs:
            pid = await self._ask_for_fork(settings, theirs)
        holder = Holder(pid, ours, on_exit)
        try:
            await holder.wait_until_ready()
        except IsolationError:
            holder.close()
            raise
        return holder

    async def _ask_for_fork(self, settings: HolderSettings, channel: socket.socket) -> int:
        async with self._turn:
            try:
                message = {"do": "fork", "settings": dataclasses.asdict(settings)}
                messages.send(self._channel, message, [channel.fileno()])
                answer, _ = await _receive(self._channel)
            except OSError as error:
                raise IsolationError(f"the process that starts sandboxes does not answer: {error}") from error
        if answer is None:
            raise IsolationError("the process that starts sandboxes has ended")
        pid: int = answer["pid"]
        return pid

    def stop(self) -> None:
        """End the process and wait for it. May be called twice."""
        self._channel.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        self._process.kill()
        self._process.wait()


async def _receive(channel: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    loop = asyncio.get_running_loop()
    while True:
        try:
            return messages.receive(channel, socket.MSG_DONTWAIT)
        except BlockingIOError:
            readable = loop.create_future()
            loop.add_reader(channel, _resolve, readable)
            try:
                await readable
            finally:
                loop.remove_reader(channel)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """A program to execute, as the sandbox sees paths."""

    argv: list[str]
    environment: dict[str, str]
    folder: str


class Holder:
    """The processes of one sandbox."""

    def __init__(self, pid: int, channel: socket.socket, on_exit: Callable[[str, int], None]) -> None:
        self.pid = pid
        """As this process sees it."""
        self._pids: dict[str, int] = {}
        self._channel = channel
        self._on_exit = on_exit
        self._network: int | None = None
        self._starting: dict[str, asyncio.Future[None]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def wait_until_ready(self) -> None:
        """Wait for the holder's first word. Raises IsolationError with the reason where it could not set up."""
        try:
            message, descriptors = await _receive(self._channel)
        except OSError as error:
            raise IsolationError(f"a sandbox's first process ended: {error}") from error
        if message is None or message["event"] != "ready":
            raise IsolationError("a sandbox could not be set up: " + (message or {}).get("message", "process ended"))
        self._network = descriptors[0] if descriptors else None
        self._reader = asyncio.create_task(self._read(), name=f"holder-{self.pid}")

    async def _read(self) -> None:
        with contextlib.suppress(OSError):
            while (received := await _receive(self._channel))[0] is not None:
                self._handle(received[0])
        for future in self._starting.values():
            if not future.done():
                future.set_exception(IsolationError("the sandbox ended while a process was started"))

    def _handle(self, message: dict[str, Any] | None) -> None:
        match message:
            case {"event": "exited", "pid": pid, "status": status}:
                self._exited(pid, status)
            case {"event": "spawned", "name": name, "pid": pid}:
                self._pids[name] = pid
                _resolve(self._starting.pop(name))
            case {"event": "spawn_failed", "name": name, "message": text}:
                future = self._starting.pop(name)
                if not future.done():
                    future.set_exception(IsolationError(text))
            case _:
                raise IsolationError(f"unknown message of a holder: {message}")

    def _exited(self, pid: int, status: int) -> None:
        for name, known in list(self._pids.items()):
            if known == pid:
                del self._pids[name]
                self._on_exit(name, status)

    async def spawn(self, name: str, command: Command, output: tuple[int, int], doors: Sequence[int] = ()) -> None:
        """Start a program with the two descriptors as stdout and stderr. The name is for :meth:`signal` and its end.

        Before it runs it enters the control groups whose ``doors`` these are (:meth:`ControlGroup.open_doors`).
        Raises IsolationError where it cannot be executed.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._starting[name] = future
        self._send({"do": "spawn", "name": name, **dataclasses.asdict(command)}, [*output, *doors])
        await future

    def freeze(self) -> None:
        """Stop every process of the sandbox (SIGSTOP)."""
        self._send({"do": "signal_all", "signal": signal.SIGSTOP})

    def thaw(self) -> None:
        """Let every process go on (SIGCONT)."""
        self._send({"do": "signal_all", "signal": signal.SIGCONT})

    def signal(self, name: str, number: int) -> None:
        """Signal one program and the processes it started in its own group. One that has ended needs none."""
        if (pid := self._pids.get(name)) is not None:
            self._send({"do": "signal", "pid": pid, "signal": number})

    def kill_all(self) -> None:
        """SIGKILL every process of the sandbox but the holder. Their ends are not told."""
        self._pids.clear()
        self._send({"do": "signal_all", "signal": signal.SIGKILL})

    def _send(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        with contextlib.suppress(OSError):  # a holder that has ended tells so by closing the channel
            messages.send(self._channel, message, descriptors)

    def socket(self) -> socket.socket:
        """A TCP socket of the sandbox's network, without blocking."""
        return tcp_socket(self._network)

    def close(self) -> None:
        """End the holder, and with it every process of the sandbox. May be called twice."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        if self._network is not None:
            os.close(self._network)
            self._network = None
        if self._reader is None:
            self._channel.close()

    async def wait_closed(self) -> None:
        """Wait until the holder is gone, after :meth:`close`."""
        if self._reader is not None:
            await self._reader
            self._reader = None
            self._channel.close()
        while _is_alive(self.pid):  # noqa: ASYNC110 - the zygote's child, not ours: no event tells its end
            await asyncio.sleep(0.002)


def _is_alive(pid: int) -> bool:
    """Whether the pid is there. It is a child of the zygote, so nothing but looking tells when it is gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def tcp_socket(network: int | None) -> socket.socket:
    """A TCP socket in a network namespace, or in this process's own.

    A socket stays in the namespace where it was made. The namespace is a property of a thread, so a short-lived one
    enters it.
    """
    if network is None:
        return _nonblocking_socket()
    made: list[socket.socket | OSError] = []

    def make() -> None:
        try:
            linux.setns(network, linux.CLONE_NEWNET)
            made.append(_nonblocking_socket())
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make, name="netns-socket")
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def _nonblocking_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.settimeout(0)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made
