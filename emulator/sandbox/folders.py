"""The folders of one sandbox, and what its processes see of the machine."""

from __future__ import annotations

from pathlib import Path

from emulator import relay
from emulator.deployment import Deployment
from emulator.isolation.holder import HolderSettings
from emulator.runtimes import visible_folders
from emulator.sandbox.settings import SANDBOX_ADDRESS, SandboxSettings


def prepare(folder: Path, deployment: Deployment, settings: SandboxSettings) -> HolderSettings:
    """Make a sandbox's own folders, and describe what its holder is to set up. Raises OSError."""
    tmp = folder / "tmp"
    tmp.mkdir(parents=True)
    tmp.chmod(0o1777)
    hosts = folder / "hosts"
    hosts.write_text(relay.hosts_file(settings.relays, SANDBOX_ADDRESS), encoding="ascii")
    view = {
        "mount_point": str(settings.mount_point),
        "layer": str(deployment.layer),
        "code": str(deployment.config.code.resolve()),
        "tmp": str(tmp),
        "hosts": str(hosts),
        "visible": visible_folders(deployment.runtime),
    }
    addresses = [SANDBOX_ADDRESS, *relay.addresses(settings.relays).values()]
    return HolderSettings(settings.has_namespaces, addresses, "sandbox", settings.user, view)
