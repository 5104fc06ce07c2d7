"""The programs of a sandbox: how the runtime and the extensions are started, what they print, what they use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from emulator import environment
from emulator.deployment import Deployment
from emulator.environment import SandboxFacts
from emulator.isolation.cgroups import ControlGroup
from emulator.isolation.client import Command, Holder
from emulator.isolation.root import LAYER_ROOT, TASK_ROOT
from emulator.logpipe import LogPipe
from emulator.memory import peak_memory_mb
from emulator.sandbox.settings import RUNTIME
from emulator.telemetry import records


class Programs:
    """The processes of one sandbox.

    Args:
        deployment: the function.
        facts: what their environment is made from, given the roots of the function's code and of its layers.
        holder: their parent.
        group: the limits that they have together.
        tmp: the sandbox's own folder for temporary files, as a path of the machine.
        on_line: gets kind, source and text of each line that one prints.
        has_namespaces: whether they see a file system of their own.
    """

    def __init__(
        self,
        deployment: Deployment,
        facts: Callable[[str, str], SandboxFacts],
        holder: Holder,
        group: ControlGroup,
        tmp: Path,
        on_line: Callable[[str, str, str], None],
        *,
        has_namespaces: bool,
    ) -> None:
        self._deployment = deployment
        self._facts = facts
        self._holder = holder
        self._group = group
        self._tmp = tmp
        self._on_line = on_line
        self._has_namespaces = has_namespaces
        self._logs: dict[str, LogPipe] = {}
        self._peak_memory_mb = 0
        self._kills_seen = 0

    async def start(self, name: str) -> None:
        """Execute an extension or the runtime. Raises IsolationError where that is not possible."""
        command, source = self._command(name)
        kind = records.FUNCTION_LOG if name == RUNTIME else records.EXTENSION_LOG
        log = LogPipe(lambda line: self._on_line(kind, source, line))
        self._logs[name] = log
        doors = self._group.open_doors()
        try:
            await self._holder.spawn(name, command, (log.write_end, log.write_end), doors)
        finally:
            log.close_write_end()
            for door in doors:
                os.close(door)

    def _command(self, name: str) -> tuple[Command, str]:
        task_root, layer_root = self._roots()
        variables = self._environment(task_root, layer_root)
        if name == RUNTIME:
            wanted = self._deployment.runtime.command(self._deployment.config.handler, variables, task_root, layer_root)
            return Command(wanted.argv, {**variables, **wanted.environment}, task_root), records.FUNCTION_LOG
        program = f"{layer_root}/extensions/{name}"
        folder = "/" if self._has_namespaces else layer_root
        return Command([program], environment.of_extension(variables), folder), name

    def _roots(self) -> tuple[str, str]:
        if self._has_namespaces:
            return TASK_ROOT, LAYER_ROOT
        return str(self._deployment.config.code.resolve()), str(self._deployment.layer)

    def _environment(self, task_root: str, layer_root: str) -> dict[str, str]:
        variables = environment.of_runtime(self._facts(task_root, layer_root), self._deployment.environment)
        if not self._has_namespaces:
            variables.setdefault("TMPDIR", str(self._tmp))
        return variables

    def drain_log(self, name: str) -> None:
        """Read what a program has printed by now: it comes before whatever is recorded next."""
        if name in self._logs:
            self._logs[name].drain()

    def freeze(self) -> None:
        """Stop every process."""
        self._holder.freeze()

    def thaw(self) -> None:
        """Undo :meth:`freeze`."""
        self._holder.thaw()

    def signal(self, name: str, number: int) -> None:
        """Signal one program and its group."""
        self._holder.signal(name, number)

    def kill_all(self) -> None:
        """Kill every process, whatever the programs have started; their end is not told. The sandbox stays."""
        self.used_memory_mb()
        self._holder.kill_all()
        self.close_logs()

    def take_out_of_memory(self) -> bool:
        """Whether the kernel has killed a process for want of memory since the last call."""
        kills = self._group.out_of_memory_kills()
        seen, self._kills_seen = self._kills_seen, kills
        return kills > seen

    def ran_out_of_memory(self) -> None:
        """What was killed for want of memory can't be asked any more; it had all that there is."""
        self._peak_memory_mb = max(self._peak_memory_mb, self._deployment.config.memory_mb)

    def close_logs(self) -> None:
        """Read what was printed to the end."""
        for log in self._logs.values():
            log.drain()
            log.close()
        self._logs.clear()

    def used_memory_mb(self) -> int:
        """The most memory seen so far."""
        self._peak_memory_mb = max(self._peak_memory_mb, peak_memory_mb(self._holder.pid))
        return self._peak_memory_mb
