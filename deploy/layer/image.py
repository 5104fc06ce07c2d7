"""``make layer-image``: the layer as a container image, for functions that are container images themselves.

It holds /opt and nothing else, to be copied from: ``COPY --from=lambdascope:x86_64 /opt /opt``. The file is an OCI
image layout in a tar archive, with the manifest that ``docker load`` also takes; no container engine is needed.
Sources: OCI Image Format Specification 1.1 (image-layout, manifest, config); Docker Image Specification 1.2.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tarfile
import time
import zipfile
from calendar import timegm
from pathlib import Path, PurePosixPath
from typing import Final

from deploy.layer.archive import moment
from deploy.layer.build import NAME

ARCHITECTURES: Final = {"x86_64": "amd64", "arm64": "arm64"}
"""OCI's names of Lambda's architectures: those of GOARCH."""

_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
_REFERENCE: Final = "org.opencontainers.image.ref.name"


def write_image(layer_zip: Path, architecture: str, target: Path) -> None:
    """Write the image of a layer's zip file to `target`; the same bytes for the same zip file."""
    created = moment()
    files = _root_tar(layer_zip, created)
    compressed = gzip.compress(files, compresslevel=9, mtime=0)
    config = _json({
        "architecture": ARCHITECTURES[architecture],
        "os": "linux",
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", created),
        "config": {"Labels": {"org.opencontainers.image.title": NAME}},
        "rootfs": {"type": "layers", "diff_ids": [_digest(files)]},
        "history": [{"created_by": layer_zip.name}],
    })  # fmt: skip
    manifest = _json({
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _descriptor(_CONFIG, config),
        "layers": [_descriptor(_LAYER, compressed)],
    })  # fmt: skip
    tag = f"{NAME}:{architecture}"
    index = {"schemaVersion": 2, "manifests": [{**_descriptor(_MANIFEST, manifest), "annotations": {_REFERENCE: tag}}]}
    for_docker = [{"Config": _blob(config), "RepoTags": [tag], "Layers": [_blob(compressed)]}]
    entries = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json(index),
        "manifest.json": _json(for_docker),
        **{_blob(content): content for content in (config, manifest, compressed)},
    }
    partial = target.with_name(target.name + ".partial")
    partial.write_bytes(_tar({name: (content, 0o644) for name, content in entries.items()}, created))
    partial.replace(target)


def _root_tar(layer_zip: Path, created: time.struct_time) -> bytes:
    with zipfile.ZipFile(layer_zip) as archive:
        entries = {
            f"opt/{entry.filename}": (archive.read(entry), entry.external_attr >> 16 & 0o777)
            for entry in archive.infolist()
        }
    return _tar(entries, created)


def _tar(files: dict[str, tuple[bytes, int]], created: time.struct_time) -> bytes:
    """An archive of `files` (content and mode by name) with their folders, in the order of their names."""
    folders = {str(folder) for name in files for folder in PurePosixPath(name).parents if str(folder) != "."}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted({*folders, *files}):
            content, mode = files.get(name, (b"", 0o755))
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.DIRTYPE if name in folders else tarfile.REGTYPE
            entry.size, entry.mode, entry.mtime = len(content), mode, timegm(created)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _blob(content: bytes) -> str:
    return "blobs/" + _digest(content).replace(":", "/")


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def main(arguments: list[str]) -> int:
    """Write the image of dist/layer-ARCHITECTURE.zip beside it; the exit status."""
    layer_zip = Path(arguments[0])
    architecture = layer_zip.stem.removeprefix("layer-")
    if not layer_zip.is_file() or architecture not in ARCHITECTURES:
        print(f"layer-image: {layer_zip} is no layer of a known architecture: run `make layer`", file=sys.stderr)
        return 1
    target = layer_zip.with_suffix(".image.tar")
    write_image(layer_zip, architecture, target)
    print(f"layer: {target} holds the image {NAME}:{architecture} ({target.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
