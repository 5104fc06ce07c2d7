"""Debian's packages, downloaded and unpacked into a folder: never installed, and no right needed beyond writing there.

apt gets a root of its own (lists, cache, an empty list of installed packages), so the machine's own packages are left
alone.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy.layer.errors import DebianError
from deploy.layer.interpreter import DPKG_LISTS

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES: Final = {"x86_64": ("amd64", "x86_64-linux-gnu"), "arm64": ("arm64", "aarch64-linux-gnu")}
"""Debian's names of an architecture: of packages, and of folders."""

KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
"""What releases are signed with (Debian: debian-archive-keyring)."""


def download(packages: Iterable[str], architecture: str, folder: Path, release: str = "") -> list[Path]:
    """Download `packages` for `architecture` (Lambda's name) below `folder`.

    Of `release` ("bullseye"), from where the machine's own apt gets its Debian; else of the machine's own.

    Raises:
        DebianError: apt is not there, or does not find them; the message has its words.
    """
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise DebianError(f"{program} is missing, so Debian's packages for {architecture} cannot be had")
    for part in ("state/lists/partial", "cache/archives/partial", "packages"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()
    options = {
        "APT::Architecture": NAMES[architecture][0],
        "APT::Architectures": NAMES[architecture][0],
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Dir::State": folder.resolve() / "state",
        "Dir::State::status": folder.resolve() / "status",
        "Dir::Cache": folder.resolve() / "cache",
    }
    if release:
        sources = folder.resolve() / "sources.list"
        sources.write_text(f"deb [signed-by={KEYRING}] {_mirror()} {release} main\n")
        options |= {"Dir::Etc::SourceList": sources, "Dir::Etc::SourceParts": "-"}
    apt = ["apt-get", "-qq", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    _run([*apt, "update"], folder, architecture)
    _run([*apt, "download", *packages], folder / "packages", architecture)
    return sorted((folder / "packages").glob("*.deb"))


def unpack(package: Path, root: Path) -> tuple[str, str]:
    """Unpack a package, and list its files where dpkg would; its name and version."""
    subprocess.run(["dpkg-deb", "-x", package, root], check=True, capture_output=True)
    fields = ("Package", "Version")
    shown = subprocess.run(["dpkg-deb", "-f", package, *fields], check=True, capture_output=True, text=True).stdout
    about = dict(line.split(": ", 1) for line in shown.splitlines())
    listed = subprocess.run(["dpkg-deb", "-c", package], check=True, capture_output=True, text=True).stdout
    names = [line.split(maxsplit=5)[5].partition(" -> ")[0].removeprefix(".") for line in listed.splitlines()]
    lists = root / DPKG_LISTS.relative_to("/")
    lists.mkdir(parents=True, exist_ok=True)
    (lists / f"{about['Package']}.list").write_text("\n".join(names) + "\n")
    with (lists.parent / "status").open("a") as status:
        status.write(f"Package: {about['Package']}\nStatus: install ok installed\nVersion: {about['Version']}\n\n")
    return about["Package"], about["Version"]


def _mirror() -> str:
    """Where apt has the machine's own Debian from; other releases are there too."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT)", "Created-By: Packages"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for line in shown.splitlines():
        address, _, component = line.partition(" ")
        if address.rstrip("/").endswith("/debian") and component == "main":
            return address
    raise DebianError("apt knows no archive of Debian, so no other release of it can be had")


def _run(command: list[str], folder: Path, architecture: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DebianError(f"Debian's packages for {architecture} cannot be had:\n{done.stderr.strip()}")
