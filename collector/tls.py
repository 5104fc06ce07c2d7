"""Certificates of the ports: read from files, and again when they change."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from collector.errors import SetupError


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files.

    Attributes:
        certificate: the server's, with what leads to its authority.
        key: the certificate's private key.
        client_authority: certificates that clients must be signed by; None where clients need none.
    """

    certificate: Path
    key: Path
    client_authority: Path | None

    @property
    def _paths(self) -> list[Path]:
        return [path for path in (self.certificate, self.key, self.client_authority) if path is not None]

    def stamp(self) -> tuple[tuple[int, int, int], ...]:
        """Another one when a file has changed; the one of before while a file is away."""
        found = []
        for path in self._paths:
            try:
                status = path.stat()
            except OSError:
                return ()
            found.append((status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(found)

    def context(self, protocol: str = "") -> ssl.SSLContext:
        """For a server.

        Args:
            protocol: to agree on by ALPN; empty for none.

        Raises:
            SetupError: naming the file that cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if protocol == "h2":
            context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")  # of TLS 1.2: RFC 9113, 9.2.2, forbids the others
        if protocol:
            context.set_alpn_protocols([protocol])
        try:
            context.load_cert_chain(self.certificate, self.key)
            if self.client_authority is not None:
                context.load_verify_locations(self.client_authority)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            names = ", ".join(str(path) for path in self._paths)
            raise SetupError(f"TLS: {names}: {error.strerror or error}") from None
        return context
