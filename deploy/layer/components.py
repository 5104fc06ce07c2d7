"""What the layer is made of, as its bill of materials names it: found out on the build machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy.layer.licences import packages_of
from deploy.layer.sbom import NOT_TOLD, Component

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.layer.interpreter import Interpreter

_DEBIAN: Final = {"x86_64": "amd64", "arm64": "arm64"}
_OWN: Final = (
    "extensions/",
    "lambdascope/wrapper",
    "lambdascope/proxy",
    "lambdascope/probe/",
    "lambdascope/lib/python{version}/extension/",
    "lambdascope/lib/python{version}/semconv/",
    "lambdascope/licenses/lambdascope.txt",
)
_PYTHON: Final = ("lambdascope/bin/", "lambdascope/lib/python{version}/", "lambdascope/licenses/python.txt")


def components_of(
    interpreter: Interpreter, libraries: Mapping[str, Path], ca_bundle: Path, version: str, architecture: str
) -> list[Component]:
    """Everything that is bundled. `libraries`: file name in the layer to file; `version`: Lambdascope's."""
    python = tuple(part.format(version=interpreter.version) for part in _PYTHON)
    shared = tuple(f"lambdascope/lib/{name}" for name in libraries if name.startswith("libpython"))
    full = interpreter.full_version
    return [
        Component(
            "lambdascope", version, "", "Apache-2.0", tuple(part.format(version=interpreter.version) for part in _OWN)
        ),
        Component("cpython", full, f"pkg:generic/python@{full}", "PSF-2.0", (*python, *shared)),
        _authorities(ca_bundle),
        *_packages(interpreter, libraries, architecture),
    ]


def _authorities(bundle: Path) -> Component:
    """Mozilla's list, as certifi or pip's copy of it has it."""
    names = [folder.name for folder in sorted(bundle.parent.parent.glob("certifi-*.dist-info"))]
    version = names[0].removeprefix("certifi-").removesuffix(".dist-info") if names else NOT_TOLD
    purl = f"pkg:pypi/certifi@{version}" if names else ""
    return Component("certifi", version, purl, "MPL-2.0", ("lambdascope/ca/", "lambdascope/licenses/certifi.txt"))


def authorities_licence(bundle: Path) -> dict[str, Path]:
    """The licence of the authorities' list, where certifi brings it."""
    texts = sorted(bundle.parent.parent.glob("certifi-*.dist-info/**/LICENSE*"))
    return {"certifi.txt": texts[0]} if texts else {}


def _packages(interpreter: Interpreter, libraries: Mapping[str, Path], architecture: str) -> list[Component]:
    others = {name: file for name, file in libraries.items() if not name.startswith("libpython")}
    owners = packages_of(others.values(), interpreter.root)
    versions = _versions(interpreter.root / "var/lib/dpkg/status")
    files: dict[str, list[str]] = {}
    for name, file in others.items():
        files.setdefault(owners[file] or name, []).append(f"lambdascope/lib/{name}")
    found = []
    for package, names in files.items():
        version = versions.get(package, NOT_TOLD)
        known = package in versions
        purl = f"pkg:deb/debian/{package}@{version}?arch={_DEBIAN[architecture]}" if known else ""
        licence = f"lambdascope/licenses/{package}.txt"
        found.append(Component(package, version, purl.replace("+", "%2B"), NOT_TOLD, (*names, licence)))
    return found


def _versions(status: Path) -> dict[str, str]:
    """The version of each installed package."""
    if not status.is_file():
        return {}
    found: dict[str, str] = {}
    package = ""
    for line in status.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("Package: "):
            package = line.removeprefix("Package: ")
        elif line.startswith("Version: "):
            found[package] = line.removeprefix("Version: ")
    return found
