"""TLS for the export. Imported only where the endpoint is https, since ``ssl`` costs 18 ms of processor time."""

from __future__ import annotations

import socket
import ssl

from extension.errors import ConnectError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

_contexts: dict[tuple[str, str], ssl.SSLContext] = {}
"""Reading the authorities takes milliseconds; a context serves every connection."""


def wrap(sock: _socket.socket, host: str, certificate: str, protocol: str) -> ssl.SSLSocket:
    """TLS over a connected socket, which belongs to the result from then on; :func:`shake_hands` must follow.

    Args:
        sock: connected.
        host: whose certificate is expected.
        certificate: path of a PEM file of authorities; empty takes the system's.
        protocol: what is spoken over it, by its name in ALPN (RFC 7301).

    Raises:
        ConnectError: the file cannot be read, or the name is none.
    """
    stream = socket.socket(fileno=sock.detach())
    try:
        context = _context(certificate, protocol)
        return context.wrap_socket(stream, server_hostname=host, do_handshake_on_connect=False)
    except (OSError, ValueError) as error:
        stream.close()
        raise ConnectError(f"TLS with {host}: {error}") from error


def shake_hands(stream: ssl.SSLSocket, host: str, timeout_s: float) -> None:
    """Begin to speak TLS; the host's name is verified.

    Raises:
        ConnectError: the handshake failed; the socket is closed.
    """
    try:
        stream.settimeout(max(timeout_s, 0.001))
        stream.do_handshake()
    except (OSError, ValueError) as error:
        stream.close()
        raise ConnectError(f"TLS with {host}: {error}") from error


def _context(certificate: str, protocol: str) -> ssl.SSLContext:
    context = _contexts.get((certificate, protocol))
    if context is None:
        context = ssl.create_default_context(cafile=certificate or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols([protocol])
        _contexts[certificate, protocol] = context
    return context
