"""A tunnel through an HTTP proxy (RFC 9110, section 9.3.6), for exports over TLS or by gRPC. Loaded only for those."""

from __future__ import annotations

from time import monotonic

from extension.errors import ConnectError
from extension.http_client import request_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from extension.url import Endpoint, Proxy

_MOST_HEAD_BYTES = 16384


def open_tunnel(sock: _socket.socket, endpoint: Endpoint, proxy: Proxy, deadline: float) -> None:
    """Have `proxy`, at the other end of `sock`, connect it to `endpoint`. `deadline` is on the monotonic clock.

    Raises:
        ConnectError: it would not, or said nothing in time. The socket is closed then.
    """
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    where = f"{host}:{endpoint.port}"
    try:
        sock.settimeout(max(deadline - monotonic(), 0.001))
        sock.sendall(request_bytes("CONNECT", where, where, proxy.headers, b""))
        head = _read_head(sock)
    except OSError as error:
        sock.close()
        raise ConnectError(f"the proxy: {error}") from error
    fields = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(fields) < 2 or not fields[0].startswith(b"HTTP/1.") or not fields[1].startswith(b"2"):
        sock.close()
        raise ConnectError(f"the proxy answered {b' '.join(fields)[:80].decode('latin-1')!r} to CONNECT {where}")


def _read_head(sock: _socket.socket) -> bytes:
    """The head of the answer and not a byte more: what follows is TLS."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte or len(head) > _MOST_HEAD_BYTES:
            raise OSError("no answer to CONNECT")
        head += byte
    return head
