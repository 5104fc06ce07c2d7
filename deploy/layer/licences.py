"""Licence texts of what is bundled, taken from where the build machine keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy.layer.interpreter import DPKG_LISTS

if TYPE_CHECKING:
    from collections.abc import Iterable

DOCUMENTATION: Final = Path("/usr/share/doc")


def licences_of(
    libraries: Iterable[Path],
    lists: Path = DPKG_LISTS,
    documentation: Path = DOCUMENTATION,
    root: Path = Path("/"),
) -> tuple[dict[str, Path], list[Path]]:
    """The licences of libraries that came with Debian packages, by file name; and the libraries without one.

    A library that was built on this machine, or came with another kind of package, is among the latter.
    `root` is the file system that the lists are about.
    """
    owners = _packages(libraries, lists, root)
    found: dict[str, Path] = {}
    without: list[Path] = []
    for library, package in sorted(owners.items()):
        text = documentation / package / "copyright"
        if package and text.is_file():
            found[f"{package}.txt"] = text
        else:
            without.append(library)
    return found, without


def packages_of(libraries: Iterable[Path], root: Path = Path("/")) -> dict[Path, str]:
    """The Debian package of each library in the file system at `root`; "" where it came with none."""
    return _packages(libraries, root / DPKG_LISTS.relative_to("/"), root)


def _packages(libraries: Iterable[Path], lists: Path, root: Path) -> dict[Path, str]:
    installed = {_installed_name(Path("/") / library.relative_to(root.resolve())): library for library in libraries}
    return _owners(installed, lists)


def _installed_name(library: Path) -> str:
    """The name without ``/usr``: since Debian merged the two, a package may list either."""
    return str(library).removeprefix("/usr")


def _owners(libraries: dict[str, Path], lists: Path) -> dict[Path, str]:
    """Each library's package; "" where none has it."""
    owners = dict.fromkeys(libraries.values(), "")
    for listing in sorted(lists.glob("*.list")):
        for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
            library = libraries.get(line.removeprefix("/usr"))
            if library is not None:
                owners[library] = listing.stem.partition(":")[0]
    return owners
