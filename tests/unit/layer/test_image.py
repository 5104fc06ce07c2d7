"""The layer as a container image: by the rules of the OCI's Image Format Specification 1.1, and what is in it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zipfile

import pytest

from deploy.layer.archive import write_zip
from deploy.layer.image import main, write_image


@pytest.fixture
def layer_zip(tmp_path):
    """A small layer."""
    root = tmp_path / "root"
    names = ("extensions/lambdascope", "lambdascope/bin/python3", "lambdascope/ca/none")
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
        (root / name).chmod(0o644 if name.endswith("none") else 0o755)
    target = tmp_path / "layer-arm64.zip"
    write_zip(target, {name: root / name for name in names})
    return target


def content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(entry)
    return file.read() if file else b""


class Image:
    """An image, read as an engine reads it: from the index, by digests."""

    def __init__(self, file):
        with tarfile.open(file) as archive:
            self.files = {entry.name: content(archive, entry) for entry in archive if entry.isfile()}
        assert json.loads(self.files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
        (self.reference,) = json.loads(self.files["index.json"])["manifests"]
        self.manifest = json.loads(self.blob(self.reference))
        self.config = json.loads(self.blob(self.manifest["config"]))
        (compressed,) = [self.blob(layer) for layer in self.manifest["layers"]]
        self.layer = gzip.decompress(compressed)

    def blob(self, descriptor):
        algorithm, digest = descriptor["digest"].split(":")
        blob = self.files[f"blobs/{algorithm}/{digest}"]
        assert (hashlib.sha256(blob).hexdigest(), len(blob)) == (digest, descriptor["size"])
        return blob

    def members(self):
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as archive:
            return [(entry, content(archive, entry)) for entry in archive.getmembers()]


def test_holds_the_files_of_the_zip_below_opt_with_their_modes(layer_zip, tmp_path):
    write_image(layer_zip, "arm64", tmp_path / "image.tar")
    members = Image(tmp_path / "image.tar").members()
    with zipfile.ZipFile(layer_zip) as archive:
        expected = {
            f"opt/{entry.filename}": (entry.external_attr >> 16 & 0o777, archive.read(entry))
            for entry in archive.infolist()
        }
    folders = {entry.name for entry, _ in members if entry.isdir()}
    assert {entry.name: (entry.mode, data) for entry, data in members if entry.isfile()} == expected
    assert folders == {"opt", "opt/extensions", "opt/lambdascope", "opt/lambdascope/bin", "opt/lambdascope/ca"}
    assert {(entry.uid, entry.gid) for entry, _ in members} == {(0, 0)}


def test_says_what_it_is_for(layer_zip, tmp_path):
    write_image(layer_zip, "arm64", tmp_path / "image.tar")
    image = Image(tmp_path / "image.tar")
    assert (image.config["architecture"], image.config["os"]) == ("arm64", "linux")
    assert image.config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(image.layer).hexdigest()}"]
    assert image.reference["annotations"] == {"org.opencontainers.image.ref.name": "lambdascope:arm64"}


def test_docker_load_finds_the_same_image(layer_zip, tmp_path):
    """Its manifest names the configuration, the tags and the layers by their paths in the archive."""
    write_image(layer_zip, "arm64", tmp_path / "image.tar")
    image = Image(tmp_path / "image.tar")
    (entry,) = json.loads(image.files["manifest.json"])
    descriptors = [image.manifest["config"], *image.manifest["layers"]]
    paths = ["blobs/" + descriptor["digest"].replace(":", "/") for descriptor in descriptors]
    assert [entry["Config"], *entry["Layers"]] == paths
    assert entry["RepoTags"] == ["lambdascope:arm64"]


def test_the_same_zip_gives_the_same_bytes(layer_zip, tmp_path):
    write_image(layer_zip, "arm64", tmp_path / "one.tar")
    os.utime(layer_zip, (10**9, 10**9))
    write_image(layer_zip, "arm64", tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_the_command_writes_it_beside_the_zip_and_names_what_is_missing(layer_zip, capsys):
    assert main([str(layer_zip)]) == 0
    assert layer_zip.with_name("layer-arm64.image.tar").is_file()
    assert main([str(layer_zip.with_name("layer-x86_64.zip"))]) == 1
    assert "run `make layer`" in capsys.readouterr().err
