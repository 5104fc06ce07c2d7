"""The layer's bill of materials: which software is in it, of which version, and which of its files came with it. Pure.

Format: SPDX 2.3 as JSON (https://spdx.github.io/spdx-spec/v2.3/). The same contents give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NAME: Final = "sbom.spdx.json"
NOT_TOLD: Final = "NOASSERTION"

_LAYER_ID: Final = "SPDXRef-Layer"
_NO_ID: Final = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class Component:
    """Software that is a part of the layer.

    Attributes:
        name: as its makers, or the Debian package, call it.
        version: in full.
        purl: package URL (https://github.com/package-url/purl-spec); empty where there is none.
        licence: SPDX expression, or NOASSERTION where only the text in ``licenses/`` tells.
        files: names of files and, ending in "/", of folders in the zip.
    """

    name: str
    version: str
    purl: str
    licence: str
    files: tuple[str, ...]

    @property
    def identifier(self) -> str:
        """Its SPDX id."""
        return f"SPDXRef-{_NO_ID.sub('-', self.name)}"


def document(
    architecture: str,
    version: str,
    components: Iterable[Component],
    files: Mapping[str, bytes],
    created: time.struct_time,
) -> bytes:
    """The document for a layer of this architecture and version with these `files` (name in the zip to content)."""
    components = sorted(components, key=lambda component: component.name)
    entries = [_file(name, content) for name, content in sorted(files.items())]
    digest = hashlib.sha256(json.dumps(entries).encode()).hexdigest()
    whole = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"lambdascope-layer-{architecture}-{version}",
        "documentNamespace": f"urn:lambdascope:layer:{architecture}:{digest}",
        "creationInfo": {
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", created),
            "creators": ["Tool: lambdascope-layer"],
        },
        "packages": [
            _package(_LAYER_ID, f"lambdascope-layer-{architecture}", version, NOT_TOLD, ""),
            *(_package(each.identifier, each.name, each.version, each.licence, each.purl) for each in components),
        ],
        "files": entries,
        "relationships": list(_relationships(components, files)),
    }
    return (json.dumps(whole, indent=1, ensure_ascii=True) + "\n").encode()


def _package(identifier: str, name: str, version: str, licence: str, purl: str) -> dict[str, object]:
    reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
    return {
        "SPDXID": identifier,
        "name": name,
        "versionInfo": version,
        "downloadLocation": NOT_TOLD,
        "filesAnalyzed": False,
        "licenseConcluded": NOT_TOLD,
        "licenseDeclared": licence,
        "copyrightText": NOT_TOLD,
        **({"externalRefs": [reference]} if purl else {}),
    }


def _file_id(name: str) -> str:
    return f"SPDXRef-File-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _file(name: str, content: bytes) -> dict[str, object]:
    return {
        "SPDXID": _file_id(name),
        "fileName": f"./{name}",
        "checksums": [
            {"algorithm": "SHA1", "checksumValue": hashlib.sha1(content, usedforsecurity=False).hexdigest()},
            {"algorithm": "SHA256", "checksumValue": hashlib.sha256(content).hexdigest()},
        ],
        "licenseConcluded": NOT_TOLD,
        "copyrightText": NOT_TOLD,
    }


def _relationships(components: list[Component], files: Mapping[str, bytes]) -> Iterator[dict[str, str]]:
    yield _relationship("SPDXRef-DOCUMENT", "DESCRIBES", _LAYER_ID)
    for component in components:
        yield _relationship(_LAYER_ID, "CONTAINS", component.identifier)
    for name in sorted(files):
        owner = owner_of(name, components)
        yield _relationship(owner.identifier if owner else _LAYER_ID, "CONTAINS", _file_id(name))


def owner_of(name: str, components: Iterable[Component]) -> Component | None:
    """The component that a file belongs to: that with the longest of the names that fit; None for the layer itself."""
    fits = [
        (len(part), component)
        for component in components
        for part in component.files
        if name == part or (part.endswith("/") and name.startswith(part))
    ]
    return max(fits, key=lambda fit: fit[0])[1] if fits else None


def _relationship(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
