"""TCP relays: host names inside a sandbox that lead to addresses outside."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from emulator.errors import ScenarioError, StartupError
from emulator.faults import DELAY, REFUSE, RelayFault, active

_SPEC: Final = re.compile(r"(?P<name>[a-z][a-z0-9.-]*)(:(?P<port>[0-9]+))?=(?P<host>[^:\s]+):(?P<target>[0-9]+)")
_PLACEHOLDER: Final = re.compile(r"\$\{relay:(?P<name>[^}:]*)(:(?P<port>[^}]*))?\}")
_ADDRESS_BLOCK: Final = "192.0.2."
"""TEST-NET-1 of RFC 5737, which nobody routes."""
_CHUNK_BYTES: Final = 64 * 1024
_DROP_CHECK_S: Final = 0.05
"""How often it is looked whether a black hole is over."""


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """One ``--relay NAME[:PORT]=HOST:PORT``."""

    name: str
    port: int
    """Inside the sandbox."""
    host: str
    target_port: int


def parse(spec: str) -> RelayConfig:
    """Read a relay of the command line. Raises StartupError."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise StartupError(f"--relay {spec}: must be NAME=HOST:PORT or NAME:PORT=HOST:PORT")
    target_port = _port(spec, match["target"])
    port = target_port if match["port"] is None else _port(spec, match["port"])
    return RelayConfig(match["name"], port, match["host"], target_port)


def _port(spec: str, digits: str) -> int:
    if not 1 <= int(digits) <= 65_535:
        raise StartupError(f"--relay {spec}: {digits} is not a port")
    return int(digits)


def addresses(relays: Sequence[RelayConfig]) -> dict[str, str]:
    """The address inside a sandbox of each relay's name."""
    names = dict.fromkeys(relay.name for relay in relays)
    return {name: f"{_ADDRESS_BLOCK}{number}" for number, name in enumerate(names, start=1)}


def resolve(value: str, relays: Sequence[RelayConfig], *, inside: bool) -> str:
    """Put ``host:port`` in the place of each ``${relay:NAME}`` and ``${relay:NAME:PORT}``.

    ``inside``: the name and port in a sandbox's own network; else the target itself. Raises ScenarioError.
    """

    def replace(match: re.Match[str]) -> str:
        relay = _find(match["name"], match["port"], relays)
        return f"{relay.name}:{relay.port}" if inside else f"{relay.host}:{relay.target_port}"

    return _PLACEHOLDER.sub(replace, value)


def _find(name: str, port: str | None, relays: Sequence[RelayConfig]) -> RelayConfig:
    wanted = f"{name}:{port}" if port is not None else name
    found = [relay for relay in relays if relay.name == name and port in (None, str(relay.port))]
    if not found:
        raise ScenarioError(f"${{relay:{wanted}}} has no --relay {wanted}=HOST:PORT")
    if len(found) > 1:
        ports = ", ".join(str(relay.port) for relay in found)
        raise ScenarioError(f"${{relay:{wanted}}} is one of ports {ports}: write ${{relay:{name}:PORT}}")
    return found[0]


def hosts_file(relays: Sequence[RelayConfig], sandbox_address: str) -> str:
    """The text of ``/etc/hosts`` in a sandbox."""
    names: Mapping[str, str] = addresses(relays)
    lines = ["127.0.0.1 localhost", f"{sandbox_address} sandbox.localdomain sandbox"]
    lines += [f"{address} {name}" for name, address in names.items()]
    return "\n".join(lines) + "\n"


class Relay:
    """Relays each connection that a listening socket gets."""

    def __init__(self, config: RelayConfig, faults: Sequence[RelayFault] = (), started_s: float = 0.0) -> None:
        self._config = config
        self._faults = faults
        self._started_s = started_s
        """Of the loop's clock: what the faults' times count from."""
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, listener: socket.socket) -> None:
        """Begin to accept."""
        self._server = await asyncio.start_server(self._accept, sock=listener)

    async def close(self) -> None:
        """Stop, and reset what is connected."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._connections)
        self.close_connections()
        await asyncio.gather(*tasks, return_exceptions=True)

    def close_connections(self) -> None:
        """Close every connection, as a far end does that has waited for long enough."""
        for task in self._connections:
            task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._relay(reader, writer), name=f"relay-{self._config.name}")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            await self._suffer()
            far_reader, far_writer = await asyncio.open_connection(self._config.host, self._config.target_port)
            ends.append(far_writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, far_writer))
                both.create_task(self._pump(far_reader, writer))
        except* OSError:
            for end in ends:
                reset(end)
        finally:
            for end in ends:
                end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Copy one direction until its end, and pass that end on."""
        while data := await reader.read(_CHUNK_BYTES):
            await self._suffer()
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    async def _suffer(self) -> None:
        """Wait, or fail, as a fault of the moment has it. Raises ConnectionRefusedError."""
        loop = asyncio.get_running_loop()
        while fault := active(self._faults, loop.time() - self._started_s):
            if fault.kind == REFUSE:
                raise ConnectionRefusedError("refused by a fault of the scenario")
            if fault.kind == DELAY:
                await asyncio.sleep(fault.delay_ms / 1000)
                return
            await asyncio.sleep(_DROP_CHECK_S)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that its peer sees a reset rather than an end."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
