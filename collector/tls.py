"""Certificates of the ports: read from files, and again when they change."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

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

    def context(self) -> ssl.SSLContext:
        """For a server of ours.

        Raises:
            SetupError: naming the file that cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key)
            if self.client_authority is not None:
                context.load_verify_locations(self.client_authority)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            names = ", ".join(str(path) for path in self._paths)
            raise SetupError(f"TLS: {names}: {error.strerror or error}") from None
        return context

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        authority = self.client_authority.read_bytes() if self.client_authority else None
        return grpc.ssl_server_certificate_configuration([pair], authority)

    def credentials(self) -> grpc.ServerCredentials:
        """For the gRPC server, which asks for the files at every handshake."""
        seen = self.stamp()

        def changed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal seen
            stamp = self.stamp()
            if not stamp or stamp == seen:
                return None
            try:
                self.context()  # a key that is not its certificate's, halfway through a change: wait for the rest
                configuration = self._configuration()
            except (SetupError, OSError):
                return None
            seen = stamp
            return configuration

        return grpc.dynamic_ssl_server_credentials(
            self._configuration(),
            changed,  # type: ignore[arg-type]  # None is for "as before", which the stubs do not know
            require_client_authentication=self.client_authority is not None,
        )
