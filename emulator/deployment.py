"""A function made ready to run: its layers merged, its placeholders filled in."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from emulator.clock import NS_PER_S
from emulator.environment import SandboxFacts
from emulator.functions import FunctionConfig
from emulator.runtimes import Runtime, runtime_version, runtime_version_arn
from emulator.telemetry.records import FunctionIdentity


@dataclass(frozen=True, slots=True)
class Deployment:
    """What every sandbox of a function needs."""

    config: FunctionConfig
    account_id: str
    region: str
    arn: str
    """Without version or alias."""
    runtime_name: str
    runtime: Runtime
    layer: Path
    """The merged layers."""
    extensions: tuple[str, ...]
    environment: dict[str, str]
    """The function's own variables."""

    @property
    def timeout_ns(self) -> int:
        """The function's timeout."""
        return round(self.config.timeout_s * NS_PER_S)

    def identity(self, instance_id: str, init_type: str) -> FunctionIdentity:
        """What the platform's records say of a sandbox."""
        return FunctionIdentity(
            name=self.config.name,
            version=self.config.version,
            memory_mb=self.config.memory_mb,
            instance_id=instance_id,
            initialization_type=init_type,
            runtime_version=runtime_version(self.runtime_name),
            runtime_version_arn=runtime_version_arn(self.runtime_name, self.region),
        )

    def sandbox_facts(
        self, identity: FunctionIdentity, runtime_api: str, task_root: str, layer_root: str
    ) -> SandboxFacts:
        """What the environment variables of a sandbox are made from."""
        today = dt.datetime.now(dt.UTC)
        return SandboxFacts(
            function=self.config.name,
            version=self.config.version,
            handler=self.config.handler,
            memory_mb=self.config.memory_mb,
            region=self.region,
            log_format=self.config.log_format,
            log_stream=f"{today:%Y/%m/%d}/[{self.config.version}]{identity.instance_id}",
            initialization_type=identity.initialization_type,
            max_concurrency=None if self.config.managed is None else self.config.managed.max_concurrency,
            execution_environment=self.runtime.execution_environment(),
            runtime_api=runtime_api,
            task_root=task_root,
            layer_root=layer_root,
        )
