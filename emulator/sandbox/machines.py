"""Which state machine a sandbox has: that of its kind."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable

from emulator.clock import NS_PER_MS
from emulator.deployment import Deployment
from emulator.lifecycle.extensions import Extensions
from emulator.lifecycle.machine import Lifecycle
from emulator.lifecycle.managed import ManagedLifecycle
from emulator.lifecycle.single import SingleLifecycle
from emulator.lifecycle.snapshot import SnapshotLifecycle
from emulator.telemetry.records import FunctionIdentity


def make(deployment: Deployment, identity: FunctionIdentity, used_memory_mb: Callable[[], int]) -> Lifecycle:
    """The state machine of a new sandbox."""
    config = deployment.config
    extensions = Extensions(
        deployment.extensions, new_identifier=lambda: str(uuid.uuid4()), is_managed=config.managed is not None
    )
    if config.managed is not None:
        return ManagedLifecycle(identity, deployment.timeout_ns, extensions, used_memory_mb, _new_span_id)
    if config.snap_start is not None:
        load_ns = round(config.snap_start.load_ms * NS_PER_MS)
        return SnapshotLifecycle(identity, deployment.timeout_ns, extensions, used_memory_mb, _new_span_id, load_ns)
    return SingleLifecycle(identity, deployment.timeout_ns, extensions, used_memory_mb, _new_span_id)


def _new_span_id() -> str:
    return secrets.token_hex(8)
