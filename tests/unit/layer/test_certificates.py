"""The hashed directory of certificate authorities has the names by which OpenSSL looks."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi
import pytest

from deploy.layer.certificates import hashed_directory

# What `openssl x509 -subject_hash` of OpenSSL 3.0 prints; the names of /etc/ssl/certs on every Debian.
KNOWN = {
    "ISRG Root X1": "4042bcee",  # printable strings
    "NetLock Arany": "988a38cb",  # UTF-8, with letters beyond ASCII, which keep their case
    "Microsec e-Szigno Root CA 2009": "8160b96c",  # an IA5 string with an e-mail address
    "TWCA Root Certification Authority": "b7a5b843",
    "Certigna Root CA": "f51bb24c",
}


@pytest.fixture(scope="module")
def files():
    return hashed_directory(Path(certifi.where()).read_text())


def test_every_certificate_of_the_bundle_has_a_file(files):
    assert len(files) == Path(certifi.where()).read_text().count("BEGIN CERTIFICATE") > 50
    loaded = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    loaded.load_verify_locations(cadata=b"".join(files.values()).decode())
    assert loaded.cert_store_stats()["x509_ca"] == len(files)


@pytest.mark.parametrize("subject", KNOWN)
def test_a_file_is_named_as_openssl_names_it(files, subject):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    name = f"{KNOWN[subject]}.0"
    if name not in files:
        pytest.fail(f"{subject} is not in this certifi any more: take it out of the table")
    context.load_verify_locations(cadata=files[name].decode())
    assert subject in str(context.get_ca_certs()[0]["subject"])


def test_authorities_of_the_same_name_are_numbered():
    bundle = Path(certifi.where()).read_text()
    first = bundle[bundle.index("-----BEGIN") : bundle.index("-----END") + 25]
    assert [name[-2:] for name in hashed_directory(first + "\n" + first)] == [".0", ".1"]
