"""How the emulator, the zygote and the holders talk: JSON objects over SOCK_SEQPACKET, with file descriptors."""

from __future__ import annotations

import array
import json
import socket
from typing import Any, Final

MAX_MESSAGE_BYTES: Final = 128 * 1024
_MAX_DESCRIPTORS: Final = 8


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends. Neither is inherited by a process that is executed."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(channel: socket.socket, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
    """Send one message. Raises OSError, for one that the other end has closed."""
    data = json.dumps(message, separators=(",", ":")).encode()
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    channel.sendmsg([data], ancillary)


def receive(channel: socket.socket, flags: int = 0) -> tuple[dict[str, Any] | None, list[int]]:
    """Receive one message and its descriptors, which then belong to the caller. None where the other end closed."""
    room = socket.CMSG_SPACE(_MAX_DESCRIPTORS * array.array("i").itemsize)
    data, ancillary, _, _ = channel.recvmsg(MAX_MESSAGE_BYTES, room, flags | socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    return (json.loads(data) if data else None), list(descriptors)
